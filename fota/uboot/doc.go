// Package uboot drives the slots of a machine that U-Boot starts, through its
// environment, which fw_printenv and fw_setenv read and write (libubootenv, or
// U-Boot's own tools).
//
// It knows variables and what the usual boot scripts do with them. It must not know
// images, nor how an update goes on.
//
// # Schemes
//
// Order, which RAUC's boot scripts have as well: BOOT_ORDER="A B" has the slots that
// may be booted, the first one first; BOOT_A_LEFT is how many attempts a slot has
// left. The script takes the first slot of the order with attempts left, takes one
// off, saves the environment and boots it.
//
// Bootcount, which is U-Boot's own (doc/README.bootcount; CONFIG_BOOTCOUNT_LIMIT with
// CONFIG_BOOTCOUNT_ENV): a variable has the slot to boot. While upgrade_available is
// 1, U-Boot counts each start in bootcount and saves the environment; beyond
// bootlimit it runs altbootcmd in place of bootcmd, which has to set the variable to
// the other slot, upgrade_available and bootcount to 0, and save. Slots that must not
// be booted are in the variable whose name ends in "_bad"; while there is one,
// nothing is counted, so that altbootcmd is not run.
//
// A change is one run of fw_setenv. With two copies of the environment it is there
// as a whole or not at all.
package uboot

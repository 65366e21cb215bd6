// Package fota is the place of firmware updates: a journaled state machine that
// downloads, verifies, installs, switches, confirms and rolls back, over slot
// back ends (RAUC, SWUpdate, U-Boot and GRUB environments, sysupgrade).
//
// It will know packages and slots; it must not know CoAP, nor of LwM2M more than
// the numbers of State and Update Result. Nothing is here yet.
package fota

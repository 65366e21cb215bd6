// Package rig runs programs on an emulated ARM board: QEMU's sabrelite (i.MX 6Quad) under Debian's own armhf kernel, with a real I2C bus,
// two sensors on it, GPIO lines, a watchdog and a network, all of which a test can change and watch from outside. It knows QEMU, the
// board and its sensors, and nothing of the agent.
//
// It also runs emulated machines with two slots: a PC with GRUB and an ARM machine with U-Boot, systems for the slots, and a power that can
// be cut.
//
// Tests that use it run with the build tag rig, for which ./dev test installs the emulator. Software emulation is enough; root is not needed.
package rig

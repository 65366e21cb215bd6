// Package host asks the operating system about itself and has it do things:
// identity, memory, time, power supplies, boots, network interfaces; reboot,
// setting the clock. Linux only, in a systemd and an OpenWrt variant.
//
// It knows files below /proc, /sys and /etc, netlink, D-Bus and a few programs.
// It knows no LwM2M and keeps no state.
//
// Functions that read take the root of the file system, so that tests give them
// another one; Root is the real one.
package host

import (
	"io/fs"
	"os"
)

// Root returns the file system of this machine.
func Root() fs.FS { return machine{os.DirFS("/").(rooted)} } //nolint:forcetypeassert // DirFS says that it is all of them

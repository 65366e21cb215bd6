package host

import "io/fs"

// Identity is what a machine says about itself; "" where it says nothing.
type Identity struct {
	Manufacturer string
	Model        string
	Serial       string
	Hardware     string // version
}

// ReadIdentity reads DMI (/sys/class/dmi/id) or the device tree
// (/proc/device-tree). Place-holders that makers leave behind count as nothing.
func ReadIdentity(root fs.FS) Identity { return Identity{} }

// Release is an operating system's name and version.
type Release struct {
	ID      string // "debian", "openwrt"
	Name    string // "Debian GNU/Linux"
	Version string // "13", "23.05.3"
	Build   string // VERSION_CODENAME, BUILD_ID or the OpenWrt revision; "" if unknown
	Board   string // OpenWrt target: "ath79/generic"; "" elsewhere
	Kernel  string // "6.1.0-18-amd64"
}

// ReadRelease reads /etc/os-release (or /usr/lib/os-release),
// /etc/openwrt_release and the kernel's version.
func ReadRelease(root fs.FS) Release { return Release{} }

// MachineID returns an identifier of this machine that is particular to an
// application, given by its own 128-bit identifier: machine-id(5) asks not to
// show the machine ID itself. It is 32 hexadecimal digits, equal to what systemd's
// sd_id128_get_machine_app_specific gives.
func MachineID(root fs.FS, application [16]byte) (string, error) { return "", nil }

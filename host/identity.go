package host

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"
)

// Identity is what a machine says about itself; "" where it says nothing.
type Identity struct {
	Manufacturer string
	Model        string
	Serial       string
	Hardware     string // version
}

// ReadIdentity reads DMI (/sys/class/dmi/id), the device tree
// (/proc/device-tree) or what OpenWrt found out (/tmp/sysinfo). Place-holders
// that makers leave behind count as nothing. The serial number of DMI can be
// read by root only.
func ReadIdentity(root fs.FS) Identity {
	if exists(root, dmi) {
		return Identity{
			Manufacturer: said(root, dmi+"/sys_vendor", dmi+"/board_vendor"),
			Model:        said(root, dmi+"/product_name", dmi+"/board_name"),
			Serial:       said(root, dmi+"/product_serial", dmi+"/board_serial"),
			Hardware:     said(root, dmi+"/product_version", dmi+"/board_version"),
		}
	}
	id := Identity{
		Model:  said(root, tree+"/model", "tmp/sysinfo/model"),
		Serial: said(root, tree+"/serial-number"),
	}
	// "raspberrypi,4-model-b" and more general ones, each ended by a NUL
	compatible, _, _ := strings.Cut(text(root, tree+"/compatible"), "\x00")
	if maker, _, ok := strings.Cut(compatible, ","); ok {
		id.Manufacturer = maker
	}
	id.Hardware = revision(id.Model)
	return id
}

const (
	dmi  = "sys/class/dmi/id"
	tree = "proc/device-tree"
)

// revision returns what a device tree's model that ends in "… Rev 1.2" says
// after the word, "" if it does not.
func revision(model string) string {
	i := strings.LastIndex(strings.ToLower(model), " rev")
	if i < 0 {
		return ""
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(model[i+len(" rev"):], "."), " ")
	if rest == "" || rest[0] < '0' || rest[0] > '9' || strings.ContainsAny(rest, " \t") {
		return ""
	}
	return rest
}

// said returns the text of the first file that says something.
func said(root fs.FS, files ...string) string {
	for _, name := range files {
		if s := text(root, name); s != "" && !placeholders[strings.ToLower(s)] && strings.Trim(s, "0.-xX ") != "" {
			return s
		}
	}
	return ""
}

// placeholders are what board makers leave in DMI.
var placeholders = map[string]bool{
	"to be filled by o.e.m.": true, "to be filled by o.e.m": true, "system manufacturer": true, "system product name": true,
	"system serial number": true, "system version": true, "default string": true, "none": true, "not specified": true,
	"not applicable": true, "not available": true, "n/a": true, "unknown": true, "invalid": true, "o.e.m.": true, "oem": true,
	"0123456789": true, "123456789": true, "1234567890": true, "type1productconfigid": true, "empty": true, "undefined": true,
}

// Release is an operating system's name and version.
type Release struct {
	ID      string // "debian", "openwrt"
	Name    string // "Debian GNU/Linux"
	Version string // "13", "23.05.3"; of an image its own: IMAGE_VERSION
	Build   string // BUILD_ID or VERSION_CODENAME, for OpenWrt the revision; "" if unknown
	Board   string // OpenWrt target: "ath79/generic"; "" elsewhere
	Kernel  string // "6.1.0-18-amd64"
}

// ReadRelease reads /etc/os-release (or /usr/lib/os-release),
// /etc/openwrt_release and the kernel's version.
func ReadRelease(root fs.FS) Release {
	b, err := read(root, "etc/os-release")
	if err != nil {
		b, _ = read(root, "usr/lib/os-release")
	}
	system := assignments(b)
	b, _ = read(root, "etc/openwrt_release")
	openwrt := assignments(b)
	return Release{
		ID:      first(system["ID"], strings.ToLower(openwrt["DISTRIB_ID"])),
		Name:    first(system["NAME"], openwrt["DISTRIB_ID"]),
		Version: first(openwrt["DISTRIB_RELEASE"], system["IMAGE_VERSION"], system["VERSION_ID"], system["VERSION"]),
		Build:   first(openwrt["DISTRIB_REVISION"], system["BUILD_ID"], system["VERSION_CODENAME"]),
		Board:   openwrt["DISTRIB_TARGET"],
		Kernel:  text(root, "proc/sys/kernel/osrelease"),
	}
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// ErrNoMachineID reports a machine without machine-id(5), such as a router with
// OpenWrt.
var ErrNoMachineID = errors.New("this machine has no machine ID")

// MachineID returns an identifier of this machine that is particular to an
// application, given by its own 128-bit identifier: machine-id(5) asks not to
// show the machine ID itself. It is 32 hexadecimal digits, equal to what
// sd_id128_get_machine_app_specific(3) gives: the first half of HMAC-SHA256,
// marked as a UUID of version 4.
func MachineID(root fs.FS, application [16]byte) (string, error) {
	key, err := hex.DecodeString(first(text(root, "etc/machine-id"), text(root, "var/lib/dbus/machine-id")))
	if err != nil || len(key) != 16 {
		return "", ErrNoMachineID
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(application[:])
	id := mac.Sum(nil)[:16]
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return hex.EncodeToString(id), nil
}

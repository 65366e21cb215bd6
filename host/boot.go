package host

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// ResetReason is why the machine last started.
type ResetReason string

// The reasons.
const (
	ResetUnknown  ResetReason = ""
	ResetPowerOn  ResetReason = "power on"
	ResetWatchdog ResetReason = "watchdog"
	ResetThermal  ResetReason = "overheated"
	ResetPower    ResetReason = "power fault"
	ResetSoftware ResetReason = "software" // reboot in order
	ResetPanic    ResetReason = "kernel panic"
	ResetExternal ResetReason = "external" // reset line or button
)

// Boot is the present run of the machine.
type Boot struct {
	ID     string        // differs for each boot: /proc/sys/kernel/random/boot_id
	Uptime time.Duration // since the kernel started, sleep included
	Reason ResetReason   // of the start, as far as the machine tells
	Source string        // where the reason is from: "watchdog0", "pstore"; "" if unknown
}

// BootID returns what differs for each boot, "" if this machine does not tell it.
func BootID(root fs.FS) string { return text(root, "proc/sys/kernel/random/boot_id") }

// ReadBoot reads uptime, boot ID and the reset reason. That reason comes, the
// first that says something, from crash logs of the kernel (/sys/fs/pstore), from
// the reset controller (power_on_reason) or from the watchdog (bootstatus).
func ReadBoot(root fs.FS) (Boot, error) {
	uptime, _, _ := strings.Cut(text(root, "proc/uptime"), " ")
	seconds, err := strconv.ParseFloat(uptime, 64)
	if err != nil {
		return Boot{}, fmt.Errorf("read uptime: %w", err)
	}
	b := Boot{ID: BootID(root), Uptime: time.Duration(seconds * float64(time.Second))}
	for _, ask := range []func(fs.FS) (ResetReason, string){panicked, controller, watchdog} {
		if b.Reason, b.Source = ask(root); b.Reason != ResetUnknown {
			return b, nil
		}
	}
	b.Source = ""
	return b, nil
}

// panicked looks for what a kernel that crashed has left.
func panicked(root fs.FS) (ResetReason, string) {
	for _, name := range names(root, "sys/fs/pstore") {
		if strings.HasPrefix(name, "dmesg-") {
			return ResetPanic, "pstore"
		}
	}
	return ResetUnknown, ""
}

// controllerReasons are the words of power_on_reason (the kernel's
// sysfs-platform-power-on-reason).
var controllerReasons = map[string]ResetReason{
	"regular power-up":    ResetPowerOn,
	"RTC wakeup":          ResetPowerOn,
	"watchdog timeout":    ResetWatchdog,
	"software reset":      ResetSoftware,
	"user reset":          ResetExternal,
	"user/external reset": ResetExternal,
	"brown-out reset":     ResetPower,
}

// controller asks every platform device. The kernel lists them all in one folder; going through the tree of sys/devices takes a small
// machine seconds.
func controller(root fs.FS) (ResetReason, string) {
	const devices = "sys/bus/platform/devices"
	for _, name := range names(root, devices) {
		if reason := controllerReasons[text(root, path.Join(devices, name, "power_on_reason"))]; reason != ResetUnknown {
			return reason, name
		}
	}
	return ResetUnknown, ""
}

// The flags of bootstatus (the kernel's linux/watchdog.h).
const (
	wdOverheat   = 0x01
	wdExtern1    = 0x04
	wdExtern2    = 0x08
	wdPowerUnder = 0x10
	wdCardReset  = 0x20 // the watchdog has reset the processor
	wdPowerOver  = 0x40
)

func watchdog(root fs.FS) (ResetReason, string) {
	for _, name := range names(root, "sys/class/watchdog") {
		status := integer(root, path.Join("sys/class/watchdog", name, "bootstatus"))
		switch {
		case status == nil:
		case *status&wdCardReset != 0:
			return ResetWatchdog, name
		case *status&wdOverheat != 0:
			return ResetThermal, name
		case *status&(wdPowerUnder|wdPowerOver) != 0:
			return ResetPower, name
		case *status&(wdExtern1|wdExtern2) != 0:
			return ResetExternal, name
		}
	}
	return ResetUnknown, ""
}

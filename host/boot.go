package host

import (
	"io/fs"
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
	Reason ResetReason   // of the start, as far as the hardware tells
	Source string        // where the reason is from: "watchdog0", "device tree"; "" if unknown
}

// ReadBoot reads uptime, boot ID and the reset reason that a watchdog, the
// firmware or a kernel crash log tells.
func ReadBoot(root fs.FS) (Boot, error) { return Boot{}, nil }

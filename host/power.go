package host

import (
	"context"
	"io/fs"
)

// SupplyKind is what a power supply is.
type SupplyKind string

// The kinds of supply, as the kernel names them.
const (
	SupplyBattery  SupplyKind = "Battery"
	SupplyUPS      SupplyKind = "UPS"
	SupplyMains    SupplyKind = "Mains"
	SupplyUSB      SupplyKind = "USB"
	SupplyWireless SupplyKind = "Wireless"
)

// Supply is one power supply. Pointers are nil where nothing is known.
type Supply struct {
	Name     string // "BAT0"
	Kind     SupplyKind
	Online   bool   // it is connected; batteries: present
	Voltage  *int64 // mV
	Current  *int64 // mA
	Capacity *int64 // percent, of batteries
	Status   string // of batteries: "Charging", "Discharging", "Not charging", "Full", "Unknown"
	Level    string // of batteries: "Unknown", "Critical", "Low", "Normal", "High", "Full"
	Health   string // of batteries: "Good", "Overheat", "Dead", …; "" if unknown
	Device   bool   // it feeds a device that is attached, such as a mouse, not this machine
}

// ReadPower reads /sys/class/power_supply, in order of name.
func ReadPower(root fs.FS) ([]Supply, error) { return nil, nil }

// WatchPower calls changed whenever the kernel says that a power supply has
// changed, until the context ends, which gives nil.
func WatchPower(ctx context.Context, changed func()) error { return nil }

package host

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
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
	Current  *int64 // mA; drivers do not agree on the sign
	Capacity *int64 // percent, of batteries
	Status   string // of batteries: "Charging", "Discharging", "Not charging", "Full", "Unknown"
	Level    string // of batteries: "Unknown", "Critical", "Low", "Normal", "High", "Full"
	Health   string // of batteries: "Good", "Overheat", "Dead", …; "" if unknown
	Device   bool   // it feeds a device that is attached, such as a mouse, not this machine
}

const supplies = "sys/class/power_supply"

// ReadPower reads /sys/class/power_supply, in order of name. Most boards have
// none.
func ReadPower(root fs.FS) []Supply {
	found := names(root, supplies)
	out := make([]Supply, 0, len(found))
	for _, name := range found {
		dir := path.Join(supplies, name)
		s := Supply{
			Name: name, Kind: SupplyKind(text(root, dir+"/type")), Capacity: integer(root, dir+"/capacity"),
			Status: text(root, dir+"/status"), Level: text(root, dir+"/capacity_level"), Health: text(root, dir+"/health"),
			Device:  text(root, dir+"/scope") == "Device",
			Voltage: thousandth(integer(root, dir+"/voltage_now")), Current: thousandth(integer(root, dir+"/current_now")),
		}
		if s.Kind == SupplyBattery || s.Kind == SupplyUPS {
			s.Online = text(root, dir+"/present") != "0"
		} else {
			s.Online = text(root, dir+"/online") != "0" // 1 fixed, 2 programmable
		}
		if power := integer(root, dir+"/power_now"); s.Current == nil && power != nil && s.Voltage != nil && *s.Voltage != 0 {
			s.Current = new(*power / *s.Voltage) // µW / mV
		}
		out = append(out, s)
	}
	return out
}

// thousandth makes milli of micro.
func thousandth(n *int64) *int64 {
	if n == nil {
		return nil
	}
	return new(*n / 1000)
}

// WatchPower calls changed whenever the kernel says that a power supply has
// changed, until the context ends, which gives nil.
func WatchPower(ctx context.Context, changed func()) error {
	const kernel = 1 // the group of what the kernel itself sends
	err := listen(ctx, unix.NETLINK_KOBJECT_UEVENT, kernel, func(event []byte) {
		if ofPower(event) {
			changed()
		}
	})
	if err != nil {
		return fmt.Errorf("watch power supplies: %w", err)
	}
	return nil
}

// ofPower reports whether an event of the kernel concerns a power supply, or
// events were lost. An event is a headline and variables, each ended by a NUL.
func ofPower(event []byte) bool {
	return event == nil || bytes.Contains(event, []byte("\x00SUBSYSTEM=power_supply\x00"))
}

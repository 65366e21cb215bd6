package objects

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// DeviceHost is the machine behind object 3. Methods without a context answer
// at once.
type DeviceHost interface {
	// MemoryFree returns what is left, in kilobytes of 1000 bytes, for /3/0/10.
	MemoryFree() (kilobytes int64, ok bool)
	// Now returns the wall clock, for /3/0/13.
	Now() time.Time
	// NotBefore returns a time that has certainly passed: an earlier one is not
	// accepted from a server.
	NotBefore() time.Time
	// SetTime sets the wall clock.
	SetTime(ctx context.Context, t time.Time) error
	// UTCOffset returns the offset in effect, for /3/0/14: "+01:00".
	UTCOffset() string
	// ZoneOf returns a time zone that is always at the offset, in seconds east
	// of UTC, or "" if there is none.
	ZoneOf(offset int) string
	// Timezone returns the IANA name of the time zone, for /3/0/15; "" if it is
	// not known.
	Timezone() string
	// HasTimezone reports whether SetTimezone would know the name.
	HasTimezone(name string) bool
	// SetTimezone sets the time zone by its IANA name.
	SetTimezone(ctx context.Context, name string) error
}

// DeviceHooks are what executing resources of object 3 does. Reboot and
// FactoryReset return when the thing is certain to be done; it must happen after
// the answer to the Execute is out. Nil functions refuse with 4.05, and a nil
// FactoryReset or Errors leaves its resource out or with nothing to do.
type DeviceHooks struct {
	Reboot       func(ctx context.Context, origin model.Origin) error
	FactoryReset func(ctx context.Context, origin model.Origin) error
	// Errors evaluates all error conditions anew (/3/0/12) and returns the
	// codes, as for SetErrors.
	Errors func() []int
}

// DeviceFacts are what does not change while the agent runs, but for updates.
// Empty strings and zeros leave their resource out.
type DeviceFacts struct {
	Manufacturer, Model, Serial string // /3/0/0 to 2
	Firmware                    string // /3/0/3: of the operating system
	Type                        string // /3/0/17
	Hardware                    string // /3/0/18
	Software                    string // /3/0/19: of the agent
	Bindings                    string // /3/0/16: "UQ"; mandatory
	MemoryTotal                 int64  // /3/0/21, kilobytes of 1000 bytes
}

// PowerSource is a kind of power source (/3/0/6).
type PowerSource int

// The power sources.
const (
	SourceDC              PowerSource = 0
	SourceInternalBattery PowerSource = 1
	SourceExternalBattery PowerSource = 2
	SourceFuelCell        PowerSource = 3
	SourcePoE             PowerSource = 4
	SourceUSB             PowerSource = 5
	SourceMains           PowerSource = 6
	SourceSolar           PowerSource = 7
)

// BatteryStatus is the state of the internal battery (/3/0/20).
type BatteryStatus int

// The battery states.
const (
	BatteryNormal       BatteryStatus = 0
	BatteryCharging     BatteryStatus = 1
	BatteryCharged      BatteryStatus = 2
	BatteryDamaged      BatteryStatus = 3
	BatteryLow          BatteryStatus = 4
	BatteryNotInstalled BatteryStatus = 5
	BatteryUnknown      BatteryStatus = 6
)

// Power is one power source. Pointers are nil where nothing is known.
type Power struct {
	Source  PowerSource
	Voltage *int64 // mV
	Current *int64 // mA
}

// Battery is the internal battery.
type Battery struct {
	Level  *int64 // percent
	Status BatteryStatus
}

// Device is object 3.
type Device struct{ model.Plain }

// NewDevice adds object 3 with its instance to the tree.
func NewDevice(tree *model.Tree, host DeviceHost, facts DeviceFacts, hooks DeviceHooks) (*Device, error) {
	return &Device{}, nil
}

// SetFacts publishes facts that have changed.
func (d *Device) SetFacts(facts DeviceFacts) error { return nil }

// SetErrors publishes the present error codes (Core, appendix E.4, resource
// 11: 1 to 8, and 16 to 32 for those of this device); none means no error.
func (d *Device) SetErrors(codes ...int) error { return nil }

// SetPower publishes the power sources (at most eight are shown) and the
// internal battery, nil if there is none.
func (d *Device) SetPower(sources []Power, battery *Battery) error { return nil }

// ClockChanged publishes time zone and offset after they have changed.
func (d *Device) ClockChanged() error { return nil }

// SetExternal publishes links to objects that describe devices around this one
// (/3/0/22), values of type Objlnk.
func (d *Device) SetExternal(links ...lwm2m.Value) error { return nil }

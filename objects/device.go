package objects

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 3 (Core, appendix E.4).
const (
	ridManufacturer   = 0
	ridModel          = 1
	ridSerial         = 2
	ridFirmware       = 3
	ridReboot         = 4
	ridFactoryReset   = 5
	ridPowerSources   = 6
	ridPowerVoltage   = 7
	ridPowerCurrent   = 8
	ridBatteryLevel   = 9
	ridMemoryFree     = 10
	ridErrorCode      = 11
	ridResetErrorCode = 12
	ridCurrentTime    = 13
	ridUTCOffset      = 14
	ridTimezone       = 15
	ridBindings       = 16
	ridDeviceType     = 17
	ridHardware       = 18
	ridSoftware       = 19
	ridBatteryStatus  = 20
	ridMemoryTotal    = 21
	ridExternal       = 22
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
// the answer to the Execute is out. A nil Reboot refuses with 4.05, a nil
// FactoryReset leaves its resource out.
type DeviceHooks struct {
	Reboot       func(ctx context.Context, origin model.Origin) error
	FactoryReset func(ctx context.Context, origin model.Origin) error
	// Errors evaluates all error conditions anew (/3/0/12) and returns the
	// codes, as for SetErrors. If it is nil, those of the last SetErrors stand.
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
	Bindings                    string // /3/0/16: "U"; mandatory
	MemoryTotal                 int64  // /3/0/21, kilobytes of 1000 bytes
}

// Device is object 3.
type Device struct {
	model.Plain
	pub   *model.Publisher
	host  DeviceHost
	hooks DeviceHooks

	mu     sync.Mutex
	errors errorCodes
	power  powerSources
}

// NewDevice adds object 3 with its instance to the tree. It shows no error and no
// power source yet.
func NewDevice(tree *model.Tree, host DeviceHost, facts DeviceFacts, hooks DeviceHooks) (*Device, error) {
	d := &Device{host: host, hooks: hooks, errors: newErrorCodes(), power: newPowerSources()}
	var err error
	if d.pub, err = tree.AddRegistered(3, d); err != nil {
		return nil, err
	}
	var b model.Batch
	b.Create(0)
	b.Declare(0, ridReboot, ridResetErrorCode)
	if hooks.FactoryReset != nil {
		b.Declare(0, ridFactoryReset)
	}
	if _, ok := host.MemoryFree(); ok {
		b.Compute(0, ridMemoryFree, func() lwm2m.Value {
			kilobytes, _ := host.MemoryFree()
			return lwm2m.Integer(kilobytes)
		})
	}
	b.Compute(0, ridCurrentTime, func() lwm2m.Value { return lwm2m.Time(host.Now()) })
	// The offset changes by itself when summer time begins and ends.
	b.Compute(0, ridUTCOffset, func() lwm2m.Value { return lwm2m.String(host.UTCOffset()) })
	d.facts(&b, facts)
	d.timezone(&b)
	d.errors.enter(&b, nil)
	return d, d.pub.Publish(&b)
}

// SetFacts publishes facts that have changed.
func (d *Device) SetFacts(facts DeviceFacts) error {
	var b model.Batch
	d.facts(&b, facts)
	return d.pub.Publish(&b)
}

func (d *Device) facts(b *model.Batch, facts DeviceFacts) {
	for _, r := range []struct {
		rid  uint16
		text string
	}{
		{ridManufacturer, facts.Manufacturer},
		{ridModel, facts.Model},
		{ridSerial, facts.Serial},
		{ridFirmware, facts.Firmware},
		{ridDeviceType, facts.Type},
		{ridHardware, facts.Hardware},
		{ridSoftware, facts.Software},
	} {
		setOrRemove(b, r.rid, lwm2m.String(r.text), r.text != "")
	}
	b.Set(0, ridBindings, lwm2m.String(facts.Bindings))
	setOrRemove(b, ridMemoryTotal, lwm2m.Integer(facts.MemoryTotal), facts.MemoryTotal > 0)
}

// setOrRemove gives a resource of instance 0 a value if there is one, and takes
// the resource away if not.
func setOrRemove(b *model.Batch, rid uint16, v lwm2m.Value, known bool) {
	if known {
		b.Set(0, rid, v)
	} else {
		b.Remove(0, rid)
	}
}

// setOrRemoveNumber is setOrRemove for an integer that may be missing.
func setOrRemoveNumber(b *model.Batch, rid uint16, n *int64) {
	if n != nil {
		b.Set(0, rid, lwm2m.Integer(*n))
	} else {
		b.Remove(0, rid)
	}
}

// SetErrors publishes the present error codes (/3/0/11: 1 to 8, and 16 to 32 for
// those of this device); none means no error. A code that stays keeps its
// resource instance.
func (d *Device) SetErrors(codes ...int) error {
	for _, code := range codes {
		if code < 0 || code > maxErrorCode {
			return fmt.Errorf("there is no error code %d", code)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var b model.Batch
	d.errors.enter(&b, codes)
	return d.pub.Publish(&b)
}

// SetPower publishes the power sources, and the internal battery, nil if there
// is none. A source keeps its resource instance if the sources stay the same.
func (d *Device) SetPower(sources []Power, battery *Battery) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b model.Batch
	d.power.enter(&b, sources)
	if battery == nil {
		b.Remove(0, ridBatteryLevel)
		b.Remove(0, ridBatteryStatus)
	} else {
		setOrRemoveNumber(&b, ridBatteryLevel, battery.Level)
		b.Set(0, ridBatteryStatus, lwm2m.Integer(int64(battery.Status)))
	}
	return d.pub.Publish(&b)
}

// ClockChanged publishes the time zone after it has been changed by others.
func (d *Device) ClockChanged() error {
	var b model.Batch
	d.timezone(&b)
	return d.pub.Publish(&b)
}

func (d *Device) timezone(b *model.Batch) {
	name := d.host.Timezone()
	if name == "" { // writable all the same
		b.Remove(0, ridTimezone)
		b.Declare(0, ridTimezone)
		return
	}
	b.Set(0, ridTimezone, lwm2m.String(name))
}

// SetExternal publishes links to objects that describe devices around this one
// (/3/0/22), values of type Objlnk.
func (d *Device) SetExternal(links ...lwm2m.Value) error {
	var b model.Batch
	if len(links) == 0 {
		b.Remove(0, ridExternal)
	} else {
		b.SetAll(0, ridExternal, links...)
	}
	return d.pub.Publish(&b)
}

// Execute reboots, resets to factory defaults, or evaluates the errors anew.
func (d *Device) Execute(ctx context.Context, origin model.Origin, p lwm2m.Path, _ model.Arguments) error {
	switch rid := p.Resource(); {
	case rid == ridReboot && d.hooks.Reboot != nil:
		return d.hooks.Reboot(ctx, origin)
	case rid == ridFactoryReset && d.hooks.FactoryReset != nil:
		return d.hooks.FactoryReset(ctx, origin)
	case rid == ridResetErrorCode:
		return d.resetErrors()
	}
	return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be executed here", p)
}

func (d *Device) resetErrors() error {
	var codes []int
	if d.hooks.Errors != nil {
		codes = d.hooks.Errors()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hooks.Errors == nil {
		codes = d.errors.present()
	}
	var b model.Batch
	d.errors.enter(&b, nil)
	d.errors.enter(&b, codes)
	return d.pub.Publish(&b)
}

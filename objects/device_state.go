package objects

import (
	"maps"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

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

// instances are the values of a multiple resource of instance 0, by resource
// instance. The numbers may have gaps.
type instances struct {
	rid    uint16
	values map[uint16]lwm2m.Value
}

// enter publishes values if they differ from those before. A multiple resource
// without instances is left out.
func (r *instances) enter(b *model.Batch, values map[uint16]lwm2m.Value) {
	if maps.Equal(r.values, values) {
		return
	}
	r.values = values
	if len(values) == 0 {
		b.Remove(0, r.rid)
		return
	}
	var leading []lwm2m.Value                                          // those without a gap; SetAll removes all others
	for v, ok := values[0]; ok; v, ok = values[uint16(len(leading))] { //nolint:gosec // few
		leading = append(leading, v)
	}
	b.SetAll(0, r.rid, leading...)
	for _, riid := range slices.Sorted(maps.Keys(values)) {
		if int(riid) >= len(leading) {
			b.SetInstance(0, r.rid, riid, values[riid])
		}
	}
}

// maxErrorCode is the last code of /3/0/11: 16 to 32 are the device's own.
const maxErrorCode = 32

// errorCodes are the instances of /3/0/11. Instance 0 says 0 while there is no
// error; each error has an instance for as long as it lasts.
type errorCodes struct {
	shown instances
	riids map[int]uint16 // by code
}

func newErrorCodes() errorCodes { return errorCodes{shown: instances{rid: ridErrorCode}} }

// present returns the codes, in order.
func (e *errorCodes) present() []int { return slices.Sorted(maps.Keys(e.riids)) }

// enter publishes the codes. Those that are there already stay where they are.
func (e *errorCodes) enter(b *model.Batch, codes []int) {
	next, taken := make(map[int]uint16), make(map[uint16]bool)
	for _, code := range codes {
		if riid, there := e.riids[code]; there {
			next[code], taken[riid] = riid, true
		}
	}
	free := uint16(0)
	for _, code := range codes {
		if _, placed := next[code]; placed || code == 0 {
			continue
		}
		for taken[free] {
			free++
		}
		next[code], taken[free] = free, true
	}
	e.riids = next
	values := map[uint16]lwm2m.Value{}
	for code, riid := range next {
		values[riid] = lwm2m.Integer(int64(code))
	}
	if len(values) == 0 {
		values[0] = lwm2m.Integer(0)
	}
	e.shown.enter(b, values)
}

// powerSources are the instances of /3/0/6 to 8: the same number stands for the
// same source.
type powerSources struct{ sources, voltages, currents instances }

func newPowerSources() powerSources {
	return powerSources{
		sources: instances{rid: ridPowerSources}, voltages: instances{rid: ridPowerVoltage}, currents: instances{rid: ridPowerCurrent},
	}
}

func (p *powerSources) enter(b *model.Batch, sources []Power) {
	kinds, voltages, currents := map[uint16]lwm2m.Value{}, map[uint16]lwm2m.Value{}, map[uint16]lwm2m.Value{}
	for i, s := range sources {
		riid := uint16(i)
		kinds[riid] = lwm2m.Integer(int64(s.Source))
		if s.Voltage != nil {
			voltages[riid] = lwm2m.Integer(*s.Voltage)
		}
		if s.Current != nil {
			currents[riid] = lwm2m.Integer(*s.Current)
		}
	}
	p.sources.enter(b, kinds)
	p.voltages.enter(b, voltages)
	p.currents.enter(b, currents)
}

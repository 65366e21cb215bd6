package bind

import (
	"cmp"
	"context"
	"io/fs"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"lwm2m-agent/host"
	"lwm2m-agent/objects"
)

// Machine is the operating system as the Device object wants it
// (objects.DeviceHost).
type Machine struct {
	Root    fs.FS
	Control host.Control
	Clock   func() time.Time
	Built   time.Time       // when this program was built: the clock is never right before
	Told    func(time.Time) // is told the time that was set; nil: nobody is
}

var _ objects.DeviceHost = (*Machine)(nil)

// MemoryFree implements objects.DeviceHost.
func (m *Machine) MemoryFree() (int64, bool) {
	mem, err := host.ReadMemory(m.Root)
	return mem.Free, err == nil
}

// Now implements objects.DeviceHost.
func (m *Machine) Now() time.Time { return m.Clock() }

// NotBefore implements objects.DeviceHost.
func (m *Machine) NotBefore() time.Time { return m.Built }

// SetTime implements objects.DeviceHost.
func (m *Machine) SetTime(ctx context.Context, t time.Time) error {
	if err := m.Control.SetTime(ctx, t); err != nil {
		return err
	}
	if m.Told != nil {
		m.Told(t)
	}
	return nil
}

// UTCOffset implements objects.DeviceHost.
func (m *Machine) UTCOffset() string {
	if name := m.simulatedZone(); name != "" {
		return host.UTCOffsetIn(m.Root, name, m.Clock())
	}
	return host.UTCOffset(m.Root, m.Clock())
}

// ZoneOf implements objects.DeviceHost.
func (m *Machine) ZoneOf(offset int) string { return host.ZoneOf(offset) }

// Timezone implements objects.DeviceHost.
func (m *Machine) Timezone() string {
	return cmp.Or(m.simulatedZone(), host.Timezone(m.Root))
}

// simulatedZone returns the time zone that a simulated machine was given, "" where that of the
// files is in force.
func (m *Machine) simulatedZone() string {
	if s, ok := m.Control.(interface{ SimulatedTimezone() string }); ok {
		return s.SimulatedTimezone()
	}
	return ""
}

// HasTimezone implements objects.DeviceHost.
func (m *Machine) HasTimezone(name string) bool { return host.HasTimezone(m.Root, name) }

// SetTimezone implements objects.DeviceHost.
func (m *Machine) SetTimezone(ctx context.Context, name string) error {
	return m.Control.SetTimezone(ctx, name)
}

// Power returns the power supplies of this machine for object 3. Where the
// kernel knows none, it is fed by a source that it cannot see: DC.
func Power(root fs.FS) ([]objects.Power, *objects.Battery) {
	var (
		sources []objects.Power
		battery *objects.Battery
	)
	for _, s := range host.ReadPower(root) {
		if s.Device || !s.Online {
			continue
		}
		p := objects.Power{Source: powerSource(s.Kind), Voltage: s.Voltage, Current: s.Current}
		sources = append(sources, p)
		if s.Kind == host.SupplyBattery && battery == nil {
			battery = &objects.Battery{Level: s.Capacity, Status: batteryStatus(&s)}
		}
	}
	if len(sources) == 0 {
		sources = []objects.Power{{Source: objects.SourceDC}}
	}
	return sources, battery
}

func powerSource(k host.SupplyKind) objects.PowerSource {
	switch k {
	case host.SupplyBattery:
		return objects.SourceInternalBattery
	case host.SupplyUPS:
		return objects.SourceExternalBattery
	case host.SupplyMains:
		return objects.SourceMains
	case host.SupplyUSB:
		return objects.SourceUSB
	case host.SupplyWireless:
	}
	return objects.SourceDC
}

// lowBattery is the level in percent from which on a battery counts as low where
// the kernel does not judge.
const lowBattery = 15

func batteryStatus(s *host.Supply) objects.BatteryStatus {
	switch {
	case s.Health == "Dead" || s.Health == "Unspecified failure" || s.Health == "Over voltage" || s.Health == "Overheat":
		return objects.BatteryDamaged
	case s.Status == "Full":
		return objects.BatteryCharged
	case s.Status == "Charging":
		return objects.BatteryCharging
	case s.Level == "Low" || s.Level == "Critical" || s.Capacity != nil && *s.Capacity < lowBattery:
		return objects.BatteryLow
	case s.Status == "Unknown" || s.Status == "":
		return objects.BatteryUnknown
	default:
		return objects.BatteryNormal
	}
}

// Connectivity returns how a machine with a network is connected, for object 4.
func Connectivity(network *host.Network) objects.Connectivity {
	c := objects.Connectivity{Bearer: objects.BearerEthernet}
	primary := network.Primary()
	if primary != nil {
		c.Bearer, c.Signal = bearer(primary.Kind), primary.Signal
	}
	for i := range network.Interfaces {
		in := &network.Interfaces[i]
		if !in.Running || in.Kind == host.LinkLoopback {
			continue
		}
		if b := bearer(in.Kind); physical(in.Kind) && !slices.Contains(c.Available, b) {
			c.Available = append(c.Available, b)
		}
		if primary == nil || in.Name == primary.Name {
			c.Addresses = append(c.Addresses, usable(in.Addresses)...)
		}
	}
	if len(c.Available) == 0 {
		c.Available = []objects.Bearer{c.Bearer}
	}
	for _, r := range network.Defaults {
		if r.Gateway.IsValid() && !slices.Contains(c.Routers, r.Gateway) {
			c.Routers = append(c.Routers, r.Gateway)
		}
	}
	return c
}

func usable(prefixes []netip.Prefix) []netip.Addr {
	var out []netip.Addr
	for _, p := range prefixes {
		if !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsLoopback() {
			out = append(out, p.Addr())
		}
	}
	return out
}

func physical(k host.LinkKind) bool {
	switch k {
	case host.LinkEthernet, host.LinkWLAN, host.LinkWWAN, host.Link802154:
		return true
	case host.LinkBridge, host.LinkTunnel, host.LinkLoopback, host.LinkVirtual, host.LinkOther:
	}
	return false
}

func bearer(k host.LinkKind) objects.Bearer {
	switch k {
	case host.LinkWLAN:
		return objects.BearerWLAN
	case host.LinkWWAN:
		return objects.BearerLTEFDD // what the modem says comes from package modem
	case host.Link802154:
		return objects.Bearer802154
	case host.LinkEthernet, host.LinkBridge, host.LinkTunnel, host.LinkLoopback, host.LinkVirtual, host.LinkOther:
	}
	return objects.BearerEthernet
}

// Counters are the numbers of object 7: bytes of the machine's interfaces and
// messages of the LwM2M client.
type Counters struct {
	Root     fs.FS
	Messages func() (count, bytes uint64) // both ways
	Texts    func() uint64                // short messages (SMS) that modems have received

	largest atomic.Int64
	traffic traffic
}

var _ objects.Counters = (*Counters)(nil)

// Traffic implements objects.Counters.
func (c *Counters) Traffic() objects.Traffic {
	var t objects.Traffic
	t.TxBytes, t.RxBytes = c.traffic.read(c.Root)
	t.Messages, t.MessageBytes = c.Messages()
	t.RxSMS = c.Texts()
	return t
}

// NetworkChanged takes note of interfaces that have come.
func (c *Counters) NetworkChanged() { c.traffic.read(c.Root) }

// Gone takes the last counters of an interface that has gone.
func (c *Counters) Gone(last host.Traffic) { c.traffic.gone(last) }

// Note takes the size of a message, in bytes.
func (c *Counters) Note(size int) {
	for {
		old := c.largest.Load()
		if int64(size) <= old || c.largest.CompareAndSwap(old, int64(size)) {
			return
		}
	}
}

// MaxMessage implements objects.Counters.
func (c *Counters) MaxMessage() int64 { return c.largest.Load() }

// ResetMaxMessage implements objects.Counters.
func (c *Counters) ResetMaxMessage() { c.largest.Store(0) }

package mm

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/gnss"
)

// The sources of positions that come of satellites (MMModemLocationSource).
const (
	locationRaw  = 1 << 1
	locationNMEA = 1 << 2
)

// follower is who follows the receiver. A nil one hears nothing.
type follower struct {
	reports chan gnss.Report // the newest one
	gone    chan error
}

// put makes v what a channel with room for one holds.
func put[T any](c chan T, v T) {
	for {
		select {
		case c <- v:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}

// leave tells that the modem is gone.
func (f *follower) leave(why error) {
	if f != nil {
		put(f.gone, why)
	}
}

// hear takes in where a modem is.
func (f *follower) hear(o object) {
	if f == nil {
		return
	}
	if r, ok := reportOf(get[map[uint32]dbus.Variant](o, ifaceLocation, "Location")); ok {
		put(f.reports, r)
	}
}

// maxSentences bounds the sentences that ModemManager keeps, in bytes.
const maxSentences = 16 << 10

// reportOf reads a position: the sentences of the receiver if there are any, for they say
// more, else its degrees; false if there is neither.
func reportOf(places map[uint32]dbus.Variant) (gnss.Report, bool) {
	if text, ok := places[locationNMEA].Value().(string); ok && text != "" && len(text) <= maxSentences {
		f, heard := gnss.Snapshot([]byte(text))
		if f != nil {
			return gnss.Report{Fix: f}, true
		}
		if heard {
			return gnss.Report{Why: gnss.ErrNoFix}, true
		}
	}
	raw, ok := places[locationRaw].Value().(map[string]dbus.Variant)
	lat, north := raw["latitude"].Value().(float64)
	lon, east := raw["longitude"].Value().(float64)
	if !ok || !north || !east || !(lat >= -90 && lat <= 90) || !(lon >= -180 && lon <= 180) {
		return gnss.Report{}, false
	}
	f := &gnss.Fix{Latitude: lat, Longitude: lon}
	if v, ok := raw["altitude"].Value().(float64); ok && v > -1e5 && v < 1e5 {
		f.Altitude = &v
	}
	return gnss.Report{Fix: f}, true
}

// receiverOf returns the sources of a modem that are to be on because somebody follows its
// receiver.
func (m *Modem) receiverOf(capabilities uint32) uint32 {
	if m.follower.Load() == nil {
		return 0
	}
	return capabilities & (locationRaw | locationNMEA)
}

// errNoReceiver says that ModemManager does not know a receiver.
var errNoReceiver = errors.New(`ModemManager knows no receiver of this modem; "mmcli -m any --location-status" shows what it knows`)

// Locate follows the modem's receiver, which is on as long as that; see gnss.Source.
// ModemManager tells its position as often as it is set to, each 30 s as a rule.
func (m *Modem) Locate(ctx context.Context, report func(gnss.Report)) error {
	f := &follower{reports: make(chan gnss.Report, 1), gone: make(chan error, 1)}
	m.follower.Store(f)
	defer m.follower.Store(nil)
	here, err := m.here()
	if err != nil {
		return err
	}
	off, err := m.switchReceiver(ctx, here)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer off()
	for {
		select {
		case r := <-f.reports:
			report(r)
		case err := <-f.gone:
			return fmt.Errorf("follow the modem's receiver: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// switchReceiver switches the receiver on, and returns what switches it off.
func (m *Modem) switchReceiver(ctx context.Context, here *present) (off func(), err error) {
	m.setUp.Lock()
	defer m.setUp.Unlock()
	can, on, err := m.locationOf(ctx, here)
	if err != nil {
		return nil, err
	}
	wanted := m.receiverOf(can)
	if wanted == 0 {
		return nil, errNoReceiver
	}
	c := call(ctx, here.conn, here.path, ifaceLocation+".Setup", commandTime, on|wanted|can&location3GPP, true)
	if c.Err != nil {
		return nil, explain("switch the receiver on", c.Err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), partTime)
		defer cancel()
		m.setUp.Lock()
		defer m.setUp.Unlock()
		if _, now, err := m.locationOf(ctx, here); err == nil { // else the modem is gone
			_ = call(ctx, here.conn, here.path, ifaceLocation+".Setup", partTime, now&^(wanted&^on), true)
		}
	}, nil
}

// locationOf asks which sources of places the modem has, and which are on.
func (m *Modem) locationOf(ctx context.Context, here *present) (can, on uint32, err error) {
	var values map[string]dbus.Variant
	c := call(ctx, here.conn, here.path, busProperties+".GetAll", answerTime, ifaceLocation)
	if err := c.Store(&values); err != nil {
		return 0, 0, explain("ask for the receiver", err)
	}
	return field[uint32](values, "Capabilities"), field[uint32](values, "Enabled"), nil
}

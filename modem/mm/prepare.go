package mm

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
)

// undo takes back a setting when the agent ends.
type undo func(context.Context)

// partTime bounds how long that takes.
const partTime = 2 * time.Second

// prepare gives the PIN, and has ModemManager tell what it tells only when asked to,
// once in each time that the modem is enabled.
func (s *session) prepare(ctx context.Context, p dbus.ObjectPath, o object) {
	if s.m.quiet {
		return
	}
	s.unlock(ctx, o)
	if s.m.left {
		s.m.left = false
		s.m.off.Store(true)
		s.running.Go(func() {
			if err := s.m.SetRadio(ctx, true); err != nil && ctx.Err() == nil {
				s.m.cfg.Log.Warn("the radio was left off", slog.Any("error", err))
			}
		})
	}
	enabled := get[int32](o, ifaceModem, "State") >= stateEnabled
	if !enabled || s.ready {
		s.ready = enabled
		return
	}
	s.ready = true
	if o[ifaceSignal] != nil && s.m.cfg.Signal > 0 {
		old, rate := get[uint32](o, ifaceSignal, "Rate"), uint32(max(s.m.cfg.Signal, time.Second)/time.Second) //nolint:gosec // a day at most
		s.set(ctx, p, "measure the signal", ifaceSignal+".Setup", func() []any { return []any{rate} }, []any{old})
	}
	if can := get[uint32](o, ifaceLocation, "Capabilities"); can&location3GPP != 0 {
		on, tells := get[uint32](o, ifaceLocation, "Enabled"), get[bool](o, ifaceLocation, "SignalsLocation")
		s.set(ctx, p, "be told the cell", ifaceLocation+".Setup", func() []any { return []any{on | location3GPP | s.m.receiverOf(can), true} }, []any{on, tells})
	}
}

// set changes a setting of ModemManager while Run goes on, and remembers what it was.
func (s *session) set(ctx context.Context, p dbus.ObjectPath, what, method string, now func() []any, old []any) {
	if s.undo[method] == nil { // else what it is now is ours
		if s.undo == nil {
			s.undo = make(map[string]undo)
		}
		s.undo[method] = func(ctx context.Context) {
			_ = call(ctx, s.conn, p, method, partTime, old...) // the modem may be gone
		}
	}
	s.running.Go(func() {
		s.m.setUp.Lock()
		defer s.m.setUp.Unlock()
		if err := call(ctx, s.conn, p, method, commandTime, now()...).Err; err != nil && ctx.Err() == nil {
			s.m.cfg.Log.Warn("ModemManager not set up", slog.Any("error", explain(what, err)))
		}
	})
}

// part leaves ModemManager as it was.
func (s *session) part(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	s.running.Wait()
	if s.m.present.Load() == nil {
		return
	}
	for _, u := range s.undo {
		u(ctx)
	}
	if s.m.off.Load() {
		_ = s.m.SetRadio(ctx, true) // who switched it off may come too late
	}
}

// unlock gives the PIN to a card that may be given it. ModemManager may tell how many tries are left before it says that one was wrong.
func (s *session) unlock(ctx context.Context, o object) {
	if get[uint32](o, ifaceModem, "UnlockRequired") != lockPIN || s.m.cfg.PIN == nil {
		return
	}
	sim := get[dbus.ObjectPath](o, ifaceModem, "Sim")
	card := s.iccidOf(o)
	// How many tries are left is of before a PIN that is under way.
	if !s.m.gave && get[map[uint32]uint32](o, ifaceModem, "UnlockRetries")[lockPIN] >= modem.PINTries {
		s.m.cfg.PIN.Settle(card)
	}
	s.m.gave = s.m.gave || !s.m.cfg.PIN.Doubted(card)
	s.running.Go(func() {
		given, err := s.m.cfg.PIN.Give(card, func(pin modem.Secret) (modem.Verdict, error) {
			err := call(ctx, s.conn, sim, ifaceSIM+".SendPin", commandTime, string(pin)).Err
			return pinVerdict(err), err
		})
		if err != nil && ctx.Err() == nil {
			s.m.cfg.Log.Warn("the SIM does not take the PIN", slog.Any("error", explain("give the PIN", err)))
		}
		if given && (s.m.cfg.PIN.Refused(card) || s.m.cfg.PIN.Doubted(card)) {
			select {
			case s.refused <- struct{}{}:
			default:
			}
		}
	})
}

// pinVerdicts are errors of PINs (MMMobileEquipmentError), and those with which ModemManager (MMCoreError) or the bus has not asked the card at all.
var pinVerdicts = map[string]modem.Verdict{
	"MobileEquipment.IncorrectPassword": modem.PINWrong, "MobileEquipment.SimPuk": modem.PINWrong, "MobileEquipment.SimBusy": modem.PINUnseen,
	"Core.Unauthorized": modem.PINUnasked, "Core.InProgress": modem.PINUnasked, "Core.WrongState": modem.PINUnasked,
	"AccessDenied": modem.PINUnasked, "ServiceUnknown": modem.PINUnasked, "NameHasNoOwner": modem.PINUnasked,
	"UnknownObject": modem.PINUnasked, "UnknownInterface": modem.PINUnasked, "UnknownMethod": modem.PINUnasked,
}

func pinVerdict(err error) modem.Verdict {
	if err == nil {
		return modem.PINTaken
	}
	if e, ok := errors.AsType[dbus.Error](err); ok {
		return pinVerdicts[strings.TrimPrefix(strings.TrimPrefix(e.Name, errorName), bus+".Error.")]
	}
	return modem.PINInDoubt
}

// The states of a text message (MMSmsState).
const (
	messageReceiving = 2
	messageReceived  = 3
)

// messageCame takes in that a text message has come, or the first part of a long one.
func (s *session) messageCame(ctx context.Context, signal *dbus.Signal) {
	var p dbus.ObjectPath
	var received bool
	here := s.m.present.Load()
	if dbus.Store(signal.Body, &p, &received) != nil || !received || s.m.cfg.Received == nil || here == nil || here.path != signal.Path {
		return
	}
	values, ok := s.properties(ctx, p, ifaceSMS)
	if !ok {
		return
	}
	switch state := field[uint32](values, "State"); {
	case state == messageReceived:
		s.deliver(ctx, p, values, false)
	case state == messageReceiving && len(s.partial) < maxObjects:
		s.partial[p] = true
	}
}

// messageGrew takes in that a part of a long text message has come.
func (s *session) messageGrew(ctx context.Context, p dbus.ObjectPath, changed map[string]dbus.Variant) {
	if field[uint32](changed, "State") != messageReceived {
		return
	}
	delete(s.partial, p)
	if values, ok := s.properties(ctx, p, ifaceSMS); ok {
		s.deliver(ctx, p, values, false)
	}
}

// lookBack hands on the binary messages that ModemManager has when a modem is found: nobody tells
// of them.
func (s *session) lookBack(ctx context.Context, o object) {
	if s.looked || s.m.cfg.Received == nil || o[ifaceMessaging] == nil {
		return
	}
	s.looked = true
	all := get[[]dbus.ObjectPath](o, ifaceMessaging, "Messages")
	for _, p := range all[:min(len(all), maxObjects)] {
		values, ok := s.properties(ctx, p, ifaceSMS)
		if ok && field[uint32](values, "State") == messageReceived && len(field[[]byte](values, "Data")) > 0 {
			s.deliver(ctx, p, values, true)
		}
	}
}

// deliver hands on a text message, which is no longer kept if somebody takes it.
func (s *session) deliver(ctx context.Context, p dbus.ObjectPath, values map[string]dbus.Variant, old bool) {
	m := modem.Message{From: field[string](values, "Number"), Old: old}
	if data := field[[]byte](values, "Data"); len(data) > 0 {
		m.Data = data
	}
	if len(m.Data) > maxMessageSize {
		return
	}
	m.Time, _ = time.Parse("2006-01-02T15:04:05Z07", field[string](values, "Timestamp")) // the zone in hours alone
	if !s.m.cfg.Received(m) {
		return
	}
	here := s.m.present.Load()
	s.running.Go(func() {
		if err := call(ctx, s.conn, here.path, ifaceMessaging+".Delete", commandTime, p).Err; err != nil && ctx.Err() == nil {
			s.m.cfg.Log.Warn("a message stays in the modem", slog.Any("error", explain("delete it", err)))
		}
	})
}

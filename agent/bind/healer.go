package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/host"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/heal"
)

// Healer has the lost link of a modem mended: it does what package heal says, and tells
// what it did and why.
type Healer struct {
	Modem  Modem
	Name   string
	Log    *slog.Logger
	Health *health.Tracker
	Now    func() time.Time
	Random func() float64                           // in [0,1)
	Power  func(ctx context.Context, on bool) error // switches the modem's power; nil: nothing does
	Bearer func(ctx context.Context) error          // has whoever owns the connection make it anew; nil: the modem does

	// Netifd tells what netifd says of the interface that goes through the modem, until ctx ends or it cannot; nil: the modem's word counts. A modem
	// that is spoken to by QMI tells at its AT port of no connection.
	Netifd func(ctx context.Context, told func(host.Netifd)) error

	// Servers returns how many are told after an attachment; nil is one.
	Servers func() int

	states chan modem.State  // the latest, if it was not looked at
	state  modem.State       // that was looked at
	netifd chan *host.Netifd // what it said last, if it was not looked at; nil: it is not heard
	link   linkState
	tried  *attempts
	course heal.Course
	after  func(time.Duration) <-chan time.Time // time.After
	due    <-chan time.Time                     // for what the course waits; nil: it does not
	at     time.Time                            // when that comes
	last   string                               // what was done last
}

// linkState is what of a modem's state tells how its link is.
type linkState struct {
	fault   heal.Fault // 0: none
	refused string     // why for good; "": it is not
	cid     int        // of the connection that is gone
	had     bool       // there was a connection: its absence is a fault
	who     subscriber // with another one, what was refused may be allowed

	netifd *host.Netifd // nil: it is not heard
}

// subscriber is as whom a modem asks for the network.
type subscriber struct{ card, modem, apns string }

// NewHealer returns a healer that has seen nothing yet.
func NewHealer(m Modem, name string, log *slog.Logger, h *health.Tracker, now func() time.Time, random func() float64) *Healer {
	return &Healer{
		Modem: m, Name: name, Log: log.With(slog.String("modem", name)), Health: h, Now: now, Random: random,
		states: make(chan modem.State, 1), netifd: make(chan *host.Netifd, 1), after: time.After, tried: new(attempts),
	}
}

// Take notes a modem's state. It does not wait.
func (h *Healer) Take(s modem.State) { latest(h.states, s) }

// latest puts a value into a channel of one, in place of what nobody has looked at.
func latest[T any](c chan T, v T) {
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

// Run mends until ctx ends, which gives nil.
func (h *Healer) Run(ctx context.Context) error {
	if h.Netifd != nil {
		var listening sync.WaitGroup
		listening.Go(func() { h.listen(ctx) })
		defer listening.Wait()
	}
	for {
		select {
		case h.state = <-h.states:
			h.look(ctx, &h.state)
		case h.link.netifd = <-h.netifd:
			h.look(ctx, &h.state)
		case <-h.due:
			h.next(ctx, heal.Elapsed)
		case <-ctx.Done():
			return nil
		}
	}
}

// listenAgain is how long netifd is left alone when it cannot be heard.
const listenAgain = time.Minute

// listen hears netifd.
func (h *Healer) listen(ctx context.Context) {
	for told := false; ; told = true {
		err := h.Netifd(ctx, func(n host.Netifd) { latest(h.netifd, &n) })
		latest(h.netifd, nil)
		if err != nil && !told {
			h.Log.Warn("netifd is not heard, so that the modem's word counts", slog.Any("error", err))
		}
		select {
		case <-h.after(listenAgain):
		case <-ctx.Done():
			return
		}
	}
}

// look says which events a state is.
func (h *Healer) look(ctx context.Context, s *modem.State) {
	old, now := h.link, h.link.after(s)
	h.link = now
	switch {
	case now.fault == 0 && old.fault != 0:
		h.next(ctx, heal.Back)
	case now.fault == 0:
	case old.fault == 0 && now.refused == "":
		h.next(ctx, heal.Lost)
	case now.who != old.who:
		h.next(ctx, heal.Changed)
	case old.fault != 0 && now.fault != old.fault:
		h.next(ctx, heal.Another)
	}
	if now.refused != "" && (old.refused == "" || now.who != old.who) {
		h.next(ctx, heal.Refused)
	}
}

// after returns how the link is in a state that follows. What was refused for good stays so
// until somebody changes something, whatever the modem does meanwhile.
func (l linkState) after(s *modem.State) linkState {
	before := l
	l.fault, l.refused = 0, ""
	switch {
	case s.Presence == modem.Asleep, s.Presence == modem.Missing && s.Trouble == nil:
		return l
	case s.Presence != modem.Ready:
		l.fault = heal.NoAnswer
		return l
	case s.SIM.State != modem.SIMReady: // which is for people
		return l
	}
	l.who.card, l.who.modem = s.SIM.ICCID, s.Identity.IMEI
	if len(s.Bearers) > 0 { // those of ModemManager go with its restart and the modem's
		l.who.apns = ""
	}
	for i := range s.Bearers {
		l.who.apns += " " + s.Bearers[i].APN
	}
	active, reject := false, s.Network.Reject
	bearers := ours(s.Bearers)
	for i := range bearers {
		b := &bearers[i]
		active = active || b.Active
		if !b.Active && l.cid == b.CID && b.Reject != nil {
			reject = b.Reject
		}
		if b.Active {
			l.cid, l.had = b.CID, true
		}
	}
	gone := l.had && !active
	if n := l.netifd; n != nil {
		gone = n.Wanted && !n.Up
	}
	switch {
	case !s.Network.Registration.Registered():
		l.fault = heal.NoCell
	case gone:
		l.fault = heal.NoBearer
	}
	switch {
	case l.fault == 0:
	case reject != nil && reject.Permanent():
		l.refused = reject.String()
	case l.who == before.who:
		l.refused = before.refused
	}
	return l
}

// has reports whether a stage can be gone through.
func (h *Healer) has(s heal.Stage) bool { return s != heal.PowerCycle || h.Power != nil }

// next goes on with an event.
func (h *Healer) next(ctx context.Context, e heal.Event) {
	before := h.course.State
	if h.Servers != nil {
		h.course.Servers = h.Servers()
	}
	var order heal.Order
	now := h.Now()
	h.tried.decide(func(tried []heal.Attempt) ([]heal.Attempt, bool) {
		h.course.Remember(tried, now)
		h.course.See(h.link.fault, now)
		next, then := h.course.Next(e, h.link.fault, h.has, now, h.Random())
		if e != heal.Another || then.After > 0 && now.Add(then.After).Before(h.at) { // faults that take turns put nothing off
			h.course, order = next, then
		}
		return h.course.Tried(), order.Act
	})
	if h.course.State == before && order == (heal.Order{}) {
		if e == heal.Another {
			h.tell(heal.Order{After: h.at.Sub(now)})
		}
		return // else it changes nothing
	}
	h.due, h.at = nil, now
	if order.After > 0 {
		h.due, h.at = h.after(order.After), now.Add(order.After)
	}
	if order.Act {
		h.act(ctx, order.Stage)
	}
	h.tell(order)
}

// faults are the faults in words.
var faults = map[heal.Fault]string{heal.NoCell: "no cell", heal.NoBearer: "the connection is gone", heal.NoAnswer: "the modem does not answer"}

// tell shows how it stands.
func (h *Healer) tell(order heal.Order) {
	if h.course.State == heal.Well {
		if h.last != "" {
			h.Log.Info("nothing is left to mend", slog.String("done", h.last))
		}
		h.last = ""
		h.Health.Clear(health.LinkLost, h.Name)
		return
	}
	detail := faults[h.link.fault]
	if h.link.refused != "" {
		detail += "; refused for good, so nothing is tried: " + h.link.refused
	}
	if h.last != "" {
		detail += "; done: " + h.last
	}
	if spent := h.course.Spent(h.Now()); spent.Attachments > 0 {
		detail += fmt.Sprintf("; attempts in 24 hours: %d of %d, for up to %d bytes of %d", spent.Attachments, heal.PerDay.Attachments, spent.Bytes, heal.PerDay.Bytes)
	}
	if order.After > 0 {
		detail += fmt.Sprintf("; looked at again in %v", order.After.Round(time.Second))
	}
	h.Health.Set(health.LinkLost, h.Name, detail)
}

// actTime bounds an attempt; flightTime is how long the radio stays off.
// powerTime is how long the power stays off, so that what is charged in the module is not any more.
const (
	actTime    = 4 * time.Minute
	flightTime = 5 * time.Second
	powerTime  = 10 * time.Second
)

// act makes an attempt.
func (h *Healer) act(ctx context.Context, stage heal.Stage) {
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	var err error
	switch stage {
	case heal.Register:
		err = h.Modem.Register(ctx)
	case heal.Reconnect:
		err = h.reconnect(ctx)
	case heal.FlightMode:
		err = h.offAndOn(ctx, h.Modem.SetRadio, flightTime)
	case heal.Reset:
		err = h.Modem.Reset(ctx)
	case heal.PowerCycle:
		err = h.offAndOn(ctx, h.Power, powerTime)
	}
	h.last = stage.String()
	log := []any{slog.String("stage", stage.String()), slog.String("why", faults[h.link.fault])}
	if err != nil {
		h.last += " (" + err.Error() + ")"
		log = append(log, slog.Any("error", err))
	}
	h.Log.Warn("mending the link", log...)
}

func (h *Healer) reconnect(ctx context.Context) error {
	if h.Bearer != nil {
		return h.Bearer(ctx)
	}
	return h.Modem.Reconnect(ctx, h.link.cid)
}

// offAndOn switches something off and, whatever happens in between, on.
func (h *Healer) offAndOn(ctx context.Context, set func(ctx context.Context, on bool) error, pause time.Duration) error {
	off := set(ctx, false)
	select {
	case <-h.after(pause):
	case <-ctx.Done():
	}
	on, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTime/4)
	defer cancel()
	return errors.Join(off, set(on, true))
}

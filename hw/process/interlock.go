package process

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"lwm2m-agent/hw"
)

// Interlock keeps an actuator in its safe state while a condition holds, and
// while it is not known whether it does: an input that was not heard of yet,
// fails or is doubtful is as good as none.
type Interlock struct {
	Actuator string
	Input    Input // after its processing; an alarm, or a derived sensor's
	Off      bool  // of a state: it must be on, not off
	Limits   Alarm // of a number: it must be within
}

// Hold says why an actuator must be in its safe state; with an empty reason it
// need not be any more. It is called while the Stage is locked.
type Hold func(actuator, reason string)

// Check says what is wrong with i, and with which key of the configuration.
// kind is that of the input, KindNone where it is seen at run time.
func (i Interlock) Check(kind hw.Kind) (key string, err error) {
	switch limited := i.Limits.Given(); {
	case i.Off && limited:
		return "while", errors.New("while is for a state; above and below are for a number")
	case i.Limits.Hysteresis != 0 && !limited:
		return "hysteresis", errors.New("hysteresis belongs to above or below")
	case i.Limits.narrow():
		return "above", errors.New("below and above leave no room between them for a value that is safe")
	case kind == hw.KindBool && limited:
		return "input", errors.New(`it is a state: while = "on" or "off" says when the output must be safe, not above or below`)
	case kind != hw.KindBool && kind != hw.KindNone && !limited:
		return "input", errors.New("it is a number: above or below must say from where on the output must be safe")
	}
	return "", nil
}

// guard is an interlock at work.
type guard struct {
	Interlock
	reason string // why the actuator must be safe; "": it need not
	side   int    // of the limits, as Alarm has it
}

// forget makes the input unknown.
func (g *guard) forget() { g.reason, g.side = g.about("is not known yet"), 0 }

// about says something of the input.
func (g *guard) about(what string) string {
	if g.Input.Channel == ChannelValue {
		return fmt.Sprintf("%q %s", g.Input.Sensor, what)
	}
	return fmt.Sprintf("%q %s", g.Input.Sensor+"/"+g.Input.Channel, what)
}

// take judges a reading of the input.
func (g *guard) take(r hw.Reading) {
	on, isState := r.Value.Bool()
	x, isNumber := number(r.Value)
	g.reason = ""
	switch {
	case r.Quality != hw.Good:
		g.reason = g.about(fmt.Sprintf("is %s: %s", r.Quality, r.Reason))
	case isState && !g.Limits.Given():
		if on != g.Off {
			g.reason = g.about(map[bool]string{true: "is on", false: "is off"}[on])
		}
	case isNumber && g.Limits.Given():
		if g.side = g.Limits.side(x, g.side); g.side != 0 {
			g.reason = g.about(g.beyond())
		}
	default:
		g.reason = g.about("is no " + map[bool]string{true: "number", false: "state"}[g.Limits.Given()])
	}
}

// beyond says which limit was passed.
func (g *guard) beyond() string {
	if g.side < 0 {
		return fmt.Sprintf("is below %v", *g.Limits.Low)
	}
	return fmt.Sprintf("is above %v", *g.Limits.High)
}

// interlock takes up the interlocks of a new setup; those that were there go on.
func (s *Stage) interlock(setup []Interlock) {
	former := s.guards
	s.guards = nil
	for _, i := range setup {
		at := slices.IndexFunc(former, func(g *guard) bool { return reflect.DeepEqual(g.Interlock, i) })
		if at >= 0 {
			s.guards = append(s.guards, former[at])
			continue
		}
		g := &guard{Interlock: i}
		g.forget()
		if r, ok := s.latest[i.Input]; ok {
			g.take(r)
		}
		s.guards = append(s.guards, g)
	}
	for actuator := range s.held {
		if !slices.ContainsFunc(setup, func(i Interlock) bool { return i.Actuator == actuator }) {
			delete(s.held, actuator)
			s.hold(actuator, "")
		}
	}
	s.tellHeld()
}

// guarded notes readings of a sensor, as they are after processing, and tells
// at each what must be safe from then on.
func (s *Stage) guarded(sensor string, readings []hw.Reading) {
	for _, r := range readings {
		at := Input{sensor, r.Channel}
		s.latest[at] = r
		concerned := false
		for _, g := range s.guards {
			if g.Input == at {
				g.take(r)
				concerned = true
			}
		}
		if concerned {
			s.tellHeld()
		}
	}
}

// unknow forgets the channels of a sensor that are chosen.
func (s *Stage) unknow(chosen func(Input) bool) {
	for at := range s.latest {
		if chosen(at) {
			delete(s.latest, at)
		}
	}
	for _, g := range s.guards {
		if chosen(g.Input) {
			g.forget()
		}
	}
	s.tellHeld()
}

// tellHeld says of each actuator with an interlock what has changed.
func (s *Stage) tellHeld() {
	if s.unsure {
		return
	}
	reasons := make(map[string][]string)
	for _, g := range s.guards {
		reasons[g.Actuator] = append(reasons[g.Actuator], g.reason)
	}
	for actuator, of := range reasons {
		reason := strings.Join(slices.DeleteFunc(of, func(r string) bool { return r == "" }), ", ")
		if told, known := s.held[actuator]; !known || told != reason {
			s.held[actuator] = reason
			s.hold(actuator, reason)
		}
	}
}

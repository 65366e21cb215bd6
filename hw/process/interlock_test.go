package process

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/hw"
)

// holds records what a Hold is told.
type holds struct{ lines []string }

func (h *holds) hold(actuator, reason string) { h.lines = append(h.lines, actuator+": "+reason) }

func (h *holds) wants(t *testing.T, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, h.lines); d != "" {
		t.Error(d)
	}
	h.lines = nil
}

func state(at string, on bool, q hw.Quality) []hw.Reading {
	return []hw.Reading{{Channel: at, Value: hw.Bool(on), Time: began, Quality: q, Reason: map[bool]string{true: "the bus hangs"}[q != hw.Good]}}
}

func level(x float64) []hw.Reading {
	return []hw.Reading{{Channel: "level", Value: hw.Float(x), Time: began, Quality: hw.Good}}
}

func TestInterlocks(t *testing.T) {
	h, low, high := &holds{}, 1.0, 9.0
	s := NewStage(&record{}, memory{}, h.hold)
	setup := Setup{
		Channels: map[Input]Channel{{"tank", "level"}: {Scale: 2, Alarm: Alarm{High: &high}}},
		Derived:  []Derived{{Name: "spread", Kind: Difference, Inputs: []Input{{"tank", "level"}, {"tank", "level"}}}},
		Interlocks: []Interlock{
			{Actuator: "pump", Input: Input{"door", "state"}},
			{Actuator: "pump", Input: Input{"tank", "level"}, Limits: Alarm{Low: &low, Hysteresis: 1}},
			{Actuator: "valve", Input: Input{"door", "state"}, Off: true},
			{Actuator: "horn", Input: Input{"tank", "level alarm"}},
			{Actuator: "lamp", Input: Input{"spread", ChannelValue}, Limits: Alarm{High: &high}},
		},
	}
	s.Apply(setup)
	h.sort()
	h.wants(t, `horn: "tank/level alarm" is not known yet`, `lamp: "spread" is not known yet`,
		`pump: "door/state" is not known yet, "tank/level" is not known yet`, `valve: "door/state" is not known yet`)
	s.Describe(sensorUnit("door"), []hw.Channel{{Name: "state", Kind: hw.KindBool}})
	s.Describe(sensorUnit("tank"), []hw.Channel{{Name: "level", Kind: hw.KindFloat}})
	h.wants(t)
	s.Deliver(sensorUnit("door"), state("state", false, hw.Good))
	h.sort()
	h.wants(t, `pump: "tank/level" is not known yet`, `valve: "door/state" is off`)
	s.Deliver(sensorUnit("tank"), level(1))
	h.wants(t, `pump: `, `horn: `, `lamp: `)
	s.Deliver(sensorUnit("tank"), level(5))
	h.wants(t, `horn: "tank/level alarm" is on`)
	s.Deliver(sensorUnit("tank"), append(level(0.4), level(0.9)...)) // also what is over when it is told
	h.wants(t, `pump: "tank/level" is below 1`, `horn: `)
	s.Deliver(sensorUnit("tank"), level(1.1))
	h.wants(t, `pump: `)
	s.Deliver(sensorUnit("door"), state("state", true, hw.Good))
	h.sort()
	h.wants(t, `pump: "door/state" is on`, `valve: `)
	s.Deliver(sensorUnit("door"), state("state", false, hw.Uncertain))
	h.sort()
	h.wants(t, `pump: "door/state" is uncertain: the bus hangs`, `valve: "door/state" is uncertain: the bus hangs`)
	s.Deliver(sensorUnit("door"), state("state", false, hw.Good))
	s.Deliver(sensorUnit("tank"), []hw.Reading{{Channel: "level", Value: hw.Float(3), Time: began, Quality: hw.Invalid, Reason: "no device answers"}})
	h.lines = h.lines[len(h.lines)-3:]
	h.wants(t, `pump: "tank/level" is invalid: no device answers`, `horn: "tank/level alarm" is invalid: no device answers`,
		`lamp: "spread" is invalid: level of tank is invalid: no device answers`)
	s.Deliver(sensorUnit("tank"), level(2))
	h.lines = nil

	s.Apply(setup) // nothing new
	h.wants(t)
	scaled := func(by float64) Setup {
		other := setup
		other.Channels = map[Input]Channel{{"tank", "level"}: {Scale: by, Alarm: Alarm{High: &high}}}
		return other
	}
	s.Apply(scaled(2.5)) // all is well as before, also by what is derived
	h.wants(t)
	s.Apply(scaled(10))
	h.wants(t, `horn: "tank/level alarm" is on`)
	s.Apply(setup)
	h.wants(t, `horn: `)
	more := setup
	more.Interlocks = append(more.Interlocks[:1:1], Interlock{Actuator: "fan", Input: Input{"door", "state"}, Off: true})
	s.Apply(more) // what is known stays known, also for one that comes
	h.sort()
	h.wants(t, `fan: "door/state" is off`, `horn: `, `lamp: `, `valve: `)
	more.Channels = map[Input]Channel{{"door", "state"}: {MaxRate: 1}, {"tank", "level"}: setup.Channels[Input{"tank", "level"}]}
	s.Apply(more) // a door may stay as it is for days
	h.wants(t)
	s.Removed(sensorUnit("door"))
	h.sort()
	h.wants(t, `fan: "door/state" is not known yet`, `pump: "door/state" is not known yet`)
}

// sort is for what was told of several actuators at once.
func (h *holds) sort() { slices.Sort(h.lines) }

func TestInterlockCheck(t *testing.T) {
	one, two := 1.0, 2.0
	for _, tt := range []struct {
		name string
		of   Interlock
		kind hw.Kind
		key  string
		want string
	}{
		{"state", Interlock{Off: true}, hw.KindBool, "", ""},
		{"number", Interlock{Limits: Alarm{Low: &one, High: &two, Hysteresis: 0.1}}, hw.KindFloat, "", ""},
		{"seen at run time", Interlock{}, hw.KindNone, "", ""},
		{"state with a limit", Interlock{Limits: Alarm{Low: &one}}, hw.KindBool, "input", `while = "on" or "off"`},
		{"number without a limit", Interlock{}, hw.KindInteger, "input", "above or below must say"},
		{"both", Interlock{Off: true, Limits: Alarm{Low: &one}}, hw.KindFloat, "while", "while is for a state"},
		{"no room", Interlock{Limits: Alarm{Low: &two, High: &one}}, hw.KindFloat, "above", "leave no room"},
		{"hysteresis of nothing", Interlock{Limits: Alarm{Hysteresis: 1}}, hw.KindFloat, "hysteresis", "belongs to above or below"},
	} {
		key, err := tt.of.Check(tt.kind)
		if key != tt.key || (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, %v; want %q, %q", tt.name, key, err, tt.key, tt.want)
		}
	}
}

// An input of another kind than its interlock expects is as good as none.
func TestInterlockOfAnotherKind(t *testing.T) {
	one := 1.0
	for _, tt := range []struct {
		of   Interlock
		v    hw.Value
		want string
	}{
		{Interlock{Limits: Alarm{Low: &one}}, hw.Bool(true), `"s/x" is no number`},
		{Interlock{}, hw.Float(1), `"s/x" is no state`},
		{Interlock{}, hw.Text("off"), `"s/x" is no state`},
	} {
		tt.of.Input = Input{"s", "x"}
		g := &guard{Interlock: tt.of}
		if g.take(hw.Reading{Value: tt.v, Quality: hw.Good}); g.reason != tt.want {
			t.Errorf("%v: %q, want %q", tt.v, g.reason, tt.want)
		}
	}
}

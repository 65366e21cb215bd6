package process

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/hw"
)

// record keeps what it is told, a line for each thing.
type record struct{ lines []string }

func (r *record) Describe(u hw.Unit, channels []hw.Channel) {
	text := ""
	for _, c := range channels {
		text += fmt.Sprintf(" %s:%s", c.Name, c.Unit)
	}
	r.lines = append(r.lines, u.Name+text)
}

func (r *record) Deliver(u hw.Unit, readings []hw.Reading) {
	for _, g := range readings {
		f, _ := g.Value.Float()
		value := fmt.Sprintf("%.6g", f)
		if g.Value.Kind() == hw.KindNone {
			value = "none"
		}
		r.lines = append(r.lines, fmt.Sprintf("%s %s %s %s", u.Name, g.Channel, value, g.Quality))
	}
}

func (r *record) Removed(u hw.Unit) { r.lines = append(r.lines, u.Name+" removed") }

// wants compares what was told since the last time.
func (r *record) wants(t *testing.T, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, r.lines); d != "" {
		t.Error(d)
	}
	r.lines = nil
}

// memory keeps totals.
type memory map[string]*total

type total struct {
	n    int64
	unit string
}

func (m memory) Total(name string) Kept {
	if m[name] == nil {
		m[name] = &total{}
	}
	return m[name]
}

func (t *total) Value() int64              { return t.n }
func (t *total) Add(n int64)               { t.n += n }
func (t *total) Unit() string              { return t.unit }
func (t *total) SetUnit(unit string) error { t.unit = unit; return nil }

// fed is a stage with one sensor "s" of these channels.
func fed(setup Setup, keep Keep, channels ...hw.Channel) (*Stage, *record) {
	r := &record{}
	s := NewStage(r, keep, nil)
	s.Apply(setup)
	s.Describe(sensorUnit("s"), channels)
	return s, r
}

func on(channel string, r hw.Reading) hw.Reading {
	r.Channel = channel
	return r
}

func TestStage(t *testing.T) {
	high := 30.0
	s, r := fed(Setup{
		Channels: map[Input]Channel{{"s", "t"}: {Offset: 1, Alarm: Alarm{High: &high}}},
		Derived: []Derived{
			{Name: "dew", Kind: DewPoint, Inputs: []Input{{"s", "t"}, {"s", "h"}}},
			{Name: "spread", Kind: Difference, Inputs: []Input{{"s", "t"}, {"dew", "value"}}, Unit: "K"},
		},
	}, memory{}, hw.Channel{Name: "t", Unit: "Cel", Kind: hw.KindFloat}, hw.Channel{Name: "h", Unit: "%RH", Kind: hw.KindFloat})
	r.wants(t, "s t:Cel h:%RH t alarm:", "dew value:Cel", "spread value:K")
	s.Deliver(sensorUnit("s"), []hw.Reading{on("t", at(0, 19)), on("h", at(0, 50))})
	r.wants(t, "s t 20 good", "s t alarm 0 good", "s h 50 good", "dew value 9.25517 good", "spread value 10.7448 good")
	s.Deliver(sensorUnit("s"), []hw.Reading{on("h", bad(1))})
	r.wants(t, "s h none invalid", "dew value none invalid", "spread value none invalid")
	doubtful := on("h", at(2, 50))
	doubtful.Quality = hw.Uncertain
	s.Deliver(sensorUnit("s"), []hw.Reading{doubtful})
	r.wants(t, "s h 50 uncertain", "dew value 9.25517 uncertain", "spread value 10.7448 uncertain")
	s.Deliver(hw.Unit{Role: hw.RoleActuator, Name: "s"}, []hw.Reading{on("t", at(3, 1))})
	r.wants(t, "s t 1 good")
	s.Removed(sensorUnit("s"))
	r.wants(t, "s removed", "dew removed", "spread removed")
	s.Describe(sensorUnit("s"), []hw.Channel{{Name: "t", Unit: "Cel"}})
	r.wants(t, "s t:Cel t alarm:")
}

func TestApply(t *testing.T) {
	x := hw.Channel{Name: "x", Unit: "W", Kind: hw.KindFloat}
	sum := Derived{Name: "d", Kind: Mean, Inputs: []Input{{"s", "x"}}, Window: time.Hour}
	s, r := fed(Setup{Derived: []Derived{sum}}, memory{}, x)
	s.Deliver(sensorUnit("s"), []hw.Reading{at(0, 1)})
	r.lines = nil
	s.Apply(Setup{Derived: []Derived{sum}}) // nothing new: the window is as it was
	s.Deliver(sensorUnit("s"), []hw.Reading{at(1, 3)})
	r.wants(t, "s x 3 good", "d value 2 good")
	s.Apply(Setup{Channels: map[Input]Channel{{"s", "x"}: {Unit: "kW"}}})
	r.wants(t, "d removed", "s x:kW", "s x 0.003 good")
	s.Apply(Setup{Channels: map[Input]Channel{{"s", "x"}: {Unit: "kW"}}, Derived: []Derived{sum}})
	r.wants(t, "d value:kW", "d value 0.003 good")
	s.Describe(sensorUnit("s"), []hw.Channel{x}) // another device: what the former said is forgotten
	s.Apply(Setup{Derived: []Derived{sum}})
	r.wants(t, "s x:kW", "d value:kW", "s x:W", "d value:W")
}

// TestApplyToAnotherChannel: what a filter and an alarm of a sensor remember stays when something else is done to another
// channel of it, and the last reading is not taken twice.
func TestApplyToAnotherChannel(t *testing.T) {
	high := 30.0
	setup := Setup{Channels: map[Input]Channel{{"s", "t"}: {Filter: Median, Size: 3, Alarm: Alarm{High: &high, Hysteresis: 5}}}}
	s, r := fed(setup, memory{}, hw.Channel{Name: "t", Kind: hw.KindFloat}, hw.Channel{Name: "h", Kind: hw.KindFloat})
	for i, x := range []float64{40, 28, 27} {
		s.Deliver(sensorUnit("s"), []hw.Reading{on("t", at(float64(i), x)), on("h", at(float64(i), 50))})
	}
	r.lines = r.lines[len(r.lines)-3:]
	r.wants(t, "s t 28 good", "s t alarm 1 good", "s h 50 good")
	s.Apply(Setup{Channels: map[Input]Channel{{"s", "t"}: setup.Channels[Input{"s", "t"}], {"s", "h"}: {Offset: 1}}})
	r.wants(t, "s t: h: t alarm:", "s t 28 good", "s t alarm 1 good", "s h 51 good")
	s.Deliver(sensorUnit("s"), []hw.Reading{on("t", at(3, 29))})
	r.wants(t, "s t 28 good", "s t alarm 1 good")
}

// TestNameTakenOver: a derived sensor has the name of one that is removed, which is said after the setup has changed.
func TestNameTakenOver(t *testing.T) {
	x := hw.Channel{Name: "x", Kind: hw.KindFloat}
	s, r := fed(Setup{}, memory{}, x)
	s.Describe(sensorUnit("room"), []hw.Channel{x})
	s.Deliver(sensorUnit("s"), []hw.Reading{at(0, 1)})
	r.lines = nil
	s.Apply(Setup{Derived: []Derived{{Name: "room", Kind: Sum, Inputs: []Input{{"s", "x"}, {"s", "x"}}}}})
	s.Removed(sensorUnit("room"))
	r.wants(t, "room value:", "room value 2 good", "room removed", "room value:", "room value 2 good")
	s.Deliver(sensorUnit("s"), []hw.Reading{at(1, 2)})
	r.wants(t, "s x 2 good", "room value 4 good")
}

func TestIntegral(t *testing.T) {
	keep := memory{}
	setup := Setup{Derived: []Derived{{Name: "energy", Kind: Integral, Inputs: []Input{{"s", "x"}}, Unit: "Wh", MaxGap: time.Hour}}}
	s, r := fed(setup, keep, hw.Channel{Name: "x", Unit: "kW", Kind: hw.KindFloat})
	r.wants(t, "s x:kW", "energy value:Wh")
	for _, reading := range []hw.Reading{at(0, 1), at(1800, 3), bad(1900), at(2000, 7), at(5600, 7), at(9201, 1)} {
		s.Deliver(sensorUnit("s"), []hw.Reading{reading})
	}
	r.wants(t, "s x 1 good", "energy value 0 good", "s x 3 good", "energy value 1000 good",
		"s x none invalid", "energy value none invalid", "s x 7 good", "energy value 1000 good",
		"s x 7 good", "energy value 8000 good", "s x 1 good", "energy value 8000 good")
	again, r := fed(setup, keep, hw.Channel{Name: "x", Unit: "kW", Kind: hw.KindFloat}) // a restart
	again.Deliver(sensorUnit("s"), []hw.Reading{at(9300, 1)})
	again.Deliver(sensorUnit("s"), []hw.Reading{at(9300.018, 1)}) // 5 mWh
	r.wants(t, "s x:kW", "energy value:Wh", "s x 1 good", "energy value 8000 good", "s x 1 good", "energy value 8000.01 good")
	if keep["energy"].n != 8_000_005 {
		t.Errorf("%d mWh are kept", keep["energy"].n)
	}
}

func TestTotal(t *testing.T) {
	keep := memory{"water": &total{n: 100}}
	setup := Setup{Derived: []Derived{{Name: "water", Kind: Total, Inputs: []Input{{"s", "count"}}, Scale: 0.01, Unit: "m3"}}}
	s, r := fed(setup, keep, hw.Channel{Name: "count", Quantity: hw.Count, Kind: hw.KindInteger})
	for i, n := range []int64{0, 5, 7, 2} { // the line was taken anew before the last
		s.Deliver(sensorUnit("s"), []hw.Reading{{Channel: "count", Value: hw.Integer(n), Time: began.Add(time.Duration(i)), Quality: hw.Good}})
	}
	r.wants(t, "s count:", "water value:m3", "s count 0 good", "water value 0.1 good", "s count 5 good", "water value 0.15 good",
		"s count 7 good", "water value 0.17 good", "s count 2 good", "water value 0.19 good")
}

// TestTotalGoesOn: a total, or what is done to its input, is changed while the source counts on.
func TestTotalGoesOn(t *testing.T) {
	keep := memory{}
	setup := Setup{Derived: []Derived{{Name: "water", Kind: Total, Inputs: []Input{{"s", "count"}}}}}
	counter := hw.Channel{Name: "count", Quantity: hw.Count, Kind: hw.KindInteger}
	s, _ := fed(setup, keep, counter)
	wants := func(when string, n, want int64) {
		t.Helper()
		s.Deliver(sensorUnit("s"), []hw.Reading{{Channel: "count", Value: hw.Integer(n), Time: began.Add(time.Duration(n)), Quality: hw.Good}})
		if got := keep["water"].n; got != 1000*want {
			t.Errorf("%s: %d thousandths, want %d", when, got, 1000*want)
		}
	}
	wants("at first", 0, 0)
	wants("at first", 1000, 1000)
	setup.Derived = []Derived{{Name: "water", Kind: Total, Inputs: setup.Derived[0].Inputs, Scale: 2}}
	s.Apply(setup)
	wants("another scale", 1001, 1002)
	setup.Channels = map[Input]Channel{{"s", "count"}: {MaxRate: 9}}
	s.Apply(setup)
	wants("another limit of its input", 1002, 1004)
	s.Apply(Setup{})
	wants("without the total", 1010, 1004)
	s.Apply(setup)
	wants("with it again", 1011, 1006)
	s.Describe(sensorUnit("s"), []hw.Channel{counter})
	wants("the source began anew", 3, 1012)
	s.Removed(sensorUnit("s"))
	s.Describe(sensorUnit("s"), []hw.Channel{counter})
	wants("the sensor was away", 4, 1020)
}

// TestTotalsUnitChanges: what is kept is converted where that can be, and else kept for when its unit is back.
func TestTotalsUnitChanges(t *testing.T) {
	keep := memory{}
	seconds := 0.0
	wants := func(s *Stage, r *record, want string) {
		t.Helper()
		for range 2 { // 60 kJ
			s.Deliver(sensorUnit("s"), []hw.Reading{at(seconds, 1000)})
			seconds += 60
		}
		seconds += 3600
		if got := r.lines[len(r.lines)-1]; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	energy := func(unit, from string) Setup {
		return Setup{
			Derived:  []Derived{{Name: "energy", Kind: Integral, Inputs: []Input{{"s", "x"}}, Unit: unit}},
			Channels: map[Input]Channel{{"s", "x"}: {From: from}},
		}
	}
	power := hw.Channel{Name: "x", Unit: "W", Kind: hw.KindFloat}
	s, r := fed(energy("", ""), keep, power)
	wants(s, r, "energy value 60000 good")
	s.Apply(energy("Wh", ""))
	wants(s, r, "energy value 33.3337 good")
	s, r = fed(energy("kWh", ""), keep, power) // a restart
	wants(s, r, "energy value 0.0496667 good")
	s.Apply(energy("", "A"))
	wants(s, r, "energy value 60000 good") // C
	s.Apply(energy("", "Pa"))
	wants(s, r, "energy value 60000 good") // in no known unit
	s.Apply(energy("", ""))
	wants(s, r, "energy value 236400 good")
}

// TestInputsUnitChanges: what is derived computes in the unit that its input has now.
func TestInputsUnitChanges(t *testing.T) {
	keep := memory{}
	setup := Setup{
		Channels: map[Input]Channel{},
		Derived: []Derived{
			{Name: "energy", Kind: Integral, Inputs: []Input{{"s", "x"}}},
			{Name: "mean", Kind: Mean, Inputs: []Input{{"s", "x"}}, Window: time.Hour},
			{Name: "more", Kind: Difference, Inputs: []Input{{"s", "x"}, {"mean", "value"}}},
			{Name: "other", Kind: Mean, Inputs: []Input{{"s", "y"}}, Window: time.Hour},
		},
	}
	s, r := fed(setup, keep, hw.Channel{Name: "x", Unit: "W", Kind: hw.KindFloat}, hw.Channel{Name: "y", Kind: hw.KindFloat})
	s.Deliver(sensorUnit("s"), []hw.Reading{at(0, 1000), on("y", at(0, 1))})
	s.Deliver(sensorUnit("s"), []hw.Reading{at(60, 1000), on("y", at(60, 1))}) // 60 kJ
	r.lines = nil
	s.Apply(Setup{Channels: map[Input]Channel{{"s", "x"}: {Unit: "kW"}}, Derived: setup.Derived})
	r.wants(t, "s x:kW y:", "s x 1 good", "s y 1 good", "energy value:J", "energy value 60000 good", "mean value:kW", "mean value 1 good", "more value:kW", "more value 0 good")
	s.Deliver(sensorUnit("s"), []hw.Reading{at(120, 1000), on("y", at(120, 4))})
	s.Deliver(sensorUnit("s"), []hw.Reading{at(180, 1000)})
	if got := keep["energy"].n; got != 180_000_000 {
		t.Errorf("%d mJ are kept, want those of three minutes with 1 kW", got)
	}
	r.wants(t, "s x 1 good", "s y 4 good", "energy value 120000 good", "mean value 1 good", "more value 0 good", "other value 2 good",
		"s x 1 good", "energy value 180000 good", "mean value 1 good", "more value 0 good")
}

func TestWindows(t *testing.T) {
	for kind, want := range map[Kind]float64{Minimum: 2, Maximum: 8, Mean: 5, RMS: 2.236068, Peak: 3} {
		s, r := fed(Setup{Derived: []Derived{{Name: "d", Kind: kind, Inputs: []Input{{"s", "x"}}, Window: 4 * time.Second}}}, memory{}, hw.Channel{Name: "x", Kind: hw.KindFloat})
		for i, v := range []float64{100, 2, 4, 6, 8} {
			s.Deliver(sensorUnit("s"), []hw.Reading{at(float64(i), v)})
		}
		if got, want := r.lines[len(r.lines)-1], fmt.Sprintf("d value %.6g good", want); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
	var w window
	w.length = time.Hour
	for i := range maxSamples + 10 {
		w.add(sample{1, began.Add(time.Duration(i))})
	}
	if held := len(w.samples) - w.old; held != maxSamples || !w.cut {
		t.Errorf("%d samples are held, cut %v", held, w.cut)
	}
}

// Units that do not go together make no number.
func TestUnitsDoNotFit(t *testing.T) {
	d := Derived{Name: "d", Kind: Sum, Inputs: []Input{{"s", "a"}, {"s", "b"}}}
	a, b := hw.Channel{Name: "a", Unit: "W", Kind: hw.KindFloat}, hw.Channel{Name: "b", Unit: "Pa", Kind: hw.KindFloat}
	s, r := fed(Setup{Derived: []Derived{d}}, memory{}, a, b)
	s.Deliver(sensorUnit("s"), []hw.Reading{on("a", at(0, 1)), on("b", at(0, 1))})
	if got := r.lines[len(r.lines)-1]; got != "d value none invalid" {
		t.Error(got)
	}
	if _, err := d.Describe([]hw.Channel{a, b}); err == nil || !strings.Contains(err.Error(), `"Pa" cannot be told in "W"`) {
		t.Error(err)
	}
	b.Unit = "kW"
	s, r = fed(Setup{Derived: []Derived{d}}, memory{}, a, b)
	s.Deliver(sensorUnit("s"), []hw.Reading{on("a", at(0, 1)), on("b", at(0, 1))})
	if got := r.lines[len(r.lines)-1]; got != "d value 1001 good" {
		t.Error(got)
	}
}

// A total of what is no count as the driver has it says so; it would stand still, or have once more with each start what a meter has.
func TestNoCount(t *testing.T) {
	scaled := map[Input]Channel{{"s", "count"}: {Scale: 0.01}}
	for _, tt := range []struct {
		channel hw.Channel
		do      map[Input]Channel
		want    string
	}{
		{hw.Channel{Name: "count", Quantity: hw.Count, Kind: hw.KindInteger}, nil, "d value 5 good"},
		{hw.Channel{Name: "count", Quantity: hw.Count, Kind: hw.KindInteger}, scaled, "d value none invalid"},
		{hw.Channel{Name: "count", Quantity: hw.Generic, Kind: hw.KindInteger}, nil, "d value none invalid"},
		{hw.Channel{Name: "count", Quantity: hw.Generic, Kind: hw.KindFloat}, nil, "d value none invalid"},
	} {
		s, r := fed(Setup{Channels: tt.do, Derived: []Derived{{Name: "d", Kind: Total, Inputs: []Input{{"s", "count"}}}}}, memory{}, tt.channel)
		s.Deliver(sensorUnit("s"), []hw.Reading{{Channel: "count", Value: hw.Integer(5), Time: began, Quality: hw.Good}})
		if got := r.lines[len(r.lines)-1]; got != tt.want {
			t.Errorf("%+v, processing %v: %s, want %s", tt.channel, tt.do, got, tt.want)
		}
	}
}

// Of a batch of samples what is told is the lowest, the highest and the last;
// what is derived is of all of them.
func TestBatch(t *testing.T) {
	high := 3.0
	s, r := fed(Setup{
		Channels: map[Input]Channel{{"s", "a"}: {Alarm: Alarm{High: &high}}},
		Derived:  []Derived{{Name: "rms", Kind: RMS, Inputs: []Input{{"s", "a"}}, Window: time.Hour}, {Name: "peak", Kind: Peak, Inputs: []Input{{"s", "a"}}, Window: time.Hour}},
	}, memory{}, hw.Channel{Name: "a", Kind: hw.KindFloat}, hw.Channel{Name: "b", Kind: hw.KindFloat})
	r.lines = nil
	batch := make([]hw.Reading, 0, 9)
	for i, x := range []float64{1, -5, 2, 4, 5, -2, 2, -1} { // deviations from a mean of 0.75
		batch = append(batch, hw.Reading{Channel: "a", Value: hw.Float(x), Time: time.Unix(int64(i), 0), Quality: hw.Good})
	}
	batch[6].Quality = hw.Uncertain
	batch = append(batch, hw.Reading{Channel: "b", Value: hw.Float(7), Time: time.Unix(9, 0), Quality: hw.Good})
	s.Deliver(sensorUnit("s"), batch)
	r.wants(t, // an alarm goes with each sample, and is told when it changes
		"s a alarm 0 good", "s a -5 good", "s a alarm 1 good", "s a 5 good", "s a alarm 0 good", "s a 2 uncertain", "s a alarm 0 uncertain",
		"s a -1 good", "s a alarm 0 good", "s b 7 good",
		"rms value 3.07205 good", "peak value 5.75 good")
}

// A window of many samples costs as much for each as one of few.
func TestWindowForgets(t *testing.T) {
	w := window{length: 100 * time.Millisecond}
	at := time.Unix(0, 0)
	for i := range 10_000 {
		w.add(sample{float64(i), at.Add(time.Duration(i) * time.Millisecond)})
		if live := len(w.samples) - w.old; live != min(i+1, 100) || len(w.samples) > 2*101 {
			t.Fatalf("sample %d: %d in the window, %d in memory", i, live, len(w.samples))
		}
	}
	if low, _ := w.value(Minimum); low != 9_900 {
		t.Errorf("lowest %v", low)
	}
}

package process

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/hw"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a good reading, seconds after began.
func at(seconds, value float64) hw.Reading {
	return hw.Reading{Channel: "x", Value: hw.Float(value), Time: began.Add(time.Duration(seconds * 1e9)), Quality: hw.Good}
}

func bad(seconds float64) hw.Reading {
	return hw.Reading{Channel: "x", Time: began.Add(time.Duration(seconds * 1e9)), Quality: hw.Invalid, Reason: "no device answers"}
}

var near = cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-6*max(1, math.Abs(a)) })

func TestChannel(t *testing.T) {
	cel := hw.Channel{Name: "x", Unit: "Cel", Kind: hw.KindFloat}
	tests := []struct {
		name string
		c    Channel
		in   []float64 // one per second
		want []float64
	}{
		{"nothing", Channel{}, []float64{1, 2}, []float64{1, 2}},
		{"scale and offset", Channel{Scale: 2, Offset: -1}, []float64{1, 2}, []float64{1, 3}},
		{
			"calibration between and beyond",
			Channel{Calibration: [][2]float64{{0, 1}, {10, 11}, {20, 31}}},
			[]float64{-1, 0, 5, 10, 15, 30},
			[]float64{0, 1, 6, 11, 21, 51},
		},
		{"falling calibration", Channel{Calibration: [][2]float64{{0, 100}, {10, 0}}}, []float64{2.5, 11}, []float64{75, -10}},
		{"unit", Channel{Unit: "K"}, []float64{0, 21.5}, []float64{273.15, 294.65}},
		{"median", Channel{Filter: Median, Size: 3}, []float64{1, 9, 2, 3, 4}, []float64{1, 5, 2, 3, 3}},
		{"average", Channel{Filter: Average, Size: 2}, []float64{1, 3, 5}, []float64{1, 2, 4}},
		{
			"exponential",
			Channel{Filter: Exponential, Constant: time.Second},
			[]float64{0, 1, 1},
			[]float64{0, 1 - math.Exp(-1), 1 - math.Exp(-2)},
		},
		{"dead band", Channel{DeadBand: 0.5}, []float64{1, 1.4, 1.5, 1.2, 0.9}, []float64{1, 1, 1.5, 1.5, 0.9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if key, err := tt.c.Check(); err != nil {
				t.Fatal(key, err)
			}
			c, _ := newChain(tt.c, cel)
			var got []float64
			for i, v := range tt.in {
				f, _ := c.step(at(float64(i), v)).Value.Float()
				got = append(got, f)
			}
			if d := cmp.Diff(tt.want, got, near); d != "" {
				t.Error(d)
			}
		})
	}
}

// A filter does not mix what was before a failure with what is after it.
func TestBadInput(t *testing.T) {
	c, _ := newChain(Channel{Filter: Average, Size: 4, MaxRate: 1}, hw.Channel{Name: "x"})
	c.step(at(0, 100))
	if r := c.step(bad(1)); r.Quality != hw.Invalid || r.Value.Kind() != hw.KindNone || r.Reason != "no device answers" {
		t.Errorf("%+v", r)
	}
	if r := c.step(at(2, 10)); r.Value != hw.Float(10) || r.Quality != hw.Good {
		t.Errorf("%+v", r)
	}
	if r := c.step(at(3, 50)); r.Quality != hw.Uncertain || !strings.Contains(r.Reason, "40 per second") {
		t.Errorf("%+v", r)
	}
	c, _ = newChain(Channel{Scale: 1e308}, hw.Channel{Name: "x"})
	if r := c.step(at(0, 1e9)); r.Quality != hw.Invalid || r.Value.Kind() == hw.KindFloat && r.Value != hw.Float(1e9) {
		t.Errorf("%+v", r)
	}
	c, _ = newChain(Channel{Unit: "Pa"}, hw.Channel{Name: "x", Unit: "Cel"})
	if r := c.step(at(0, 1)); r.Quality != hw.Invalid || !strings.Contains(r.Reason, `"Cel" cannot be told in "Pa"`) {
		t.Errorf("%+v", r)
	}
}

func TestDescription(t *testing.T) {
	_, d := newChain(Channel{Scale: -2, Offset: 10, Unit: "hPa"}, hw.Channel{Name: "n", Unit: "Pa", Kind: hw.KindInteger, Range: hw.Range{Min: 0, Max: 100}})
	if want := (hw.Channel{Name: "n", Quantity: hw.Pressure, Unit: "hPa", Kind: hw.KindFloat, Range: hw.Range{Min: -1.9, Max: 0.1}}); !cmp.Equal(d, want, near) {
		t.Errorf("%+v", d)
	}
}

func TestAlarm(t *testing.T) {
	low, high := 2.0, 8.0
	c, _ := newChain(Channel{Alarm: Alarm{Low: &low, High: &high, Hysteresis: 0.5}}, hw.Channel{Name: "x"})
	for i, tt := range []struct {
		value float64
		want  bool
	}{{5, false}, {8, false}, {8.1, true}, {7.6, true}, {7.5, false}, {1.9, true}, {2.4, true}, {2.5, false}, {9, true}, {1, true}, {3, false}} {
		r := c.alarm(c.step(at(float64(i), tt.value)))
		if got, _ := r.Value.Bool(); got != tt.want || r.Channel != "x alarm" {
			t.Errorf("%v: %+v", tt.value, r)
		}
	}
	if r := c.alarm(c.step(bad(20))); r.Quality != hw.Invalid || r.Value.Kind() != hw.KindNone {
		t.Errorf("%+v", r)
	}
}

func TestCheck(t *testing.T) {
	low, high := 2.0, 2.5
	for _, tt := range []struct {
		key string
		c   Channel
	}{
		{"filter", Channel{Filter: "kalman"}},
		{"filter_size", Channel{Filter: Median}},
		{"filter_size", Channel{Filter: Average, Size: 256}},
		{"filter_size", Channel{Size: 3}},
		{"filter_time", Channel{Filter: Exponential}},
		{"filter_time", Channel{Constant: time.Second}},
		{"dead_band", Channel{DeadBand: -1}},
		{"max_rate", Channel{MaxRate: -1}},
		{"alarm_hysteresis", Channel{Alarm: Alarm{Hysteresis: 1}}},
		{"alarm_high", Channel{Alarm: Alarm{Low: &low, High: &high, Hysteresis: 0.25}}},
		{"calibration", Channel{Calibration: [][2]float64{{1, 1}}}},
		{"calibration", Channel{Calibration: [][2]float64{{1, 1}, {1, 2}}}},
		{"calibration", Channel{Calibration: [][2]float64{{1, 1}, {2, 1}}}},
		{"calibration", Channel{Calibration: [][2]float64{{1, 1}, {2, 3}, {3, 2}}}},
		{"unit", Channel{From: "V", Unit: "A"}},
	} {
		if key, err := tt.c.Check(); key != tt.key || err == nil {
			t.Errorf("%+v: %s, %v; want %s", tt.c, key, err, tt.key)
		}
	}
	one, two := make([]Input, 1), make([]Input, 2)
	for _, tt := range []struct {
		key string
		d   Derived
	}{
		{"kind", Derived{Kind: "root", Inputs: one}},
		{"inputs", Derived{Kind: DewPoint, Inputs: one}},
		{"inputs", Derived{Kind: Difference, Inputs: one}},
		{"inputs", Derived{Kind: Sum, Inputs: one}},
		{"inputs", Derived{Kind: Integral, Inputs: two}},
		{"window", Derived{Kind: RMS, Inputs: one}},
		{"window", Derived{Kind: Sum, Inputs: two, Window: 1}},
		{"max_gap", Derived{Kind: Sum, Inputs: two, MaxGap: 1}},
		{"", Derived{Kind: Integral, Inputs: one, MaxGap: 1}},
	} {
		if key, err := tt.d.Check(); key != tt.key || (err == nil) != (key == "") {
			t.Errorf("%+v: %s, %v; want %s", tt.d, key, err, tt.key)
		}
	}
}

// TestDewPoint: values of the psychrometric tables, to the tenth that they have.
func TestDewPoint(t *testing.T) {
	for _, tt := range []struct{ celsius, humidity, want float64 }{
		{20, 50, 9.3}, {20, 100, 20}, {30, 80, 26.2}, {0, 60, -6.8}, {25, 10, -8.8},
	} {
		if got, ok := dewPoint(tt.celsius, tt.humidity); !ok || math.Abs(got-tt.want) > 0.05 {
			t.Errorf("%v °C, %v %%: %v, want %v", tt.celsius, tt.humidity, got, tt.want)
		}
	}
	if _, ok := dewPoint(20, 0); ok {
		t.Error("air without water has a dew point")
	}
}

func FuzzChannel(f *testing.F) {
	f.Add(1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
	f.Add(-1.0, 1e300, 0.0, 0.0, 1e-300, math.MaxFloat64, -math.MaxFloat64)
	f.Fuzz(func(t *testing.T, scale, offset, a, b, c, d, x float64) {
		ch := Channel{Scale: scale, Offset: offset, Calibration: [][2]float64{{a, b}, {c, d}}, Filter: Average, Size: 2}
		if _, err := ch.Check(); err != nil {
			return
		}
		chain, _ := newChain(ch, hw.Channel{Name: "x"})
		r := chain.step(at(0, x))
		if got, ok := r.Value.Float(); r.Quality == hw.Good && (!ok || math.IsNaN(got) || math.IsInf(got, 0)) {
			t.Errorf("%+v", r)
		}
	})
}

package process

import (
	"fmt"
	"math"
	"time"

	"lwm2m-agent/hw"
)

// Keep gives the totals that outlive the process.
type Keep interface {
	// Total returns the total of that name.
	Total(name string) Kept
}

// Kept is a total in thousandths of its unit.
type Kept interface {
	Value() int64
	Add(n int64)
	// Unit returns what SetUnit was given last, "" if nothing was.
	Unit() string
	SetUnit(unit string) error
}

// keptIn returns the total of that name in a unit: one that is kept in another is converted. Where that cannot be, the total in the
// new unit is another one, so that the former is still there when its unit is again. One that is kept without a unit is taken to be in this one.
func keptIn(keep Keep, name, unit string) (Kept, error) {
	kept := keep.Total(name)
	before := kept.Unit()
	if before == unit {
		return kept, nil
	}
	grown := int64(0)
	if before != "" {
		l, err := conversion(before, unit)
		if err != nil {
			return keep.Total(name + "\x00" + unit), nil //nolint:nilerr // as said
		}
		total := math.Round(float64(kept.Value()) * l.scale)
		if math.Abs(total) > math.MaxInt64/2 {
			return nil, fmt.Errorf("the total in %q is too large for %q", before, unit)
		}
		grown = int64(total) - kept.Value()
	}
	if err := kept.SetUnit(unit); err != nil {
		return nil, fmt.Errorf("keep the unit of the total: %w", err)
	}
	kept.Add(grown)
	return kept, nil
}

// worker is a derived sensor at work.
type worker struct {
	Derived
	in     []line
	out    line
	broken string       // why there can be no value
	latest []hw.Reading // of each input
	seen   []bool
	window window
	kept   Kept
	rest   float64 // of a thousandth
	last   sample
	count  int64 // of a total: the last one
	gap    time.Duration
	due    bool // an input has changed
}

func newWorker(d Derived, inputs []hw.Channel, keep Keep) (*worker, hw.Channel) {
	w := &worker{Derived: d, latest: make([]hw.Reading, len(inputs)), seen: make([]bool, len(inputs)), gap: d.MaxGap}
	if w.gap == 0 {
		w.gap = DefaultGap
	}
	w.window.length = d.Window
	var (
		c   hw.Channel
		err error
	)
	if c, w.in, w.out, err = d.plan(inputs); err == nil && (d.Kind == Integral || d.Kind == Total) {
		w.kept, err = keptIn(keep, d.Name, c.Unit)
	}
	if err != nil {
		w.broken = err.Error()
	}
	return w, c
}

// take takes a reading of an input.
func (w *worker) take(i int, r hw.Reading) {
	w.latest[i], w.seen[i], w.due = r, true, true
	if w.broken != "" {
		return
	}
	if r.Quality == hw.Invalid {
		w.last = sample{}
		return
	}
	x, ok := number(r.Value)
	if !ok {
		return
	}
	s := sample{w.in[i].at(x), r.Time}
	switch {
	case w.Kind == Integral:
		w.integrate(s)
	case w.Kind == Total:
		w.accumulate(r.Value)
	case w.Kind.looksBack():
		w.window.add(s)
	}
}

// integrate adds the area under the line from the last sample to s.
func (w *worker) integrate(s sample) {
	before := w.last
	w.last = s
	passed := s.time.Sub(before.time)
	if before.time.IsZero() || passed <= 0 || passed > w.gap {
		return
	}
	w.add((s.value + before.value) / 2 * passed.Seconds())
}

// accumulate adds what a count has grown by. A count that is lower began anew.
func (w *worker) accumulate(v hw.Value) {
	n, ok := v.Integer()
	if !ok {
		return
	}
	grown := n - w.count
	if grown < 0 {
		grown = n
	}
	w.count = n
	w.add(float64(grown))
}

// add adds to the kept total, which has whole thousandths of the result's unit.
func (w *worker) add(amount float64) {
	w.rest += amount * w.out.scale * 1000
	whole := math.Trunc(w.rest)
	if math.Abs(whole) < 1 || math.Abs(whole) > math.MaxInt64/2 {
		return
	}
	w.kept.Add(int64(whole))
	w.rest -= whole
}

// result returns the reading that follows from the inputs; ok is false while not
// all of them have been heard of.
func (w *worker) result() (hw.Reading, bool) {
	w.due = false
	r := hw.Reading{Channel: ChannelValue, Quality: hw.Good}
	for i, in := range w.latest {
		if !w.seen[i] {
			return r, false
		}
		if in.Time.After(r.Time) {
			r.Time = in.Time
		}
		if in.Quality < r.Quality {
			r.Quality = in.Quality
			r.Reason = fmt.Sprintf("%s of %s is %s: %s", w.Inputs[i].Channel, w.Inputs[i].Sensor, in.Quality, in.Reason)
		}
	}
	switch {
	case r.Quality == hw.Invalid:
		return r, true
	case w.broken != "":
		r.Quality, r.Reason = hw.Invalid, w.broken
		return r, true
	}
	x, ok := w.value()
	if !ok || math.IsNaN(x) || math.IsInf(x, 0) {
		r.Quality, r.Reason = hw.Invalid, "it does not follow from values like these"
		return r, true
	}
	if w.window.cut && r.Quality == hw.Good {
		r.Quality, r.Reason = hw.Uncertain, fmt.Sprintf("the window is shorter than configured: it has room for %d samples", maxSamples)
	}
	r.Value = hw.Float(x)
	return r, true
}

// value computes with inputs that are all known.
func (w *worker) value() (float64, bool) {
	if w.kept != nil {
		return (float64(w.kept.Value()) + w.rest) / 1000, true
	}
	if w.Kind.looksBack() {
		x, ok := w.window.value(w.Kind)
		return w.out.at(x), ok
	}
	x := make([]float64, len(w.latest))
	for i, r := range w.latest {
		f, ok := number(r.Value)
		if !ok {
			return 0, false
		}
		x[i] = w.in[i].at(f)
	}
	switch w.Kind { //nolint:exhaustive // the others are above
	case DewPoint:
		point, ok := dewPoint(x[0], x[1])
		return w.out.at(point), ok
	case Difference:
		return w.out.at(x[0] - x[1]), true
	default:
		sum := 0.0
		for _, f := range x {
			sum += f
		}
		return w.out.at(sum), true
	}
}

// maxSamples bounds a window.
const maxSamples = 4096

// window holds the samples of the last while.
type window struct {
	length  time.Duration
	samples []sample
	old     int  // how many of samples are no longer part of it
	cut     bool // there were more than it has room for
}

func (w *window) add(s sample) {
	for w.old < len(w.samples) && (s.time.Sub(w.samples[w.old].time) >= w.length || w.samples[w.old].time.After(s.time)) {
		w.old++
	}
	w.cut = len(w.samples)-w.old >= maxSamples
	if w.cut {
		w.old++
	}
	if w.old > len(w.samples)/2 { // rarely: each sample is moved once at most
		w.samples, w.old = append(w.samples[:0], w.samples[w.old:]...), 0
	}
	w.samples = append(w.samples, s)
}

func (w *window) value(k Kind) (float64, bool) {
	samples := w.samples[w.old:]
	if len(samples) == 0 {
		return 0, false
	}
	low, high, sum := math.Inf(1), math.Inf(-1), 0.0
	for _, s := range samples {
		low, high, sum = min(low, s.value), max(high, s.value), sum+s.value
	}
	middle := sum / float64(len(samples))
	switch k { //nolint:exhaustive // those that look back
	case Minimum:
		return low, true
	case Maximum:
		return high, true
	case Peak:
		return max(high-middle, middle-low), true
	case RMS:
		squares := 0.0
		for _, s := range samples {
			squares += (s.value - middle) * (s.value - middle)
		}
		return math.Sqrt(squares / float64(len(samples))), true
	default:
		return middle, true
	}
}

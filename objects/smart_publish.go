package objects

import (
	"fmt"
	"math"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Publish enters a reading of one resource. Numbers are
// brought to the resource's type. A value that the definition or the instance
// says is impossible becomes uncertain. It is an error if the instance is not
// there, the resource is not among its feeds, or the value is of another kind.
func (o *SmartObject) Publish(iid, rid uint16, r Reading) error {
	in, err := o.instance(iid)
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	f := in.feed(rid)
	if f == nil {
		return fmt.Errorf("object %d (%s) instance %d: readings of resource %d are not expected", o.def.ID, o.def.Name, iid, rid)
	}
	if r, err = f.take(in, r); err != nil {
		return fmt.Errorf("object %d (%s) instance %d: %w", o.def.ID, o.def.Name, iid, err)
	}
	var b model.Batch
	if r.Value.IsZero() {
		b.SetAt(iid, rid, lwm2m.Value{}, time.Time{}, r.Quality)
	} else {
		o.enter(&b, in, f, r)
	}
	f.quality = r.Quality
	f.heard++
	o.report(&b, in)
	if state, ok := o.state(f, r); ok {
		in.times.see(o.hooks.Now(), state)
	}
	return o.pub.Publish(&b)
}

// take brings a reading to the resource's type, and drops the value of one that
// is worth nothing.
func (f *feed) take(in *smart, r Reading) (Reading, error) {
	if number, ok := r.Value.Number(); ok && (math.IsNaN(number) || math.IsInf(number, 0)) {
		r.Quality = model.Invalid
	}
	if r.Quality == model.Invalid || r.Value.IsZero() {
		if r.Quality == model.Good {
			r.Quality = model.Invalid
		}
		r.Value = lwm2m.Value{}
		return r, nil
	}
	if f.counts {
		f.raw, _ = r.Value.Number()
		in.begunAnew(f)
		r.Value = lwm2m.Float(f.raw + in.offsets[f.def.ID])
	}
	v, err := fit(f.def, r.Value)
	if err != nil {
		return r, err
	}
	r.Value = v
	number, numeric := v.Number()
	outside := numeric && f.around.low != 0 && in.Min < in.Max && (number < in.Min || number > in.Max)
	if r.Quality == model.Good && (outside || !f.def.Range.Contains(v)) {
		r.Quality = model.Uncertain
	}
	return r, nil
}

// begunAnew forgets that a source was set back if it counts less than it did then:
// a meter was replaced, or it has lost its supply.
func (in *smart) begunAnew(f *feed) {
	if at := -in.offsets[f.def.ID]; in.Falls || at <= 0 || f.raw >= at {
		return
	}
	in.offsets[f.def.ID] = 0
	if in.Memory != nil {
		in.Memory.Restart(f.def.ID, 0)
	}
}

// enter adds a value with what follows from it: time stamps and extremes.
func (o *SmartObject) enter(b *model.Batch, in *smart, f *feed, r Reading) {
	b.SetAt(in.ID, f.def.ID, r.Value, r.Time, r.Quality)
	if r.Quality > model.Uncertain {
		return
	}
	if r.Time.IsZero() {
		r.Time = o.hooks.Now()
	}
	in.measured = r.Time
	if !in.known {
		in.known = true
		o.stamp(b, in)
	}
	number, ok := r.Value.Number()
	if !ok {
		return
	}
	f.extend(b, &in.SmartInstance, number)
}

// extend widens the extremes to hold a number.
func (f *feed) extend(b *model.Batch, in *SmartInstance, number float64) {
	lower, higher := !f.extremes || number < f.min, !f.extremes || number > f.max
	if f.around.min == 0 || !lower && !higher {
		return
	}
	if lower {
		f.min = number
		b.Set(in.ID, f.around.min, lwm2m.Float(number))
	}
	if higher {
		f.max = number
		b.Set(in.ID, f.around.max, lwm2m.Float(number))
	}
	f.extremes = true
	if in.Memory != nil {
		in.Memory.Extremes(f.def.ID, f.min, f.max)
	}
}

// report publishes the quality of the instance, which is the worst of its
// readings.
func (o *SmartObject) report(b *model.Batch, in *smart) {
	worst := model.Good
	for i := range in.feeds {
		if in.feeds[i].heard > 0 {
			worst = max(worst, in.feeds[i].quality)
		}
	}
	if in.reported != nil && *in.reported == worst {
		return
	}
	in.reported = &worst
	indicator, level := quality(worst)
	if o.def.Resource(ridQuality) != nil {
		b.Set(in.ID, ridQuality, lwm2m.Integer(indicator))
	}
	if o.def.Resource(ridQualityLevel) != nil {
		b.Set(in.ID, ridQualityLevel, lwm2m.Integer(level))
	}
}

// quality returns the measurement quality indicator (6042: 1 rejected with
// certainty, 2 rejected with probability, 3 accepted but suspicious, 4 accepted)
// and level (6049). The registry fixes the level only at 100, all checks passed,
// and 0, to be rejected; the steps between are ours.
func quality(q model.Quality) (indicator, level int64) {
	switch q {
	case model.Good:
		return 4, 100
	case model.Uncertain:
		return 3, 50
	case model.Stale:
		return 2, 25
	case model.Invalid:
	}
	return 1, 0
}

// state returns whether a reading says that the instance is on.
func (o *SmartObject) state(f *feed, r Reading) (watched, bool) {
	if f.def.ID != o.main {
		return watchedUnknown, false
	}
	if r.Value.IsZero() {
		return watchedUnknown, true
	}
	return switched(r.Value), true
}

// switched returns whether a value means on: true, or a level above 0.
func switched(v lwm2m.Value) watched {
	number, _ := v.Number()
	if v.Bool() || number > 0 {
		return watchedOn
	}
	return watchedOff
}

// fit brings a value to the type of a resource as a source may give it: whole
// numbers are rounded, numbers and booleans stand for each other, and anything
// can be text.
func fit(r *model.ResourceDefinition, v lwm2m.Value) (lwm2m.Value, error) {
	if v.Type() == r.Type {
		return v, nil
	}
	number, numeric := v.Number()
	if v.Type() == lwm2m.TypeBoolean {
		numeric = true
		if v.Bool() {
			number = 1
		}
	}
	switch {
	case r.Type == lwm2m.TypeString && v.Type() != lwm2m.TypeOpaque:
		return lwm2m.String(v.String()), nil
	case r.Type == lwm2m.TypeBoolean && numeric:
		return lwm2m.Boolean(number != 0), nil
	case v.Type() == lwm2m.TypeBoolean, v.Type() == lwm2m.TypeFloat && r.Type != lwm2m.TypeFloat:
		if r.Type != lwm2m.TypeFloat {
			number = math.Round(number)
		}
		v = lwm2m.Float(number)
	}
	c, err := v.Convert(r.Type)
	if err != nil {
		return c, fmt.Errorf("resource %d (%s): %w", r.ID, r.Name, err)
	}
	return c, nil
}

package objects

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// smart is one instance with its state.
type smart struct {
	SmartInstance
	has []uint16 // the resources that were made for it

	mu       sync.Mutex
	feeds    []feed
	reported *model.Quality // what 6042 and 6049 say, if anything
	known    bool           // there was a good reading
	measured time.Time      // the last good or uncertain reading
	offsets  map[uint16]float64
	times    stopwatch
}

// feed is the state of one resource that readings come for.
type feed struct {
	def      *model.ResourceDefinition
	around   measured
	quality  model.Quality
	heard    uint64  // how many readings there were
	counts   bool    // so that it can be set back to 0
	raw      float64 // of a counting resource, as the source counts
	min, max float64
	extremes bool // min and max are there
}

// Add makes an instance, or describes one that is there anew: its values, counts
// and extremes stay, and so does its application type unless another one is described. It is an error if the definition lacks a resource that is
// named, or if a mandatory one would have no value.
func (o *SmartObject) Add(in SmartInstance) error {
	if in.Feeds == nil {
		in.Feeds = []uint16{o.main}
	}
	if err := o.check(&in); err != nil {
		return fmt.Errorf("%q as instance %d of object %d (%s): %w", in.Name, in.ID, o.def.ID, o.def.Name, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	next := &smart{SmartInstance: in, offsets: maps.Clone(in.Offsets)}
	if next.offsets == nil {
		next.offsets = make(map[uint16]float64)
	}
	for _, rid := range in.Feeds {
		f := feed{def: o.def.Resource(rid), around: measurement(o.def, rid), counts: o.counts(rid)}
		if before, ok := in.Extremes[rid]; ok && f.around.min != 0 {
			f.min, f.max, f.extremes = before[0], before[1], true
		}
		next.feeds = append(next.feeds, f)
	}
	next.times.begin(in.Offsets[ridOnTime], in.Offsets[ridOffTime])
	b := o.layout(next)
	if former := o.instances[in.ID]; former != nil {
		next.continueFrom(former)
		o.clear(b, former, next)
	}
	if err := o.pub.Publish(b); err != nil {
		return err
	}
	o.instances[in.ID] = next
	return nil
}

// check tells what is wrong with a description.
func (o *SmartObject) check(in *SmartInstance) error {
	if len(in.Drives) > 0 && in.Setter == nil {
		return fmt.Errorf("resource %d is driven by nothing", in.Drives[0])
	}
	for _, rid := range in.Feeds {
		if r := o.def.Resource(rid); r == nil || r.Multiple || !r.Ops.Has(model.OpRead) {
			return fmt.Errorf("resource %d is not one that readings could be for", rid)
		}
	}
	for _, rid := range in.Drives {
		if r := o.def.Resource(rid); r == nil || r.Multiple || r.Ops&(model.OpWrite|model.OpExecute) == 0 {
			return fmt.Errorf("resource %d is not one that servers could write or execute", rid)
		}
	}
	for rid, v := range in.Values {
		r := o.def.Resource(rid)
		if r == nil || r.Multiple {
			return fmt.Errorf("resource %d is not one that could have a value", rid)
		}
		if _, err := fit(r, v); err != nil {
			return err
		}
	}
	for i := range o.def.Resources {
		if r := &o.def.Resources[i]; r.Mandatory && r.Ops.Has(model.OpRead) && !in.names(r.ID) {
			return fmt.Errorf("nothing gives a value to resource %d (%s), which is mandatory", r.ID, r.Name)
		}
	}
	return nil
}

// names reports whether the description says where a value comes from.
func (in *SmartInstance) names(rid uint16) bool {
	_, given := in.Values[rid]
	return given || slices.Contains(in.Feeds, rid) || slices.Contains(in.Drives, rid)
}

// counts reports whether a resource counts, so that it can be set back.
func (o *SmartObject) counts(rid uint16) bool {
	for i := range o.def.Resources {
		if slices.Contains(counted(o.def.ID, o.def.Resources[i].ID), rid) {
			return true
		}
	}
	return false
}

// layout makes the batch that gives an instance its resources. Those whose
// value comes later are declared, so that Discover tells the same before and
// after the first reading.
func (o *SmartObject) layout(in *smart) *model.Batch {
	l := layout{object: o, in: in, batch: new(model.Batch)}
	l.batch.Create(in.ID)
	for i := range in.feeds {
		f := &in.feeds[i]
		l.declare(f.def.ID)
		if f.around.min != 0 {
			l.declare(f.around.min, f.around.max, ridResetExtremes)
		}
		if f.extremes && l.object.instances[in.ID] == nil {
			l.set(f.around.min, lwm2m.Float(f.min))
			l.set(f.around.max, lwm2m.Float(f.max))
		}
		if f.around.low != 0 && in.Min < in.Max && f.def.ID == o.main {
			l.set(f.around.low, lwm2m.Float(in.Min))
			l.set(f.around.high, lwm2m.Float(in.Max))
		}
	}
	l.declare(in.Drives...)
	for _, r := range o.def.Resources {
		for _, rid := range counted(o.def.ID, r.ID) {
			if slices.Contains(in.Feeds, rid) {
				l.declare(r.ID)
			}
		}
	}
	if former := o.instances[in.ID]; former == nil || former.ApplicationType != in.ApplicationType {
		l.set(ridApplicationType, lwm2m.String(in.ApplicationType))
	}
	l.declare(ridApplicationType)
	if in.Unit != "" {
		l.set(ridUnits, lwm2m.String(in.Unit))
	}
	if in.SensorType != "" {
		l.set(ridSensorType, lwm2m.String(in.SensorType))
	}
	for rid, v := range in.Values {
		l.set(rid, v)
	}
	l.declare(ridTimestamp, ridFraction, ridQuality, ridQualityLevel)
	l.compute(ridOnTime, func() lwm2m.Value { return in.time(o.hooks.Now(), true) })
	l.compute(ridOffTime, func() lwm2m.Value { return in.time(o.hooks.Now(), false) })
	return l.batch
}

// layout collects the resources of an instance, leaving out what its object does
// not define.
type layout struct {
	object *SmartObject
	in     *smart
	batch  *model.Batch
}

func (l *layout) defined(rid uint16) *model.ResourceDefinition {
	r := l.object.def.Resource(rid)
	if r != nil && !slices.Contains(l.in.has, rid) {
		l.in.has = append(l.in.has, rid)
	}
	return r
}

func (l *layout) declare(rids ...uint16) {
	former := l.object.instances[l.in.ID]
	for _, rid := range rids {
		declared := slices.Contains(l.in.has, rid) || former != nil && slices.Contains(former.has, rid)
		if l.defined(rid) != nil && !declared { // what is there keeps its value
			l.batch.Declare(l.in.ID, rid)
		}
	}
}

func (l *layout) set(rid uint16, v lwm2m.Value) {
	if r := l.defined(rid); r != nil {
		if v, err := fit(r, v); err == nil {
			l.batch.Set(l.in.ID, rid, v)
		}
	}
}

func (l *layout) compute(rid uint16, f func() lwm2m.Value) {
	if l.defined(rid) != nil {
		l.batch.Compute(l.in.ID, rid, f)
	}
}

// continueFrom takes over the state of the instance that it replaces.
func (in *smart) continueFrom(former *smart) {
	former.mu.Lock()
	defer former.mu.Unlock()
	in.reported, in.known, in.measured = former.reported, former.known, former.measured
	in.times = former.times
	maps.Copy(in.offsets, former.offsets)
	for i := range in.feeds {
		if f := former.feed(in.feeds[i].def.ID); f != nil {
			in.feeds[i] = *f
		}
	}
}

// clear removes from the tree what an instance has no more.
func (o *SmartObject) clear(b *model.Batch, former, next *smart) {
	for _, rid := range former.has {
		if !slices.Contains(next.has, rid) {
			b.Remove(next.ID, rid)
		}
	}
	if next.known {
		o.stamp(b, next)
	}
}

// stamp gives the time stamps, which there are from the first reading on.
func (o *SmartObject) stamp(b *model.Batch, in *smart) {
	if o.def.Resource(ridTimestamp) != nil {
		b.Compute(in.ID, ridTimestamp, in.timestamp)
	}
	if o.def.Resource(ridFraction) != nil {
		b.Compute(in.ID, ridFraction, in.fraction)
	}
}

func (in *smart) timestamp() lwm2m.Value {
	in.mu.Lock()
	defer in.mu.Unlock()
	return lwm2m.Time(in.measured)
}

func (in *smart) fraction() lwm2m.Value {
	in.mu.Lock()
	defer in.mu.Unlock()
	return lwm2m.Float(float64(in.measured.Nanosecond()) / float64(time.Second))
}

// time returns the on or off time in whole seconds.
func (in *smart) time(now time.Time, on bool) lwm2m.Value {
	in.mu.Lock()
	defer in.mu.Unlock()
	return lwm2m.Integer(int64(in.times.total(now, on) / time.Second))
}

func (in *smart) feed(rid uint16) *feed {
	for i := range in.feeds {
		if in.feeds[i].def.ID == rid {
			return &in.feeds[i]
		}
	}
	return nil
}

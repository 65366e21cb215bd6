package objects

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Prepare lets servers write what an instance drives, its application type, and
// 0 to on and off times. Instances come and go with what they are bound to, so
// they can be neither created nor deleted, nor can their resources; a Replace
// leaves those that it does not mention as they are.
func (o *SmartObject) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	if len(e.Create) > 0 {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "instances of object %d (%s) come from the configuration", o.def.ID, o.def.Name)
	}
	if len(e.Delete) > 0 && len(e.Set) == 0 {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s belongs to the device", e.Delete[0])
	}
	e.Delete = nil
	w := &smartWrite{object: o, edit: e, heard: make(map[lwm2m.Path]uint64)}
	var kept []lwm2m.Node
	for _, n := range o.inTurn(e.Set) {
		in, err := o.instance(n.Path.Instance())
		if err != nil {
			return nil, lwm2m.Errorf(lwm2m.NotFound, "%w", err)
		}
		keep, err := w.prepare(in, n)
		if err != nil {
			return nil, err
		}
		if keep {
			kept = append(kept, n)
		}
	}
	e.Set = kept
	return w, nil
}

// smartWrite is a write to a SmartObject.
type smartWrite struct {
	sequence
	object *SmartObject
	edit   *model.Edit
	heard  map[lwm2m.Path]uint64 // how many readings of a resource there were before it was set
}

// Commit does the steps. A resource that was read meanwhile keeps its reading: an output need not be where it was set
// to, as one that takes whole steps, or that an interlock has switched off again.
func (w *smartWrite) Commit(ctx context.Context) error {
	if err := w.sequence.Commit(ctx); err != nil {
		return err
	}
	w.edit.Set = slices.DeleteFunc(w.edit.Set, func(n lwm2m.Node) bool {
		before, driven := w.heard[n.Path]
		return driven && w.object.heard(n.Path) != before
	})
	return nil
}

// heard returns how many readings of a resource there were.
func (o *SmartObject) heard(p lwm2m.Path) uint64 {
	in, err := o.instance(p.Instance())
	if err != nil {
		return 0
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.heard(p.Resource())
}

// heard is SmartObject.heard; the lock must be held.
func (in *smart) heard(rid uint16) uint64 {
	if f := in.feed(rid); f != nil {
		return f.heard
	}
	return 0
}

// inTurn puts what is written in the order in which it is done: an output is set before it is switched, so that it
// comes on as it shall be.
func (o *SmartObject) inTurn(set []lwm2m.Node) []lwm2m.Node {
	switches := func(n lwm2m.Node) int {
		if n.Path.Resource() == o.main {
			return 1
		}
		return 0
	}
	set = slices.Clone(set)
	slices.SortStableFunc(set, func(a, b lwm2m.Node) int {
		return cmp.Or(cmp.Compare(a.Path.Instance(), b.Path.Instance()), switches(a)-switches(b))
	})
	return set
}

// overruled reports whether the same request has the output off by the other one of On/Off and Dimmer: off wins, without
// the output being on for a moment.
func overruled(n lwm2m.Node, set []lwm2m.Node) bool {
	other, ok := map[uint16]uint16{ridOnOff: ridDimmer, ridDimmer: ridOnOff}[n.Path.Resource()]
	return ok && switched(n.Value) == watchedOn && slices.ContainsFunc(set, func(m lwm2m.Node) bool {
		return m.Path.Instance() == n.Path.Instance() && m.Path.Resource() == other && switched(m.Value) == watchedOff
	})
}

// prepare adds the steps that writing a resource takes, and says whether the
// tree shall have the value.
func (w *smartWrite) prepare(in *smart, n lwm2m.Node) (keep bool, err error) {
	o := w.object
	switch rid := n.Path.Resource(); {
	case slices.Contains(in.Drives, rid):
		if err := o.settable(in, n); err != nil || overruled(n, w.edit.Set) {
			return false, err
		}
		w.drive(in, n)
		return true, nil
	case !slices.Contains(in.has, rid):
		return false, lwm2m.Errorf(lwm2m.NotFound, "%q has no resource %d", in.Name, rid)
	case rid == ridApplicationType:
		if save := o.hooks.Save; save != nil {
			old := o.tree.Value(n.Path)
			w.add(func(ctx context.Context) error { return save(ctx, in.ID, rid, n.Value) },
				func(ctx context.Context) error { return save(ctx, in.ID, rid, old) })
		}
		return true, nil
	case rid == ridOnTime || rid == ridOffTime:
		if n.Value.Int() != 0 {
			return false, lwm2m.Errorf(lwm2m.BadRequest, "%s can be set to 0 only", n.Path)
		}
		w.add(func(context.Context) error {
			in.mu.Lock()
			defer in.mu.Unlock()
			in.times.reset(o.hooks.Now(), rid == ridOnTime)
			return nil
		}, nil)
		return false, nil
	}
	return false, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s of %q cannot be written", n.Path, in.Name)
}

// settable says why a resource's hardware would not be set to a value.
func (o *SmartObject) settable(in *smart, n lwm2m.Node) error {
	rid := n.Path.Resource()
	if number, ok := n.Value.Number(); ok && rid == o.main && in.Min < in.Max && (number < in.Min || number > in.Max) {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: %q takes %v to %v", n.Path, in.Name, in.Min, in.Max)
	}
	if err := in.Setter.Check(rid, n.Value); err != nil {
		return coded(lwm2m.BadRequest, err)
	}
	return nil
}

// drive adds the step that sets a resource's hardware.
func (w *smartWrite) drive(in *smart, n lwm2m.Node) {
	o, rid := w.object, n.Path.Resource()
	set := func(v lwm2m.Value) func(context.Context) error {
		return func(ctx context.Context) error {
			before := o.heard(n.Path)
			w.heard[n.Path] = before
			if err := in.Setter.Set(ctx, rid, v); err != nil {
				return coded(lwm2m.InternalServerError, err)
			}
			in.mu.Lock()
			defer in.mu.Unlock()
			if rid == o.main && in.heard(rid) == before { // else a reading has said it
				in.times.see(o.hooks.Now(), switched(v))
			}
			return nil
		}
	}
	var undo func(context.Context) error
	if old := o.tree.Value(n.Path); !old.IsZero() {
		undo = set(old)
	}
	w.add(set(n.Value), undo)
}

// coded gives an error a response code, unless it has one.
func coded(code lwm2m.Code, err error) error {
	if _, ok := errors.AsType[*lwm2m.Error](err); ok {
		return err
	}
	return lwm2m.Errorf(code, "%w", err)
}

// Execute sets counts back to 0 and extremes to the present value, or has the
// Setter do what the resource stands for.
func (o *SmartObject) Execute(ctx context.Context, _ model.Origin, p lwm2m.Path, _ model.Arguments) error {
	in, err := o.instance(p.Instance())
	if err != nil {
		return lwm2m.Errorf(lwm2m.NotFound, "%w", err)
	}
	rid := p.Resource()
	if slices.Contains(in.Drives, rid) {
		if err := in.Setter.Check(rid, lwm2m.Value{}); err != nil {
			return coded(lwm2m.BadRequest, err)
		}
		return in.Setter.Set(ctx, rid, lwm2m.Value{})
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	var b model.Batch
	switch {
	case rid == ridResetExtremes:
		o.resetExtremes(&b, in)
	case len(counted(o.def.ID, rid)) > 0:
		o.resetCounts(&b, in, counted(o.def.ID, rid))
	default:
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s of %q cannot be executed", p, in.Name)
	}
	return o.pub.Publish(&b)
}

// resetExtremes makes the present value, while it is worth something, all that
// was measured.
func (o *SmartObject) resetExtremes(b *model.Batch, in *smart) {
	for i := range in.feeds {
		f := &in.feeds[i]
		if f.around.min == 0 {
			continue
		}
		f.extremes = false
		number, ok := o.tree.Value(lwm2m.NewPath(o.def.ID, in.ID, f.def.ID)).Number()
		if ok && f.quality <= model.Uncertain {
			f.extend(b, &in.SmartInstance, number)
			continue
		}
		if in.Memory != nil {
			in.Memory.Forget(f.def.ID)
		}
		for _, rid := range []uint16{f.around.min, f.around.max} { // none, until the source is back
			b.Remove(in.ID, rid)
			b.Declare(in.ID, rid)
		}
	}
}

// resetCounts makes counting begin at 0. Values of sources that are away keep
// their quality.
func (o *SmartObject) resetCounts(b *model.Batch, in *smart, rids []uint16) {
	for _, rid := range rids {
		f := in.feed(rid)
		if f == nil {
			continue
		}
		in.offsets[rid] = -f.raw
		if in.Memory != nil {
			in.Memory.Restart(rid, f.raw)
		}
		if zero, err := fit(f.def, lwm2m.Integer(0)); err == nil {
			b.SetAt(in.ID, rid, zero, in.measured, f.quality)
		}
	}
}

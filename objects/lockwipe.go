package objects

import (
	"context"
	"maps"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 8 (OMA-TS-LWM2M_LockWipe-V1_0).
const (
	objectLockAndWipe = 8

	ridLockState  = 0
	ridLockTarget = 1
	ridWipeItem   = 2
	ridWipe       = 3
	ridWipeTarget = 4
	ridLockResult = 5
)

// LockState is a value of /8/0/0.
type LockState int

// The states.
const (
	Unlocked        LockState = 0
	PartiallyLocked LockState = 1
	FullyLocked     LockState = 2
)

// LockResult is a value of /8/0/5.
type LockResult int

// The results.
const (
	NoLockResult        LockResult = 0
	PartiallyLockedDone LockResult = 1
	FullyLockedDone     LockResult = 2
	UnlockedDone        LockResult = 3
	WipeDone            LockResult = 4
	PartialLockFailed   LockResult = 5
	FullLockFailed      LockResult = 6
	UnlockFailed        LockResult = 7
	WipeFailed          LockResult = 8
)

// Locker is the device behind object 8. Its methods keep what they do, so that it outlives a restart; what
// comes of it goes to Publish.
type Locker interface {
	// CanLock and CanWipe refuse a target that there is none of, with an *lwm2m.Error.
	CanLock(target string) error
	CanWipe(target string) error
	// Lock brings the device into a state; targets are those of a partial lock.
	Lock(ctx context.Context, origin model.Origin, state LockState, targets []string) error
	// Wipe returns when it is certain that the targets will be erased.
	Wipe(ctx context.Context, origin model.Origin, targets []string) error
}

// LockStatus is what object 8 shows.
type LockStatus struct {
	State  LockState
	Result LockResult
	Items  []string // that can be wiped
}

// LockAndWipe is object 8.
type LockAndWipe struct {
	pub    *model.Publisher
	locker Locker

	// What servers have written and cannot read back, by resource instance. One request at a time has the object.
	lock, wipe map[uint16]string
}

// NewLockAndWipe adds object 8 with its instance to the tree.
func NewLockAndWipe(tree *model.Tree, l Locker, s LockStatus) (*LockAndWipe, error) {
	o := &LockAndWipe{locker: l}
	var err error
	if o.pub, err = tree.AddRegistered(objectLockAndWipe, o); err != nil {
		return nil, err
	}
	var b model.Batch
	b.Create(0)
	b.Declare(0, ridLockTarget, ridWipe, ridWipeTarget)
	o.enter(&b, s)
	return o, o.pub.Publish(&b)
}

// Publish shows a new status, all of it at once.
func (o *LockAndWipe) Publish(s LockStatus) error {
	var b model.Batch
	o.enter(&b, s)
	return o.pub.Publish(&b)
}

func (o *LockAndWipe) enter(b *model.Batch, s LockStatus) {
	items := make([]lwm2m.Value, len(s.Items))
	for i, item := range s.Items {
		items[i] = lwm2m.String(item)
	}
	if len(items) > 0 {
		b.SetAll(0, ridWipeItem, items...)
	}
	b.Set(0, ridLockState, lwm2m.Integer(int64(s.State)))
	b.Set(0, ridLockResult, lwm2m.Integer(int64(s.Result)))
}

// Prepare takes targets, and then the state, which goes by them. The tree keeps none of it: targets
// cannot be read, and the status says what the state is.
func (o *LockAndWipe) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	lock, wipe := maps.Clone(o.lock), maps.Clone(o.wipe)
	for _, p := range e.Delete {
		forget(p, ridLockTarget, lock)
		forget(p, ridWipeTarget, wipe)
	}
	var state *LockState
	for _, n := range e.Set {
		var err error
		switch p := n.Path; p.Resource() {
		case ridLockState:
			state = new(LockState(n.Value.Int()))
		case ridLockTarget:
			lock, err = with(lock, p, n.Value.Text(), o.locker.CanLock)
		case ridWipeTarget:
			wipe, err = with(wipe, p, n.Value.Text(), o.locker.CanWipe)
		}
		if err != nil {
			return nil, err
		}
	}
	if state != nil && *state == PartiallyLocked && len(lock) == 0 {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "what is to be locked partially? write /8/0/1 first")
	}
	e.Delete, e.Named, e.Set = nil, nil, nil
	var tx sequence
	if state != nil {
		tx.add(func(ctx context.Context) error { return o.locker.Lock(ctx, e.Origin, *state, targets(lock)) }, nil)
	}
	tx.add(func(context.Context) error {
		o.lock, o.wipe = lock, wipe
		return nil
	}, nil)
	return &tx, nil
}

// forget takes out targets that a request removes or replaces.
func forget(p lwm2m.Path, rid uint16, targets map[uint16]string) {
	switch {
	case p.Level() < lwm2m.LevelResource || p.Resource() != rid:
	case p.Level() == lwm2m.LevelResource:
		clear(targets)
	default:
		delete(targets, p.ResourceInstance())
	}
}

// with adds a target, if there is such a one.
func with(targets map[uint16]string, p lwm2m.Path, target string, can func(string) error) (map[uint16]string, error) {
	if err := can(target); err != nil {
		return nil, err
	}
	if targets == nil {
		targets = make(map[uint16]string)
	}
	riid := uint16(0)
	if p.Level() > lwm2m.LevelResource {
		riid = p.ResourceInstance()
	}
	targets[riid] = target
	return targets, nil
}

func targets(m map[uint16]string) []string { return slices.Compact(slices.Sorted(maps.Values(m))) }

// Execute wipes.
func (o *LockAndWipe) Execute(ctx context.Context, origin model.Origin, _ lwm2m.Path, _ model.Arguments) error {
	if len(o.wipe) == 0 {
		return lwm2m.Errorf(lwm2m.BadRequest, "what is to be wiped? write /8/0/4 first; /8/0/2 has what there is")
	}
	return o.locker.Wipe(ctx, origin, targets(o.wipe))
}

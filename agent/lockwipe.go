package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// keyLock is where object 8 is kept, among the values.
const keyLock = "lock"

// wipeState is the target that is all of the state directory: a factory reset.
const wipeState = "state"

// lockAndWipe is the device behind object 8.
type lockAndWipe struct {
	agent   *Agent
	folders []string
	object  *objects.LockAndWipe
	erase   func(folder string) error // host.Wipe
	wake    chan struct{}             // receives when there is something to wipe
	locked  atomic.Pointer[lockRecord]

	mu sync.Mutex // held while the record changes
}

// lockRecord is what outlives a restart, and a factory reset: who finds a device must not
// unlock it by that.
type lockRecord struct {
	State   objects.LockState  `json:"state"`
	Targets []string           `json:"targets,omitempty"` // actuators; of a partial lock
	Result  objects.LockResult `json:"result"`
	Wiping  []string           `json:"wiping,omitempty"` // what has yet to be wiped
	orders  int                // to wipe, in this run
}

// addLockAndWipe adds object 8, if the configuration has it.
func (a *Agent) addLockAndWipe() error {
	cfg := a.opts.Config.LockAndWipe
	if cfg == nil {
		return nil
	}
	l := &lockAndWipe{agent: a, folders: cfg.Folders, erase: host.Wipe, wake: make(chan struct{}, 1)}
	record, err := a.store.Bucket(store.Values).Load(keyLock)
	r := new(lockRecord)
	if err == nil && record != nil {
		err = json.Unmarshal(record, r)
	}
	if err != nil {
		return fmt.Errorf("read whether the device is locked: %w", err)
	}
	l.locked.Store(r)
	a.lock = l
	l.object, err = objects.NewLockAndWipe(a.tree, l, l.status())
	return err
}

func (l *lockAndWipe) status() objects.LockStatus {
	r := l.locked.Load()
	return objects.LockStatus{State: r.State, Result: r.Result, Items: l.items()}
}

// items are what can be wiped.
func (l *lockAndWipe) items() []string {
	items := slices.Clone(l.folders)
	if l.agent.opts.FactoryReset {
		items = append(items, wipeState)
	}
	return items
}

// change keeps a changed record and shows it.
func (l *lockAndWipe) change(f func(r *lockRecord)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := *l.locked.Load()
	f(&next)
	record, err := json.Marshal(&next)
	if err == nil {
		err = l.agent.store.Bucket(store.Values).Save(keyLock, record)
	}
	if err != nil {
		return fmt.Errorf("keep the lock: %w", err)
	}
	l.locked.Store(&next)
	return l.object.Publish(l.status())
}

// Locked reports whether an actuator must stay in its safe state.
func (l *lockAndWipe) Locked(actuator string) bool {
	if l == nil {
		return false
	}
	r := l.locked.Load()
	return r.State == objects.FullyLocked || r.State == objects.PartiallyLocked && slices.Contains(r.Targets, actuator)
}

// CanLock implements objects.Locker.
func (l *lockAndWipe) CanLock(target string) error {
	if slices.Contains(l.actuators(), target) {
		return nil
	}
	return lwm2m.Errorf(lwm2m.BadRequest, "there is nothing of the name %.40q to lock; there are %q", target, l.actuators())
}

func (l *lockAndWipe) actuators() []string {
	actuators := l.agent.config.Load().Actuators
	names := make([]string, 0, len(actuators))
	for i := range actuators {
		names = append(names, actuators[i].Name)
	}
	return names
}

// CanWipe implements objects.Locker.
func (l *lockAndWipe) CanWipe(target string) error {
	if slices.Contains(l.items(), target) {
		return nil
	}
	return lwm2m.Errorf(lwm2m.BadRequest, "there is nothing of the name %.40q to wipe; /8/0/2 has what there is", target)
}

// Lock implements objects.Locker. From the moment at which it is on disk nobody can set a locked output
// any more; then they take their safe states. One that does not obey makes the result a
// failure, and takes it when it is back. Unlocking takes back orders to wipe that have failed.
func (l *lockAndWipe) Lock(ctx context.Context, origin model.Origin, state objects.LockState, targets []string) error {
	if state != objects.PartiallyLocked {
		targets = nil
	}
	result := map[objects.LockState]objects.LockResult{
		objects.Unlocked: objects.UnlockedDone, objects.PartiallyLocked: objects.PartiallyLockedDone, objects.FullyLocked: objects.FullyLockedDone,
	}[state]
	err := l.change(func(r *lockRecord) {
		if state == objects.Unlocked && r.Result == objects.WipeFailed {
			r.Wiping = nil // taken back
		}
		r.State, r.Targets, r.Result = state, targets, result
	})
	if err != nil {
		return err
	}
	l.agent.log.Warn("the device was locked or unlocked", slog.Int("state", int(state)), slog.Any("targets", targets), slog.Int("server", int(origin.Server)))
	if err := l.makeSafe(ctx); err != nil {
		l.agent.log.Error("a locked output does not take its safe state", slog.Any("error", err))
		failed := objects.FullLockFailed
		if state == objects.PartiallyLocked {
			failed = objects.PartialLockFailed
		}
		return l.change(func(r *lockRecord) { r.Result = failed })
	}
	return nil
}

// safeTime is how long one output may take to take its safe state.
const safeTime = 2 * time.Second

// makeSafe puts every output that is locked into its safe state.
func (l *lockAndWipe) makeSafe(ctx context.Context) error {
	var problems []error
	for _, name := range l.actuators() {
		if l.Locked(name) {
			within, cancel := context.WithTimeout(ctx, safeTime)
			problems = append(problems, l.agent.board.Hardware().Safe(within, name))
			cancel()
		}
	}
	return errors.Join(problems...)
}

// Wipe implements objects.Locker: the order is on disk, run carries it out. One that is under way stays, too.
func (l *lockAndWipe) Wipe(_ context.Context, origin model.Origin, targets []string) error {
	err := l.change(func(r *lockRecord) {
		r.orders++
		for _, target := range targets {
			if !slices.Contains(r.Wiping, target) {
				r.Wiping = append(slices.Clip(r.Wiping), target)
			}
		}
		r.Result = objects.NoLockResult
	})
	if err != nil {
		return err
	}
	l.agent.log.Warn("data are wiped", slog.Any("targets", targets), slog.Int("server", int(origin.Server)))
	l.wakeUp()
	return nil
}

func (l *lockAndWipe) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// goOn has the state wiped that an update has kept from it.
func (l *lockAndWipe) goOn() {
	if l != nil && slices.Contains(l.locked.Load().Wiping, wipeState) {
		l.wakeUp()
	}
}

// run wipes what is to be wiped, also what a former run did not come to the end of.
func (l *lockAndWipe) run(ctx context.Context) error {
	for {
		if err := l.wipe(ctx); err != nil {
			l.agent.log.Error("not all is wiped", slog.Any("error", err))
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// wipe erases folders, and the state last: with it goes the order itself. One that fails keeps no other from being wiped,
// the keys least of all, and is tried again by the next start. The state waits for the end of an update; where it cannot be wiped, that is the end of
// its order, since nobody expects it later.
func (l *lockAndWipe) wipe(ctx context.Context) error {
	r := l.locked.Load()
	wiping, orders := r.Wiping, r.orders
	if len(wiping) == 0 {
		return nil
	}
	left, err := l.eraseFolders(wiping)
	result, state := objects.WipeDone, slices.Contains(wiping, wipeState)
	switch {
	case err != nil && (!state || !l.agent.updating()):
		result = objects.WipeFailed
	case state:
		result = objects.NoLockResult
	}
	all := left
	if state {
		all = append(slices.Clip(left), wipeState)
	}
	err = errors.Join(err, l.wiped(orders, all, result))
	if !state || l.locked.Load().orders != orders { // more was ordered meanwhile
		return err
	}
	switch failure := l.agent.factoryReset(ctx, model.FromAgent()); {
	case failure == nil: // afterReset is the end of the order
	case errors.Is(failure, errUpdating):
		l.agent.log.Info("the state is wiped when the firmware update that is under way has ended")
		err = errors.Join(err, l.wiped(orders, all, objects.NoLockResult))
	default:
		err = errors.Join(err, failure, l.wiped(orders, left, objects.WipeFailed))
	}
	return err
}

// eraseFolders erases those among the targets, and returns the ones to try again.
func (l *lockAndWipe) eraseFolders(targets []string) (left []string, err error) {
	var problems []error
	for _, target := range targets {
		switch {
		case target == wipeState:
		case !slices.Contains(l.folders, target):
			problems = append(problems, fmt.Errorf("%s was to be wiped, and is no longer among the folders of [lock_and_wipe]", target))
		default:
			if err := l.erase(target); err != nil {
				left, problems = append(left, target), append(problems, err)
			}
		}
	}
	return left, errors.Join(problems...)
}

// wiped notes what is left to wipe, unless more was ordered meanwhile: then all of it begins anew.
func (l *lockAndWipe) wiped(orders int, left []string, result objects.LockResult) error {
	return l.change(func(r *lockRecord) {
		if r.orders == orders {
			r.Wiping, r.Result = left, result
		}
	})
}

// afterReset returns what a factory reset leaves of object 8: the lock, folders that have yet to be wiped, and that the state
// is wiped, if that was asked for.
func (l *lockAndWipe) afterReset() map[store.Name]map[string][]byte {
	if l == nil {
		return nil
	}
	r := *l.locked.Load()
	if i := slices.Index(r.Wiping, wipeState); i >= 0 {
		r.Wiping = slices.Delete(slices.Clone(r.Wiping), i, i+1)
		if len(r.Wiping) == 0 && r.Result != objects.WipeFailed {
			r.Result = objects.WipeDone
		}
	}
	record, err := json.Marshal(&r)
	if err != nil {
		return nil
	}
	return map[store.Name]map[string][]byte{store.Values: {keyLock: record}}
}

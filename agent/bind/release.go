package bind

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/modem"
)

// releasable is a modem that can be told; see at.Modem.
type releasable interface {
	Release(ctx context.Context, silent func() bool) error
}

// Releaser has a modem told that nothing more is to be exchanged for now, once each time that
// all who use it fall silent.
type Releaser struct {
	modem  releasable
	log    *slog.Logger
	silent func() bool
	due    chan struct{} // receives when the modem is to be told

	mu   sync.Mutex // held while it is looked: each change is seen after what it has changed
	done bool       // the silence that lasts has been told, or will be

	told atomic.Uint64 // how often
}

// Releaser returns that of a modem, by its name, nil if its driver cannot tell it. silent reports
// whether nobody who uses the modem has anything under way; it must not wait.
func (m *Modems) Releaser(name string, silent func() bool) *Releaser {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &m.states[m.index(name)]
	to, ok := n.made.(releasable)
	if !ok {
		return nil
	}
	n.releaser = &Releaser{modem: to, log: m.Log.With(slog.String("modem", name)), silent: silent, due: make(chan struct{}, 1)}
	return n.releaser
}

// Told returns how often the modem was told.
func (r *Releaser) Told() uint64 {
	if r == nil {
		return 0
	}
	return r.told.Load()
}

// Look looks whether all are silent. It is called with each change of that, and does not wait.
func (r *Releaser) Look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	silent := r.silent()
	if silent && !r.done {
		select {
		case r.due <- struct{}{}:
		default: // the one before has not gone out yet
		}
	}
	r.done = silent
}

// releaseTime bounds the wait for a modem that does something else.
const releaseTime = 20 * time.Second

// Run tells the modem until ctx ends, which gives nil.
func (r *Releaser) Run(ctx context.Context) error {
	for {
		select {
		case <-r.due:
			r.release(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *Releaser) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, releaseTime)
	defer cancel()
	switch err := r.modem.Release(ctx, r.silent); {
	case err == nil:
		r.told.Add(1)
		r.log.Debug("all servers sleep: the radio is released")
	case !errors.Is(err, modem.ErrNoRelease):
		r.log.Debug("the radio is not released", slog.Any("error", err))
	}
}

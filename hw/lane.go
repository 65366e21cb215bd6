package hw

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// callLimit is how long one call on a lane may take. The kernel gives up an
// I2C transfer after a second by itself (struct i2c_adapter.timeout), so what
// takes longer hangs; a 1-wire conversion takes 750 ms.
const callLimit = 3 * time.Second

// lane runs blocking calls on one bus, one after the other, in a goroutine of
// its own, so that a call that never returns costs that goroutine and nothing
// else. While such a call is out the lane is hung: others are refused at once.
// When it returns the lane is as new.
type lane struct {
	limit time.Duration
	after func(late bool) // runs in the lane's goroutine after each call
	token chan struct{}   // holds one element while a call is out
	calls chan *laneCall
	poke  chan struct{} // makes run look whether it is still wanted

	mu      sync.Mutex
	current *laneCall
	began   time.Time     // of current
	hung    chan struct{} // closed while current is overdue
	late    bool          // current is overdue
	left    []func()      // to be done when current has returned
}

type laneCall struct {
	f    func() error
	done chan error
}

// newLane returns a lane whose goroutine is still to be started: go l.run(done).
func newLane(limit time.Duration, after func(late bool)) *lane {
	return &lane{
		limit: limit,
		after: after,
		token: make(chan struct{}, 1),
		calls: make(chan *laneCall),
		poke:  make(chan struct{}, 1),
		hung:  make(chan struct{}),
	}
}

// run serves calls until done, asked after each call and each wake, says that
// nobody wants the lane any more.
func (l *lane) run(done func() bool) {
	for {
		select {
		case c := <-l.calls:
			err := c.f()
			l.finish()
			c.done <- err
		case <-l.poke:
		}
		if done() {
			return
		}
	}
}

// wake makes run ask whether it is done.
func (l *lane) wake() {
	select {
	case l.poke <- struct{}{}:
	default:
	}
}

// finish ends the current call, and does what was left for its end.
func (l *lane) finish() {
	l.mu.Lock()
	late := l.late
	l.mu.Unlock()
	l.after(late)
	for {
		l.mu.Lock()
		left := l.left
		if l.left = nil; len(left) == 0 {
			break
		}
		l.mu.Unlock()
		for _, f := range left {
			f()
		}
	}
	l.current = nil
	if l.late {
		l.late = false
		l.hung = make(chan struct{})
	}
	l.mu.Unlock()
	<-l.token
}

// do runs f in the lane's goroutine and returns its error. If ctx ends first,
// or f takes longer than the limit (ErrHung), do returns and f may still be
// running: what f writes must not be read then.
func (l *lane) do(ctx context.Context, f func() error) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	c := &laneCall{f: f, done: make(chan error, 1)}
	l.mu.Lock()
	l.current, l.began = c, time.Now()
	hung := l.hung
	l.mu.Unlock()
	l.calls <- c
	timer := time.NewTimer(l.limit)
	defer timer.Stop()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-hung:
		return l.errHung()
	case <-timer.C:
		l.overdue()
		return l.errHung()
	}
}

// finally runs f in the lane's goroutine and waits for it, but not for a call
// that hangs: then f runs when that has returned.
func (l *lane) finally(ctx context.Context, f func()) {
	f = sync.OnceFunc(f) // it may itself be what hangs
	err := l.do(context.WithoutCancel(ctx), func() error { f(); return nil })
	if err == nil {
		return
	}
	l.mu.Lock()
	out := l.current != nil
	if out {
		l.left = append(l.left, f)
	}
	l.mu.Unlock()
	if !out { // it has returned in this moment
		f()
	}
}

// enter takes the token. A call that is out is given the rest of its limit.
func (l *lane) enter(ctx context.Context) error {
	select {
	case l.token <- struct{}{}:
		return nil
	default:
	}
	for {
		l.overdue()
		l.mu.Lock()
		hung := l.hung
		rest := l.limit
		if l.current != nil {
			rest -= time.Since(l.began)
		}
		l.mu.Unlock()
		timer := time.NewTimer(rest)
		select {
		case <-hung:
			timer.Stop()
			return l.errHung()
		case l.token <- struct{}{}:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// overdue marks the lane as hung if the call that is out has used up its limit.
func (l *lane) overdue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil && !l.late && time.Since(l.began) >= l.limit {
		l.late = true
		close(l.hung)
	}
}

func (l *lane) errHung() error {
	return fmt.Errorf("%w: a transfer has not come back within %v", ErrHung, l.limit)
}

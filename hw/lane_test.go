package hw

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// startLane runs a lane until the test ends it.
func startLane(t *testing.T, after func(late bool)) (l *lane, end func()) {
	t.Helper()
	l = newLane(callLimit, after)
	var ended atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() { l.run(ended.Load) })
	return l, func() {
		ended.Store(true)
		l.wake()
		wg.Wait()
	}
}

func nothing(bool) {}

func TestLaneRunsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, end := startLane(t, nothing)
		defer end()
		running, most, done := 0, 0, 0
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				err := l.do(t.Context(), func() error {
					running++
					most = max(most, running)
					err := pause(t.Context(), time.Second) // 5 calls of less than the limit each: busy, not hung
					running--
					done++
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most != 1 || done != 5 {
			t.Errorf("%d at once, %d done", most, done)
		}
	})
}

func TestLaneReturnsTheError(t *testing.T) {
	l, end := startLane(t, nothing)
	defer end()
	if err := l.do(t.Context(), func() error { return ErrGarbage }); !errors.Is(err, ErrGarbage) {
		t.Error(err)
	}
}

func TestLaneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late []bool
		l, end := startLane(t, func(was bool) { late = append(late, was) })
		defer end()
		release := make(chan struct{})
		block := func() error { <-release; return nil }
		begin := time.Now()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if err := pause(t.Context(), 2*time.Second); err != nil {
				t.Error(err)
			}
			if err := l.do(t.Context(), func() error { return nil }); !errors.Is(err, ErrHung) {
				t.Errorf("who waits for the call that hangs: %v", err)
			}
			if waited := time.Since(begin); waited != callLimit {
				t.Errorf("it waited until %v, want until the call was overdue at %v", waited, callLimit)
			}
		})
		if err := l.do(t.Context(), block); !errors.Is(err, ErrHung) {
			t.Errorf("a call that does not return: %v", err)
		}
		if got := time.Since(begin); got != callLimit {
			t.Errorf("it was given up after %v, want %v", got, callLimit)
		}
		waiting.Wait()
		begin = time.Now()
		for range 100 {
			if err := l.do(t.Context(), func() error { t.Error("a hung lane ran a call"); return nil }); !errors.Is(err, ErrHung) {
				t.Errorf("a hung lane: %v", err)
			}
		}
		if got := time.Since(begin); got != 0 {
			t.Errorf("a hung lane made its callers wait %v", got)
		}
		close(release)
		synctest.Wait()
		if err := l.do(t.Context(), func() error { return nil }); err != nil {
			t.Errorf("after the call returned: %v", err)
		}
		if len(late) != 2 || !late[0] || late[1] {
			t.Errorf("calls were late: %v, want the first alone", late)
		}
	})
}

func TestLaneCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, end := startLane(t, nothing)
		defer end()
		release := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.do(ctx, func() error { <-release; return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller whose time is up: %v", err)
		}
		if err := l.do(ctx, func() error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one who comes with no time: %v", err)
		}
		// The call is still out, and counts from when it began.
		begin := time.Now()
		if err := l.do(t.Context(), func() error { return nil }); !errors.Is(err, ErrHung) {
			t.Errorf("the next: %v", err)
		}
		if got := time.Since(begin); got != callLimit-time.Second {
			t.Errorf("the next waited %v, want the rest of the limit", got)
		}
		close(release)
		synctest.Wait()
		if err := l.do(t.Context(), func() error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

// A call that ends in the very moment in which it is overdue must not leave the
// lane hung for ever.
func TestLaneEndsInTheLastMoment(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			l, end := startLane(t, nothing)
			defer end()
			_ = l.do(t.Context(), func() error { return pause(t.Context(), callLimit) }) // either way
			synctest.Wait()
			if err := l.do(t.Context(), func() error { return nil }); err != nil {
				t.Fatal(err)
			}
		})
	}
}

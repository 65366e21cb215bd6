package restart

import (
	"context"
	"time"

	"lwm2m-agent/agent/control"
)

// stored is how many notifications are on disk whenever the agent is killed: telling them takes some part of the time between two kills.
const stored = 60

// store has the agent store notifications while nothing comes through, and end in order, so that they are on disk before they
// are a minute old. It returns the first of the numbers of which each is one of them. What of them was told is on disk after
// another minute, which no process lives for: each tells them again.
func (r *trial) store(ctx context.Context) (first int) {
	r.Helper()
	r.relay.sever(true)
	// One is on its way until a later one is stored behind it, and what comes in the first seconds of silence may be one notification: the count begins
	// when more have been stored twice. It begins again after numbers that a busy agent made one notification of.
	const begin = 2
	first = 1
	for number, queued, grown := 1, 0, 0; number < first+stored; number++ {
		r.put(ctx, number)
		now := r.awaitQueued(ctx, queued+1)
		if now > queued {
			grown++
		}
		if grown <= begin || now != queued+1 {
			first = number + 1
		}
		queued = now
		if number > 3*stored {
			r.Fatalf("the numbers from %d to %d are not %d stored notifications", first, number, stored)
		}
	}
	r.agent.Stop(r)
	r.relay.sever(false)
	r.agent.Restart(r)
	return first
}

// put publishes a number that is to be stored.
func (r *trial) put(ctx context.Context, number int) {
	r.Helper()
	if !r.program.put(ctx, storedPath, number) {
		r.Fatalf("the agent has not taken number %d", number)
	}
}

// awaitQueued waits a moment until the agent has stored so many notifications at least, and returns how many.
func (r *trial) awaitQueued(ctx context.Context, least int) int {
	r.Helper()
	agent := control.NewClient(r.agent.Socket())
	for end := time.Now().Add(2 * time.Second); ; r.pause(idle / 10) {
		status, err := agent.Status(ctx)
		if err != nil {
			r.Fatalf("wait for %d stored notifications: %v", least, err)
		}
		if queued := status.Servers[0].Queued; queued >= least || time.Now().After(end) {
			return queued
		}
	}
}

// checkStored checks that each stored number was told, and none before the one before it: after each kill again from one
// that was told already, or the next.
func (r *trial) checkStored(first int, seed uint64) {
	r.Helper()
	told, next := r.numbers(&r.retold), first
	for i, number := range told {
		if number > next {
			r.Errorf("seed %d: the stored number %d was told, %d was not yet: %v", seed, number, next, told[max(0, i-5):i+1])
			return
		}
		if number == next {
			next++
		}
	}
	if next != first+stored {
		r.Errorf("seed %d: the numbers %d to %d were stored; %d is missing in what the server was told", seed, first, first+stored-1, next)
	}
	r.Logf("%d notifications stored, told %d times in all", stored, len(told))
}

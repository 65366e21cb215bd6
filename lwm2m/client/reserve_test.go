package client

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// edgeOnDisk is how far the numbers of the session may have been used.
func (l *lives) edgeOnDisk() edge {
	l.t.Helper()
	record, _ := l.store.Load(edgeKey(101)) // does not fail
	e, err := parseEdge(record)
	if err != nil {
		l.t.Fatal(err)
	}
	return e
}

// TestReserve shows that numbers which are reserved before Run are on disk then, that the first notification needs no other
// write, and that no number is used twice, whether or not the process comes to use any.
func TestReserve(t *testing.T) {
	var mu sync.Mutex
	used := make(map[uint16]int)
	trace := func(c *Config) {
		c.Trace = func(_ *Link, d coap.Direction, datagram []byte) {
			if m, err := coap.Parse(datagram); err == nil && d == coap.Sent && (m.Type == coap.CON || m.Type == coap.NON) {
				mu.Lock()
				defer mu.Unlock()
				used[m.ID]++
			}
		}
	}
	live(t, trace, func(l *lives) {
		w := l.observe(temperature, -1)
		l.after(time.Second)
		for i := range 3 {
			l.kill()
			before := l.edgeOnDisk()
			l.begin(l.t, l.server)
			l.client.Reserve()
			reserved := l.edgeOnDisk()
			if first := l.client.reserved[101].first(); first < before.next || reserved.next != first+minBlock || reserved.clean {
				l.t.Fatalf("from %d on, the disk says %+v after %+v", first, reserved, before)
			}
			l.store = l.store.copied() // the power goes
			l.begin(l.t, l.server)
			l.temperature(0, float64(21+i))
			l.client.Reserve()
			if first := l.client.reserved[101].first(); first < reserved.next {
				l.t.Fatalf("from %d on, of which those up to %d may be used", first, reserved.next)
			}
			l.run()
			l.after(0)
			if got := w.payloads(); fmt.Sprint(got) != fmt.Sprintf("[%d]", 21+i) {
				l.t.Errorf("told %q", got)
			}
			if n := l.store.of[edgeKey(101)]; n != 1 {
				l.t.Errorf("the numbers were written %d times, want once", n)
			}
			l.after(time.Second)
		}
	})
	for id, n := range used {
		if n > 1 {
			t.Errorf("message ID %d was used %d times", id, n)
		}
	}
}

// TestReservedForNothing shows that a process that has reserved numbers and reached nobody does not take away what is
// certain of what the server knows.
func TestReservedForNothing(t *testing.T) {
	live(t, nil, func(l *lives) {
		w := l.toldAndEnded()
		l.server.set(func(s *scripted) { s.refuse = errors.New("no route") })
		l.start(21)
		l.after(time.Second)
		l.end()
		l.server.set(func(s *scripted) { s.refuse = nil })
		l.start(21)
		l.after(time.Second)
		w.want()
		l.temperature(0, 22)
		l.after(0)
		if got := w.payloads(); fmt.Sprint(got) != "[22]" {
			l.t.Errorf("told %q", got)
		}
	})
}

// waits is a Journal that counts what waits for the disk, and what does not.
type waits struct {
	*memory

	forced, deferred int
}

func (w *waits) Save(key string, record []byte) error {
	w.forced++
	return w.memory.Save(key, record)
}

func (w *waits) Defer(key string, record []byte) error {
	w.deferred++
	return w.memory.Save(key, record)
}

func (w *waits) Note(key string, record []byte) error { return w.Save(key, record) }

// TestReserveAtOnce shows that one wait for the disk does for the sessions with all servers.
func TestReserveAtOnce(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.kill()
		l.store.records[edgeKey(102)] = l.store.records[edgeKey(101)]
		journal := &waits{memory: l.store}
		l.change = func(c *Config) { c.Journal = journal }
		l.begin(l.t, l.server)
		l.account(1, 102, 600)
		l.client.Reserve()
		if journal.forced != 1 || journal.deferred != 1 || len(l.client.reserved) != 2 {
			l.t.Errorf("%d waits for the disk, %d other records, %d sessions", journal.forced, journal.deferred, len(l.client.reserved))
		}
		l.run()
	})
}

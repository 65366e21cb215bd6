package client

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

const updated = "POST /rd/1 []"

// copied returns the records as they are at this moment.
func (m *memory) copied() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{records: maps.Clone(m.records)}
}

// lives is a device over restarts of its agent, and a server that knows it by its address.
type lives struct {
	*lab

	store   *memory
	runs    *counted
	counter *model.Publisher
	change  func(*Config)
}

// live runs a test of a device whose agent is registered.
func live(t *testing.T, change func(*Config), f func(l *lives)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lives{store: &memory{}, runs: &counted{runs: make(map[string]int)}, change: change}
		server := &scripted{t: t, sticky: true}
		l.begin(t, server)
		l.registered()
		f(l)
		l.stop()
	})
}

// begin makes the agent of the next life.
func (l *lives) begin(tb testing.TB, server *scripted) {
	tb.Helper()
	l.lab = newLab(tb, func(c *Config) {
		c.Dialer, c.Store, c.Mark = server, l.store, []byte("here")
		if l.change != nil {
			l.change(c)
		}
	})
	l.server = server
	var err error
	if l.counter, err = l.tree.Add(countedDefinition, l.runs); err != nil {
		tb.Fatal(err)
	}
	l.publish(l.counter, func(b *model.Batch) {
		b.Create(0)
		b.Declare(0, 0)
	})
}

// kill ends the agent between two instants: what it does to the disk at its end is undone.
func (l *lives) kill() {
	l.t.Helper()
	left := l.store.copied()
	l.end()
	l.store = left
}

// end ends the agent in order; the server keeps its connection.
func (l *lives) end() {
	l.t.Helper()
	conn := l.server.conn
	l.server.set(func(s *scripted) { s.conn = nil })
	l.stop()
	l.server.set(func(s *scripted) { s.conn = conn })
}

// start starts it again, with a temperature.
func (l *lives) start(celsius float64) {
	l.t.Helper()
	l.begin(l.t, l.server)
	l.temperature(0, celsius)
	l.run()
}

// toldAndEnded begins an observation, of which the server is told 21, and ends the agent in order.
func (l *lives) toldAndEnded() *watcher {
	l.t.Helper()
	w := l.observe(temperature, -1)
	l.after(time.Second)
	l.temperature(0, 21)
	w.want("1s 21")
	l.after(time.Second)
	l.end()
	return w
}

// TestRestartInOrder shows that after an orderly end neither a Register nor what the
// server knows is sent, and that notifications go on.
func TestRestartInOrder(t *testing.T) {
	live(t, nil, func(l *lives) {
		w := l.toldAndEnded()
		l.after(10 * time.Second)
		l.start(21)
		l.wantState(Registered)
		l.after(time.Second)
		w.want()
		l.wantCalls()
		l.after(10 * time.Second)
		l.wantCalls(updated) // finds out whether the server knows us
		if s := l.status(); s.Observations != 1 || s.Location != "/rd/1" || !s.Continued {
			l.t.Errorf("status is %+v", s)
		}
		l.temperature(0, 22)
		w.want("23s 22")
		l.after(time.Hour)
		if calls := l.server.take(); len(calls) == 0 || strings.Contains(fmt.Sprint(calls), register) {
			l.t.Errorf("within an hour the server received %v", calls)
		}
	})
}

// TestRestartKilled shows that the server is told how things are when what it knows is
// not certain, at once and confirmably, which makes an Update needless.
func TestRestartKilled(t *testing.T) {
	live(t, nil, func(l *lives) {
		w := l.observe(temperature, -1)
		m := &coap.Message{Code: coap.GET}
		m.SetPath("/3/0/9")
		battery := l.watch(m)
		l.after(time.Second)
		l.temperature(0, 21)
		w.want("1s 21")
		for range 3 {
			l.kill()
			l.start(23)
			l.after(time.Second)
		}
		got := append(w.payloads(), battery.payloads()...)
		if fmt.Sprint(got) != "[23 23 23 80 80 80]" {
			l.t.Errorf("told %q", got)
		}
		l.after(10 * time.Second)
		l.wantCalls()
		l.wantState(Registered)
	})
}

// TestChangedMeanwhile shows that a change while the agent was away is told, and one that
// attributes do not ask for is not.
func TestChangedMeanwhile(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.wantCode(l.ask(coap.PUT, temperature, "st=2"), coap.Changed)
		w := l.observe(temperature, -1)
		for _, step := range []struct {
			celsius float64
			want    []string
		}{{21.5, nil}, {22.5, []string{"22.5"}}, {21, nil}} {
			l.end()
			l.start(step.celsius)
			l.after(time.Second)
			if got := w.payloads(); fmt.Sprint(got) != fmt.Sprint(step.want) {
				l.t.Errorf("at %v told %q, want %q", step.celsius, got, step.want)
			}
		}
	})
}

// TestSensorReturnsLate shows that an observation waits for a sensor that has no value
// right after the start.
func TestSensorReturnsLate(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.temperature(5, 1)
		w := l.observe("/3303/5/5700", -1)
		l.kill()
		l.start(20)
		l.after(30 * time.Second)
		w.want()
		l.temperature(5, 2)
		w.want("30s 2")
		l.kill()
		l.start(20)
		l.after(2 * time.Minute)
		w.want("1m30s 4.04") // it does not come back
	})
}

// TestServerHasForgotten shows what becomes of a registration that the server does not
// know any more, and of one on a server that answers nothing.
func TestServerHasForgotten(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.end()
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/rd/1" {
					return &coap.Message{Code: coap.NotFound}
				}
				return nil
			}
		})
		l.start(20)
		l.after(5 * time.Second)
		l.wantCalls(updated, register)
		if s := l.status(); s.Location != "/rd/2" || s.Continued || s.State != Registered {
			l.t.Errorf("status is %+v", s)
		}
	})
	live(t, nil, func(l *lives) {
		l.observe(temperature, -1)
		l.kill()
		l.server.set(func(s *scripted) { s.dead = true })
		l.start(22)
		l.after(25 * time.Second) // two retransmissions
		if s := l.status(); s.State != Registering {
			l.t.Errorf("state is %v (%s)", s.State, s.Words)
		}
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(time.Minute)
		l.wantState(Registered)
		l.wantCalls(register)
		if n := l.status().Observations; n != 0 {
			l.t.Errorf("%d observations", n)
		}
	})
}

// TestNotGoneOn shows when a session is left alone.
func TestNotGoneOn(t *testing.T) {
	record := func(t *testing.T, m *memory, key string, change func([]byte) []byte) {
		t.Helper()
		b, err := m.Load(key)
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: %q, %v", key, b, err)
		}
		if err := m.Save(key, change(b)); err != nil {
			t.Fatal(err)
		}
	}
	damage := func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b[:len(b)-1] }
	for name, spoil := range map[string]func(l *lives){
		"copied":           func(l *lives) { l.change = func(c *Config) { c.Mark = []byte("elsewhere") } },
		"another endpoint": func(l *lives) { l.change = func(c *Config) { c.Endpoint = "lab2" } },
		"another version": func(l *lives) {
			l.change = func(c *Config) { c.Params = func(uint16) Params { return Params{Version: lwm2m.Version11} } }
		},
		"queue mode": func(l *lives) {
			l.change = func(c *Config) { c.Params = func(uint16) Params { return Params{QueueMode: true} } }
		},
		"record damaged": func(l *lives) { record(t, l.store, "session/101", damage) },
		"edge damaged":   func(l *lives) { record(t, l.store, "edge/101", damage) },
		"edge lost":      func(l *lives) { record(t, l.store, "edge/101", func([]byte) []byte { return nil }) },
		"another address": func(l *lives) {
			l.server.set(func(s *scripted) { s.near.(*pipeEnd).address = "elsewhere" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, nil, func(l *lives) {
				l.end()
				spoil(l)
				l.start(20)
				l.wantState(Registered)
				calls := l.server.take()
				if len(calls) != 1 || calls[0].path != "/rd" {
					l.t.Errorf("server received %v", calls)
				}
			})
		})
	}
}

// TestSessionEnds shows that nothing is left on disk of a session that is over.
func TestSessionEnds(t *testing.T) {
	left := func(m *memory) (keys []string) {
		for key := range m.copied().records {
			if !strings.HasPrefix(key, "request/") {
				keys = append(keys, key)
			}
		}
		return keys
	}
	live(t, nil, func(l *lives) {
		if len(left(l.store)) != 2 {
			l.t.Fatalf("while it is registered: %q", left(l.store))
		}
		if err := l.client.Disable(101, time.Hour); err != nil {
			l.t.Fatal(err)
		}
		l.after(time.Second)
		l.wantState(Disabled)
		if keys := left(l.store); len(keys) != 1 || keys[0] != disabledKey(101) {
			l.t.Errorf("disabled: %q", keys)
		}
	})
	live(t, nil, func(l *lives) {
		l.publish(l.security, func(b *model.Batch) { b.Delete(0) })
		l.after(time.Second)
		if keys := left(l.store); len(keys) > 0 {
			l.t.Errorf("account removed: %q", keys)
		}
	})
}

// TestPriorityDoesNotHoldBack shows that who is registered does not wait for its turn.
func TestPriorityDoesNotHoldBack(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.end()
		l.begin(l.t, l.server)
		l.publish(l.accounts, func(b *model.Batch) {
			b.Set(0, serverPriority, lwm2m.Integer(1))
			b.Set(0, serverInitialDelay, lwm2m.Integer(60))
		})
		l.run()
		l.wantState(Registered)
	})
}

var errDisk = errors.New("disk full")

// fragile is a Store that fails when it is told to.
type fragile struct {
	*memory

	fails map[string]bool // keys; "": all
}

func (f *fragile) Save(key string, record []byte) error {
	f.mu.Lock()
	fails := f.fails[key] || f.fails[""]
	f.mu.Unlock()
	if fails {
		return errDisk
	}
	return f.memory.Save(key, record)
}

func (f *fragile) SaveAll(records map[string][]byte) error {
	f.mu.Lock()
	fails := f.fails[""]
	for key := range records {
		fails = fails || f.fails[key]
	}
	f.mu.Unlock()
	if fails {
		return errDisk
	}
	return f.memory.SaveAll(records)
}

// TestDiskFails shows that the agent works without a disk, and goes on with nothing that
// may be older than what it sent.
func TestDiskFails(t *testing.T) {
	disk := &fragile{fails: map[string]bool{"": true}}
	live(t, func(c *Config) {
		if disk.memory == nil {
			disk.memory = &memory{}
		}
		c.Store = disk
	}, func(l *lives) {
		w := l.observe(temperature, -1)
		for i := range 3000 {
			l.temperature(0, float64(i+100))
			synctest.Wait()
		}
		if n := len(w.payloads()); n != 3000 {
			l.t.Errorf("%d notifications", n)
		}
		l.wantCalls()
	})
}

// TestNumbersAreReserved shows that the disk is always ahead of what the server has
// seen, with few writes.
func TestNumbersAreReserved(t *testing.T) {
	var l *lives
	sent := 0
	live(t, func(c *Config) {
		c.Trace = func(_ *Link, d coap.Direction, b []byte) {
			m, err := coap.Parse(b)
			if l == nil || d != coap.Sent || err != nil || m.Type > coap.NON {
				return
			}
			record, _ := l.store.Load("edge/101")
			e, err := parseEdge(record)
			if left := e.point.MessageID - m.ID; err != nil || left > maxBlock {
				t.Errorf("message %d is sent, the disk says %d, %v", m.ID, e.point.MessageID, err)
			}
			sent++
		}
	}, func(lives *lives) {
		l = lives
		l.observe(temperature, -1)
		writes := l.store.saves
		for i := range 5000 {
			l.temperature(0, float64(i))
			l.after(100 * time.Millisecond)
		}
		if sent < 5000 || l.store.saves-writes > 12 {
			t.Errorf("%d writes for %d messages", l.store.saves-writes, sent)
		}
	})
}

// TestKilledAfterAnOrderlyEnd shows that what was known at an end counts only right after it.
func TestKilledAfterAnOrderlyEnd(t *testing.T) {
	live(t, nil, func(l *lives) {
		w := l.observe(temperature, -1)
		l.end()
		l.start(20)
		l.after(time.Second)
		l.temperature(0, 21)
		l.after(time.Second)
		l.kill()
		l.start(20)
		l.after(time.Second)
		if got := fmt.Sprint(w.payloads()); got != "[21 20]" {
			l.t.Errorf("told %s", got)
		}
	})
}

// TestProvenOnce shows that a server that has answered since the start is treated as any
// other: one notification that it does not confirm makes an Update, no handshake.
func TestProvenOnce(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.wantCode(l.ask(coap.PUT, temperature, "con=1"), coap.Changed)
		l.observe(temperature, -1)
		l.end()
		l.start(20)
		l.after(5 * time.Second)
		dials := len(l.server.dialled())
		l.server.set(func(s *scripted) { s.dead = true })
		l.temperature(0, 21)
		l.after(94 * time.Second)
		l.wantState(Updating)
		if n := len(l.server.dialled()); n != dials {
			t.Errorf("%d dials more", n-dials)
		}
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(time.Minute)
	})
}

// TestNoWayAtStart shows that a session waits for the network, as it does when power comes
// back before the uplink: it is tried again whenever a new one could not be made.
func TestNoWayAtStart(t *testing.T) {
	t.Run("no route", func(t *testing.T) {
		live(t, nil, func(l *lives) {
			l.observe(temperature, -1)
			l.kill()
			l.server.set(func(s *scripted) { s.refuse = errNoRoute })
			l.start(21)
			l.after(time.Hour)
			l.wantState(Waiting)
			l.server.set(func(s *scripted) { s.refuse = nil })
			l.client.NetworkChanged()
			l.after(time.Minute)
			l.wantState(Registered)
			l.wantCalls(updated) // its lifetime is over by the clock
			if n := l.status().Observations; n != 1 {
				t.Errorf("%d observations", n)
			}
		})
	})
	t.Run("no answer", func(t *testing.T) {
		live(t, nil, func(l *lives) {
			w, battery := l.observe(temperature, -1), l.observe("/3/0/9", -1)
			l.kill()
			l.server.set(func(s *scripted) { s.dead = true })
			l.start(21)
			seen := make(map[State]int)
			for end := time.Now().Add(time.Hour); time.Now().Before(end); l.after(time.Second) {
				seen[l.status().State]++
				if len(seen) > 3 && seen[Registering] > 1000 && l.status().State == Updating {
					break
				}
			}
			l.server.set(func(s *scripted) { s.dead = false })
			l.after(time.Minute)
			l.wantState(Registered)
			l.wantCalls(updated)
			// What goes out as the server comes back may arrive, and is told again when it is heard.
			if got := battery.payloads(); len(got) == 0 || len(got) > 2 || got[0] != "80" || got[len(got)-1] != "80" {
				t.Errorf("told of the battery %q", got)
			}
			l.temperature(0, 22)
			if got := w.payloads(); len(got) == 0 || got[len(got)-1] != "22" {
				t.Errorf("told %q", got)
			}
		})
	})
}

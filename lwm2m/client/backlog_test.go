package client

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/objects/registry"
)

const (
	senmlJSON = int(lwm2m.FormatSenMLJSON)
	senmlCBOR = int(lwm2m.FormatSenMLCBOR)
)

// outage is what happens while the server cannot be reached and an Update is not answered.
func (l *lab) outage(f func()) {
	l.t.Helper()
	l.server.set(func(s *scripted) { s.dead = true })
	if err := l.client.Update(101); err != nil {
		l.t.Fatal(err)
	}
	l.after(storeAfter)
	f()
	l.server.set(func(s *scripted) { s.dead = false })
}

// long is an outage of an hour, in which a temperature comes every minute at first.
func (l *lab) long(celsius ...float64) {
	l.t.Helper()
	l.outage(func() {
		l.warm(time.Minute, celsius...)
		l.after(time.Hour)
	})
	l.after(10 * time.Minute)
	l.wantState(Registered)
}

// warm sets a temperature after each interval.
func (l *lab) warm(interval time.Duration, celsius ...float64) {
	l.t.Helper()
	for _, c := range celsius {
		l.after(interval)
		l.temperature(0, c)
		synctest.Wait()
	}
}

// dated reads a payload as values and when they were, from the beginning of a test.
func dated(tb testing.TB, began time.Time, f int, payload string) []string {
	tb.Helper()
	nodes, err := wire.Decode(lwm2m.Format(f), []byte(payload), lwm2m.Path{}, model.Shapes(registry.Definitions()))
	if err != nil {
		tb.Fatal(err)
	}
	list := make([]string, len(nodes))
	for i, n := range nodes {
		when := "now"
		if !n.Time.IsZero() {
			when = n.Time.Sub(began).Round(time.Millisecond).String()
		}
		list[i] = fmt.Sprintf("%s %s=%v", when, strings.TrimPrefix(n.Path.String(), "/3303/0/"), n.Value)
	}
	return list
}

func datedAll(tb testing.TB, began time.Time, f int, payloads []string) []string {
	tb.Helper()
	list := make([]string, 0, len(payloads))
	for _, p := range payloads {
		list = append(list, dated(tb, began, f, p)...)
	}
	return list
}

// deposits returns what came by Send since the last time.
func (l *lab) deposits(began time.Time) []string {
	l.t.Helper()
	synctest.Wait()
	var list []string
	for _, c := range l.server.take() {
		if c.path == "/dp" {
			list = append(list, dated(l.t, began, senmlCBOR, c.payload)...)
		}
	}
	return list
}

// replays returns what was notified in a format with times since the last time.
func (w *watcher) replays(began time.Time, f int) []string {
	w.lab.t.Helper()
	return datedAll(w.lab.t, began, f, w.payloads())
}

func wantSame(tb testing.TB, what string, got []string, want ...string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (l *lab) wantQueued(want int) {
	l.t.Helper()
	if s := l.status(); s.Queued != want {
		l.t.Errorf("%d notifications wait (%s), want %d", s.Queued, s.Words, want)
	}
}

// TestStoredAreReplayed shows that what could not be notified is notified when the server
// answers again, with the times of then and before what is new.
func TestStoredAreReplayed(t *testing.T) {
	for _, f := range []int{senmlJSON, senmlCBOR} {
		simulate(t, nil, func(l *lab) {
			l.registered()
			began := time.Now()
			w := l.observe(temperature, f)
			l.outage(func() {
				l.warm(time.Second, 21, 22, 23)
				l.wantQueued(3)
			})
			l.after(time.Minute)
			l.wantState(Registered)
			wantSame(l.t, "replayed", w.replays(began, f), "6s 5700=21", "7s 5700=22", "8s 5700=23")
			l.wantQueued(0)
			l.temperature(0, 24)
			wantSame(l.t, "new", w.replays(began, f), "now 5700=24")
		})
	}
}

// TestStoredOverRegister shows that what is stored outlives a new registration: a server
// that wants no Send gets it when it observes again, and nothing twice.
func TestStoredOverRegister(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		began := time.Now()
		l.observe(temperature, -1)
		l.long(21, 22, 23)
		l.wantQueued(3)
		wantSame(l.t, "sent", l.deposits(began))
		w := l.observe(temperature, senmlJSON)
		wantSame(l.t, "replayed", w.replays(began, senmlJSON), "1m5s 5700=21", "2m5s 5700=22", "3m5s 5700=23")
		l.wantQueued(0)
		l.temperature(0, 24)
		wantSame(l.t, "new", w.replays(began, senmlJSON), "now 5700=24")
	})
}

// TestStoredWithoutTimes shows that a format that tells no times gets value after value,
// the present one last.
func TestStoredWithoutTimes(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.observe(temperature, -1)
		l.long(21, 22, 23)
		l.temperature(0, 24)
		w := l.observe(temperature, -1)
		wantSame(l.t, "replayed", w.payloads(), "21", "22", "23", "24")
	})
}

// TestStoredForMore shows that an observation of more than before gets what is stored, if
// its format tells times.
func TestStoredForMore(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		began := time.Now()
		l.observe(temperature, -1)
		l.long(21)
		w := l.observe("/3303/0", int(lwm2m.FormatTLV))
		wantSame(l.t, "without times", w.payloads())
		l.wantQueued(1)
		w = l.observe("/3303", senmlCBOR)
		wantSame(l.t, "with times", w.replays(began, senmlCBOR), "1m5s 5700=21")
	})
}

// TestStoredAreSent shows that what nothing observes any more goes by Send to a server
// that takes it.
func TestStoredAreSent(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		began := time.Now()
		l.observe(temperature, -1)
		l.observe("/3/0/9", -1)
		l.long(21, 22, 23)
		wantSame(l.t, "sent", l.deposits(began), "1m5s 5700=21", "2m5s 5700=22", "3m5s 5700=23")
		l.wantQueued(0)
	})
}

// TestStoredSendRefused shows that a server that refuses Send is asked once for each
// registration, and gets what is stored when it observes again.
func TestStoredSendRefused(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		began := time.Now()
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/dp" {
					return &coap.Message{Code: coap.MethodNotAllowed}
				}
				return nil
			}
		})
		l.observe(temperature, -1)
		l.long(21)
		wantSame(l.t, "tried", l.deposits(began), "1m5s 5700=21")
		l.after(time.Hour)
		wantSame(l.t, "tried again", l.deposits(began))
		w := l.observe(temperature, senmlJSON)
		wantSame(l.t, "replayed", w.replays(began, senmlJSON), "1m5s 5700=21")
	})
}

// TestSendOfUserRefused shows that a server that refuses what a user sends still gets what is
// stored.
func TestSendOfUserRefused(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		began := time.Now()
		w := l.observe(temperature, senmlJSON)
		refuse := true
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/dp" && refuse {
					return &coap.Message{Code: coap.NotFound}
				}
				return nil
			}
		})
		if err := <-l.sendPaths(l.t.Context(), "/3/0/9"); err == nil {
			l.t.Fatal("the Send was not refused")
		}
		l.server.take()
		refuse = false
		l.outage(func() {
			l.warm(time.Second, 21)
			w.observation.Forget()
		})
		l.after(time.Minute)
		wantSame(l.t, "sent", l.deposits(began), "6s 5700=21")
	})
}

// TestStoredWhileDisabled shows that a disabled account stores too: its observations have
// ended with the registration, but not what they are for.
func TestStoredWhileDisabled(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 5, lwm2m.Integer(600)) })
		l.registered()
		l.unmute()
		began := time.Now()
		l.observe(temperature, -1)
		l.wantCode(l.ask(coap.POST, "/1/0/4"), coap.Changed)
		l.after(time.Second)
		l.wantState(Disabled)
		l.warm(time.Minute, 21, 22)
		l.wantQueued(2)
		l.after(10 * time.Minute)
		l.wantState(Registered)
		wantSame(l.t, "sent", l.deposits(began), "1m1s 5700=21", "2m1s 5700=22")
	})
}

// TestNothingIsStored shows that a server that does not want it (/1/x/6) gets the newest
// value only.
func TestNothingIsStored(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 6, lwm2m.Boolean(false)) })
		l.registered()
		w := l.observe(temperature, -1)
		l.outage(func() { l.warm(time.Second, 21, 22, 23) })
		l.after(time.Minute)
		wantSame(l.t, "notified", w.payloads(), "23")
	})
}

// TestStoredByAttributes shows that pmin, pmax and limits hold for what is stored as for
// what is sent.
func TestStoredByAttributes(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		l.temperature(1, 30)
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=90", "st=2"), coap.Changed)
		l.wantCode(l.ask(coap.PUT, "/3/0/9", "pmax=1800"), coap.Changed)
		began := time.Now()
		l.observe(temperature, -1)
		l.observe("/3/0/9", -1)
		l.long(21, 22, 23, 30, 30.5)
		wantSame(l.t, "sent", l.deposits(began), "30m0s /3/0/9=80", "1h0m0s /3/0/9=80", "2m5s 5700=22", "4m5s 5700=30")
	})
}

// TestHQmax shows that it bounds what is stored, and that once it is attached nothing else
// is stored.
func TestHQmax(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		l.publish(l.sensors, func(b *model.Batch) { b.Set(0, 5701, lwm2m.String("Cel")) })
		l.wantCode(l.ask(coap.PUT, temperature, "hqmax=2"), coap.Changed)
		l.wantCode(l.ask(coap.PUT, "/3/0/9", "pmax=60"), coap.Changed)
		began := time.Now()
		l.observe("/3303/0", senmlCBOR)
		l.observe("/3/0/9", -1)
		l.long(21, 22, 23)
		wantSame(l.t, "sent", l.deposits(began), "2m5s 5700=22", "3m5s 5700=23")
		if s := l.status(); s.Dropped != 0 {
			l.t.Errorf("%d count as dropped", s.Dropped)
		}
	})
}

// TestHQmaxOfAnObservation shows that it can come with the Observe.
func TestHQmaxOfAnObservation(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		began := time.Now()
		l.observe(temperature, -1, "hqmax=1")
		l.long(21, 22, 23)
		wantSame(l.t, "sent", l.deposits(began), "3m5s 5700=23")
	})
}

// TestStoreQuota shows that the oldest are dropped when there is no room, and that the
// status counts them.
func TestStoreQuota(t *testing.T) {
	small := func(c *Config) { c.Params = func(uint16) Params { return Params{StoreQuota: 200} } }
	simulate(t, small, func(l *lab) {
		l.registered()
		l.unmute()
		began := time.Now()
		l.observe(temperature, -1)
		l.long(21, 22, 23, 24, 25, 26)
		wantSame(l.t, "sent", l.deposits(began), "4m5s 5700=24", "5m5s 5700=25", "6m5s 5700=26")
		if s := l.status(); s.Dropped != 3 {
			l.t.Errorf("%d were dropped", s.Dropped)
		}
	})
}

// TestStoredOverRestart shows that a restart loses nothing, and a power cut no more than
// the last minute.
func TestStoredOverRestart(t *testing.T) {
	for _, cut := range []bool{false, true} {
		store := &memory{}
		with := func(c *Config) { c.Store = store }
		var began time.Time
		simulate(t, with, func(l *lab) {
			l.registered()
			began = time.Now()
			l.observe(temperature, -1)
			l.outage(func() { l.warm(30*time.Second, 21, 22, 23, 24) })
			if cut {
				l.client.config.Store = &memory{} // nothing more reaches the disk
			}
		})
		want := []string{"35s 5700=21", "1m5s 5700=22", "1m35s 5700=23", "2m5s 5700=24"}
		if cut {
			want = want[:2]
		}
		simulate(t, with, func(l *lab) {
			l.unmute()
			l.run()
			wantSame(l.t, "sent", l.deposits(began), want...)
		})
		if _, ok := store.records["history/101/0"]; ok {
			t.Error("what was sent is still there")
		}
	}
}

// TestUnconfirmedIsStored shows that a confirmable notification that nobody confirms, and
// what comes after it, is told when the server is back.
func TestUnconfirmedIsStored(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		l.wantCode(l.ask(coap.PUT, temperature, "con=1"), coap.Changed)
		began := time.Now()
		l.observe(temperature, -1)
		l.server.set(func(s *scripted) { s.dead = true })
		l.warm(time.Minute, 21, 22, 23)
		l.after(time.Hour)
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(10 * time.Minute)
		wantSame(l.t, "sent", l.deposits(began), "1m0s 5700=21", "2m0s 5700=22", "3m0s 5700=23")
	})
}

// TestReplayIsReset shows that a server that has lost the observation gets what is stored
// by Send.
func TestReplayIsReset(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		began := time.Now()
		w := l.observe(temperature, senmlJSON)
		l.outage(func() {
			l.warm(time.Second, 21)
			w.observation.Forget()
		})
		l.after(time.Minute)
		wantSame(l.t, "sent", l.deposits(began), "6s 5700=21")
	})
}

// TestCancelDiscards shows that a server that cancels an observation gets no more of it.
func TestCancelDiscards(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		w := l.observe(temperature, senmlJSON)
		l.outage(func() { l.warm(time.Second, 21, 22) })
		if _, err := w.observation.Cancel(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
		l.wantQueued(0)
		l.after(time.Minute)
		l.wantState(Registered)
		wantSame(l.t, "sent", l.deposits(w.began))
	})
}

// TestCancelLeavesOthers shows that what is stored is told to another observation of the same.
func TestCancelLeavesOthers(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, senmlJSON)
		other := l.observe(temperature, senmlCBOR)
		l.outage(func() { l.warm(time.Second, 21) })
		if _, err := w.observation.Cancel(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
		l.after(time.Minute)
		got := other.replays(other.began, senmlCBOR)
		for _, s := range got {
			if s != "6s 5700=21" {
				l.t.Errorf("replayed %q", got)
			}
		}
		if len(got) == 0 {
			l.t.Error("nothing was replayed")
		}
		l.wantQueued(0)
	})
}

package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// order gives a server a place in the order of registrations, and more of object 1.
func (l *lab) order(iid uint16, priority uint64, more func(b *model.Batch)) {
	l.t.Helper()
	l.publish(l.accounts, func(b *model.Batch) {
		b.Set(iid, 13, lwm2m.Unsigned(priority))
		if more != nil {
			more(b)
		}
	})
}

// dialling notes which server is dialled when, and lets those fail that are down.
func (l *lab) dialling(down ...uint16) *[]string {
	var log []string
	began := time.Now()
	l.server.onDial = func(_ context.Context, to Server) {
		l.server.set(func(s *scripted) {
			log = append(log, fmt.Sprintf("%d at %s", to.ShortServerID, time.Since(began).Round(time.Second)))
			s.refuse = nil
			if slices.Contains(down, to.ShortServerID) {
				s.refuse = errNoRoute
			}
		})
	}
	return &log
}

// TestRegistrationOrder shows that servers register in the order of their priority, each
// after its own delay, and that one without a priority does not wait.
func TestRegistrationOrder(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.account(1, 102, 600)
		l.account(2, 103, 600)
		l.account(3, 104, 600)
		l.order(0, 7, func(b *model.Batch) { b.Set(0, 14, lwm2m.Unsigned(10)) })
		l.order(1, 3, func(b *model.Batch) { b.Set(1, 14, lwm2m.Unsigned(20)) })
		l.order(3, 7, nil)
		log := l.dialling()
		l.run()
		for _, s := range l.client.Status() {
			if (s.ShortServerID == 101 || s.ShortServerID == 104) != strings.Contains(s.Words, "Priority Order") {
				l.t.Errorf("server %d: %s", s.ShortServerID, s.Words)
			}
		}
		l.client.NetworkChanged() // nobody may overtake for that
		l.after(time.Hour)
		wantSame(l.t, "dialled", *log, "103 at 0s", "102 at 20s", "101 at 30s", "104 at 30s")
	})
}

// TestRegistrationOrderFails shows that a server that has failed often enough lets the next
// one begin, unless it blocks.
func TestRegistrationOrderFails(t *testing.T) {
	for _, block := range []bool{false, true} {
		simulate(t, nil, func(l *lab) {
			l.account(1, 102, 600)
			l.order(0, 0, func(b *model.Batch) {
				b.Set(0, 15, lwm2m.Boolean(block))
				b.Set(0, 17, lwm2m.Unsigned(2)) // Retry Count
				b.Set(0, 18, lwm2m.Unsigned(10))
				b.Set(0, 19, lwm2m.Unsigned(100))
				b.Set(0, 20, lwm2m.Unsigned(2)) // Sequence Retry Count
			})
			l.order(1, 1, nil)
			log := l.dialling(101)
			l.run()
			l.after(139 * time.Second)
			want := []string{"101 at 0s", "101 at 10s", "101 at 1m50s", "101 at 2m0s", "102 at 2m0s"}
			if block {
				want = want[:4]
			}
			wantSame(l.t, "dialled in two sequences", *log, want...)
		})
	}
}

// TestTurnOfAnotherServer shows that an account which waits for its turn goes on waiting when it gets another URI.
func TestTurnOfAnotherServer(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.account(1, 102, 600)
		l.order(0, 0, func(b *model.Batch) { b.Set(0, 15, lwm2m.Boolean(true)) })
		l.order(1, 1, nil)
		log := l.dialling(101)
		l.run()
		l.publish(l.security, func(b *model.Batch) { b.Set(1, 0, lwm2m.String("coap://another.invalid")) })
		l.after(time.Second / 2)
		wantSame(t, "dialled", *log, "101 at 0s")
	})
}

// TestInitialDelayOnce shows that the Initial Registration Delay Timer is "only applied until the first successful
// registration after a successful bootstrapping sequence" (object 1, resource 14), over restarts too.
func TestInitialDelayOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, server := &memory{}, &scripted{t: t}
		for i, c := range []struct {
			bootstrapped int64
			uri          string
			want         time.Duration
		}{
			{0, "coap://a.invalid", 30 * time.Second},
			{0, "coap://a.invalid", 0},
			{1000, "coap://a.invalid", 30 * time.Second},
			{1000, "coap://a.invalid", 0},
			{1000, "coap://b.invalid", 30 * time.Second},
		} {
			l := newLab(t, func(c *Config) { c.Dialer, c.Store = server, store })
			l.server = server
			l.publish(l.security, func(b *model.Batch) { b.Set(0, 0, lwm2m.String(c.uri)) })
			l.publish(l.accounts, func(b *model.Batch) {
				b.Set(0, serverInitialDelay, lwm2m.Unsigned(30))
				if c.bootstrapped > 0 {
					b.Set(0, serverLastBootstrapped, lwm2m.UnixTime(c.bootstrapped))
				}
			})
			began := time.Now()
			l.run()
			l.after(time.Minute)
			l.wantState(Registered)
			dials := server.dialled()
			if got := dials[len(dials)-1].Sub(began); got != c.want {
				t.Errorf("start %d: registered after %v, want %v", i, got, c.want)
			}
			l.stop()
			_ = store.Save(sessionKey(101), nil) // as after a power cut that came too early: it has to register
		}
	})
}

// TestInitialDelayAfterBootstrap shows that an account which a bootstrap server has written, and which is not registered as it is now, waits for its
// Initial Registration Delay.
func TestInitialDelayAfterBootstrap(t *testing.T) {
	for name, c := range map[string]struct {
		refused []uint16
		uri     string
		before  State
	}{
		"as before":             {[]uint16{101}, "coap://server101.invalid", Waiting},
		"another server":        {[]uint16{101}, "coap://another.invalid", Waiting},
		"from another one":      {nil, "coap://another.invalid", Registered},
		"after it was disabled": {nil, "coap://server101.invalid", Disabled},
	} {
		t.Run(name, func(t *testing.T) {
			bootstrapping(t, true, nil, func(l *bootLab) {
				l.dialling(c.refused...)
				l.run()
				if c.before == Disabled {
					_ = l.client.Disable(101, time.Hour)
					l.after(time.Second)
				}
				l.wantState(c.before)
				if err := l.client.Bootstrap(0); err != nil {
					t.Fatal(err)
				}
				l.after(0)
				l.wantBootstrap(BootstrapOpen)
				l.wantCode(l.put(lwm2m.FormatSenMLCBOR, "/0/0", securityNodes(0, c.uri, 101)...), coap.Changed)
				nodes := append(serverNodes(0, 101, 600), n("/1/0/14", lwm2m.Unsigned(20)))
				l.wantCode(l.put(lwm2m.FormatSenMLCBOR, "/1/0", nodes...), coap.Changed)
				log := l.dialling()
				l.wantCode(l.finish(), coap.Changed)
				l.after(time.Minute)
				wantSame(t, "dialled", *log, "101 at 20s")
				l.wantState(Registered)
			})
		})
	}
}

// TestOrderAfterBootstrap: accounts that a bootstrap server has written register in their order, the first ones as those that
// replace others; a server that is registered as it was written does not wait, and nobody waits for it.
func TestOrderAfterBootstrap(t *testing.T) {
	for name, c := range map[string]struct {
		again, stays bool // the accounts were there before; one of them is not changed
		block        bool // that of server 101, which fails
		want         []string
	}{
		"at first":           {want: []string{"101 at 0s", "101 at 10s", "102 at 10s", "103 at 10s", "101 at 1m50s"}},
		"at first, blocked":  {block: true, want: []string{"101 at 0s", "101 at 10s", "101 at 1m50s"}},
		"again":              {again: true, want: []string{"101 at 0s", "101 at 10s", "102 at 10s", "103 at 10s", "101 at 1m50s"}},
		"again, blocked":     {again: true, block: true, want: []string{"101 at 0s", "101 at 10s", "101 at 1m50s"}},
		"again, but for one": {again: true, stays: true, block: true, want: []string{"101 at 0s", "101 at 10s", "101 at 1m50s"}},
	} {
		t.Run(name, func(t *testing.T) {
			bootstrapping(t, c.again, nil, func(l *bootLab) {
				if c.again {
					l.account(1, 102, 600)
					l.account(2, 103, 600)
				}
				l.run()
				if c.again {
					_ = l.client.Bootstrap(0)
				}
				l.after(time.Second)
				l.wantBootstrap(BootstrapOpen)
				for i, ssid := range []int64{101, 102, 103} {
					uri := fmt.Sprintf("coap://new%d.invalid", ssid)
					if c.stays && ssid == 103 {
						uri = "coap://server103.invalid"
					}
					server := append(serverNodes(uint16(i), ssid, 600), n(fmt.Sprintf("/1/%d/13", i), lwm2m.Unsigned(uint64(i))))
					if ssid == 101 {
						server = append(server, n("/1/0/15", lwm2m.Boolean(c.block)), n("/1/0/17", lwm2m.Unsigned(2)), n("/1/0/18", lwm2m.Unsigned(10)), n("/1/0/19", lwm2m.Unsigned(100)))
					}
					l.wantCode(l.put(lwm2m.FormatSenMLCBOR, fmt.Sprintf("/0/%d", i), securityNodes(uint16(i), uri, ssid)...), coap.Changed)
					l.wantCode(l.put(lwm2m.FormatSenMLCBOR, fmt.Sprintf("/1/%d", i), server...), coap.Changed)
				}
				log := l.dialling(101)
				l.wantCode(l.finish(), coap.Changed)
				l.after(119 * time.Second)
				wantSame(t, "dialled", slices.Compact(*log), c.want...) // the end of the bootstrap may come after a first failure
				if last := l.client.Status()[2]; (last.State == Registered) != (!c.block || c.stays) {
					t.Errorf("server 103 is %s", last.Words)
				}
			})
		})
	}
}

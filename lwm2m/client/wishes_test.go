package client

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// TestWishes: what a server asks of the paths that it observes is told once things are quiet, and that it asks nothing
// any more.
func TestWishes(t *testing.T) {
	var (
		mu   sync.Mutex
		told [][]Wish
	)
	simulate(t, func(c *Config) {
		c.OnObserved = func(ssid uint16, wishes []Wish) {
			mu.Lock()
			defer mu.Unlock()
			if ssid != 101 {
				t.Errorf("server %d", ssid)
			}
			told = append(told, wishes)
		}
	}, func(l *lab) {
		wants := func(want ...Wish) {
			l.t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if len(told) != 1 || !slices.Equal(told[0], want) {
				l.t.Errorf("told %v, want once %v", told, want)
			}
			told = nil
		}
		path := lwm2m.MustPath(temperature)
		l.registered()
		l.observe(temperature, -1)
		l.after(wishesQuiet / 2)
		mu.Lock()
		if len(told) > 0 {
			l.t.Errorf("told %v before it was quiet", told)
		}
		mu.Unlock()
		l.after(wishesQuiet)
		wants(Wish{Path: path})
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=30"), coap.Changed)
		l.after(2 * wishesQuiet)
		wants(Wish{Path: path, Min: 30 * time.Second})
		l.wantCode(l.ask(coap.PUT, "/3303", "epmax=10"), coap.Changed)
		l.after(2 * wishesQuiet)
		wants(Wish{Path: path, Max: 10 * time.Second})
		l.wantCode(l.ask(coap.PUT, "/3303", "epmax", "epmin=60"), coap.Changed)
		l.after(2 * wishesQuiet)
		wants(Wish{Path: path, Min: time.Minute})
		l.wantCode(l.ask(coap.PUT, temperature, "gt=25"), coap.Changed) // nothing new
		l.wantCode(l.ask(coap.PUT, "/3303", "epmin"), coap.Changed)     // a limit is to be seen whatever pmin is
		l.after(2 * wishesQuiet)
		wants(Wish{Path: path})
		l.publish(l.security, func(b *model.Batch) { b.Delete(0) })
		synctest.Wait()
		wants()
	})
}

package client

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/model"
)

// remove takes the account of the lab away.
func (l *lab) remove() {
	l.t.Helper()
	l.publish(l.security, func(b *model.Batch) { b.Delete(0) })
	l.publish(l.accounts, func(b *model.Batch) { b.Delete(0) })
}

// TestRemovedAccountForgets shows that nothing of a removed account stays behind, whether its server hears the Deregister or not.
func TestRemovedAccountForgets(t *testing.T) {
	for name, gone := range map[string]func(l *lab){
		"reachable": (*lab).remove,
		"in an outage": func(l *lab) {
			l.after(10 * time.Minute)
			l.observe(temperature, -1)
			l.outage(func() {
				l.warm(time.Second, 22)
				l.remove()
				l.after(10 * time.Minute)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &memory{}
			simulate(t, func(c *Config) { c.Store = store }, func(l *lab) {
				l.registered()
				l.observe(temperature, -1)
				l.outage(func() { l.warm(2*time.Minute, 21) })
				l.after(2 * time.Minute)
				if store.records["history/101/0"] == "" {
					l.t.Error("nothing was stored")
				}
				gone(l)
				l.after(time.Minute)
			})
			if len(store.records) != 0 {
				t.Errorf("store has %q", store.records)
			}
		})
	}
}

// TestForgottenAtTheStart shows that the records of accounts that were removed while the agent was off are gone with the next start,
// and those of the others are not.
func TestForgottenAtTheStart(t *testing.T) {
	var told atomic.Int32
	live(t, func(c *Config) { c.OnForgotten = func() { told.Add(1) } }, func(l *lives) {
		for _, key := range []string{"credentials/101", "request/101/7", "history/101/255", "edge/7", "credentials/102"} {
			_ = l.store.Save(key, []byte("{}"))
		}
		if l.end(); told.Load() > 0 {
			l.t.Error("something was forgotten")
		}
		l.begin(l.t, l.server)
		l.remove()
		l.account(1, 102, 600)
		l.run()
		keys := slices.DeleteFunc(l.store.Keys(), func(key string) bool { return strings.Contains(key, "102") })
		if len(keys) > 0 || told.Load() != 1 {
			l.t.Errorf("left %q; told %d times", keys, told.Load())
		}
		if record, _ := l.store.Load("credentials/102"); string(record) != "{}" {
			l.t.Errorf("of the other account there is %q", record)
		}
	})
}

// TestNumberOfARemovedAccount shows that a server which gets the number of one that is still being left gets nothing that was stored
// for that, and keeps its own records.
func TestNumberOfARemovedAccount(t *testing.T) {
	store := &memory{}
	simulate(t, func(c *Config) { c.Store = store }, func(l *lab) {
		l.registered()
		l.observe(temperature, -1)
		began := time.Now()
		l.outage(func() {
			l.warm(time.Second, 21, 22)
			l.remove()
			l.after(time.Second)
			l.account(1, 101, 600)
			l.after(10 * time.Minute)
		})
		l.after(10 * time.Minute)
		l.wantState(Registered)
		wantSame(l.t, "told", l.deposits(began))
		l.stop()
		l.stop = nil
		keys := store.Keys()
		slices.Sort(keys)
		if fmt.Sprint(keys) != "[edge/101 session/101]" {
			l.t.Errorf("records %q", keys)
		}
	})
}

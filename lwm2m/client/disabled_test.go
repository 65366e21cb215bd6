package client

import (
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// TestDisableOutlivesARestart: an account that its server has disabled registers when the time is over, and not when the
// agent starts anew; a clock that is behind then does not prolong it, and nothing stays of one that has ended.
func TestDisableOutlivesARestart(t *testing.T) {
	const timeout, ran, off = time.Hour, 10 * time.Minute, 5 * time.Minute
	for name, c := range map[string]struct {
		before func(l *lab)         // the end of the first run
		clock  time.Duration        // of the second run is so far ahead
		given  func(b *model.Batch) // to the account in the second run
		store  func(m *memory)      // between the runs
		after  time.Duration        // of the second run it registers
	}{
		"as it was":          {after: timeout - ran - off},
		"a clock behind":     {clock: -1000 * time.Hour, after: timeout},
		"a clock ahead":      {clock: 1000 * time.Hour},
		"enabled before":     {before: func(l *lab) { _ = l.client.Update(101); l.after(time.Second); l.wantState(Registered) }},
		"after a bootstrap":  {given: func(b *model.Batch) { b.Set(0, serverLastBootstrapped, lwm2m.UnixTime(1000)) }},
		"a damaged record":   {store: func(m *memory) { _ = m.Save(disabledKey(101), []byte("{}")) }},
		"over before":        {before: func(l *lab) { l.after(timeout); l.wantState(Registered) }},
		"disabled once more": {before: func(l *lab) { _ = l.client.Disable(101, 2*timeout); l.after(time.Second) }, after: 2*timeout - off},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, server := &memory{}, &scripted{t: t}
				first := newLab(t, func(c *Config) { c.Dialer, c.Store = server, store })
				first.server = server
				first.run()
				first.after(time.Second)
				first.wantState(Registered)
				_ = first.client.Disable(101, timeout)
				first.after(disableDelay)
				first.wantState(Disabled)
				first.after(ran)
				if c.before != nil {
					c.before(first)
				}
				first.stop()
				_ = store.Save(sessionKey(101), nil) // as after a power cut that came too early: it has to register
				time.Sleep(off)
				if c.store != nil {
					c.store(store)
				}
				second := newLab(t, func(config *Config) {
					config.Dialer, config.Store = server, store
					config.Now = func() time.Time { return time.Now().Add(c.clock) }
				})
				second.server = server
				if c.given != nil {
					second.publish(second.accounts, c.given)
				}
				began := time.Now()
				second.run()
				second.after(3 * timeout)
				second.wantState(Registered)
				dials := server.dialled()
				if got := dials[len(dials)-1].Sub(began); (got - c.after).Abs() > 2*time.Second {
					t.Errorf("registered after %v, want %v", got, c.after)
				}
				if record, err := store.Load(disabledKey(101)); len(record) > 0 || err != nil {
					t.Errorf("a record stays: %q, %v", record, err)
				}
				second.stop()
			})
		})
	}
}

package client

import (
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

func gathering(d time.Duration) func(*Config) {
	return func(c *Config) {
		c.Params = func(uint16) Params { return Params{QueueMode: true, Gather: d} }
	}
}

// asleep lets all accounts fall asleep.
func (l *lab) asleep() {
	l.t.Helper()
	l.after(94 * time.Second)
	for _, s := range l.client.Status() {
		if s.State != Asleep {
			l.t.Fatalf("server %d: state is %v", s.ShortServerID, s.State)
		}
	}
	l.server.take()
}

// TestGatheredAreToldTogether shows that a sleeping client wakes up once for what happens
// within the time, and tells each value with its time in one message.
func TestGatheredAreToldTogether(t *testing.T) {
	simulate(t, gathering(5*time.Minute), func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(86400)) })
		l.run()
		w := l.observe(temperature, senmlCBOR)
		l.asleep()
		began := time.Now()
		l.warm(time.Minute, 21, 22, 23)
		l.wantState(Asleep)
		l.wantCalls()
		l.wantQueued(3)
		if at := l.status().NextUpdate; at.Sub(began) != 6*time.Minute {
			l.t.Errorf("the next Update comes after %v, want 6m0s", at.Sub(began))
		}
		l.after(3 * time.Minute)
		l.wantState(Registered)
		l.wantCalls("POST /rd/1 []")
		notes := w.payloads()
		wantSame(l.t, "told", datedAll(l.t, began, senmlCBOR, notes), "1m0s 5700=21", "2m0s 5700=22", "3m0s 5700=23")
		if len(notes) != 1 {
			l.t.Errorf("%d messages, want 1", len(notes))
		}
		l.asleep()
		l.after(time.Hour)
		l.wantCalls() // what was gathered is told: nothing more is due
	})
}

// TestUpdateTellsWhatIsGathered shows that what is gathered goes with a wake-up that comes
// for another reason.
func TestUpdateTellsWhatIsGathered(t *testing.T) {
	simulate(t, gathering(time.Hour), func(l *lab) {
		l.run() // the lifetime is 600 s
		w := l.observe(temperature, senmlCBOR)
		l.asleep()
		l.temperature(0, 21)
		l.after(8 * time.Minute)
		l.wantCalls("POST /rd/1 []")
		if got := w.payloads(); len(got) != 1 {
			l.t.Errorf("%d notifications, want 1", len(got))
		}
		l.wantQueued(0)
	})
}

// TestUrgentIsNotGathered shows what does not wait for company.
func TestUrgentIsNotGathered(t *testing.T) {
	for what, prepare := range map[string]func(*lab){
		"con":         func(l *lab) { l.wantCode(l.ask(coap.PUT, temperature, "con=1"), coap.Changed) },
		"hqmax":       func(l *lab) { l.wantCode(l.ask(coap.PUT, "/3/0", "hqmax=2"), coap.Changed) },
		"not storing": func(l *lab) { l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 6, lwm2m.Boolean(false)) }) },
	} {
		t.Run(what, func(t *testing.T) {
			simulate(t, gathering(time.Hour), func(l *lab) {
				l.run()
				prepare(l)
				w := l.observe(temperature, senmlCBOR)
				l.asleep()
				l.temperature(0, 21)
				synctest.Wait()
				l.wantState(Registered)
				if got := w.payloads(); len(got) != 1 {
					l.t.Errorf("%d notifications, want 1", len(got))
				}
			})
		})
	}
}

// TestConfirmableByDefaultIsGathered shows that an account whose notifications are all
// confirmable (/1/x/26) gathers.
func TestConfirmableByDefaultIsGathered(t *testing.T) {
	simulate(t, gathering(time.Hour), func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 26, lwm2m.Integer(1)) })
		l.run()
		l.observe(temperature, senmlCBOR)
		l.asleep()
		l.temperature(0, 21)
		synctest.Wait()
		l.wantState(Asleep)
		l.wantQueued(1)
	})
}

// TestRadioIsUsedOnce shows that two servers are told at the same wake-up what is due for
// either within the time: a notification that waits, and an Update that comes soon.
func TestRadioIsUsedOnce(t *testing.T) {
	simulate(t, gathering(10*time.Minute), func(l *lab) {
		l.account(1, 102, 86400)
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(86400)) })
		l.run()
		l.asleep()
		if err := l.client.Update(101); err != nil {
			l.t.Fatal(err)
		}
		synctest.Wait()
		if calls := l.server.take(); len(calls) != 1 { // nothing is due for the other one
			l.t.Errorf("the servers received %v, want one Update", calls)
		}
		l.asleep()
		l.after(23 * time.Hour)
		updates := l.server.take()
		if len(updates) != 2 || !updates[0].at.Equal(updates[1].at) {
			l.t.Errorf("Updates %v at %v and %v, want two at once", updates, updates[0].at, updates[len(updates)-1].at)
		}
	})
}

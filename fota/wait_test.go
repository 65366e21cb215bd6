package fota

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestWaitForAnotherAttempt: a host that does not answer shows in the status, once the pauses are long.
func TestWaitForAnotherAttempt(t *testing.T) {
	d := &depots{script: map[string][]visit{"x": {{err: errLost}}}}
	simulate(t, d.with, func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		time.Sleep(30 * time.Second) // pauses of 1, 2, 4, 8 and 16 s
		if synctest.Wait(); b.told().Wait != (Wait{}) {
			t.Errorf("a short pause is told: %+v", b.told().Wait)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w := b.told().Wait; w.For != ForAnotherTry || w.Why != errLost.Error() || time.Until(w.Until) <= 0 || w != b.u.Status().Wait {
			t.Errorf("it waits %+v", w)
		}
		d.does("x", visit{brings: all, validator: "v"})
		time.Sleep(5 * time.Minute)
		b.is(Ready, Initial)
		if w := b.told().Wait; w != (Wait{}) {
			t.Errorf("what is done waits %+v", w)
		}
	})
}

func TestConsent(t *testing.T) {
	simulate(t, func(c *Config) { c.Consent = true }, func(b *bench) {
		b.must(b.u.SetPolicy(b.Context(), Policy{Severity: 1, MaxDefer: 3600}))
		b.push(good)
		b.must(b.u.Update(b.Context()))
		b.is(Deferred, Deferral)
		time.Sleep(59 * time.Minute)
		b.is(Deferred, Deferral)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := b.u.Status().Phase; got < Installing {
			t.Errorf("the defer period is over and the update is %s", got)
		}
	})
	simulate(t, func(c *Config) { c.Consent = true }, func(b *bench) {
		b.must(b.u.SetPolicy(b.Context(), Policy{Severity: 0, MaxDefer: 3600}))
		b.push(good)
		b.must(b.u.Update(b.Context()))
		synctest.Wait()
		if got := b.u.Status().Phase; got < Installing {
			t.Errorf("a critical update waits: it is %s", got)
		}
	})
}

// TestConsentOnAMachineWhoseClockIsSet: the local user has the time that servers let them, and no more, whatever the machine's clock shows
// when the period begins, and at and after a restart in it.
func TestConsentOnAMachineWhoseClockIsSet(t *testing.T) {
	const period, years = time.Hour, 5 * 365 * 24 * time.Hour
	type setting struct{ at, wrong time.Duration } // since when the clock is wrong by how much
	for _, c := range []struct {
		name    string
		clock   []setting
		restart time.Duration // 0: none
		latest  time.Duration // at which the period is over; it is not before its time
	}{
		{"it is right", nil, 20 * time.Minute, period},
		{"it is set in the period", []setting{{0, -years}, {10 * time.Minute, 0}}, 0, period},
		{"it is set back in the period", []setting{{0, years}, {10 * time.Minute, 0}}, 0, period},
		{"it is set before a restart", []setting{{0, -years}, {10 * time.Minute, 0}}, 20 * time.Minute, period},
		{"it has forgotten the time", []setting{{20 * time.Minute, -years}}, 20 * time.Minute, 20*time.Minute + period},
		{"it has, and is set", []setting{{20 * time.Minute, -years}, {30 * time.Minute, 0}}, 20 * time.Minute, period + longestRest},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, nil, func(b *bench) {
				began := time.Now()
				clock := func(f *Config) {
					f.Consent = true
					f.Now = func() time.Time {
						now := time.Now()
						for _, s := range slices.Backward(c.clock) {
							if now.Sub(began) >= s.at {
								now = now.Add(s.wrong)
								break
							}
						}
						return now.Round(0)
					}
				}
				b.end()
				b.start(clock)
				b.must(b.u.SetPolicy(b.Context(), Policy{Severity: 1, MaxDefer: uint64(period / time.Second)}))
				b.push(good)
				b.must(b.u.Update(b.Context()))
				if c.restart > 0 {
					time.Sleep(c.restart)
					b.end()
					b.boot(clock)
				}
				time.Sleep(period - time.Since(began) - time.Second)
				b.is(Deferred, Deferral)
				time.Sleep(c.latest - time.Since(began) + time.Second)
				synctest.Wait()
				if got := b.u.Status().Phase; got < Installing {
					t.Errorf("%s after it was deferred for %s, the update is %s", time.Since(began), period, got)
				}
			})
		})
	}
}

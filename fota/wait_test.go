package fota

import (
	"slices"
	"sync/atomic"
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

// TestConsentOnAMachineThatSleeps: the defer period goes on in a sleep (suspend), in which timers stand still, and its end stays where it is.
func TestConsentOnAMachineThatSleeps(t *testing.T) {
	for _, c := range []struct {
		name  string
		slept time.Duration // five minutes after the period of an hour has begun
		told  bool
		over  time.Duration // then, awake
	}{
		{"it ends awake", 40 * time.Minute, false, 15 * time.Minute},
		{"it ends awake, and the sleep is told", 40 * time.Minute, true, 15 * time.Minute},
		{"it ends asleep", 2 * time.Hour, true, 0},
		{"it ends asleep, and nobody tells", 2 * time.Hour, false, longestRest - 5*time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			var slept atomic.Int64
			var began time.Time
			simulate(t, func(f *Config) {
				began = time.Now()
				f.Consent = true
				f.Now = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
				f.Elapsed = func() time.Duration { return time.Since(began) + time.Duration(slept.Load()) }
			}, func(b *bench) {
				b.must(b.u.SetPolicy(b.Context(), Policy{Severity: 1, MaxDefer: 3600}))
				b.push(good)
				b.must(b.u.Update(b.Context()))
				b.is(Deferred, Deferral)
				until := b.u.Status().Until
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				slept.Store(int64(c.slept))
				if c.told {
					b.u.Woken()
				}
				if c.over > 0 {
					time.Sleep(c.over - time.Second)
					b.is(Deferred, Deferral)
					if got := b.u.Status().Until; !got.Equal(until) {
						t.Errorf("its end is at %s, and was at %s", got, until)
					}
					time.Sleep(time.Second)
				}
				time.Sleep(time.Millisecond)
				synctest.Wait()
				if got := b.u.Status().Phase; got < Installing {
					t.Errorf("%s after it was deferred for an hour, the update is %s", time.Since(began)+c.slept, got)
				}
			})
		})
	}
}

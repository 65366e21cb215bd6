package fota

import (
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

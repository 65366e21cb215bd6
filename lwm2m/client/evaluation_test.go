package client

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// TestEPmin shows that values between two evaluations are not looked at: a limit that is
// crossed to and fro is not told, one that stays crossed is.
func TestEPmin(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "epmin=10", "gt=30"), coap.Changed)
		w := l.observe(temperature, -1)
		l.warm(time.Second, 21, 31, 22) // at once, then not before 10 s
		l.after(20 * time.Second)
		w.want()
		l.warm(time.Second, 23, 31, 32)
		w.want()
		l.after(20 * time.Second)
		w.want("34s 32")
		l.temperature(0, 20)
		w.want("46s 20") // the last evaluation is long ago
	})
}

// TestEPminWithoutLimits shows that every change is news, once it is looked at.
func TestEPminWithoutLimits(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe("/3303/0", senmlJSON, "epmin=10")
		l.warm(time.Second, 21, 22, 23)
		l.after(20 * time.Second)
		got := w.payloads()
		wantSame(l.t, "notified", got, `[{"bn":"/3303/0/","n":"5700","v":23}]`)
	})
}

// freeMemory lets the lab have free memory, which is asked for and tells nothing by itself.
func (l *lab) freeMemory(bytes int64) *atomic.Int64 {
	l.t.Helper()
	var free atomic.Int64
	free.Store(bytes)
	l.publish(l.device, func(b *model.Batch) {
		b.Compute(0, 10, func() lwm2m.Value { return lwm2m.Integer(free.Load()) })
	})
	return &free
}

// TestEPmax shows that what changes without telling is looked at every epmax, and told only
// if it has changed.
func TestEPmax(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		free := l.freeMemory(100)
		l.registered()
		w := l.observe("/3/0/10", -1)
		free.Store(90)
		l.after(time.Hour)
		w.want() // nobody looks
		l.wantCode(l.ask(coap.PUT, "/3/0/10", "epmax=60"), coap.Changed)
		l.after(90 * time.Second)
		w.want("1h0m0s 90")
		l.after(time.Hour)
		w.want()
		free.Store(80)
		l.after(time.Minute)
		w.want("2h2m0s 80")
	})
}

// TestEPmaxWithLimits shows that limits hold for what is looked at, too.
func TestEPmaxWithLimits(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		free := l.freeMemory(100)
		l.registered()
		l.wantCode(l.ask(coap.PUT, "/3/0/10", "epmax=60", "lt=50"), coap.Changed)
		w := l.observe("/3/0/10", -1)
		free.Store(60)
		l.after(10 * time.Minute)
		w.want()
		free.Store(40)
		l.after(time.Minute)
		w.want("11m0s 40")
	})
}

// TestEPmaxLetsSleep shows that a device in queue mode sleeps on if what it looks at has not
// changed.
func TestEPmaxLetsSleep(t *testing.T) {
	simulate(t, queueMode, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(86400)) })
		free := l.freeMemory(0)
		l.run()
		w := l.observe("/3/0/10", -1, "epmax=60")
		l.after(10 * time.Minute)
		l.wantState(Asleep)
		free.Store(1)
		l.after(time.Minute)
		l.wantState(Registered)
		synctest.Wait()
		wantSame(l.t, "notified", w.payloads(), "1")
	})
}

// TestEvaluationPeriodsContradict shows that epmin must be below epmax.
func TestEvaluationPeriodsContradict(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "epmin=10", "epmax=10"), coap.BadRequest)
		l.wantCode(l.ask(coap.PUT, "/3303", "epmin=10"), coap.Changed)
		l.wantCode(l.ask(coap.PUT, temperature, "epmax=9"), coap.BadRequest)
	})
}

package client

import (
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// TestLifetimeWithoutEnd shows that a lifetime of 0 is told as such to servers of 1.2 only: before, it meant nothing.
func TestLifetimeWithoutEnd(t *testing.T) {
	for v, want := range map[lwm2m.Version]string{lwm2m.Version10: "lt=2147483647", lwm2m.Version11: "lt=2147483647", lwm2m.Version12: "lt=0"} {
		simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: v} } }, func(l *lab) {
			l.publish(l.accounts, func(b *model.Batch) { b.Set(0, serverLifetime, lwm2m.Integer(0)) })
			l.run()
			l.wantCalls("POST /rd [ep=lab " + want + " lwm2m=" + v.String() + " b=U]")
			l.wantCode(l.send(coap.PUT, "/1/0/1", lwm2m.FormatText, "600"), coap.Changed)
			l.after(time.Second)
			l.wantCalls("POST /rd/1 [lt=600]")
			l.wantCode(l.send(coap.PUT, "/1/0/1", lwm2m.FormatText, "0"), coap.Changed)
			l.after(time.Second)
			l.wantCalls("POST /rd/1 [" + want + "]")
			l.after(365 * 24 * time.Hour)
			l.wantCalls()
		})
	}
}

// TestVersionsThatTheServerSpeaks shows that /1/x/25 says which version is offered first, at each Register after it
// has been written.
func TestVersionsThatTheServerSpeaks(t *testing.T) {
	const register = "POST /rd [ep=lab lt=600 lwm2m="
	for _, c := range []struct {
		versions []string
		want     string
	}{
		{[]string{"1.1"}, "1.1"},
		{[]string{"1.0.2", "1.1.1"}, "1.1"},
		{[]string{"1.1", "1.0"}, "1.1"},
		{[]string{"1.0"}, "1.0"},
		{[]string{"1.1", "1.2.2", "1.3"}, "1.2"},
		{[]string{"1.3", "2.0", "0.9"}, "1.2"}, // none that we speak: what is usual
		{[]string{"", "one", "1.1.1.1"}, "1.2"},
	} {
		simulate(t, nil, func(l *lab) {
			l.versions(c.versions...)
			l.run()
			l.wantCalls(register + c.want + " b=U]")
		})
	}
	simulate(t, nil, func(l *lab) {
		l.versions("1.1", "1.0")
		l.server.script = func(c call) *coap.Message {
			if c.path == "/rd" && c.queries[2] == "lwm2m=1.1" {
				return &coap.Message{Code: coap.PreconditionFailed} // it lies
			}
			return nil
		}
		l.run()
		l.wantCalls(register+"1.1 b=U]", register+"1.0 b=U]")
		l.wantState(Registered)

		l.versions("1.2")
		l.after(time.Minute)
		l.wantCalls() // the registration that there is stays as it is
		l.wantCode(l.ask(coap.GET, "/3/0"), coap.Content)
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/rd/1" {
					return &coap.Message{Code: coap.NotFound}
				}
				return nil
			}
		})
		_ = l.client.Update(101)
		l.after(time.Second)
		l.wantCalls("POST /rd/1 []", register+"1.2 b=U]")
	})
}

// TestAllVersionsRefused shows that a server that refuses all versions for a while is offered all again.
func TestAllVersionsRefused(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		var open atomic.Bool
		l.server.script = func(c call) *coap.Message {
			if c.path == "/rd" && (!open.Load() || c.queries[2] != "lwm2m=1.1") {
				return &coap.Message{Code: coap.PreconditionFailed}
			}
			return nil
		}
		const register = "POST /rd [ep=lab lt=600 lwm2m="
		l.run()
		l.wantState(Waiting)
		l.wantCalls(register+"1.2 b=U]", register+"1.1 b=U]", register+"1.0 b=U]")
		open.Store(true)
		l.after(5 * time.Second)
		l.wantState(Registered)
		l.wantCalls(register+"1.2 b=U]", register+"1.1 b=U]")
	})
}

// versions writes /1/0/25.
func (l *lab) versions(texts ...string) {
	l.t.Helper()
	values := make([]lwm2m.Value, len(texts))
	for i, text := range texts {
		values[i] = lwm2m.String(text)
	}
	l.publish(l.accounts, func(b *model.Batch) { b.SetAll(0, 25, values...) })
}

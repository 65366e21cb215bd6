package client

import (
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

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

// versions writes /1/0/25.
func (l *lab) versions(texts ...string) {
	l.t.Helper()
	values := make([]lwm2m.Value, len(texts))
	for i, text := range texts {
		values[i] = lwm2m.String(text)
	}
	l.publish(l.accounts, func(b *model.Batch) { b.SetAll(0, 25, values...) })
}

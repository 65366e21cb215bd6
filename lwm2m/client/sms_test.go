package client

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// triggerOf encodes a request as it comes by SMS.
func triggerOf(tb testing.TB, path string, change func(*coap.Message)) []byte {
	tb.Helper()
	m := &coap.Message{Type: coap.NON, Code: coap.POST, ID: 0x1234}
	m.SetPath(path)
	if change != nil {
		change(m)
	}
	b, err := m.Append(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParseTrigger(t *testing.T) {
	for name, tt := range map[string]struct {
		content []byte
		want    string // path; "": it is none
	}{
		"without an answer":       {triggerOf(t, "/1/0/8", nil), "/1/0/8"},
		"another instance":        {triggerOf(t, "/1/7/8", func(m *coap.Message) { m.Type = coap.CON }), "/1/7/8"},
		"bytes":                   {[]byte("\x50\x02\x12\x34\xb1\x31\x01\x30\x01\x38"), "/1/0/8"},
		"with a token and a host": {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.AddOption(coap.URIHost, []byte("gw")) }), "/1/0/8"},
		"an argument":             {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.Payload = []byte("0='U'") }), "/1/0/8"},
		"as text":                 {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.SetContentFormat(0); m.Payload = []byte("0='U'") }), "/1/0/8"},
		"no arguments":            {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.Payload = []byte("x") }), ""},
		"arguments as TLV":        {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.SetContentFormat(11542); m.Payload = []byte("0") }), ""},
		"a reboot":                {triggerOf(t, "/3/0/4", nil), ""},
		"a disable":               {triggerOf(t, "/1/0/4", nil), ""},
		"an instance":             {triggerOf(t, "/1/0", nil), ""},
		"deeper":                  {triggerOf(t, "/1/0/8/0", nil), ""},
		"a read":                  {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.Code = coap.GET }), ""},
		"an answer":               {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.Type = coap.ACK }), ""},
		"an unknown option":       {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.AddOption(2049, nil) }), ""},
		"part of a body":          {triggerOf(t, "/1/0/8", func(m *coap.Message) { m.AddOption(coap.Block1, []byte{8}) }), ""},
		"a text":                  {[]byte("hello"), ""},
		"nothing":                 {nil, ""},
	} {
		got, ok := ParseTrigger(tt.content)
		if ok != (tt.want != "") || ok && got.path != lwm2m.MustPath(tt.want) {
			t.Errorf("%s: %v, %v", name, got.path, ok)
		}
	}
}

// FuzzParseTrigger takes anything that comes by SMS.
func FuzzParseTrigger(f *testing.F) {
	f.Add(triggerOf(f, "/1/0/8", func(m *coap.Message) { m.Payload = []byte("0='U'") }))
	f.Add([]byte("\x50\x02\x12\x34\xb1\x31\x01\x30\x01\x38"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if got, ok := ParseTrigger(content); ok && (got.path.Object() != 1 || got.path.Resource() != 8) {
			t.Errorf("%v", got.path)
		}
	})
}

func TestTelephone(t *testing.T) {
	for in, want := range map[string]string{
		"+49 151-123/45": "4915112345", "004915112345": "4915112345", "4915112345": "4915112345", "12345": "12345", "(0151) 1.2": "015112", "+": "", "": "",
	} {
		if got := telephone(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// sleeping is a client in queue mode that sleeps, and may be woken from +49151.
func sleeping(t *testing.T, f func(l *lab, number *atomic.Value, wake func(from string) error)) {
	t.Helper()
	number := new(atomic.Value)
	number.Store("4917000")
	simulate(t, func(c *Config) {
		c.Params = func(uint16) Params { return Params{QueueMode: true, SMS: number.Load().(string)} } //nolint:forcetypeassert // a test
	}, func(l *lab) {
		l.publish(l.security, func(b *model.Batch) { b.Set(0, 9, lwm2m.String("+49 151")) })
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 21, lwm2m.Boolean(true)) })
		l.run()
		l.wantCalls("POST /rd [ep=lab lt=600 lwm2m=1.2 b=U Q sms=4917000]")
		l.after(94 * time.Second)
		l.wantState(Asleep)
		trigger, ok := ParseTrigger(triggerOf(l.t, "/1/0/8", nil))
		if !ok {
			t.Fatal("no trigger")
		}
		f(l, number, func(from string) error {
			err := l.client.Wake(t.Context(), from, trigger)
			synctest.Wait()
			return err
		})
	})
}

func TestWokenBySMS(t *testing.T) {
	sleeping(t, func(l *lab, _ *atomic.Value, wake func(string) error) {
		if err := wake("+49151"); err != nil {
			t.Error(err)
		}
		l.wantCalls("POST /rd/1 []")
		l.wantState(Registered)
		l.after(94 * time.Second)
		l.wantState(Asleep)
		for _, from := range []string{"+49152", "", "49151x"} {
			if err := wake(from); !errors.Is(err, ErrStranger) {
				t.Errorf("from %q: %v", from, err)
			}
		}
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 21, lwm2m.Boolean(false)) })
		l.after(time.Second)
		l.server.take()
		if err := wake("+49151"); !errors.Is(err, ErrNoSMS) {
			t.Error(err)
		}
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 7, lwm2m.String("UQS")) })
		l.after(time.Minute)
		l.server.take()
		if err := wake("0049151"); err != nil {
			t.Error(err)
		}
		l.wantCalls("POST /rd/1 []")
		l.publish(l.security, func(b *model.Batch) { b.Set(0, 9, lwm2m.String("+")) })
		if err := wake("+49151"); !errors.Is(err, ErrStranger) {
			t.Errorf("without digits: %v", err)
		}
		other, _ := ParseTrigger(triggerOf(t, "/1/5/8", nil))
		if err := l.client.Wake(t.Context(), "+49151", other); !errors.Is(err, ErrNoAccount) {
			t.Error(err)
		}
		l.wantCalls()
	})
}

// TestDisabledNotWokenBySMS shows that a server which has disabled its account is not listened to (object 1, resource 4).
func TestDisabledNotWokenBySMS(t *testing.T) {
	sleeping(t, func(l *lab, _ *atomic.Value, wake func(string) error) {
		if err := l.client.Disable(101, time.Hour); err != nil {
			t.Fatal(err)
		}
		l.after(time.Second)
		l.wantState(Disabled)
		l.server.take()
		if err := wake("+49151"); !errors.Is(err, ErrDisabled) {
			t.Error(err)
		}
		l.wantState(Disabled)
		l.wantCalls()
		l.after(time.Hour)
		l.wantCalls("POST /rd [ep=lab lt=600 lwm2m=1.2 b=U Q sms=4917000]")
	})
}

// TestWokenRarely counts what comes of a message each 10 s for a day.
func TestWokenRarely(t *testing.T) {
	sleeping(t, func(l *lab, _ *atomic.Value, wake func(string) error) {
		const day = 24 * time.Hour
		woken := 0
		var first []int
		for i := range int(day / (10 * time.Second)) {
			err := wake("+49151")
			switch {
			case err == nil:
				woken++
				if len(first) < 6 {
					first = append(first, i)
				}
			case !errors.Is(err, ErrTooOften):
				t.Fatal(err)
			}
			l.after(10 * time.Second)
		}
		if want := int(day/wakeEvery) + wakesInRow - 1; woken < want-1 || woken > want+1 || !slices.Equal(first, []int{0, 1, 2, 3, 30, 60}) {
			t.Errorf("woken %d times, want %d; the first were %v", woken, want, first)
		}
	})
}

// TestNumberChanges has another card put in.
func TestNumberChanges(t *testing.T) {
	sleeping(t, func(l *lab, number *atomic.Value, _ func(string) error) {
		number.Store("4917001")
		l.client.ParamsChanged()
		l.after(time.Second)
		l.wantCalls("POST /rd/1 [sms=4917001]")
		number.Store("")
		l.client.ParamsChanged()
		l.after(time.Second)
		l.wantCalls()
	})
}

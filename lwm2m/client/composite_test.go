package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

// fetch returns a FETCH of paths; accept is left out if negative.
func fetch(tb testing.TB, f lwm2m.Format, accept int, paths ...string) *coap.Message {
	tb.Helper()
	list := make([]lwm2m.Path, len(paths))
	for i, p := range paths {
		list[i] = lwm2m.MustPath(p)
	}
	m := &coap.Message{Code: coap.FETCH}
	m.SetContentFormat(uint16(f))
	if accept >= 0 {
		m.SetAccept(uint16(accept))
	}
	var err error
	if m.Payload, err = wire.AppendPaths(nil, f, list); err != nil {
		tb.Fatal(err)
	}
	return m
}

// TestReadComposite shows the best effort of a Read-Composite, in all its formats.
func TestReadComposite(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.temperature(1, 5)
		for _, c := range []struct {
			format lwm2m.Format
			accept int
			paths  string
			code   coap.Code
			want   string
		}{
			{lwm2m.FormatSenMLJSON, -1, "/3303/1/5700 /3/0/0", coap.Content, `[{"bn":"/","n":"3/0/0","vs":"Example"},{"n":"3303/1/5700","v":5}]`},
			{lwm2m.FormatSenMLETCHJSON, -1, "/3/0/0", coap.Content, `[{"bn":"/","n":"3/0/0","vs":"Example"}]`},
			{lwm2m.FormatSenMLETCHCBOR, -1, "/3/0/9", coap.Content, "\x81\xa3\x21\x61/\x00\x653/0/9\x02\x18\x50"},
			{lwm2m.FormatSenMLCBOR, -1, "/3/0/9", coap.Content, "\x81\xa3\x21\x61/\x00\x653/0/9\x02\x18\x50"},
			{lwm2m.FormatSenMLCBOR, 110, "/3/0/9", coap.Content, `[{"bn":"/","n":"3/0/9","v":80}]`},
			{lwm2m.FormatSenMLCBOR, 11544, "/3/0/9 /3303/0", coap.Content, "\xa2\x03\xa1\x00\xa1\x09\x18\x50\x19\x0c\xe7\xa1\x00\xa1\x19\x16\x44\xfa\x41\xa0\x00\x00"},
			{lwm2m.FormatSenMLJSON, -1, "/3/0/6/1", coap.Content, `[{"bn":"/","n":"3/0/6/1","v":5}]`},
			{lwm2m.FormatSenMLJSON, -1, "/3303", coap.Content, `[{"bn":"/","n":"3303/0/5700","v":20},{"n":"3303/1/5700","v":5}]`},
			// What others contain is there once.
			{lwm2m.FormatSenMLJSON, -1, "/3303/0/5700 /3303/0 /3303 /3303/1", coap.Content, `[{"bn":"/","n":"3303/0/5700","v":20},{"n":"3303/1/5700","v":5}]`},
			// Not there, not readable, for the bootstrap server only, behind a gateway.
			{lwm2m.FormatSenMLJSON, -1, "/4711/0 /3303/7 /3/0/99 /3/0/4 /0/0/0 /dev1/3/0 /3/0/9", coap.Content, `[{"bn":"/","n":"3/0/9","v":80}]`},
			{lwm2m.FormatSenMLJSON, -1, "/4711 /0", coap.Content, "[]"},
			{lwm2m.FormatSenMLJSON, 11542, "/3/0/9", coap.NotAcceptable, ""},
			{lwm2m.FormatSenMLJSON, 0, "/3/0/9", coap.NotAcceptable, ""},
			{lwm2m.FormatSenMLJSON, 320, "/3/0/9", coap.NotAcceptable, ""},
		} {
			got := l.do(fetch(l.t, c.format, c.accept, strings.Fields(c.paths)...))
			if got.Code != c.code || c.code == coap.Content && string(got.Payload) != c.want {
				l.t.Errorf("%s in %v, accepted %d: %v %q, want %v %q", c.paths, c.format, c.accept, got.Code, got.Payload, c.code, c.want)
			}
		}
		root := l.do(fetch(l.t, lwm2m.FormatSenMLJSON, -1, "/"))
		if text := string(root.Payload); !strings.Contains(text, `"3/0/0"`) || !strings.Contains(text, `"1/0/0"`) || strings.Contains(text, `"0/`) {
			l.t.Errorf("the root is %s", text)
		}
	})
}

// TestCompositeFormatOfVersion shows that a composite operation is answered in no format that the version does not have.
func TestCompositeFormatOfVersion(t *testing.T) {
	simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: lwm2m.Version11} } }, func(l *lab) {
		l.run()
		l.wantCode(l.do(fetch(l.t, lwm2m.FormatSenMLJSON, 11544, "/3/0/0")), coap.NotAcceptable)
		l.wantCode(l.do(fetch(l.t, lwm2m.FormatSenMLJSON, 112, "/3/0/0")), coap.Content)
	})
}

// TestCompositeNeeds11 shows that a 1.0 server does not get what its version lacks.
func TestCompositeNeeds11(t *testing.T) {
	simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: lwm2m.Version10} } }, func(l *lab) {
		l.run()
		read := fetch(l.t, lwm2m.FormatSenMLJSON, -1, "/3/0/0")
		observe := read.Clone()
		observe.SetObserve(0)
		for _, m := range []*coap.Message{read, observe} {
			l.wantCode(l.do(m), coap.MethodNotAllowed)
		}
		l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatSenMLJSON, `[{"n":"/3/0/15","vs":"UTC"}]`), coap.MethodNotAllowed)
		if s := l.status(); s.Observations != 0 {
			l.t.Errorf("%d observations", s.Observations)
		}
	})
}

// TestWriteComposite shows that a Write-Composite happens whole or not at all.
func TestWriteComposite(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.outputs(owner{prepare: func(context.Context) error {
			return lwm2m.Errorf(lwm2m.NotAcceptable, "the valve is stuck")
		}})
		l.registered()
		value := func(path string) string { return l.tree.Value(lwm2m.MustPath(path)).String() }
		for _, f := range []lwm2m.Format{lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLETCHJSON} {
			l.wantCode(l.send(coap.IPATCH, "/", f, `[{"n":"/3/0/15","vs":"UTC"},{"n":"/1/0/2","v":7}]`), coap.Changed)
		}
		l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatSenMLETCHCBOR, "\x81\xa2\x00\x66/1/0/2\x02\x08"), coap.Changed)
		if value("/3/0/15") != "UTC" || value("/1/0/2") != "8" {
			l.t.Errorf("/3/0/15 is %s, /1/0/2 is %s", value("/3/0/15"), value("/1/0/2"))
		}
		l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatLwM2MCBOR, "\xa2\x01\xa1\x00\xa1\x02\x09\x03\xa1\x00\xa1\x0f\x63UTC"), coap.Changed)
		if value("/1/0/2") != "9" {
			l.t.Errorf("/1/0/2 is %s", value("/1/0/2"))
		}
		for payload, want := range map[string]coap.Code{
			`[{"n":"/3/0/15","vs":"a"},{"n":"/3306/0/5850","vb":true}]`: coap.NotAcceptable, // refused by its owner
			`[{"n":"/3/0/15","vs":"a"},{"n":"/3/0/0","vs":"b"}]`:        coap.MethodNotAllowed,
			`[{"n":"/3/0/15","vs":"a"},{"n":"/1/0/2","vs":"five"}]`:     coap.BadRequest,
			`[{"n":"/3/0/15","vs":"a"},{"n":"/0/0/0","vs":"b"}]`:        coap.Unauthorized,
			`[{"n":"/3/0/15","vs":"a"},{"n":"/1/9/2","v":1}]`:           coap.NotFound,
			`[{"n":"/3/0/15","vs":"a"},{"n":"/3/0/15","vs":"b"}]`:       coap.BadRequest,
			`[{"n":"/3/0/15","vs":"a"},{"n":"/3/0"}]`:                   coap.BadRequest,
		} {
			l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatSenMLJSON, payload), want)
			if value("/3/0/15") != "UTC" {
				l.t.Fatalf("%s was refused and written by half", payload)
			}
		}
	})
}

// TestWriteCompositeRemoves shows that null takes away what is there, in the formats of
// RFC 8790 only.
func TestWriteCompositeRemoves(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) {
			b.Set(0, 2, lwm2m.Integer(5))
			b.Set(0, 3, lwm2m.Integer(60))
			b.SetAll(0, 25, lwm2m.String("1.1"), lwm2m.String("1.2"))
		})
		l.registered()
		has := func(path string) bool { return !l.tree.Value(lwm2m.MustPath(path)).IsZero() }
		for payload, want := range map[string]coap.Code{
			`[{"n":"/1/0/2","v":null},{"n":"/1/0/1","v":null}]`:    coap.MethodNotAllowed, // mandatory
			`[{"n":"/1/0/2","v":null},{"n":"/1/0/17","v":null}]`:   coap.NotFound,
			`[{"n":"/1/0/2","v":null},{"n":"/3/0/9","vs":null}]`:   coap.MethodNotAllowed, // read only
			`[{"n":"/1/0/2","v":null},{"n":"/1/0","v":null}]`:      coap.BadRequest,
			`[{"n":"/1/0/2","v":null,"vs":"x"}]`:                   coap.BadRequest,
			`[{"n":"/1/0/2","v":null},{"n":"/1/0/25/7","v":null}]`: coap.NotFound,
		} {
			l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatSenMLETCHJSON, payload), want)
			if !has("/1/0/2") {
				l.t.Fatalf("%s was refused and carried out by half", payload)
			}
		}
		l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatSenMLJSON, `[{"n":"/1/0/2","v":null}]`), coap.BadRequest)
		l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatSenMLETCHJSON, `[{"n":"/1/0/2","v":null},{"n":"/1/0/25/1","vs":null},{"n":"/1/0/3","v":70}]`), coap.Changed)
		if has("/1/0/2") || has("/1/0/25/1") || !has("/1/0/25/0") || l.tree.Value(lwm2m.MustPath("/1/0/3")) != lwm2m.Integer(70) {
			l.t.Error("not carried out as it says")
		}
		l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatSenMLETCHCBOR, "\x81\xa2\x00\x66/1/0/3\x02\xf6"), coap.Changed)
		if has("/1/0/3") {
			l.t.Error("null in CBOR took nothing away")
		}
	})
}

// TestWriteCompositeOfTheAccount shows that the answer goes out before the Update that
// it leads to.
func TestWriteCompositeOfTheAccount(t *testing.T) {
	var mu sync.Mutex
	var sent []coap.Code
	simulate(t, func(c *Config) {
		c.Trace = func(_ *Link, d coap.Direction, datagram []byte) {
			if m, err := coap.Parse(datagram); err == nil && d == coap.Sent && m.Code != coap.Empty {
				mu.Lock()
				defer mu.Unlock()
				sent = append(sent, m.Code)
			}
		}
	}, func(l *lab) {
		l.registered()
		l.wantCode(l.send(coap.IPATCH, "/", lwm2m.FormatSenMLJSON, `[{"n":"/1/0/1","v":700},{"n":"/3/0/15","vs":"UTC"}]`), coap.Changed)
		l.after(settleQuiet)
		l.wantCalls("POST /rd/1 [lt=700]")
		if want := []coap.Code{coap.POST, coap.Changed, coap.POST}; !slices.Equal(sent, want) {
			l.t.Errorf("sent %v, want %v", sent, want)
		}
	})
}

// TestObserveComposite shows one observation of several paths: what it tells is all of
// them, when one of them changes, comes or goes.
func TestObserveComposite(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.watch(fetch(l.t, lwm2m.FormatSenMLJSON, -1, "/3303", "/3/0/9"))
		if got := string(w.first.Payload); got != `[{"bn":"/","n":"3/0/9","v":80},{"n":"3303/0/5700","v":20}]` {
			l.t.Errorf("first answer is %s", got)
		}
		l.temperature(0, 21)
		w.want(`0s [{"bn":"/","n":"3/0/9","v":80},{"n":"3303/0/5700","v":21}]`)
		l.publish(l.device, func(b *model.Batch) { b.Set(0, 9, lwm2m.Integer(79)) })
		w.want(`0s [{"bn":"/","n":"3/0/9","v":79},{"n":"3303/0/5700","v":21}]`)
		l.temperature(1, 5)
		w.want(`0s [{"bn":"/","n":"3/0/9","v":79},{"n":"3303/0/5700","v":21},{"n":"3303/1/5700","v":5}]`)
		l.publish(l.sensors, func(b *model.Batch) { b.Delete(0); b.Delete(1) })
		w.want(`0s [{"bn":"/","n":"3/0/9","v":79}]`)
		l.publish(l.device, func(b *model.Batch) { b.Set(0, 0, lwm2m.String("another")) })
		w.want() // is not observed
		if s := l.status(); s.Observations != 1 {
			l.t.Errorf("%d observations", s.Observations)
		}
	})
}

// TestObserveCompositePeriods shows that the attributes of each path hold: none is told
// before its pmin, and all at the shortest pmax.
func TestObserveCompositePeriods(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=10"), coap.Changed)
		l.wantCode(l.ask(coap.PUT, "/3/0/9", "pmin=5", "pmax=60"), coap.Changed)
		w := l.watch(fetch(l.t, lwm2m.FormatSenMLJSON, -1, temperature, "/3/0/9"))
		l.after(6 * time.Second)
		l.publish(l.device, func(b *model.Batch) { b.Set(0, 9, lwm2m.Integer(79)) })
		l.after(5 * time.Second)
		w.want(`10s [{"bn":"/","n":"3/0/9","v":79},{"n":"3303/0/5700","v":20}]`)
		l.after(60 * time.Second)
		w.want(`1m10s [{"bn":"/","n":"3/0/9","v":79},{"n":"3303/0/5700","v":20}]`)
		l.wantCode(l.ask(coap.PUT, temperature, "pmin", "gt=25", "pmax=20"), coap.Changed)
		l.temperature(0, 24) // does not cross
		l.after(5 * time.Second)
		w.want()
		l.temperature(0, 26)
		l.after(0)
		w.want(`1m16s [{"bn":"/","n":"3/0/9","v":79},{"n":"3303/0/5700","v":26}]`)
	})
}

// TestObserveCompositeWithAttributes shows that periods that come with the request replace
// all that are attached, and that limits of a path stay.
func TestObserveCompositeWithAttributes(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=10", "pmax=20", "gt=25"), coap.Changed)
		m := fetch(l.t, lwm2m.FormatSenMLJSON, -1, temperature)
		m.AddQuery("pmin=2")
		w := l.watch(m)
		l.after(time.Minute)
		w.want()
		l.temperature(0, 24)
		w.want()
		l.temperature(0, 26)
		w.want(`1m0s [{"bn":"/","n":"3303/0/5700","v":26}]`)
		l.temperature(0, 20)
		l.after(2 * time.Second)
		w.want(`1m2s [{"bn":"/","n":"3303/0/5700","v":20}]`)
	})
}

func TestCancelComposite(t *testing.T) {
	paths := []string{temperature, "/3/0/9"}
	t.Run("Observe 1", func(t *testing.T) {
		simulate(t, nil, func(l *lab) {
			l.registered()
			w := l.watch(fetch(l.t, lwm2m.FormatSenMLJSON, -1, paths...))
			m, err := w.observation.Cancel(l.t.Context())
			if err != nil || m.Code != coap.Content || !strings.Contains(string(m.Payload), `"v":80`) {
				l.t.Fatalf("answer is %v, %v", m, err)
			}
			l.wantNoObservation(w)
		})
	})
	t.Run("RST", func(t *testing.T) {
		simulate(t, nil, func(l *lab) {
			l.registered()
			w := l.watch(fetch(l.t, lwm2m.FormatSenMLJSON, -1, paths...))
			w.observation.Forget()
			l.temperature(0, 30) // answered with RST
			l.after(time.Second)
			l.wantNoObservation(w)
		})
	})
}

// TestObservedPathsAreBounded shows that the bound counts paths, not requests.
func TestObservedPathsAreBounded(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		list := func(oid, n int) *coap.Message {
			paths := make([]string, n)
			for i := range paths {
				paths[i] = fmt.Sprintf("/%d/%d", oid, i)
			}
			return fetch(l.t, lwm2m.FormatSenMLCBOR, -1, paths...)
		}
		l.watch(list(100, 9000))
		l.watch(list(101, maxObservations-9000))
		m := fetch(l.t, lwm2m.FormatSenMLCBOR, -1, temperature)
		m.SetObserve(0)
		answer := l.wantCode(l.do(m), coap.Content)
		if _, ok := answer.Observe(); ok {
			l.t.Error("one path too many is observed")
		}
		if s := l.status(); s.Observations != 2 {
			l.t.Errorf("%d observations", s.Observations)
		}
		l.temperature(0, 30)
		synctest.Wait()
		if p := l.client.accounts[101].pending; len(p) != 0 {
			l.t.Errorf("what is not observed is watched: %v", p)
		}
	})
}

package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

func TestBootstrap(t *testing.T) {
	for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatLwM2MCBOR} {
		bootstrapping(t, false, nil, func(l *bootLab) {
			l.open()
			l.provision(f)
			l.after(time.Minute)
			if ids := l.tree.Instances(1); len(ids) > 0 {
				t.Fatalf("%v: what is staged is in force: %v", f, ids)
			}
			began := time.Now()
			l.wantCode(l.finish(), coap.Changed)
			l.after(0)
			l.wantState(Registered)
			l.wantBootstrap(BootstrapDone)
			l.wantCalls(register)
			if at := l.tree.Value(lwm2m.MustPath("/1/3/12")); !at.Time().Equal(began.Truncate(time.Second)) {
				t.Errorf("%v: Last Bootstrapped is %v, want %v", f, at, began)
			}
			l.after(2 * time.Minute)
			l.wantBootstrap(BootstrapIdle)
			l.wantCalls()
		})
	}
}

func TestBootstrapDiscoverAndRead(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.registered()
		if err := l.client.Bootstrap(0); err != nil {
			t.Fatal(err)
		}
		l.after(0)
		l.wantCalls(packRequest, bootRequestCall)
		m := l.wantCode(l.say(coap.GET, "/", accept(lwm2m.FormatLink)), coap.Content)
		want := `</>;lwm2m=1.2,</0>;ver=1.2,</0/0>;ssid=101;uri="coap://server101.invalid",</0/9>;uri="` + bootstrapURI + `",` +
			`</1>;ver=1.2,</1/0>;ssid=101,</2>;ver=1.1,</3>;ver=1.2,</3/0>,</3303>;ver=1.1,</3303/0>`
		if string(m.Payload) != want {
			t.Errorf("Discover / is %s, want %s", m.Payload, want)
		}
		l.wantCode(l.say(coap.DELETE, "/0"), coap.Deleted)
		l.provision(lwm2m.FormatTLV)
		m = l.wantCode(l.say(coap.GET, "/0", accept(lwm2m.FormatLink)), coap.Content)
		want = `</>;lwm2m=1.2,</0>;ver=1.2,</0/3>;ssid=102;uri="coap://server102.invalid",</0/9>;uri="` + bootstrapURI + `"`
		if string(m.Payload) != want {
			t.Errorf("Discover /0 is %s, want %s", m.Payload, want)
		}
		for path, want := range map[string]coap.Code{
			"/1": coap.Content, "/1/3": coap.Content, "/2": coap.Content, "/0": coap.MethodNotAllowed, "/3/0": coap.MethodNotAllowed, "/1/3/1": coap.MethodNotAllowed,
			"/": coap.MethodNotAllowed, "/1/7": coap.NotFound,
		} {
			if m := l.say(coap.GET, path, accept(lwm2m.FormatTLV)); m.Code != want {
				t.Errorf("GET %s: %v %q, want %v", path, m.Code, m.Payload, want)
			}
		}
		m = l.wantCode(l.say(coap.GET, "/1/3", accept(lwm2m.FormatSenMLJSON)), coap.Content)
		if !strings.Contains(string(m.Payload), `"vs":"U"`) {
			t.Errorf("/1/3 is %s", m.Payload)
		}
		l.wantCode(l.say(coap.GET, "/1", accept(lwm2m.FormatOMAJSON)), coap.NotAcceptable)
		l.wantCode(l.say(coap.GET, "/77", accept(lwm2m.FormatLink)), coap.NotFound)
		l.wantCode(l.say(coap.GET, "/0/3", accept(lwm2m.FormatLink)), coap.BadRequest)
	})
}

// TestBootstrapRefuses: what a bootstrap server may not do does no harm.
func TestBootstrapRefuses(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.open()
		for _, c := range []struct {
			code    coap.Code
			path    string
			options []func(*coap.Message)
			want    coap.Code
		}{
			{coap.DELETE, "/0/9", nil, coap.BadRequest},
			{coap.DELETE, "/3/0", nil, coap.BadRequest},
			{coap.DELETE, "/1/0/1", nil, coap.BadRequest},
			{coap.POST, "/1", nil, coap.MethodNotAllowed},
			{coap.POST, "/3/0/4", nil, coap.MethodNotAllowed},
			{coap.FETCH, "/", nil, coap.MethodNotAllowed},
			{coap.PUT, "/", []func(*coap.Message){payload(lwm2m.FormatSenMLJSON, "[]")}, coap.BadRequest},
			{coap.PUT, "/1/0", []func(*coap.Message){payload(9999, "x")}, coap.UnsupportedContentFormat},
			{coap.PUT, "/1/0", []func(*coap.Message){payload(lwm2m.FormatTLV, "\xff")}, coap.BadRequest},
			{coap.PUT, "/1/0/1", []func(*coap.Message){payload(lwm2m.FormatText, "soon")}, coap.BadRequest},
			{coap.PUT, "/0/0/10", []func(*coap.Message){payload(lwm2m.FormatText, "70000")}, coap.BadRequest},
			{coap.PUT, "/4711/0", []func(*coap.Message){payload(lwm2m.FormatTLV, "")}, coap.BadRequest},
			{coap.GET, "/bs", nil, coap.NotFound},
		} {
			if m := l.say(c.code, c.path, c.options...); m.Code != c.want {
				t.Errorf("%v %s: %v %q, want %v", c.code, c.path, m.Code, m.Payload, c.want)
			}
		}
		l.wantCode(l.say(coap.DELETE, "/"), coap.Deleted)
		m := l.say(coap.GET, "/", accept(lwm2m.FormatLink))
		if !strings.Contains(string(m.Payload), "</0/9>") || !strings.Contains(string(m.Payload), "</3/0>") {
			t.Errorf("after DELETE / there is %s", m.Payload)
		}
		l.provision(lwm2m.FormatTLV)
		l.wantCode(l.put(lwm2m.FormatText, "/1/3/1", n("/1/3/1", lwm2m.Integer(300))), coap.Changed)
		l.wantCode(l.finish(), coap.Changed)
		if got := l.tree.Value(lwm2m.MustPath("/1/3/1")); got != lwm2m.Integer(300) {
			t.Errorf("lifetime is %v", got)
		}
	})
}

// TestInconsistentBootstrap: each is refused with 4.06 and leaves the account that there is
// registered; what is corrected is taken.
func TestInconsistentBootstrap(t *testing.T) {
	rpk := securityNodes(4, "coaps://server104.invalid", 104)
	rpk[2].Value = lwm2m.Integer(1)
	rpk = append(rpk, n("/0/4/5", lwm2m.Opaque([]byte("no key"))))
	lwm2m.SortNodes(rpk)
	for name, write := range map[string]func(l *bootLab){
		"no server":                func(l *bootLab) { l.say(coap.DELETE, "/1"); l.say(coap.DELETE, "/0") },
		"no security instance":     func(l *bootLab) { l.say(coap.DELETE, "/0") },
		"no server instance":       func(l *bootLab) { l.put(lwm2m.FormatTLV, "/0/4", securityNodes(4, "coap://x", 104)...) },
		"another Short Server ID":  func(l *bootLab) { l.put(lwm2m.FormatText, "/1/0/0", n("/1/0/0", lwm2m.Integer(7))) },
		"the same Short Server ID": func(l *bootLab) { l.put(lwm2m.FormatTLV, "/1/1", serverNodes(1, 101, 60)...) },
		"no URI":                   func(l *bootLab) { l.put(lwm2m.FormatText, "/0/0/0", n("/0/0/0", lwm2m.String("server"))) },
		"key without security":     func(l *bootLab) { l.put(lwm2m.FormatText, "/0/0/2", n("/0/0/2", lwm2m.Integer(0))) },
		"key that is none": func(l *bootLab) {
			l.put(lwm2m.FormatTLV, "/0/4", rpk...)
			l.put(lwm2m.FormatTLV, "/1/4", serverNodes(4, 104, 60)...)
		},
		"two bootstrap accounts": func(l *bootLab) {
			for iid := range uint16(2) {
				nodes := securityNodes(20+iid, "coap://bs", 0)[:3]
				nodes[1].Value = lwm2m.Boolean(true)
				l.put(lwm2m.FormatTLV, fmt.Sprint("/0/", 20+iid), nodes...)
			}
		},
	} {
		bootstrapping(t, true, nil, func(l *bootLab) {
			l.registered()
			_ = l.client.Bootstrap(0)
			l.after(0)
			before, _ := l.tree.Read(model.FromAgent(), lwm2m.Path{}, nil)
			write(l)
			m := l.finish()
			if m.Code != coap.NotAcceptable || len(m.Payload) == 0 {
				t.Errorf("%s: Finish is answered with %v %q", name, m.Code, m.Payload)
			}
			after, _ := l.tree.Read(model.FromAgent(), lwm2m.Path{}, nil)
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("%s: tree was %v, is %v", name, before, after)
			}
			l.wantState(Registered)
			l.wantBootstrap(BootstrapOpen)
			l.server.take()
			l.say(coap.DELETE, "/0")
			l.say(coap.DELETE, "/1")
			l.provision(lwm2m.FormatTLV)
			l.wantCode(l.finish(), coap.Changed)
			l.after(10 * time.Second)
			if s := l.status(); s.ShortServerID != 102 || s.State != Registered {
				t.Errorf("%s: after the correction server %d is %v", name, s.ShortServerID, s.State)
			}
			if calls := l.server.take(); len(calls) != 2 { // a Deregister and a Register, side by side
				t.Errorf("%s: server received %v", name, calls)
			}
		})
	}
}

// TestFailedBootstrap: whatever ends a bootstrap early, nothing of it is left, the account
// goes on, and the next attempt comes later each time.
func TestFailedBootstrap(t *testing.T) {
	for name, fail := range map[string]func(l *bootLab){
		"no Finish": func(l *bootLab) { l.after(248 * time.Second) },
		"no end": func(l *bootLab) {
			for range 14 {
				l.after(127 * time.Second)
				l.say(coap.FETCH, "/")
			}
			l.after(30*time.Minute - 14*127*time.Second)
		},
		"hung up": func(l *bootLab) { l.server.hangUp() },
	} {
		bootstrapping(t, true, nil, func(l *bootLab) {
			l.registered()
			_ = l.client.Bootstrap(0)
			l.after(0)
			l.wantCalls(packRequest, bootRequestCall)
			l.wantBootstrap(BootstrapOpen)
			l.say(coap.DELETE, "/")
			l.provision(lwm2m.FormatTLV)
			fail(l)
			l.after(time.Second)
			if s := l.client.BootstrapStatus(); s.State != BootstrapWaiting {
				t.Fatalf("%s: bootstrap is %v", name, s.Words)
			}
			l.server.take()
			l.wantState(Registered)
			l.after(10 * time.Second)
			if got := l.server.take(); len(got) == 0 || got[0].String() != bootRequestCall {
				t.Errorf("%s: the next attempt is %v", name, got)
			}
			if s := l.client.BootstrapStatus(); s.Attempts != 1 || s.LastError == "" || s.ErrorCleared {
				t.Errorf("%s: status is %+v", name, s)
			}
			if id := l.tree.Instances(1); fmt.Sprint(id) != "[0]" {
				t.Errorf("%s: accounts %v", name, id)
			}
		})
	}
}

// TestServersWaitForBootstrap: while the bootstrap server writes, requests of servers are
// refused, and registrations stay.
func TestServersWaitForBootstrap(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.registered()
		server := l.server.connection()
		_ = l.client.Bootstrap(0)
		l.after(0)
		get := &coap.Message{Code: coap.GET}
		get.SetPath("/3/0/0")
		for _, want := range []coap.Code{coap.ServiceUnavailable, coap.Content} {
			m, err := server.Do(l.t.Context(), get)
			if err != nil {
				t.Fatal(err)
			}
			l.wantCode(m, want)
			l.wantState(Registered)
			if want == coap.ServiceUnavailable {
				l.wantCode(l.finish(), coap.Changed)
				l.after(time.Second)
			}
		}
		calls := l.server.take()
		if last := calls[len(calls)-1].String(); last != "POST /rd/1 []" {
			t.Errorf("an account that did not change sends %s, want an Update", last)
		}
	})
}

// TestBootstrapLeavesDisabledServersAlone: nothing is sent to a server that has disabled its account (/1/x/4), unless
// the bootstrap server has written that account.
func TestBootstrapLeavesDisabledServersAlone(t *testing.T) {
	for _, written := range []bool{false, true} {
		bootstrapping(t, true, nil, func(l *bootLab) {
			l.registered()
			_ = l.client.Disable(101, time.Hour)
			l.after(time.Second)
			l.wantState(Disabled)
			_ = l.client.Bootstrap(0)
			l.after(0)
			if written {
				l.wantCode(l.put(lwm2m.FormatTLV, "/1/0", serverNodes(0, 101, 600)...), coap.Changed)
			}
			l.wantCode(l.finish(), coap.Changed)
			l.after(time.Second)
			want := []string{"DELETE /rd/1 []", packRequest, bootRequestCall}
			if written {
				want = append(want, register)
			}
			l.wantCalls(want...)
			if written {
				return
			}
			l.wantState(Disabled)
			l.after(time.Hour)
			l.wantCalls(register)
		})
	}
}

// TestBootstrapTrigger: the answer to the Execute goes out first.
func TestBootstrapTrigger(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Declare(0, 9) })
		l.registered()
		l.wantCode(l.ask(coap.POST, "/1/0/9"), coap.Changed)
		l.after(0)
		l.wantCalls(packRequest, bootRequestCall)
		if s := l.client.BootstrapStatus(); s.Reason != (BootstrapReason{BootstrapRequested, 101}) {
			t.Errorf("reason is %v", s.Reason)
		}
	})
	simulate(t, nil, func(l *lab) {
		l.registered()
		if err := l.client.Bootstrap(101); !errors.Is(err, ErrNoBootstrapServer) {
			t.Errorf("without a bootstrap server: %v", err)
		}
	})
}

// TestBootstrapOfAChangedAccount: who changes the bootstrap account and then asks for a bootstrap does not mean the former server.
func TestBootstrapOfAChangedAccount(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.registered()
		var mu sync.Mutex
		var asked []string
		l.server.set(func(s *scripted) {
			s.onDial = func(_ context.Context, to Server) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, to.URI)
			}
		})
		l.publish(l.security, func(b *model.Batch) { b.Set(9, 0, lwm2m.String("coap://other.invalid")) })
		if err := l.client.Bootstrap(0); err != nil {
			t.Fatal(err)
		}
		l.after(time.Minute)
		l.wantBootstrap(BootstrapOpen)
		mu.Lock()
		defer mu.Unlock()
		if fmt.Sprint(asked) != "[coap://other.invalid]" {
			t.Errorf("asked %v", asked)
		}
	})
}

// TestBootstrapReplacesItsAccount: the old one goes with the Finish.
func TestBootstrapReplacesItsAccount(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.open()
		nodes := securityNodes(2, "coap://other.invalid", 0)[:3]
		nodes[1].Value = lwm2m.Boolean(true)
		l.put(lwm2m.FormatTLV, "/0/2", append(nodes, n("/0/2/12", lwm2m.Integer(3600)))...)
		l.provision(lwm2m.FormatTLV)
		l.wantCode(l.finish(), coap.Changed)
		l.after(0)
		if ids := l.tree.Instances(0); fmt.Sprint(ids) != "[2 3]" {
			t.Errorf("accounts are %v", ids)
		}
		if s := l.client.BootstrapStatus(); s.URI != "coap://other.invalid" || time.Until(s.PurgeAt).Round(time.Minute) != time.Hour {
			t.Errorf("status is %+v", s)
		}
		l.after(time.Hour - time.Minute)
		if ids := l.tree.Instances(0); len(ids) != 2 {
			t.Errorf("purged too early: %v", ids)
		}
		l.after(2 * time.Minute)
		if ids := l.tree.Instances(0); fmt.Sprint(ids) != "[3]" {
			t.Errorf("after its time the bootstrap account is still there: %v", ids)
		}
		l.wantState(Registered)
	})
}

// TestPurgeHeedsNoClock shows that a clock that is put right after a bootstrap does not end the time of the bootstrap account.
func TestPurgeHeedsNoClock(t *testing.T) {
	var behind atomic.Int64
	clock := func(c *Config) {
		c.Now = func() time.Time { return time.Now().Round(0).Add(-time.Duration(behind.Load())) }
	}
	behind.Store(int64(100 * 365 * 24 * time.Hour))
	bootstrapping(t, false, clock, func(l *bootLab) {
		l.publish(l.security, func(b *model.Batch) { b.Set(9, 12, lwm2m.Integer(3600)) })
		l.open()
		l.provision(lwm2m.FormatTLV)
		l.wantCode(l.finish(), coap.Changed)
		l.after(30 * time.Minute)
		behind.Store(0)
		_ = l.client.Update(102)
		l.client.NetworkChanged() // anything that wakes it up
		l.after(time.Minute)
		if ids := l.tree.Instances(0); len(ids) != 2 {
			t.Errorf("purged when the clock was set: %v", ids)
		}
		l.after(30 * time.Minute)
		if ids := l.tree.Instances(0); fmt.Sprint(ids) != "[3]" {
			t.Errorf("after its time the bootstrap account is still there: %v", ids)
		}
	})
}

// TestBootstrapKeepsTogether: all is saved under one context, which is written before the
// tree changes; what cannot be written changes nothing.
func TestBootstrapKeepsTogether(t *testing.T) {
	type key struct{}
	disk := errors.New("disk full")
	bootstrapping(t, false, func(c *Config) {
		c.Together = func(ctx context.Context) (context.Context, func() error) {
			return context.WithValue(ctx, key{}, true), func() error { return disk }
		}
	}, func(l *bootLab) {
		l.open()
		l.provision(lwm2m.FormatTLV)
		l.wantCode(l.finish(), coap.InternalServerError)
		if ids := l.tree.Instances(1); len(ids) > 0 {
			t.Errorf("accounts %v are in force and not kept", ids)
		}
		disk = nil
		l.wantCode(l.finish(), coap.Changed)
		l.wantCode(l.finish(), coap.Changed) // the answer was lost
	})
}

func TestBootstrapPack(t *testing.T) {
	for _, f := range []lwm2m.Format{lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatLwM2MCBOR} {
		for _, usable := range []bool{true, false} {
			bootstrapping(t, true, nil, func(l *bootLab) {
				nodes := serverNodes(3, 102, 600)
				if usable {
					nodes = append(securityNodes(3, "coap://server102.invalid", 102), nodes...)
				}
				l.server.script = func(c call) *coap.Message {
					if c.path != "/bspack" {
						return nil
					}
					m := &coap.Message{Code: coap.Content}
					m.SetContentFormat(uint16(f))
					m.Payload, _ = wire.Append(nil, f, lwm2m.Path{}, nodes)
					return m
				}
				l.registered()
				_ = l.client.Bootstrap(0)
				l.after(time.Second)
				if usable {
					l.wantBootstrap(BootstrapDone)
					if calls := l.server.take(); len(calls) != 3 || calls[0].String() != packRequest { // then Deregister and Register
						t.Errorf("server received %v", calls)
					}
					if ids := l.tree.Instances(0); fmt.Sprint(ids) != "[3 9]" {
						t.Errorf("accounts are %v", ids)
					}
					return
				}
				l.wantBootstrap(BootstrapOpen)
				l.wantCalls(packRequest, bootRequestCall)
				l.wantState(Registered)
			})
		}
	}
}

// TestBootstrapFormats: who does not know the preferred format is asked without.
func TestBootstrapFormats(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.server.script = func(c call) *coap.Message {
			switch {
			case c.path == "/bspack":
				return &coap.Message{Code: coap.NotImplemented}
			case len(c.queries) > 1:
				return &coap.Message{Code: coap.UnsupportedContentFormat}
			}
			return nil
		}
		l.run()
		l.wantCalls(packRequest, bootRequestCall, "POST /bs [ep=lab]")
		l.wantBootstrap(BootstrapOpen)
	})
	bootstrapping(t, false, func(c *Config) {
		c.Params = func(uint16) Params { return Params{Version: lwm2m.Version10} }
	}, func(l *bootLab) {
		l.run()
		l.wantCalls("POST /bs [ep=lab]")
	})
}

// TestHoldOff: the hold-off time passes before the first attempt, and up to a fifth more.
func TestHoldOff(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.publish(l.security, func(b *model.Batch) { b.Set(9, 11, lwm2m.Integer(100)) })
		l.run()
		l.after(109 * time.Second) // the lab's random numbers are all 0.5
		l.wantCalls()
		l.after(2 * time.Second)
		l.wantBootstrap(BootstrapOpen)
	})
}

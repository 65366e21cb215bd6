package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
)

// elsewheres is a scripted server that some URIs do not lead to.
type elsewheres struct {
	scripted
	mu    sync.Mutex
	dead  map[string]error // by URI: of dialling; errSwallowed: dialled in vain
	dials []string
}

func (e *elsewheres) Dial(ctx context.Context, to Server) (net.Conn, error) {
	e.mu.Lock()
	e.dials = append(e.dials, strings.TrimPrefix(to.URI, "coap://"))
	err := e.dead[to.URI]
	e.mu.Unlock()
	if errors.Is(err, errSwallowed) {
		near, _ := pipe(func() error { return errSwallowed }, nil)
		return near, nil
	}
	if err != nil {
		return nil, err
	}
	return e.scripted.Dial(ctx, to)
}

func (e *elsewheres) set(uri string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead == nil {
		e.dead = make(map[string]error)
	}
	e.dead["coap://"+uri] = err
}

// taken returns the hosts that were dialled since the last time.
func (e *elsewheres) taken() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	dials := strings.Join(e.dials, " ")
	e.dials = nil
	return dials
}

// TestSecondaryURIs shows that an attempt goes through all URIs of a server before it counts
// as failed, and that each begins with the first.
func TestSecondaryURIs(t *testing.T) {
	e := &elsewheres{}
	simulate(t, func(c *Config) { c.Dialer = e }, func(l *lab) {
		l.server, e.t = &e.scripted, l.t
		l.publish(l.security, func(b *model.Batch) {
			b.Set(0, 0, lwm2m.String("coap://a"))
			b.SetAll(0, 25, lwm2m.String("coap://b"), lwm2m.String(" "), lwm2m.String("coap://c"))
		})
		wantDials := func(want string) {
			l.t.Helper()
			if got := e.taken(); got != want {
				l.t.Fatalf("dialled %q, want %q", got, want)
			}
		}
		e.set("a", errNoRoute)
		e.set("b", errSwallowed)
		l.run()
		wantDials("a b")
		l.after(94 * time.Second) // a Register without answer
		wantDials("c")
		l.wantState(Registered)
		if s := l.status(); s.URI != "coap://c" || s.Attempts != 0 {
			l.t.Errorf("registered at %s after %d attempts", s.URI, s.Attempts)
		}
		l.after(2 * time.Minute) // so that the next attempt is a first one
		e.set("b", errNoRoute)
		e.set("c", errNoRoute)
		e.hangUp()
		l.after(time.Second)
		wantDials("a b c")
		if s := l.status(); s.State != Waiting || s.Attempts != 2 {
			l.t.Errorf("%s after %d attempts", s.Words, s.Attempts)
		}
		e.set("a", nil)
		l.after(2 * time.Second)
		wantDials("a")
		l.wantState(Registered)
	})
}

func TestWays(t *testing.T) {
	s := &settings{server: Server{URI: "coaps://a"}, secondary: []string{"coaps+tcp://b", "coaps://c", "coaps+tcp://d"}}
	for _, c := range []struct{ binding, preferred, wanted, want string }{
		{"U", "", "", "a c b d"},
		{"", "", "", "a b c d"},
		{"UT", "", "", "a b c d"},
		{"T", "", "", "b d a c"},
		{"UT", "T", "", "b d a c"},
		{"UT", "U", "", "a c b d"},
		{"UT", "T", "U", "a c b d"},
		{"U", "", "T", "b d a c"},
	} {
		s.binding, s.preferred = c.binding, c.preferred
		var got []string
		for _, w := range s.ways(c.wanted) {
			_, host, _ := strings.Cut(w.uri, "://")
			got = append(got, host)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestTransports shows that a server chooses the transport of the next session by /1/x/22,
// and of the present one by the argument of the trigger.
func TestTransports(t *testing.T) {
	s := &scripted{t: t}
	tcp, _, stopTCP := s.listenTCP("127.0.0.1:0", nil)
	defer stopTCP()
	udp, stopUDP := s.listenUDP("127.0.0.1:0")
	defer stopUDP()
	l, changed := networked(t, nil, udp, func(b *model.Batch) { b.SetAll(0, 25, lwm2m.String(tcp)) })
	l.server = s
	over := func(transport string) func(AccountStatus) bool {
		return func(s AccountStatus) bool { return isRegistered(s) && s.Transport == transport }
	}
	l.await(changed, "registered by UDP", over("UDP"))
	l.wantCalls(register)
	refused := l.client.UpdateOver(101, "T")
	if e, ok := errors.AsType[*lwm2m.Error](refused); !ok || e.Code != lwm2m.BadRequest {
		t.Errorf("T is not in the binding: %v", refused)
	}
	l.publish(l.accounts, func(b *model.Batch) {
		b.Set(0, 7, lwm2m.String("UT"))
		b.Set(0, 22, lwm2m.String("T"))
	})
	l.exercise() // nothing has changed yet
	if err := l.client.UpdateOver(101, "U"); err != nil {
		t.Fatal(err)
	}
	l.awaitCalls("POST /rd/1 []")
	if err := l.client.UpdateOver(101, "T"); err != nil {
		t.Fatal(err)
	}
	l.await(changed, "registered by TCP", over("TCP"))
	l.awaitCalls(registerTCP)
	l.exercise()
	if err := l.client.UpdateOver(101, "U"); err != nil {
		t.Fatal(err)
	}
	l.await(changed, "registered by UDP again", over("UDP"))
	l.awaitCalls(register)
	if err := l.client.UpdateOver(101, "S"); err == nil {
		t.Error("there is no SMS")
	}
}

// awaitCalls is wantCalls for what comes over a real socket.
func (l *lab) awaitCalls(want ...string) {
	l.t.Helper()
	deadline := time.Now().Add(patience)
	var got []string
	for len(got) < len(want) && time.Now().Before(deadline) {
		for _, c := range l.server.take() {
			got = append(got, c.String())
		}
		<-time.After(time.Millisecond) // the processors are for others
	}
	if !slices.Equal(got, want) {
		l.t.Fatalf("server received %q, want %q", got, want)
	}
}

// hosts resolves names as a test says.
type hosts struct {
	mu    sync.Mutex
	addrs []string
	asked int
}

func (h *hosts) set(addrs ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addrs = addrs
}

func (h *hosts) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	out := make([]netip.Addr, 0, len(h.addrs))
	for _, a := range h.addrs {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

// named returns a URI with a name in place of an address.
func named(uri string) string {
	return strings.Replace(uri, "127.0.0.1", "server.example.com", 1)
}

// blackHole takes what is sent to an IPv6 port and never answers.
func blackHole(t *testing.T, uri string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(uri[strings.Index(uri, "://")+3:])
	a, err := net.ResolveUDPAddr("udp", net.JoinHostPort("::1", port))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP("udp", a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
}

// TestSilentFamily shows that a server whose IPv6 leads nowhere is found over IPv4: by UDP in
// the same attempt, and at once the next time; by DTLS beside the handshake that gets no answer.
func TestSilentFamily(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("DTLS ", secure), func(t *testing.T) {
			s := &scripted{t: t}
			uri, stop := s.listenUDP("127.0.0.1:0")
			var security func(*model.Batch)
			if secure {
				stop()
				uri, stop = s.listenDTLS("127.0.0.1:0", dtlstest.Config{PSK: dtlstest.Key("gw-17", psk)})
				security = pskAccount(psk)
			}
			defer stop()
			blackHole(t, uri)
			h := &hosts{}
			h.set("::1", "127.0.0.1")
			l, changed := networked(t, DefaultDialer{Resolver: h}, named(uri), security)
			l.server = s
			status := l.await(changed, "registered", isRegistered)
			if !strings.HasPrefix(status.Local, "127.0.0.1:") || status.Attempts > 0 {
				t.Errorf("registered from %s after %d attempts", status.Local, status.Attempts)
			}
			l.exercise()
			l.wantCalls(register)
			if err := l.client.command(101, command{event: reconfigured}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			l.await(changed, "registered again", func(s AccountStatus) bool { return isRegistered(s) && s.Location == "/rd/2" })
			if d := time.Since(began); d > 300*time.Millisecond {
				t.Errorf("the second time took %v", d)
			}
		})
	}
}

// TestServerMoves shows that a server that does not answer any more is looked up anew.
func TestServerMoves(t *testing.T) {
	s := &scripted{t: t}
	uri, stop := s.listenUDP("127.0.0.1:0")
	h := &hosts{}
	h.set("127.0.0.1")
	l, changed := networked(t, DefaultDialer{Resolver: h}, named(uri), nil)
	l.server = s
	l.await(changed, "registered", isRegistered)
	_, stopNew := s.listenUDP(strings.Replace(strings.TrimPrefix(uri, "coap://"), "127.0.0.1", "127.0.0.2", 1))
	defer stopNew()
	stop()
	h.set("127.0.0.2")
	s.take()
	if err := l.client.Update(101); err != nil {
		t.Fatal(err)
	}
	l.await(changed, "registered anew", func(s AccountStatus) bool { return isRegistered(s) && s.Location == "/rd/2" })
	l.wantCalls(register)
	if r := s.connection().LocalAddr().String(); !strings.HasPrefix(r, "127.0.0.2:") {
		t.Errorf("registered at %s", r)
	}
	l.exercise()
}

func TestRace(t *testing.T) {
	dialled := errors.New("dialled")
	for _, c := range []struct {
		name string
		to   Server
		want string
		fail int // addresses that fail at once
	}{
		{"families by turns", Server{}, "[2001:db8::1] 192.0.2.1 [2001:db8::2] 192.0.2.2 [2001:db8::3]", 5},
		{"the other family is preferred", Server{Prefer: 4}, "192.0.2.1 [2001:db8::1] 192.0.2.2 [2001:db8::2] [2001:db8::3]", 5},
		{"one family", Server{Only: 4}, "192.0.2.1 192.0.2.2", 5},
		{"the second answers", Server{}, "[2001:db8::1] 192.0.2.1", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &hosts{}
			h.set("2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2", "2001:db8::3")
			addresses, err := DefaultDialer{Resolver: h}.resolve(t.Context(), &c.to, endpoint{host: "x", port: "5683"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			conn, err := race(t.Context(), addresses, time.Hour, func(_ context.Context, address string, _ func()) (net.Conn, error) {
				got = append(got, strings.TrimSuffix(address, ":5683"))
				if len(got) <= c.fail {
					return nil, dialled
				}
				near, _ := net.Pipe()
				return near, nil
			})
			if strings.Join(got, " ") != c.want || (err == nil) != (c.fail < len(addresses)) || err != nil && !errors.Is(err, dialled) {
				t.Errorf("tried %q, %v", got, err)
			}
			if conn != nil {
				_ = conn.Close()
			}
		})
	}
	if _, err := (DefaultDialer{Resolver: &hosts{addrs: []string{"::1"}}}).resolve(t.Context(), &Server{Only: 4}, endpoint{host: "x"}); err == nil {
		t.Error("there is no IPv4 address")
	}
}

// TestRaceOfTwo shows that an address that is silent for a while gets company, and that who
// is heard first is waited for, even if it takes long.
func TestRaceOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		var started []time.Duration
		var givenUp error
		conn, err := race(t.Context(), []string{"a", "b", "c"}, time.Second, func(ctx context.Context, address string, heard func()) (net.Conn, error) {
			mu.Lock()
			started = append(started, time.Since(began))
			mu.Unlock()
			if address == "a" {
				<-ctx.Done()
				givenUp = ctx.Err()
				return nil, givenUp
			}
			time.Sleep(500 * time.Millisecond)
			heard()
			heard()
			time.Sleep(10 * time.Second)
			near, _ := net.Pipe()
			return near, nil
		})
		if err != nil || time.Since(began) != 11500*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if want := []time.Duration{0, time.Second}; !slices.Equal(started, want) || givenUp == nil {
			t.Errorf("started at %v, a %v", started, givenUp)
		}
		_ = conn.Close()
	})
	for range 500 { // what is heard and the refusal may come together
		refused := errors.New("refused")
		_, err := race(t.Context(), []string{"a", "b"}, time.Second, func(_ context.Context, _ string, heard func()) (net.Conn, error) {
			heard()
			return nil, refused
		})
		if !errors.Is(err, refused) || strings.Contains(err.Error(), "addresses") {
			t.Fatalf("a server that refuses is no reason to ask another address: %v", err)
		}
	}
}

// TestBootstrapSecondaryURIs shows that each attempt at the bootstrap server takes its next URI.
func TestBootstrapSecondaryURIs(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		var mu sync.Mutex
		var dialled []string
		l.server.onDial = func(_ context.Context, to Server) {
			mu.Lock()
			defer mu.Unlock()
			dialled = append(dialled, to.URI)
		}
		l.server.refuse = errNoRoute
		l.publish(l.security, func(b *model.Batch) { b.SetAll(9, 25, lwm2m.String("coap+tcp://second.invalid")) })
		l.run()
		l.after(24 * time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if len(dialled) < 3 || !slices.Equal(dialled[:3], []string{bootstrapURI, "coap+tcp://second.invalid", bootstrapURI}) {
			t.Errorf("dialled %q", dialled)
		}
	})
}

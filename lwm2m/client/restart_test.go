package client

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
)

// life starts an agent with a state directory over a real network, and returns how to end
// it: in order, or as if it were killed.
func life(t *testing.T, s *scripted, store *memory, uri string, security func(*model.Batch), celsius float64) (l *lab, changed chan struct{}, end func(kill bool)) {
	t.Helper()
	return lifeOn(t, s, store, store, uri, security, celsius)
}

// lifeOn is life with a Store that keeps its records in memory.
func lifeOn(t *testing.T, s *scripted, disk Store, store *memory, uri string, security func(*model.Batch), celsius float64) (l *lab, changed chan struct{}, end func(kill bool)) {
	t.Helper()
	changed = make(chan struct{}, 1)
	l = newLab(t, func(c *Config) {
		c.Dialer, c.Params, c.Store = nil, quick, disk
		c.OnStatus = func(AccountStatus) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	})
	l.server = s
	l.temperature(0, celsius)
	l.publish(l.security, func(b *model.Batch) {
		b.Set(0, 0, lwm2m.String(uri))
		if security != nil {
			security(b)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.client.Run(ctx)
	}()
	return l, changed, func(kill bool) {
		left := store.copied()
		cancel()
		<-ended
		if kill {
			store.mu.Lock()
			store.records = left.records
			store.mu.Unlock()
		}
	}
}

// TestRestartOverNetwork shows what a restart costs: nothing from the same port, with or
// without DTLS and Connection IDs; from another one an Update with a Connection ID, and
// all anew without one.
func TestRestartOverNetwork(t *testing.T) {
	const anew, none = register, ""
	for _, c := range []struct {
		name         string
		cid          int // -1: none; -2: no DTLS
		taken        bool
		want         string
		handshakes   int32
		stillObserve bool
	}{
		{"Connection ID", 6, false, none, 1, true},
		{"Connection ID, another port", 6, true, updated, 1, true},
		{"DTLS without Connection ID", -1, false, none, 1, true},
		{"DTLS without Connection ID, another port", -1, true, anew, 2, false},
		{"UDP", -2, false, none, 0, true},
		{"UDP, another port", -2, true, anew, 0, false},
	} {
		for _, kill := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %v", c.name, kill), func(t *testing.T) {
				s := &scripted{t: t}
				uri, security, sessions := s.listen(t, c.cid)
				store := &memory{}
				l, changed, end := life(t, s, store, uri, security, 20)
				first := l.await(changed, "registered", isRegistered)
				l.wantCalls(register)
				w := l.observing(t)
				end(kill)
				if c.taken {
					occupy(t, first.Local)
				}
				l, changed, end = life(t, s, store, uri, security, 21)
				defer func() { end(false) }()
				l.await(changed, "registered", isRegistered)
				if c.stillObserve {
					w.wants(t, "21")
				}
				if c.want == none {
					l.wantCalls()
				} else {
					l.wantCalls(c.want)
				}
				if n := sessions(); n != c.handshakes {
					t.Errorf("%d handshakes, want %d", n, c.handshakes)
				}
				l.exercise()
			})
		}
	}
}

// TestImageOfADisk shows that two agents with the same records, which nothing tells apart,
// use different record numbers: what each has used is far from what the other may use.
func TestImageOfADisk(t *testing.T) {
	s := &scripted{t: t}
	uri, security, _ := s.listen(t, 6)
	store := &memory{}
	l, changed, end := life(t, s, store, uri, security, 20)
	l.await(changed, "registered", isRegistered)
	end(true)
	next := make([]uint64, 0, 3)
	for range 3 {
		image := store.copied()
		l, changed, end := life(t, s, image, uri, security, 20)
		l.await(changed, "registered", isRegistered)
		end(true)
		record, err := image.Load(edgeKey(101))
		if err != nil {
			t.Fatal(err)
		}
		e, err := parseEdge(record)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range next {
			if e.next < other+2*minBlock && other < e.next+2*minBlock {
				t.Errorf("one uses records up to %d, another up to %d", e.next, other)
			}
		}
		next = append(next, e.next)
	}
}

// TestPlayedBack shows that what came before a request that must not run twice, and the
// request itself, are not accepted by the next process.
func TestPlayedBack(t *testing.T) {
	s := &scripted{t: t}
	uri, security, _ := s.listen(t, 6)
	store := &memory{}
	l, changed, end := life(t, s, store, uri, security, 20)
	l.await(changed, "registered", isRegistered)
	edgeNow := func() edge {
		record, _ := store.Load(edgeKey(101))
		e, err := parseEdge(record)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for range 5 {
		l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
	}
	l.ask(coap.DELETE, "/3303/9")
	record, _ := store.Load(requestKey(101, 0))
	o, err := parseOrder(record)
	if err != nil {
		t.Fatal(err)
	}
	if e := edgeNow(); e.received+5 >= o.received {
		t.Errorf("edge of the session %d, of the request %d", e.received, o.received)
	}
	end(true)
	l, changed, end = life(t, s, store, uri, security, 20)
	defer func() { end(false) }()
	l.await(changed, "registered", isRegistered)
	if e := edgeNow(); e.received < o.received {
		t.Errorf("records from %d on are accepted, the request was below %d", e.received, o.received)
	}
}

// listen starts the scripted server: over UDP, or over DTLS with Connection IDs of a length.
func (s *scripted) listen(t *testing.T, cid int) (uri string, security func(*model.Batch), sessions func() int32) {
	t.Helper()
	if cid == -2 {
		uri, stop := s.listenUDP("127.0.0.1:0")
		t.Cleanup(stop)
		return uri, nil, func() int32 { return 0 }
	}
	var n atomic.Int32
	config := dtlstest.Config{PSK: func(identity []byte) []byte {
		n.Add(1)
		return dtlstest.Key("gw-17", psk)(identity)
	}, CIDLength: cid}
	uri, stop := s.listenDTLS("127.0.0.1:0", config)
	t.Cleanup(stop)
	return uri, pskAccount(psk), n.Load
}

// occupy takes a port for another program.
func occupy(t *testing.T, address string) {
	t.Helper()
	a, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP("udp", a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
}

// observing is an observation of the temperature.
type observing struct{ *coap.Observation }

func (l *lab) observing(t *testing.T) observing {
	t.Helper()
	m := &coap.Message{Code: coap.GET}
	m.SetPath(temperature)
	o, _, err := l.server.connection().Observe(t.Context(), m)
	if err != nil || o == nil {
		t.Fatalf("observe: %v", err)
	}
	return observing{o}
}

// wants waits for a notification.
func (o observing) wants(t *testing.T, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if m, err := o.Next(ctx); err != nil || string(m.Payload) != want {
		t.Errorf("notification is %v, %v, want %s", m, err, want)
	}
}

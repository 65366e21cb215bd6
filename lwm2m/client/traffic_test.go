package client

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
)

// wantTraffic compares the datagrams of each purpose, sent and received.
func (l *lab) wantTraffic(want map[Purpose][2]uint64) {
	l.t.Helper()
	flows := l.status().Traffic
	for p := range PurposeCount {
		if got := [2]uint64{flows[p].SentDatagrams, flows[p].ReceivedDatagrams}; got != want[p] {
			l.t.Errorf("%v: %d datagrams, want %d", p, got, want[p])
		}
	}
}

// TestTraffic shows what each message counts for, with what answers and repeats it.
func TestTraffic(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantTraffic(map[Purpose][2]uint64{ForRegistration: {1, 1}})

		l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
		l.wantCode(l.ask(coap.PUT, temperature, "con=1"), coap.Changed)
		w := l.observe(temperature, -1)
		l.temperature(0, 21)
		w.want("0s 21 CON")
		_ = l.ask(coap.GET, "/5/0/3") // 4.04, but about firmware
		requests := map[Purpose][2]uint64{ForRegistration: {1, 1}, ForRequest: {3, 3}, ForNotification: {1, 1}, ForFirmware: {1, 1}}
		l.wantTraffic(requests)

		l.unmute()
		if err := l.client.Send(l.t.Context(), 101, lwm2m.MustPath("/3/0/0")); err != nil {
			l.t.Fatal(err)
		}
		requests[ForSend] = [2]uint64{1, 1}
		l.wantTraffic(requests)

		l.server.set(func(s *scripted) { s.dead = true })
		if err := l.client.Update(101); err != nil {
			l.t.Fatal(err)
		}
		l.after(4 * time.Second) // one repetition
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(10 * time.Second)
		requests[ForUpdate] = [2]uint64{3, 1}
		l.wantTraffic(requests)
	})
}

// TestTrafficOfADay shows that what is older than a day is in the total only.
func TestTrafficOfADay(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(0)) })
		l.run()
		l.after(23 * time.Hour)
		if s := l.status(); s.Day[ForRegistration].SentDatagrams != 1 || s.Day != s.Traffic {
			t.Errorf("after 23 hours a day has %+v, all is %+v", s.Day, s.Traffic)
		}
		l.after(2 * time.Hour)
		if s := l.status(); s.Day != (Flows{}) || s.Traffic[ForRegistration].SentDatagrams != 1 {
			t.Errorf("after 25 hours a day has %+v, all is %+v", s.Day, s.Traffic)
		}
	})
}

// meter is a socket that counts what is on the wire.
type meter struct {
	net.Conn
	mu   sync.Mutex
	flow Flow
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > 0 {
		m.flow.add(Flow{ReceivedDatagrams: 1, ReceivedBytes: uint64(n + 28)})
	}
	return n, err
}

func (m *meter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flow.add(Flow{SentDatagrams: 1, SentBytes: uint64(len(p) + 28)})
	return m.Conn.Write(p)
}

// TestTrafficOnTheWire compares the account with what a socket counts, with and without
// Connection IDs in either direction.
func TestTrafficOnTheWire(t *testing.T) {
	for _, cids := range [][2]int{{0, 0}, {-1, 0}, {4, 0}, {0, 6}, {4, 6}} {
		t.Run(fmt.Sprint(cids), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := new(meter)
				l := newSecureLab(t, m, cids[0], cids[1])
				l.run()
				l.wantState(Registered)
				l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
				l.after(time.Hour)
				s := l.status()
				sum := s.Traffic.Sum()
				m.mu.Lock()
				if sum != m.flow || s.Traffic[ForHandshake].SentDatagrams < 2 || s.Traffic[ForUpdate].SentDatagrams == 0 {
					t.Errorf("accounted for %+v\nin all %+v\nthe socket had %+v", s.Traffic, sum, m.flow)
				}
				m.mu.Unlock()
				l.stop()
			})
		})
	}
}

// newSecureLab returns a lab whose server is behind DTLS with a pre-shared key, with
// Connection IDs of the given lengths on the server's and on the client's records (negative:
// the client wants none).
func newSecureLab(t *testing.T, m *meter, serverRecords, clientRecords int) *lab {
	t.Helper()
	s := &scripted{t: t}
	dial := func(context.Context, string) (net.Conn, error) {
		near, far := dtlstest.Pipe(nil, nil)
		s.wg.Go(func() { //nolint:contextcheck // the connection outlives the dialling
			session, err := dtlstest.Accept(t.Context(), far, dtlstest.Config{PSK: dtlstest.Key("gw-17", psk), CIDLength: clientRecords})
			if err != nil {
				return
			}
			conn := coap.New(session, s.handleFrom, coap.Options{})
			_ = conn.Run(t.Context())
		})
		m.mu.Lock()
		defer m.mu.Unlock()
		m.Conn = near
		return m, nil
	}
	l := newLab(t, func(c *Config) {
		c.Dialer = DefaultDialer{DialUDP: dial}
		c.Params = func(uint16) Params { return Params{CIDLength: serverRecords} }
	})
	l.server = s
	l.publish(l.security, func(b *model.Batch) {
		b.Set(0, 0, lwm2m.String("coaps://192.0.2.1"))
		pskAccount(psk)(b)
	})
	return l
}

// TestBootstrapTraffic shows that all messages with a bootstrap server count for the bootstrap, and
// none of them for a server.
func TestBootstrapTraffic(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.open()
		l.provision(lwm2m.FormatTLV)
		l.wantCode(l.finish(), coap.Changed)
		l.after(0)
		s := l.client.BootstrapStatus()
		for p := range PurposeCount {
			want := [2]uint64{}
			if p == ForBootstrap { // a pack is asked for and a bootstrap; two Writes and the Finish come
				want = [2]uint64{5, 5}
			}
			if got := [2]uint64{s.Traffic[p].SentDatagrams, s.Traffic[p].ReceivedDatagrams}; got != want || s.Day[p] != s.Traffic[p] {
				t.Errorf("%v: %d datagrams, in a day %+v; want %d", p, got, s.Day[p], want)
			}
		}
		l.wantTraffic(map[Purpose][2]uint64{ForRegistration: {1, 1}})
	})
}

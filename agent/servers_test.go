package agent

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// TestServersDisturbNobody: of 16 servers one takes datagrams and one a connection without ever answering, one answers late, and one floods
// the agent with requests, repetitions and garbage. The other twelve have all that they ask for meanwhile, and are told what they observe.
func TestServersDisturbNobody(t *testing.T) {
	const good, reads = 12, 50
	labs := make([]*lab, good)
	for i := range labs {
		labs[i] = newLab(t)
	}
	flooding, late := newLab(t), newLab(t)
	flood := passing(t, flooding.uri.Host, 0)
	trickle := passing(t, late.uri.Host, 400*time.Millisecond)
	uris := make([]*url.URL, 0, 4+good)
	uris = append(uris, &url.URL{Scheme: "coap", Host: mute(t)}, &url.URL{Scheme: "coap+tcp", Host: muteStream(t)},
		&url.URL{Scheme: "coap", Host: flood.host()}, &url.URL{Scheme: "coap", Host: trickle.host()})
	for _, l := range labs {
		uris = append(uris, l.uri)
	}
	cfg := labs[0].config(sensor("cold room"))
	cfg.Servers = nil
	for i, uri := range uris {
		account := config.Account{URI: uri, Security: config.SecurityNone, Instance: config.NoInstance, Fingerprint: fmt.Sprint(i)}
		cfg.Servers = append(cfg.Servers, config.Server{Account: account, ShortServerID: uint16(101 + i), Lifetime: time.Hour})
	}
	a, _ := labs[0].run(t, cfg)
	flooding.next(t, server.Registered)
	flood.begin(t)
	var all sync.WaitGroup
	for _, l := range labs {
		all.Go(func() {
			if err := l.exercise(t, reads); err != nil {
				t.Errorf("%s: %v", l.uri, err)
			}
		})
	}
	all.Wait()
	sent := flood.sent.Load()
	for _, s := range a.client.Status() {
		if s.ShortServerID < 103 && !s.Registered.IsZero() {
			t.Errorf("server %d: %s", s.ShortServerID, s.Words)
		}
	}
	if sent < good*reads {
		t.Errorf("the flood was of %d datagrams", sent)
	}
	late.next(t, server.Registered) // which comes, late
	t.Logf("%d datagrams of the flood beside %d exchanges", sent, good*(reads+1))
}

// exercise waits for the agent, observes and reads.
func (l *lab) exercise(t *testing.T, reads int) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	c, ok := l.Client("gw")
	for ; !ok; c, ok = l.Client("gw") {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not registered: %w", ctx.Err())
		case <-l.events:
		}
	}
	if _, err := c.Observe(ctx, lwm2m.MustPath("/3303/0/5700")); err != nil {
		return err
	}
	for range reads {
		if nodes, err := c.Read(ctx, lwm2m.MustPath("/3/0/0")); err != nil || len(nodes) != 1 {
			return fmt.Errorf("read: %v, %w", nodes, err)
		}
	}
	return nil
}

// mute takes datagrams.
func mute(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc.LocalAddr().String()
}

// muteStream takes connections, as far as the kernel does.
func muteStream(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// passage stands between the agent and a server.
type passage struct {
	front, back *net.UDPConn
	delay       time.Duration
	agent       atomic.Pointer[net.UDPAddr]
	last        atomic.Pointer[[]byte] // that the server sent
	sent        atomic.Int64           // of a flood
	running     sync.WaitGroup
}

func passing(t *testing.T, host string, delay time.Duration) *passage {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", host)
	if err != nil {
		t.Fatal(err)
	}
	p := &passage{front: front, back: back.(*net.UDPConn), delay: delay}
	p.last.Store(new([]byte))
	p.running.Go(func() {
		relayed(front, func(b []byte, from *net.UDPAddr) {
			p.agent.Store(from)
			time.AfterFunc(p.delay, func() { _, _ = p.back.Write(b) })
		})
	})
	p.running.Go(func() {
		relayed(p.back, func(b []byte, _ *net.UDPAddr) {
			p.last.Store(&b)
			time.AfterFunc(p.delay, func() { _, _ = front.WriteToUDP(b, p.agent.Load()) })
		})
	})
	t.Cleanup(func() {
		front.Close()
		back.Close()
		p.running.Wait()
	})
	return p
}

func relayed(from *net.UDPConn, take func([]byte, *net.UDPAddr)) {
	for {
		b := make([]byte, 2048)
		n, addr, err := from.ReadFromUDP(b)
		if err != nil {
			return
		}
		take(b[:n], addr)
	}
}

func (p *passage) host() string { return p.front.LocalAddr().String() }

// begin sends the agent what it has no use for, until the test ends: a hundred of each kind in a millisecond.
func (p *passage) begin(t *testing.T) {
	t.Helper()
	p.running.Go(func() {
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for id := uint16(0); t.Context().Err() == nil; <-again.C {
			for range 100 {
				id++
				for _, b := range [][]byte{
					{0x40, 1, byte(id >> 8), byte(id), 0xb1, '3', 0x01, '0', 0x01, '0'}, // CON GET /3/0/0
					*p.last.Load(),
					{0xff, byte(id)},
				} {
					if _, err := p.front.WriteToUDP(b, p.agent.Load()); err == nil {
						p.sent.Add(1)
					}
				}
			}
		}
	})
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// peer is the server's end of the wire: it takes registrations and lets a
// measurement use the client's connection.
type peer struct {
	b          *bench
	uri        string
	identity   string
	key        []byte
	registered chan arrival
	refuse     atomic.Bool            // Updates, so that the client registers anew
	content    atomic.Pointer[[]byte] // at /package; nil: there is none
	updates    atomic.Int64
}

// address is where a plain peer listens.
func (p *peer) address() string { return strings.TrimPrefix(p.uri, "coap://") }

// arrival is a Register.
type arrival struct {
	conn *coap.Conn
	at   time.Time
}

// handle takes registrations as a server does, and nothing else.
func (p *peer) handle(x *coap.Exchange) {
	switch path := x.Request.Path(); {
	case x.Request.Code == coap.POST && path == "/rd":
		at := time.Now()
		m := &coap.Message{Code: coap.Created}
		m.SetLocationPath("/rd/1")
		_ = x.Respond(m) // a client that has gone is missed below
		select {
		case p.registered <- arrival{x.Conn(), at}:
		default:
		}
	case strings.HasPrefix(path, "/rd/") && p.refuse.Load():
		_ = x.Reply(coap.NotFound)
	case strings.HasPrefix(path, "/rd/"):
		p.updates.Add(1)
		_ = x.Reply(coap.Changed)
	case path == "/package" && p.content.Load() != nil:
		_ = x.Respond(&coap.Message{Code: coap.Content, Body: bytes.NewReader(*p.content.Load())})
	default:
		_ = x.Reply(coap.NotFound)
	}
}

// await returns the next Register.
func (p *peer) await() arrival {
	select {
	case a := <-p.registered:
		return a
	case <-time.After(patience):
		p.b.Fatalf("no client has registered at %s within %v", p.uri, patience)
	case <-p.b.ctx.Done():
		p.b.Fatalf("%v", p.b.ctx.Err())
	}
	return arrival{}
}

// plainPeer serves coap on loopback.
func (b *bench) plainPeer() *peer {
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	b.must(err, "listen")
	p := &peer{b: b, uri: "coap://" + pc.LocalAddr().String(), registered: make(chan arrival, 1)}
	l := coap.Listen(pc, p.handle, coap.ListenOptions{})
	b.background(func(ctx context.Context) { _ = l.Run(ctx) }, func() { _ = l.Close() })
	return p
}

// securePeer serves coaps on loopback with the test server's records, which are
// lwm2m/dtls's own, to one client at a time.
func (b *bench) securePeer() *peer {
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	b.must(err, "listen")
	p := &peer{
		b: b, uri: "coaps://" + pc.LocalAddr().String(), identity: "bench", key: []byte("0123456789abcdef"),
		registered: make(chan arrival, 1),
	}
	cfg := dtlstest.Config{PSK: dtlstest.Key(p.identity, p.key), CIDLength: 6}
	b.background(func(ctx context.Context) {
		conn, err := dtlstest.Accept(ctx, dtlstest.Socket(pc), cfg)
		if err != nil {
			return // await tells that nobody has come
		}
		_ = coap.New(conn, p.handle, coap.Options{}).Run(ctx)
	}, func() { _ = pc.Close() })
	return p
}

// background runs f until the present measurement ends.
func (b *bench) background(f func(context.Context), stop func()) {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	b.Cleanup(func() { cancel(); stop(); <-done })
}

// get is a GET for a path.
func get(path string) *coap.Message {
	m := &coap.Message{Code: coap.GET}
	m.SetPath(path)
	return m
}

func (b *bench) do(conn *coap.Conn, m *coap.Message) *coap.Message {
	answer, err := conn.Do(b.ctx, m)
	b.must(err, fmt.Sprintf("%s %s", m.Code, m.Path()))
	if !answer.Code.IsSuccess() {
		b.Fatalf("%s %s: %s %s", m.Code, m.Path(), answer.Code, answer.Payload)
	}
	return answer
}

// serveConstant registers at an address and answers every request with the same
// text, which is the message layer and nothing else.
func serveConstant(ctx context.Context, address string) error {
	nc, err := (&net.Dialer{}).DialContext(ctx, "udp", address)
	if err != nil {
		return err
	}
	conn := coap.New(nc, func(x *coap.Exchange) {
		m := &coap.Message{Code: coap.Content, Payload: []byte("constant")}
		m.SetContentFormat(0)
		_ = x.Respond(m)
	}, coap.Options{})
	ended := make(chan error, 1)
	go func() { ended <- conn.Run(ctx) }()
	m := &coap.Message{Code: coap.POST}
	m.SetPath("/rd")
	if _, err := conn.Do(ctx, m); err != nil {
		return err
	}
	if err := <-ended; ctx.Err() == nil {
		return err
	}
	return nil
}

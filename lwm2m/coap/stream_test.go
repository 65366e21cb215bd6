package coap

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Lengths at the limits of the extended length (RFC 8323 section 3.2), with and without token.
func TestFrames(t *testing.T) {
	for _, tt := range []struct {
		payload int
		token   Token
		want    string // the beginning
	}{
		{0, Token{}, "0045"},
		{0, token(1), "0145 01"},
		{11, Token{}, "c045 ff"},
		{12, Token{}, "d00045 ff"},
		{267, token(1, 2, 3, 4, 5, 6, 7, 8), "d8ff45 0102030405060708 ff"},
		{268, Token{}, "e0000045 ff"},
		{65803, Token{}, "e0ffff45 ff"},
		{65804, token(9), "f10000000045 09ff"},
		{1 << 20, Token{}, "f0000efef445 ff"},
	} {
		m := &Message{Type: NON, Code: Content, Token: tt.token, Payload: make([]byte, tt.payload)}
		got := appendFrame(nil, wire(t, m))
		want := strings.ReplaceAll(tt.want, " ", "")
		if !strings.HasPrefix(hex.EncodeToString(got[:min(len(got), 40)]), want) {
			t.Errorf("%d bytes: begins with %x, want %s", tt.payload, got[:min(len(got), 16)], want)
		}
		if peer := frame(t, m); !bytes.Equal(got, peer) {
			t.Errorf("%d bytes: go-coap has %x", tt.payload, peer[:min(len(peer), 16)])
		}
		s := &byteStream{in: newReader(got)}
		in := &inbox{}
		n, size, err := s.next(in, len(got))
		if err != nil || size != len(got) || !bytes.Equal(in.buf[:n], wire(t, m)) {
			t.Errorf("%d bytes: read %d of %d, %v", tt.payload, size, len(got), err)
		}
		s.in = newReader(got)
		if _, _, err := s.next(&inbox{}, len(got)-1); !errors.Is(err, errTooLarge) {
			t.Errorf("%d bytes with room for one less: %v", tt.payload, err)
		}
	}
}

func TestStreamExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := scriptedStream(t, nil, Options{})
		answers := make(chan string, 3)
		for _, path := range []string{"/a", "/b", "/c"} {
			go func() {
				m, err := c.Do(t.Context(), get(path))
				if err != nil {
					answers <- err.Error()
					return
				}
				answers <- path + " " + string(m.Payload)
			}()
		}
		if m := peer.receive(0); m != nil {
			t.Errorf("sent %v before the peer's CSM", show(m))
		}
		peer.send(t, capable(5000, true))
		asked := make(map[string]Token)
		for range 3 { // at once: there is no NSTART
			m := peer.expect(t, GET)
			asked[m.Path()] = m.Token
		}
		for _, path := range []string{"/c", "/a", "/b"} { // in another order
			peer.send(t, &Message{Code: Content, Token: asked[path], Payload: []byte("of " + path)})
			if got := <-answers; got != path+" of "+path {
				t.Errorf("got %q", got)
			}
		}
		peer.send(t, &Message{Code: Content, Token: asked["/a"]}) // nobody waits for it
		peer.send(t, &Message{})
		if m := peer.receive(0); m != nil {
			t.Errorf("answered with %v", show(m))
		}
		idle(t, c)
		if n := c.Counters(); n.ReceivedDatagrams != 6 || n.SentDatagrams != 4 || n.Malformed > 0 {
			t.Errorf("counted %+v", n)
		}
	})
}

func TestStreamRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := make(chan *Exchange, 1)
		c, peer, _ := scriptedStream(t, func(x *Exchange) {
			if x.Request.Path() == "/later" {
				later <- x
				return
			}
			_ = x.Respond(&Message{Code: Content, Payload: []byte(x.Request.Path())})
		}, Options{})
		peer.send(t, capable(5000, true))
		for _, tok := range []Token{token(1), token(2), token(2)} { // nothing is remembered
			peer.send(t, request(NON, GET, 0, tok, "/x"))
			if m := peer.expect(t, Content); m.Token != tok || string(m.Payload) != "/x" {
				t.Errorf("got %v", show(m))
			}
		}
		peer.send(t, request(NON, GET, 0, token(3), "/later"))
		if m := peer.receive(60 * time.Second); m != nil {
			t.Errorf("got %v", show(m))
		}
		_ = (<-later).Reply(Changed)
		if m := peer.expect(t, Changed); m.Token != token(3) {
			t.Errorf("got %v", show(m))
		}
		peer.send(t, request(NON, GET, 0, token(4), "/x").with(OptionID(9), 1))
		peer.expect(t, BadOption)
		peer.send(t, request(NON, 31, 0, token(5), "/x"))
		peer.expect(t, MethodNotAllowed)
		idle(t, c)
	})
}

func TestStreamWithoutHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, _ := scriptedStream(t, nil, Options{})
		peer.send(t, capable(5000, true), request(NON, GET, 0, token(1), "/x"))
		peer.expect(t, NotImplemented)
	})
}

func TestStreamNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := scriptedStream(t, nil, Options{})
		peer.send(t, capable(5000, true))
		synctest.Wait()
		observe := request(NON, GET, 0, token(5), "/a")
		outcomes := make(chan error, 2)
		notify := func(typ Type) {
			t.Helper()
			m := &Message{Type: typ, Code: Content, Payload: []byte("v")}
			if err := c.Notify(observe, m, func(err error) { outcomes <- err }); err != nil {
				t.Fatal(err)
			}
			got := peer.expect(t, Content)
			if _, ok := got.Observe(); !ok || got.Token != token(5) {
				t.Errorf("got %v", show(got))
			}
		}
		notify(NON)
		if m := peer.receive(0); m != nil {
			t.Errorf("got %v behind a NON", show(m))
		}
		notify(CON)
		peer.send(t, &Message{Code: pong, Token: peer.expect(t, ping).Token})
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
		notify(CON)
		began := time.Now()
		peer.expect(t, ping)
		err := <-outcomes
		if at := time.Since(began); !errors.Is(err, ErrTimeout) || at != 93*time.Second {
			t.Errorf("got %v after %v", err, at)
		}
		idle(t, c)
	})
}

// On a stream the order is that of the notifications, whatever their numbers (RFC 8323 appendix A.1).
func TestStreamObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := scriptedStream(t, nil, Options{})
		peer.send(t, capable(5000, true))
		observed := make(chan *Observation, 1)
		go func() {
			obs, _, err := c.Observe(t.Context(), get("/a"))
			if err != nil {
				t.Error(err)
			}
			observed <- obs
		}()
		tok := peer.expect(t, GET).Token
		value := func(sequence uint32, payload string) *Message {
			return (&Message{Code: Content, Token: tok, Payload: []byte(payload)}).with(Observe, sequence)
		}
		peer.send(t, value(9, "a"))
		obs := <-observed
		peer.send(t, value(9, "b"), value(0, "c"))
		if b, c := next(t, obs), next(t, obs); b != "b" || c != "c" {
			t.Errorf("got %s, %s", b, c)
		}
		cancelled := make(chan error, 1)
		go func() {
			_, err := obs.Cancel(t.Context())
			cancelled <- err
		}()
		if m := peer.expect(t, GET); m.Token != tok {
			t.Errorf("cancelled by %v", show(m))
		} else if v, _ := m.Observe(); v != 1 {
			t.Errorf("cancelled by %v", show(m))
		}
		peer.send(t, &Message{Code: Content, Token: tok})
		if err := <-cancelled; err != nil {
			t.Error(err)
		}
		idle(t, c)
	})
}

// What ends a connection, and what the peer is told.
func TestStreamEnds(t *testing.T) {
	sends := func(m *Message) func(*testing.T, *framed) {
		return func(t *testing.T, p *framed) { t.Helper(); p.send(t, m) }
	}
	writes := func(b ...byte) func(*testing.T, *framed) {
		return func(t *testing.T, p *framed) { t.Helper(); p.write(t, b) }
	}
	critical := func(code Code) *Message { return (&Message{Code: code}).with(OptionID(9), 1) }
	for _, tt := range []struct {
		name  string
		send  func(t *testing.T, p *framed)
		want  error
		abort bool
	}{
		{"release", sends(&Message{Code: release}), ErrReleased, false},
		{"abort", sends((&Message{Code: abort}).carrying([]byte("no\xff"))), ErrAborted, false},
		{"close", func(_ *testing.T, p *framed) { _ = p.nc.Close() }, ErrGone, false},
		{"close in a message", func(t *testing.T, p *framed) {
			t.Helper()
			p.write(t, []byte{0xd1, 5, 0x45, 1, 0xff})
			_ = p.nc.Close()
		}, ErrGone, false},
		{"garbage", writes(bytes.Repeat([]byte{0xff}, 100)...), ErrMalformed, true},
		{"token too long", writes(0x09), ErrMalformed, true},
		{"endless length", writes(0xf0, 0xff, 0xff, 0xff, 0xff), errTooLarge, true},
		{"a byte too long", writes(frame(t, &Message{Code: Content, Payload: make([]byte, 1<<16-1)})[:8]...), errTooLarge, true},
		{"marker without payload", writes(0x10, 0x45, 0xff), ErrMalformed, true},
		{"critical option in a Ping", sends(critical(ping)), ErrMalformed, true},
		{"critical option in a CSM", sends(critical(csm)), ErrMalformed, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, peer, ended := scriptedStream(t, nil, Options{})
				peer.send(t, capable(5000, true))
				tt.send(t, peer)
				if err := <-ended; !errors.Is(err, tt.want) {
					t.Errorf("ended by %v, want %v", err, tt.want)
				}
				m := peer.receive(0)
				if (m != nil && m.Code == abort) != tt.abort {
					t.Errorf("the peer was told %v", m)
				}
				if m != nil && len(m.Payload) == 0 {
					t.Error("an Abort without a reason")
				}
				if m != nil && strings.Contains(tt.name, "CSM") {
					if bad, ok := m.OptionUint(badCSMOption); !ok || bad != 9 {
						t.Errorf("told %v", show(m))
					}
				}
			})
		})
	}
}

func TestStreamWithoutCapabilities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, ended := scriptedStream(t, nil, Options{})
		peer.send(t, request(NON, GET, 0, token(1), "/x"))
		if err := <-ended; !errors.Is(err, ErrMalformed) {
			t.Errorf("a request first: %v", err)
		}
		peer.expect(t, abort)
	})
	synctest.Test(t, func(t *testing.T) {
		c, _, ended := scriptedStream(t, nil, Options{})
		began := time.Now()
		if _, err := c.Do(t.Context(), get("/")); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrTimeout) || time.Since(began) != 93*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if err := <-ended; !errors.Is(err, ErrTimeout) {
			t.Errorf("silence: %v", err)
		}
	})
}

// After a Release what goes on may end, and nothing new begins.
func TestStreamRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, ended := scriptedStream(t, nil, Options{})
		peer.send(t, capable(5000, true))
		answered := make(chan error, 1)
		go func() {
			_, err := c.Do(t.Context(), get("/a"))
			answered <- err
		}()
		tok := peer.expect(t, GET).Token
		peer.send(t, &Message{Code: release})
		synctest.Wait()
		if _, err := c.Do(t.Context(), get("/b")); !errors.Is(err, ErrClosed) {
			t.Errorf("a new request: %v", err)
		}
		peer.send(t, &Message{Code: Content, Token: tok})
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrReleased) {
			t.Errorf("ended by %v", err)
		}
	})
}

// Nobody waits for a peer that does not read, and what it does not take is bounded.
func TestStreamPeerDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewStream(near, nil, Options{Limits: Limits{MaxUnsent: 1000}})
		ended := make(chan error, 1)
		go func() { ended <- c.Run(t.Context()) }()
		go func() { _, _ = far.Write(frame(t, capable(5000, true))) }()
		synctest.Wait()
		for range 100 {
			if err := c.Notify(request(NON, GET, 0, token(5), "/a"), &Message{Type: NON, Code: Content, Payload: make([]byte, 50)}, nil); err != nil {
				break
			}
		}
		if err := <-ended; !errors.Is(err, ErrTimeout) {
			t.Errorf("ended by %v", err)
		}
		_ = c.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := NewStream(near, nil, Options{})
		ended := make(chan error, 1)
		began := time.Now()
		go func() { ended <- c.Run(t.Context()) }()
		if err := <-ended; err == nil || time.Since(began) > 95*time.Second {
			t.Errorf("its CSM waits since %v: %v", time.Since(began), err)
		}
	})
}

// Close sends what was written before it.
func TestStreamClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, ended := scriptedStream(t, func(x *Exchange) {
			_ = x.Respond(&Message{Code: Content, Payload: make([]byte, 40_000)})
			_ = x.Conn().Close()
		}, Options{})
		peer.send(t, capable(50_000, true), request(NON, GET, 0, token(1), "/x"))
		if m := peer.expect(t, Content); len(m.Payload) != 40_000 {
			t.Errorf("got %v", show(m))
		}
		<-peer.ended
		if err := <-ended; err != nil {
			t.Errorf("ended by %v", err)
		}
	})
}

// A peer that reads slowly holds up the end for a moment, however much waits for it.
func TestStreamEndsBeforeASlowPeer(t *testing.T) {
	for name, end := range map[string]func(c *Conn, cancel func()){
		"Run ends": func(_ *Conn, cancel func()) { cancel() },
		"Close":    func(c *Conn, _ func()) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				c := NewStream(near, nil, Options{})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = c.Run(ctx)
				}()
				go func() { _, _ = far.Write(frame(t, capable(70_000, true))) }()
				read := make(chan struct{})
				go func() {
					defer close(read)
					b := make([]byte, portion)
					for {
						if _, err := far.Read(b); err != nil {
							return
						}
						elapse(900 * time.Millisecond)
					}
				}()
				synctest.Wait()
				for range 60 {
					if err := c.Notify(request(NON, GET, 0, token(5), "/a"), &Message{Type: NON, Code: Content, Payload: make([]byte, 60_000)}, nil); err != nil {
						t.Fatal(err)
					}
				}
				began := time.Now()
				end(c, cancel)
				<-ended
				if d := time.Since(began); d > farewell {
					t.Errorf("Run ended after %v", d)
				}
				cancel()
				_ = c.Close()
				_ = far.Close()
				<-read
			})
		})
	}
}

func TestStreamCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := scriptedStream(t, nil, Options{})
		peer.send(t, capable(5000, true))
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan error, 1)
		go func() {
			_, err := c.Do(ctx, get("/a"))
			answered <- err
		}()
		peer.expect(t, GET)
		cancel()
		if err := <-answered; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		idle(t, c)
	})
}

package coap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What is no message, or none that is expected here, is rejected or ignored as RFC 7252
// sections 3, 4.2 and 4.3 say, and the connection goes on.
func TestMalformedAndUnexpectedMessages(t *testing.T) {
	tests := []struct {
		name, wire string
		reset      bool
	}{
		{"nothing", "", false},
		{"one byte", "40", false},
		{"version 2, CON", "80010005", false},
		{"CON, token length 9", "49010005 010203040506070809", true},
		{"CON, token cut", "42010005 01", true},
		{"CON, options cut", "40010005 b5", true},
		{"CON, marker only", "40010005 ff", true},
		{"CON, reserved code class", "40c10005", true},
		{"CON, class 3, which nothing has", "40610005", true},
		{"NON, class 3", "50610005", false},
		{"CON, empty with a token", "41000005 01", true},
		{"CON, response to nothing", "40450005", true},
		{"NON, token length 9", "59010005 010203040506070809", false},
		{"NON, options cut", "50010005 b5", false},
		{"NON, empty", "50000005", false},
		{"NON, response to nothing", "50450005", true},
		{"ACK, options cut", "60450005 b5", false},
		{"ACK of nothing", "60000005", false},
		{"ACK with response of nothing", "60450005", false},
		{"ACK with a method", "60010005", false},
		{"RST of nothing", "70000005", false},
		{"RST with a code", "70450005", false},
		{"ping", "40000005", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, peer := scripted(t, constant(), Options{})
				b, err := hex.DecodeString(strings.ReplaceAll(tt.wire, " ", ""))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := peer.Write(b); err != nil {
					t.Fatal(err)
				}
				if tt.reset {
					if m := peer.expect(t, 0, RST, Empty); m.ID != 5 {
						t.Errorf("reset %d", m.ID)
					}
				}
				peer.expectNothing(t, silence)
				peer.send(t, request(CON, GET, 6, token(1), "/a"))
				peer.expect(t, 0, ACK, Content)
			})
		})
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	tests := []struct {
		name string
		make func(m *Message)
		want Code // of the answer to a CON
		none bool // a NON gets no answer
	}{
		{"none", func(*Message) {}, Content, false},
		{"unknown critical", func(m *Message) { m.AddOption(9, nil) }, BadOption, true},
		{"unknown elective", func(m *Message) { m.AddOption(10, nil) }, Content, false},
		{"If-Match, which the handler does not know", func(m *Message) { m.AddOption(IfMatch, nil) }, BadOption, true},
		{"critical that the handler knows", func(m *Message) { m.AddOption(2049, []byte("x")) }, Content, false},
		{"two Accepts", func(m *Message) { m.AddOption(Accept, nil); m.AddOption(Accept, nil) }, BadOption, true},
		{"Accept of 3 bytes", func(m *Message) { m.AddOption(Accept, []byte{0, 0, 1}) }, BadOption, true},
		{"Uri-Host of 0 bytes", func(m *Message) { m.AddOption(URIHost, nil) }, BadOption, true},
		{"Uri-Host and Uri-Port", func(m *Message) { m.AddOption(URIHost, []byte("h")); m.AddOption(URIPort, []byte{1, 2}) }, Content, false},
		{"Uri-Port of 3 bytes", func(m *Message) { m.AddOption(URIPort, []byte{1, 2, 3}) }, BadOption, true},
		{"two Block2s", func(m *Message) { m.AddOption(Block2, nil); m.AddOption(Block2, nil) }, BadOption, true},
		{"Block2 of 4 bytes", func(m *Message) { m.AddOption(Block2, []byte{0, 0, 0, 0}) }, BadOption, true},
		{"Block2 with SZX 7", func(m *Message) { m.SetOptionUint(Block2, 7) }, BadRequest, false},
		{"Block1 with SZX 7", func(m *Message) { m.SetOptionUint(Block1, 7) }, BadRequest, false},
		{"two Observes", func(m *Message) { m.AddOption(Observe, nil); m.AddOption(Observe, nil) }, Content, false},
		{"Proxy-Uri", func(m *Message) { m.AddOption(ProxyURI, []byte("coap://x")) }, ProxyingNotSupported, false},
		{"Proxy-Scheme", func(m *Message) { m.AddOption(ProxyScheme, []byte("coap")) }, ProxyingNotSupported, false},
		{"method 0.08", func(m *Message) { m.Code = 8 }, MethodNotAllowed, false},
		{"method 0.31", func(m *Message) { m.Code = 31 }, MethodNotAllowed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := scripted(t, constant(), Options{Critical: []OptionID{2049}})
				for _, typ := range []Type{CON, NON} {
					m := request(typ, GET, uint16(typ), token(1, 2), "/a")
					tt.make(m)
					peer.send(t, m)
					if typ == NON && tt.none {
						peer.expectNothing(t, silence)
						continue
					}
					want := map[Type]Type{CON: ACK, NON: NON}[typ]
					if got := peer.expect(t, 0, want, tt.want); got.Token != m.Token {
						t.Errorf("token %v", got.Token)
					}
				}
				idle(t, c)
			})
		})
	}
}

func TestDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		_, peer := scripted(t, func(x *Exchange) {
			runs++
			_ = x.Respond(&Message{Code: Content, Payload: []byte{byte(runs)}})
		}, Options{Limits: Limits{Deduplication: 4}})
		ask := func(typ Type, id uint16) *Message {
			peer.send(t, request(typ, POST, id, token(byte(id)), "/a"))
			return peer.receive(t, 0)
		}
		check := func(what string, m *Message, payload byte) {
			t.Helper()
			if payload == 0 {
				if m != nil {
					t.Errorf("%s: got %v", what, show(m))
				}
			} else if m == nil || m.Payload[0] != payload {
				t.Errorf("%s: got %v, want run %d", what, m, payload)
			}
		}
		check("first", ask(CON, 1), 1)
		check("repeated", ask(CON, 1), 1)
		check("NON", ask(NON, 2), 2)
		check("NON repeated", ask(NON, 2), 0)
		check("NON with the ID of a CON", ask(NON, 1), 1) // IDs are of both types together, section 4.4
		elapse(146 * time.Second)
		check("NON after NON_LIFETIME", ask(NON, 2), 3)
		check("CON within EXCHANGE_LIFETIME", ask(CON, 1), 1)
		elapse(102 * time.Second)
		check("CON after EXCHANGE_LIFETIME", ask(CON, 1), 4)
		check("repeated again", ask(CON, 1), 4)
		for id := uint16(10); id < 14; id++ {
			ask(CON, id)
		}
		check("forgotten by the ring", ask(CON, 1), 9)
		check("still remembered", ask(CON, 13), 8)
		check("NON in the place of a CON", ask(NON, 20), 10)
		check("NON repeated, which has no answer to repeat", ask(NON, 20), 0)
	})
}

// later is a handler that collects exchanges to be answered by the test.
type later struct {
	mu sync.Mutex
	xs []*Exchange
}

func (l *later) handle(x *Exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.xs = append(l.xs, x)
}

func (l *later) take(t *testing.T) *Exchange {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.xs) == 0 {
		t.Fatal("the handler was not called")
	}
	x := l.xs[0]
	l.xs = l.xs[1:]
	return x
}

func TestAnswerWithinTheAckDelayIsPiggybacked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		c, peer := scripted(t, l.handle, Options{})
		peer.send(t, request(CON, GET, 1, token(1), "/a"))
		x := l.take(t)
		elapse(499 * time.Millisecond)
		if err := x.Reply(Content); err != nil {
			t.Error(err)
		}
		peer.expect(t, 0, ACK, Content)
		if err := x.Reply(Content); !errors.Is(err, ErrAnswered) {
			t.Errorf("second answer: %v", err)
		}
		peer.expectNothing(t, silence)
		idle(t, c)
	})
}

func TestLateAnswerIsSeparate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		c, peer := scripted(t, l.handle, Options{})
		req := request(CON, GET, 1, token(1, 2, 3), "/a")
		peer.send(t, req)
		x := l.take(t)
		peer.expectNothing(t, 499*time.Millisecond)
		if ack := peer.expect(t, time.Millisecond, ACK, Empty); ack.ID != 1 {
			t.Errorf("acknowledged %d", ack.ID)
		}
		peer.send(t, req)
		peer.expect(t, 0, ACK, Empty)
		elapse(100 * time.Second)
		if x.Request.Path() != "/a" {
			t.Errorf("path is now %q", x.Request.Path())
		}
		if err := x.Respond(&Message{Code: Content, Payload: []byte("late")}); err != nil {
			t.Error(err)
		}
		first := peer.expect(t, 0, CON, Content)
		again := peer.expect(t, 3*time.Second, CON, Content)
		if first.Token != req.Token || first.ID != again.ID || string(again.Payload) != "late" {
			t.Errorf("got %v and %v", show(first), show(again))
		}
		peer.send(t, req) // still a duplicate
		peer.expect(t, 0, ACK, Empty)
		peer.send(t, &Message{Type: ACK, ID: first.ID})
		peer.expectNothing(t, silence)
		idle(t, c)
	})
}

func TestDuplicateHastensTheAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		c, peer := scripted(t, l.handle, Options{Params: Params{AckDelay: 5 * time.Second}})
		peer.send(t, request(CON, GET, 1, token(1), "/a"))
		x := l.take(t)
		peer.send(t, request(CON, GET, 1, token(1), "/a"))
		peer.expect(t, 0, ACK, Empty)
		peer.expectNothing(t, 10*time.Second)
		response := Message{Type: NON, Code: Content}
		if err := x.Respond(&response); err != nil {
			t.Error(err)
		}
		peer.expect(t, 0, NON, Content)
		peer.expectNothing(t, silence)
		idle(t, c)
	})
}

func TestLateAnswerToNonIsNon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		c, peer := scripted(t, l.handle, Options{})
		peer.send(t, request(NON, GET, 1, token(1), "/a"))
		x := l.take(t)
		peer.expectNothing(t, 100*time.Second)
		if err := x.Reply(Content); err != nil {
			t.Error(err)
		}
		peer.expect(t, 0, NON, Content)
		peer.expectNothing(t, silence)
		idle(t, c)
	})
}

func TestAnswerThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		c, peer := scripted(t, l.handle, Options{})
		peer.send(t, request(CON, GET, 1, token(1), "/a"))
		peer.send(t, request(NON, GET, 2, token(1), "/a"))
		con, non := l.take(t), l.take(t)
		elapse(248 * time.Second)
		for _, x := range []*Exchange{con, non} {
			if err := x.Reply(Content); !errors.Is(err, ErrAnswered) {
				t.Errorf("%v: %v", x.typ, err)
			}
		}
		peer.expect(t, 0, ACK, Empty)
		peer.expectNothing(t, silence)
		idle(t, c)
	})
}

func TestDeferredRequestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		c, peer := scripted(t, l.handle, Options{Limits: Limits{MaxDeferred: 2}, Params: Params{NStart: 9}})
		for id := range uint16(3) {
			peer.send(t, request(CON, GET, id, token(byte(id)), "/a"))
		}
		if m := peer.expect(t, 0, ACK, ServiceUnavailable); m.ID != 2 {
			t.Errorf("refused %d", m.ID)
		}
		for range 2 {
			if err := l.take(t).Reply(Content); err != nil {
				t.Error(err)
			}
			peer.expect(t, 0, ACK, Content)
		}
		peer.send(t, request(CON, GET, 3, token(3), "/a"))
		if err := l.take(t).Reply(Content); err != nil {
			t.Error(err)
		}
		idle(t, c)
	})
}

func TestAnswerAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		c, peer := scripted(t, l.handle, Options{})
		peer.send(t, request(CON, GET, 1, token(1), "/a"))
		x := l.take(t)
		_ = c.Close()
		if err := x.Reply(Content); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCloseInTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer := scripted(t, func(x *Exchange) {
			_ = x.Reply(Deleted)
			_ = x.Conn().Close()
		}, Options{})
		peer.send(t, request(CON, DELETE, 1, token(1), "/a"))
		peer.expect(t, 0, ACK, Deleted)
	})
}

func TestWithoutHandlerRequestsAreReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		peer.send(t, request(CON, GET, 1, token(1), "/a"))
		peer.expect(t, 0, RST, Empty)
		peer.send(t, request(NON, GET, 2, token(1), "/a"))
		peer.expectNothing(t, silence)
		idle(t, c)
	})
}

func TestWhatCannotBeSentIsAnsweredWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcome := make(chan error, 1)
		_, peer := scripted(t, func(x *Exchange) {
			m := &Message{Code: Content}
			m.SetLocationPath(strings.Repeat("a", 256))
			outcome <- x.Respond(m)
		}, Options{})
		peer.send(t, request(CON, GET, 1, token(1), "/a"))
		peer.expect(t, 0, ACK, InternalServerError)
		if err := <-outcome; !errors.Is(err, ErrTooLong) {
			t.Errorf("got %v", err)
		}
	})
}

// A deferred request keeps its memory while others come in.
func TestDeferredRequestsAreNotOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l later
		_, peer := scripted(t, l.handle, Options{})
		const n = 20
		for i := range n {
			m := request(CON, PUT, uint16(i), token(byte(i)), "/"+strings.Repeat(string(rune('a'+i)), 5))
			m.Payload = bytes.Repeat([]byte{byte(i)}, 100)
			peer.send(t, m)
		}
		for i := range n {
			x := l.take(t)
			if x.Request.Path() != "/"+strings.Repeat(string(rune('a'+i)), 5) || !bytes.Equal(x.Request.Payload, bytes.Repeat([]byte{byte(i)}, 100)) {
				t.Errorf("%d is now %s with %x", i, x.Request.Path(), x.Request.Payload)
			}
			if err := x.Reply(Changed); err != nil {
				t.Error(err)
			}
		}
	})
}

// The handler's exchange is answered from another goroutine while the handler still
// runs; the race detector watches that the buffers are not used again too early.
func TestAnswerRacesWithTheHandler(t *testing.T) {
	var answering sync.WaitGroup
	client, _, _, _ := pair(t, nil, func(x *Exchange) {
		answering.Go(func() {
			_ = x.Respond(&Message{Code: Content, Payload: bytes.Repeat(x.Request.Payload, 3)})
		})
		runtime.Gosched()
	}, Options{Params: Params{NStart: 8, BlockSize: 32}, Limits: Limits{MaxTransfers: 8}})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				req := get("/" + string(rune('a'+i)))
				req.Code = FETCH
				req.Payload = bytes.Repeat([]byte{byte(i)}, 20)
				m, err := client.Do(t.Context(), req)
				if err != nil || !bytes.Equal(m.Payload, bytes.Repeat([]byte{byte(i)}, 60)) {
					t.Errorf("got %v, %v", m, err)
				}
			}
		})
	}
	all.Wait()
	answering.Wait()
}

func TestTraceSeesBothDirections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		trace := func(d Direction, b []byte) {
			m, err := Parse(b)
			if err != nil {
				t.Error(err)
				return
			}
			seen = append(seen, map[Direction]string{Sent: "> ", Received: "< "}[d]+m.Type.String()+" "+m.Code.String())
		}
		a, b := pipe()
		client := New(a, nil, Options{Trace: trace})
		run(t, client)
		run(t, New(b, constant(), Options{}))
		elapse(time.Second)
		if _, err := client.Do(t.Context(), get("/a")); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(seen, ", "); got != "> CON GET, < ACK 2.05" {
			t.Errorf("saw %s", got)
		}
		n := client.Counters()
		if n.SentDatagrams != 1 || n.ReceivedDatagrams != 1 || n.SentBytes != 4+4+2 || n.ReceivedBytes != 4+4+1+1+20 {
			t.Errorf("counted %+v", n)
		}
		if !client.LastReceived().Equal(time.Now()) {
			t.Errorf("last received %v", client.LastReceived())
		}
	})
}

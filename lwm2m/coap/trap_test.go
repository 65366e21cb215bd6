package coap

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// One test for each thing that go-coap's own connection layer (v3.5.5) does wrong for a
// device, numbered as in the list that the decision for an own layer rests on.

// 1: one malformed datagram closes the connection.
func TestTrap01MalformedDatagramIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, constant(), Options{})
		for _, b := range [][]byte{nil, {0}, {0x40, 1}, {0x4f, 1, 0, 1}, {0x50, 1, 0, 2, 0xff}, {0x60, 1, 0, 3, 0xd0}, bytes.Repeat([]byte{0xff}, 100)} {
			if _, err := peer.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		peer.expect(t, 0, RST, Empty) // to the CON
		peer.send(t, request(CON, GET, 9, token(1), "/a"))
		peer.expect(t, 0, ACK, Content)
		if n := c.Counters().Malformed; n != 7 {
			t.Errorf("counted %d", n)
		}
	})
}

// 2: an ICMP port unreachable closes it.
func TestTrap02PortUnreachableIsSurvived(t *testing.T) {
	reserved, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := reserved.LocalAddr().(*net.UDPAddr)
	_ = reserved.Close() // nobody is there now
	socket, err := net.DialUDP("udp4", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	client := New(socket, nil, Options{Params: Params{AckTimeout: 20 * time.Millisecond}})
	run(t, client)
	if err := client.Ping(t.Context()); !errors.Is(err, ErrTimeout) {
		t.Fatalf("got %v", err)
	}
	if client.Counters().TransportErrors == 0 {
		t.Fatal("no ICMP error was seen")
	}
	server, err := net.ListenUDP("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, server, constant(), Options{})
	if m, err := client.Do(t.Context(), get("/a")); err != nil || m.Code != Content {
		t.Errorf("after the server came: %v, %v", m, err)
	}
}

// 3: a datagram over 1472 bytes is cut silently and answered 2.04.
func TestTrap03LargeDatagramIsNotCut(t *testing.T) {
	for _, kind := range []string{"UDP", "DTLS"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var u uploads
				a, peer := pipe()
				if kind == "DTLS" {
					a.limit = 1 // its Read fails rather than cutting
				}
				c := New(a, u.handle, Options{})
				run(t, c)
				const overhead = 4 + 1 + 2 + 1 // header, token, path, marker
				for i, size := range []int{1472, 1473, 2048, 2049, 8000} {
					req := request(CON, PUT, uint16(i), token(7), "/p").carrying(bytes.Repeat([]byte{'x'}, size-overhead))
					peer.send(t, req)
					switch {
					case size <= 2048:
						peer.expect(t, 0, ACK, Changed)
						if got := u.bodies[i]; len(got) != len("/p ")+size-overhead {
							t.Errorf("%d bytes: the handler got %d", size, len(got))
						}
					case kind == "UDP" || size == 2049: // of which the last byte was seen
						m := peer.expect(t, 0, ACK, RequestEntityTooLarge)
						if got := codeAndBlock1(m); got != "4.13 0/0/1024" || m.ID != req.ID || m.Token != req.Token {
							t.Errorf("%d bytes: got %v", size, show(m))
						}
					default:
						peer.expectNothing(t, silence)
					}
				}
				if len(u.bodies) != 3 || c.Counters().Oversize != 2 {
					t.Errorf("%d requests, %d oversize", len(u.bodies), c.Counters().Oversize)
				}
				oversize := request(NON, PUT, 9, token(7), "/p").carrying(make([]byte, 3000))
				peer.send(t, oversize)
				peer.expectNothing(t, silence)
			})
		})
	}
}

// 4: a Block1 upload with a new token per block hands on the last block only.
func TestTrap04UploadWithATokenPerBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u uploads
		_, peer := scripted(t, u.handle, Options{})
		p := blockPeer{t: t, peer: peer} // a new token for each request
		body := numbered(5000)
		for i := range uint32(5) {
			more := i < 4
			p.put("/5/0/0", block(i, more, 6), body[i*1024:min(i*1024+1024, 5000)])
		}
		if len(u.bodies) != 1 || u.bodies[0] != "/5/0/0 "+string(body) {
			t.Errorf("%d bodies, the last of %d bytes", len(u.bodies), len(u.bodies[0]))
		}
	})
}

// 5: Block2 reads with changing tokens run the handler again for each block.
func TestTrap05DownloadWithATokenPerBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := representations{body: func(run int) *Message {
			return &Message{Code: Content, Payload: []byte(strings.Repeat(fmt.Sprintf("run %d ", run), 1000))}
		}}
		_, peer := scripted(t, r.handle, Options{})
		p := blockPeer{t: t, peer: peer}
		var body []byte
		for i := uint32(0); ; i++ {
			m, _ := p.get("/3", block(i, false, 6))
			body = append(body, m.Payload...)
			if b, _ := m.Block2(); !b.More {
				break
			}
		}
		if r.runs != 1 || string(body) != strings.Repeat("run 1 ", 1000) {
			t.Errorf("%d runs, %d bytes", r.runs, len(body))
		}
	})
}

// 6: a Reset that answers a NON notification reaches the request handler, and its 4.05
// begins an endless storm.
func TestTrap06ResetOfANonNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := func(x *Exchange) {
			t.Error("the handler was called")
			_ = x.Reply(MethodNotAllowed)
		}
		a, b := pipe()
		server, client := New(a, handler, Options{}), New(b, handler, Options{})
		run(t, server)
		run(t, client)
		var o outcomes
		observe := request(CON, GET, 1, token(1), "/a")
		if err := server.Notify(observe, &Message{Type: NON, Code: Content}, o.done); err != nil {
			t.Fatal(err)
		}
		if err := o.take(t); !errors.Is(err, ErrReset) {
			t.Errorf("got %v", err)
		}
		elapse(silence)
		if n := server.Counters().ReceivedDatagrams + server.Counters().SentDatagrams; n != 2 {
			t.Errorf("%d datagrams", n)
		}
	})
}

// 7: Reset and ACK of a CON notification cannot be told apart.
func TestTrap07ResetAndAckOfAConNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, constant(), Options{})
		observe := request(CON, GET, 1, token(1), "/a")
		for typ, want := range map[Type]error{ACK: nil, RST: ErrReset} {
			var o outcomes
			if err := c.Notify(observe, &Message{Code: Content}, o.done); err != nil {
				t.Fatal(err)
			}
			peer.send(t, &Message{Type: typ, ID: peer.expect(t, 0, CON, Content).ID})
			if err := o.take(t); !errors.Is(err, want) {
				t.Errorf("%v: got %v", typ, err)
			}
		}
	})
}

// 8: an incoming CON with the message ID of our outstanding one counts as its ACK.
func TestTrap08PeersMessageIDsAreItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, constant(), Options{})
		ended := start(t.Context(), c, get("/a"))
		req := peer.expect(t, 0, CON, GET)
		peer.send(t, request(CON, GET, req.ID, req.Token, "/b"))
		peer.expect(t, 0, ACK, Content)
		peer.send(t, request(NON, GET, req.ID+1, req.Token, "/b"))
		peer.expect(t, 0, NON, Content)
		again := peer.expect(t, 3*time.Second, CON, GET) // is still retransmitted
		peer.send(t, &Message{Type: ACK, Code: Valid, ID: again.ID, Token: again.Token})
		if o := <-ended; o.err != nil || o.m.Code != Valid {
			t.Errorf("got %v, %v", o.m, o.err)
		}
	})
}

// 9: retransmission is linear on a tick without random factor, and the caller is not woken
// in the end.
func TestTrap09Retransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		began := time.Now()
		ended := start(t.Context(), c, get("/a"))
		gaps := make([]time.Duration, 0, 5)
		last := began
		for range 5 {
			<-peer.in
			gaps = append(gaps, time.Since(last))
			last = time.Now()
		}
		for i := 2; i < len(gaps); i++ {
			if gaps[i] != 2*gaps[i-1] {
				t.Errorf("gaps %v", gaps)
			}
		}
		if o := <-ended; !errors.Is(o.err, ErrTimeout) || o.at.Sub(began) > 93*time.Second {
			t.Errorf("woken after %v with %v", o.at.Sub(began), o.err)
		}
	})
}

// 10: a NON request is answered CON.
func TestTrap10NonIsAnsweredNon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer := scripted(t, constant(), Options{})
		peer.send(t, request(NON, GET, 1, token(1), "/a"))
		if m := peer.expect(t, 0, NON, Content); m.Token != token(1) {
			t.Errorf("got %v", show(m))
		}
		peer.expectNothing(t, silence)
	})
}

// 11: the response cache grows with each read for 247 s.
func TestTrap11MemoryIsFlat(t *testing.T) {
	a, peer := pipe()
	c := New(a, constant(), Options{})
	run(t, c)
	datagram := wire(t, request(CON, GET, 0, token(1, 2), "/3/0/0"))
	reads := func(n int) {
		for i := range n {
			setID(datagram, uint16(i))
			peer.other.deliver(datagram)
			<-peer.in
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	reads(1000)
	before := heap()
	reads(30_000)
	if after := heap(); after > before+64<<10 {
		t.Errorf("%d bytes before, %d after 30,000 reads", before, after)
	}
	runtime.KeepAlive(c)
}

// 12: an idle connection wakes up 24 to 135 times a minute.
func TestTrap12IdleMeansIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, _, _ := pair(t, constant(), func(x *Exchange) {
			_ = x.Respond(&Message{Code: Content, Payload: numbered(3000)})
		}, Options{})
		idle(t, client)
		for _, req := range []*Message{get("/a"), {Type: NON, Code: GET}, {Code: POST, Payload: numbered(5000)}} {
			if _, err := client.Do(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		if err := server.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.Notify(get("/a"), &Message{Type: NON, Code: Content}, func(error) {}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		idle(t, client) // no timer is armed, not even once
		idle(t, server)
	})
}

package coap

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// outcome is what a call of Do returned, and when.
type outcome struct {
	m   *Message
	err error
	at  time.Time
}

// start calls Do in a goroutine of the test.
func start(ctx context.Context, c *Conn, req *Message) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		m, err := c.Do(ctx, req)
		ended <- outcome{m, err, time.Now()}
	}()
	return ended
}

// RFC 7252 section 4.2: the first timeout is 2 to 3 s, then it doubles; after four
// retransmissions the caller is woken.
func TestRetransmissionIsExponentialAndEnds(t *testing.T) {
	var firsts []time.Duration
	for range 8 {
		synctest.Test(t, func(t *testing.T) {
			c, peer := scripted(t, nil, Options{})
			began := time.Now()
			ended := start(t.Context(), c, get("/a"))
			times := make([]time.Duration, 0, 5)
			datagrams := make([][]byte, 0, 5)
			for range 5 {
				datagrams = append(datagrams, <-peer.in)
				times = append(times, time.Since(began))
			}
			o := <-ended
			peer.expectNothing(t, silence)
			first := times[1]
			firsts = append(firsts, first)
			if first < 2*time.Second || first > 3*time.Second {
				t.Errorf("first timeout is %v", first)
			}
			for i, want := range []time.Duration{0, first, 3 * first, 7 * first, 15 * first} {
				if times[i] != want || !bytes.Equal(datagrams[i], datagrams[0]) {
					t.Errorf("transmission %d at %v, want %v: %x", i, times[i], want, datagrams[i])
				}
			}
			if !errors.Is(o.err, ErrTimeout) || o.at.Sub(began) != 31*first {
				t.Errorf("Do ended after %v with %v, want %v", o.at.Sub(began), o.err, 31*first)
			}
			if n := c.Counters(); n.Retransmissions != 4 || n.SentDatagrams != 5 {
				t.Errorf("counted %+v", n)
			}
			idle(t, c)
		})
	}
	if slices.Min(firsts) == slices.Max(firsts) {
		t.Errorf("no random factor: %v", firsts)
	}
}

func TestParamsChangeWhatIsSentNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		c.SetParams(Params{AckTimeout: 10 * time.Second, AckRandomFactor: 1, MaxRetransmit: 1})
		began := time.Now()
		ended := start(t.Context(), c, get("/a"))
		peer.expect(t, 0, CON, GET)
		peer.expect(t, 10*time.Second, CON, GET)
		if o := <-ended; o.at.Sub(began) != 30*time.Second || !errors.Is(o.err, ErrTimeout) {
			t.Errorf("ended after %v with %v", o.at.Sub(began), o.err)
		}
		peer.expectNothing(t, silence)
	})
}

func TestLostRequestAndLostResponseRunTheHandlerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		client, server, a, b := pair(t, nil, func(x *Exchange) {
			runs++
			_ = x.Reply(Changed)
		}, Options{})
		first := func(n int, _ []byte) []time.Duration {
			if n == 0 {
				return nil
			}
			return []time.Duration{0}
		}
		a.disturb(first)
		b.disturb(first)
		m, err := client.Do(t.Context(), &Message{Code: POST})
		if err != nil || m.Code != Changed || runs != 1 {
			t.Errorf("got %v, %v after %d runs", m, err, runs)
		}
		if n := server.Counters().Duplicates; n != 1 {
			t.Errorf("%d duplicates", n)
		}
		idle(t, client)
		idle(t, server)
	})
}

func TestSeparateResponse(t *testing.T) {
	tests := []struct {
		name string
		play func(t *testing.T, peer *end, req *Message)
	}{
		{"ACK first, CON response", func(t *testing.T, peer *end, req *Message) {
			t.Helper()
			peer.send(t, &Message{Type: ACK, ID: req.ID})
			elapse(200 * time.Second) // the response may take its time
			peer.send(t, &Message{Type: CON, Code: Content, ID: 7, Token: req.Token})
			peer.expect(t, 0, ACK, Empty)
		}},
		{"ACK first, NON response", func(t *testing.T, peer *end, req *Message) {
			t.Helper()
			peer.send(t, &Message{Type: ACK, ID: req.ID})
			peer.send(t, &Message{Type: NON, Code: Content, ID: 7, Token: req.Token})
		}},
		{"response first", func(t *testing.T, peer *end, req *Message) {
			t.Helper()
			peer.send(t, &Message{Type: CON, Code: Content, ID: 7, Token: req.Token})
			peer.expect(t, 0, ACK, Empty)
			peer.send(t, &Message{Type: ACK, ID: req.ID})
		}},
		{"ACK lost", func(t *testing.T, peer *end, req *Message) {
			t.Helper()
			peer.send(t, &Message{Type: CON, Code: Content, ID: 7, Token: req.Token})
			peer.expect(t, 0, ACK, Empty)
		}},
		{"our ACK lost", func(t *testing.T, peer *end, req *Message) {
			t.Helper()
			peer.send(t, &Message{Type: ACK, ID: req.ID})
			for range 3 {
				peer.send(t, &Message{Type: CON, Code: Content, ID: 7, Token: req.Token})
				if ack := peer.expect(t, 0, ACK, Empty); ack.ID != 7 {
					t.Errorf("acknowledged %d", ack.ID)
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := scripted(t, nil, Options{})
				ended := start(t.Context(), c, get("/a"))
				req := peer.expect(t, 0, CON, GET)
				tt.play(t, peer, req)
				if o := <-ended; o.err != nil || o.m.Code != Content {
					t.Errorf("got %v, %v", o.m, o.err)
				}
				peer.expectNothing(t, silence)
				idle(t, c)
			})
		})
	}
}

func TestAcknowledgedRequestWithoutResponseTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		began := time.Now()
		ended := start(t.Context(), c, get("/a"))
		peer.send(t, &Message{Type: ACK, ID: peer.expect(t, 0, CON, GET).ID})
		if o := <-ended; !errors.Is(o.err, ErrTimeout) || o.at.Sub(began) != 247*time.Second {
			t.Errorf("ended after %v with %v", o.at.Sub(began), o.err)
		}
		peer.expectNothing(t, silence)
		idle(t, c)
	})
}

func TestResetEndsTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		ended := start(t.Context(), c, get("/a"))
		peer.send(t, &Message{Type: RST, ID: peer.expect(t, 0, CON, GET).ID})
		if o := <-ended; !errors.Is(o.err, ErrReset) {
			t.Errorf("got %v", o.err)
		}
		idle(t, c)
	})
}

func TestCancelledRequestIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := start(ctx, c, get("/a"))
		req := peer.expect(t, 0, CON, GET)
		if o := <-ended; !errors.Is(o.err, context.DeadlineExceeded) {
			t.Errorf("got %v", o.err)
		}
		idle(t, c)
		peer.expectNothing(t, silence)
		peer.send(t, &Message{Type: CON, Code: Content, ID: 7, Token: req.Token}) // nobody waits any more
		if rst := peer.expect(t, 0, RST, Empty); rst.ID != 7 {
			t.Errorf("reset %d", rst.ID)
		}
		peer.send(t, &Message{Type: ACK, Code: Content, ID: req.ID, Token: req.Token})
		peer.expectNothing(t, silence)
	})
}

func TestWhatIsNoAnswerDoesNotEndTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		ended := start(t.Context(), c, get("/a"))
		req := peer.expect(t, 0, CON, GET)
		peer.send(t, &Message{Type: ACK, Code: Content, ID: req.ID, Token: token(1)})               // another token
		peer.send(t, &Message{Type: ACK, Code: Content, ID: req.ID + 1, Token: req.Token})          // another ID
		peer.send(t, &Message{Type: ACK, Code: GET, ID: req.ID, Token: req.Token})                  // a method in an ACK
		peer.send(t, &Message{Type: RST, Code: Content, ID: req.ID, Token: req.Token})              // a response in a RST
		peer.send(t, &Message{Type: RST, ID: req.ID + 1})                                           // of nothing
		peer.send(t, &Message{Type: NON, ID: req.ID})                                               // an empty NON
		peer.send(t, (&Message{Type: ACK, Code: Content, ID: req.ID, Token: req.Token}).with(9, 1)) // unknown critical option
		peer.expect(t, 3*time.Second, CON, GET)
		peer.send(t, &Message{Type: ACK, Code: Valid, ID: req.ID, Token: req.Token})
		if o := <-ended; o.err != nil || o.m.Code != Valid {
			t.Errorf("got %v, %v", o.m, o.err)
		}
	})
}

func TestResponseWithUnknownCriticalOptionIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		ended := start(t.Context(), c, get("/a"))
		req := peer.expect(t, 0, CON, GET)
		for range 2 {
			peer.send(t, (&Message{Type: CON, Code: Content, ID: 7, Token: req.Token}).with(9, 1))
			peer.expect(t, 0, RST, Empty)
		}
		peer.send(t, (&Message{Type: CON, Code: Content, ID: 8, Token: req.Token}).with(10, 1)) // elective
		if o := <-ended; o.err != nil {
			t.Error(o.err)
		}
	})
}

func TestNStart(t *testing.T) {
	answer := func(t *testing.T, peer *end, req *Message) {
		t.Helper()
		peer.send(t, &Message{Type: ACK, Code: Content, ID: req.ID, Token: req.Token})
	}
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		ended := make([]<-chan outcome, 0, 4)
		for _, path := range []string{"/1", "/2", "/3", "/4"} {
			ended = append(ended, start(t.Context(), c, get(path)))
			synctest.Wait()
		}
		req := peer.expect(t, 0, CON, GET)
		peer.expectNothing(t, time.Second)
		answer(t, peer, req)
		if req = peer.expect(t, 0, CON, GET); req.Path() != "/2" {
			t.Errorf("sent %s, want /2", req.Path())
		}
		peer.expectNothing(t, time.Second)
		peer.send(t, &Message{Type: ACK, ID: req.ID}) // no more outstanding, section 4.7
		third := peer.expect(t, 0, CON, GET)
		c.SetParams(Params{NStart: 2})
		fourth := peer.expect(t, 0, CON, GET)
		answer(t, peer, fourth)
		answer(t, peer, third)
		peer.send(t, &Message{Type: NON, Code: Content, ID: 9, Token: req.Token})
		for i, e := range ended {
			if o := <-e; o.err != nil {
				t.Errorf("%d: %v", i, o.err)
			}
		}
		peer.expectNothing(t, silence)
		idle(t, c)
	})
}

func TestNStartSlotIsFreedByTimeoutAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{Params: Params{MaxRetransmit: -1}})
		ctx, cancel := context.WithCancel(t.Context())
		first := start(t.Context(), c, get("/1"))
		synctest.Wait()
		second := start(ctx, c, get("/2"))
		synctest.Wait()
		third := start(t.Context(), c, get("/3"))
		synctest.Wait()
		cancel() // while it waits
		<-second
		peer.expect(t, 0, CON, GET)
		<-first
		if req := peer.expect(t, 0, CON, GET); req.Path() != "/3" {
			t.Errorf("sent %s", req.Path())
		}
		<-third
		idle(t, c)
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := scripted(t, nil, Options{Limits: Limits{MaxQueued: 2}})
		ended := make([]<-chan outcome, 0, 4)
		for range 3 {
			ended = append(ended, start(t.Context(), c, get("/a")))
			synctest.Wait()
		}
		if _, err := c.Do(t.Context(), get("/a")); !errors.Is(err, ErrQueueFull) {
			t.Errorf("got %v", err)
		}
		_ = c.Close()
		for _, e := range ended {
			if o := <-e; !errors.Is(o.err, ErrClosed) {
				t.Errorf("got %v", o.err)
			}
		}
	})
}

func TestMessageIDsOfWhatIsOutstandingAreNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{Params: Params{NStart: 3}})
		ids := map[uint16]bool{}
		for range 3 {
			start(t.Context(), c, get("/a"))
			ids[peer.expect(t, 0, CON, GET).ID] = true
			c.mu.Lock()
			c.lastID-- // as if all the others had been used meanwhile
			c.mu.Unlock()
		}
		if len(ids) != 3 {
			t.Errorf("used %v", ids)
		}
	})
}

func TestNonRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		req := get("/a")
		req.Type = NON
		ended := start(t.Context(), c, req)
		sent := peer.expect(t, 0, NON, GET)
		peer.expectNothing(t, 100*time.Second) // not retransmitted
		peer.send(t, &Message{Type: NON, Code: Content, ID: 1, Token: sent.Token})
		if o := <-ended; o.err != nil {
			t.Error(o.err)
		}
		began := time.Now()
		if _, err := c.Do(t.Context(), req); !errors.Is(err, ErrTimeout) || time.Since(began) != 247*time.Second {
			t.Errorf("unanswered: %v after %v", err, time.Since(began))
		}
		ended = start(t.Context(), c, req)
		<-peer.in
		peer.send(t, &Message{Type: RST, ID: peer.expect(t, 0, NON, GET).ID})
		if o := <-ended; !errors.Is(o.err, ErrReset) {
			t.Errorf("reset: %v", o.err)
		}
		idle(t, c)
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, _ := pair(t, nil, constant(), Options{})
		if err := client.Ping(t.Context()); err != nil {
			t.Errorf("client: %v", err)
		}
		if err := server.Ping(t.Context()); err != nil {
			t.Errorf("server: %v", err)
		}
		a.disturb(func(int, []byte) []time.Duration { return nil })
		if err := client.Ping(t.Context()); !errors.Is(err, ErrTimeout) {
			t.Errorf("nobody there: %v", err)
		}
		idle(t, client)
		idle(t, server)
	})
}

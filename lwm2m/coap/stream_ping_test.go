package coap

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestStreamPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := scriptedStream(t, nil, Options{})
		peer.send(t, capable(5000, true))
		custody := &Message{Code: ping, Token: token(7, 7)}
		custody.AddOption(2, nil)
		peer.send(t, custody)
		if m := peer.expect(t, pong); m.Token != token(7, 7) || len(m.options) > 0 {
			t.Errorf("got %v", show(m))
		}
		answered := make(chan error, 1)
		go func() { answered <- c.Ping(t.Context()) }()
		asked := peer.expect(t, ping)
		peer.send(t, &Message{Code: pong, Token: token(1)}, &Message{Code: Content, Token: asked.Token})
		synctest.Wait()
		select {
		case err := <-answered:
			t.Fatalf("answered by something else: %v", err)
		default:
		}
		peer.send(t, &Message{Code: pong, Token: asked.Token})
		if err := <-answered; err != nil {
			t.Error(err)
		}
		go func() { answered <- c.Ping(t.Context()) }()
		peer.expect(t, ping)
		peer.send(t, &Message{Code: pong}) // as libcoap does
		if err := <-answered; err != nil {
			t.Error(err)
		}
		idle(t, c)
	})
}

// A peer that says nothing is pinged once, and given up when it stays silent; one that lives
// has longer to answer.
func TestStreamSilence(t *testing.T) {
	for _, lives := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, peer, _ := scriptedStream(t, nil, Options{})
			peer.send(t, capable(5000, true))
			elapse(time.Second)
			began := time.Now()
			answered := make(chan error, 1)
			go func() {
				_, err := c.Do(t.Context(), get("/"))
				answered <- err
			}()
			peer.expect(t, GET)
			m := peer.receive(46 * time.Second)
			if at := time.Since(began); m == nil || m.Code != ping || at != 45*time.Second {
				t.Fatalf("got %v after %v", m, at)
			}
			want := 93 * time.Second
			if lives {
				want = 247 * time.Second
				peer.send(t, &Message{Code: pong})
			}
			err := <-answered
			if at := time.Since(began); !errors.Is(err, ErrTimeout) || at != want {
				t.Errorf("got %v after %v, want %v", err, at, want)
			}
			idle(t, c)
		})
	}
}

// Notifications are confirmed however many of them wait for their Pong, by a peer that repeats tokens, in any order, and
// by one that leaves them out, as libcoap does.
func TestStreamNotifyMany(t *testing.T) {
	for name, answers := range map[string]func(pings []*Message) []*Message{
		"tokens": func(pings []*Message) []*Message {
			pongs := make([]*Message, 0, len(pings))
			for _, m := range slices.Backward(pings) {
				pongs = append(pongs, &Message{Code: pong, Token: m.Token})
			}
			return pongs
		},
		"no tokens": func(pings []*Message) []*Message {
			return slices.Repeat([]*Message{{Code: pong}}, len(pings))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer, _ := scriptedStream(t, nil, Options{})
				peer.send(t, capable(5000, true))
				synctest.Wait()
				const many = 200
				outcomes := make(chan error, many)
				pings := make([]*Message, many)
				for i := range pings {
					m := &Message{Type: CON, Code: Content, Payload: []byte("v")}
					if err := c.Notify(request(NON, GET, 0, token(5), "/a"), m, func(err error) { outcomes <- err }); err != nil {
						t.Fatal(err)
					}
					peer.expect(t, Content)
					pings[i] = peer.expect(t, ping)
				}
				peer.send(t, answers(pings)...)
				for range many {
					if err := <-outcomes; err != nil {
						t.Fatal(err)
					}
				}
				idle(t, c)
			})
		})
	}
}

func TestStreamPingsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, _ := scriptedStream(t, nil, Options{})
		peer.send(t, capable(5000, true))
		synctest.Wait()
		for range maxSent { // nobody waits for them any more, but a Pong without a token may be theirs
			k, err := c.call(t.Context(), &outgoing{datagram: pingMessage(), pinged: true})
			if err != nil {
				t.Fatal(err)
			}
			peer.expect(t, ping)
			k.cancel()
		}
		if err := c.Ping(t.Context()); !errors.Is(err, ErrQueueFull) {
			t.Errorf("one more Ping: %v", err)
		}
		peer.send(t, &Message{Code: pong})
		synctest.Wait()
		if _, err := c.call(t.Context(), &outgoing{datagram: pingMessage(), pinged: true}); err != nil {
			t.Errorf("after a Pong: %v", err)
		}
	})
}

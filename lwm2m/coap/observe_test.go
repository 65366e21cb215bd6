package coap

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// notification makes a NON notification as a scripted server sends it.
func notification(id uint16, tok Token, sequence uint32, payload string) *Message {
	m := &Message{Type: NON, Code: Content, ID: id, Token: tok, Payload: []byte(payload)}
	return m.with(Observe, sequence)
}

// observed begins an observation with a scripted server.
func observed(t *testing.T, o Options) (*Conn, *end, *Observation, *Message) {
	t.Helper()
	c, peer := scripted(t, nil, o)
	asked := answers(t, peer, func(*Message) *Message {
		return (&Message{Code: Content, Payload: []byte("first")}).with(Observe, 10)
	})
	obs, m, err := c.Observe(t.Context(), get("/3303/0/5700"))
	if err != nil || obs == nil || string(m.Payload) != "first" {
		t.Fatalf("got %v, %v, %v", obs, m, err)
	}
	if got := <-asked; !slices.Equal(got, []string{"GET observe"}) {
		t.Fatalf("asked %q", got)
	}
	return c, peer, obs, m
}

func next(t *testing.T, obs *Observation) string {
	t.Helper()
	m, err := obs.Next(t.Context())
	if err != nil {
		return err.Error()
	}
	return string(m.Payload)
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, obs, _ := observed(t, Options{})
		tok := obs.Token()
		peer.send(t, notification(1, tok, 11, "a"))
		con := notification(2, tok, 12, "b")
		con.Type = CON
		peer.send(t, con)
		peer.send(t, con) // again
		for range 2 {
			if ack := peer.expect(t, 0, ACK, Empty); ack.ID != 2 {
				t.Errorf("acknowledged %d", ack.ID)
			}
		}
		if a, b := next(t, obs), next(t, obs); a != "a" || b != "b" {
			t.Errorf("got %s, %s", a, b)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := obs.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		idle(t, c)
	})
}

// RFC 7641 section 3.4.
func TestNotificationsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, obs, _ := observed(t, Options{})
		id := uint16(0)
		push := func(sequence uint32, payload string) {
			id++
			peer.send(t, notification(id, obs.Token(), sequence, payload))
			synctest.Wait()
		}
		push(9, "older than the response")
		push(10, "as old as the response")
		push(13, "13")
		push(12, "overtaken")
		push(13+halfSequence-1, "far")
		push(13, "older than far")
		push(5, "wrapped around")
		push(4, "older than wrapped")
		elapse(128*time.Second + 1)
		push(4, "old number, but late")
		peer.expectNothing(t, 0)
		for _, want := range []string{"13", "far", "wrapped around", "old number, but late"} {
			if got := next(t, obs); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

func TestNotificationsThatNobodyTakesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, obs, _ := observed(t, Options{Limits: Limits{MaxNotifications: 2}})
		for i, payload := range []string{"a", "b", "c"} {
			peer.send(t, notification(uint16(i), obs.Token(), uint32(11+i), payload))
		}
		synctest.Wait()
		if b, c := next(t, obs), next(t, obs); b != "b" || c != "c" {
			t.Errorf("got %s, %s", b, c)
		}
	})
}

func TestObservationEndsWithAnError(t *testing.T) {
	for name, last := range map[string]*Message{
		"4.04":       {Type: CON, Code: NotFound, ID: 7, Payload: []byte("last")},
		"no Observe": {Type: CON, Code: Content, ID: 7, Payload: []byte("last")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer, obs, _ := observed(t, Options{})
				last.Token = obs.Token()
				peer.send(t, last)
				peer.expect(t, 0, ACK, Empty)
				if got := next(t, obs); got != "last" {
					t.Errorf("got %s", got)
				}
				if _, err := obs.Next(t.Context()); !errors.Is(err, io.EOF) {
					t.Errorf("got %v", err)
				}
				peer.send(t, notification(8, obs.Token(), 20, "more"))
				peer.expect(t, 0, RST, Empty)
				if c.busy() {
					t.Error("something is left over")
				}
			})
		})
	}
}

func TestObservationIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, _, _ := pair(t, nil, constant(), Options{})
		obs, m, err := client.Observe(t.Context(), get("/a"))
		if obs != nil || err != nil || m.Code != Content {
			t.Errorf("got %v, %v, %v", obs, m, err)
		}
		if client.busy() || server.busy() {
			t.Error("something is left over")
		}
		_ = server.Close()
		if _, _, err := client.Observe(t.Context(), get("/a")); !errors.Is(err, ErrTimeout) || client.busy() {
			t.Errorf("got %v", err)
		}
	})
}

func TestCancelWithObserve1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer, obs, _ := observed(t, Options{})
		cancelled := make(chan string, 1)
		go func() {
			m, err := obs.Cancel(t.Context())
			if err != nil {
				cancelled <- err.Error()
				return
			}
			cancelled <- string(m.Payload)
		}()
		req := peer.expect(t, 0, CON, GET)
		if v, ok := req.Observe(); v != 1 || !ok || req.Token != obs.Token() || req.Path() != "/3303/0/5700" {
			t.Errorf("got %v", show(req))
		}
		peer.send(t, notification(1, obs.Token(), 11, "crosses")) // is not the response
		peer.send(t, &Message{Type: ACK, Code: Content, ID: req.ID, Token: req.Token, Payload: []byte("last value")})
		if got := <-cancelled; got != "last value" {
			t.Errorf("got %s", got)
		}
		if a, b := next(t, obs), next(t, obs); a != "crosses" || b != io.EOF.Error() {
			t.Errorf("got %s, %s", a, b)
		}
		peer.send(t, notification(2, obs.Token(), 12, "more"))
		peer.expect(t, 0, RST, Empty)
		if c.busy() {
			t.Error("something is left over")
		}
	})
}

func TestForgetMakesResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, obs, _ := observed(t, Options{})
		obs.Forget()
		for _, typ := range []Type{CON, NON} {
			m := notification(uint16(typ), obs.Token(), 11, "a")
			m.Type = typ
			peer.send(t, m)
			if rst := peer.expect(t, 0, RST, Empty); rst.ID != m.ID {
				t.Errorf("reset %d", rst.ID)
			}
		}
		if _, err := obs.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCloseEndsObservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, obs, _ := observed(t, Options{})
		ended := make(chan error, 1)
		go func() {
			_, err := obs.Next(t.Context())
			ended <- err
		}()
		synctest.Wait()
		_ = c.Close()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// A notification may overtake the response that begins the observation.
func TestNotificationBeforeTheResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, nil, Options{})
		type begun struct {
			obs *Observation
			m   *Message
			err error
		}
		ended := make(chan begun, 1)
		go func() {
			obs, m, err := c.Observe(t.Context(), get("/a"))
			ended <- begun{obs, m, err}
		}()
		req := peer.expect(t, 0, CON, GET)
		peer.send(t, notification(1, req.Token, 21, "newer"))
		peer.send(t, (&Message{Type: ACK, Code: Content, ID: req.ID, Token: req.Token, Payload: []byte("older")}).with(Observe, 20))
		b := <-ended
		if b.err != nil || b.obs == nil || string(b.m.Payload) != "newer" {
			t.Fatalf("got %v, %v", b.m, b.err)
		}
		peer.send(t, notification(2, req.Token, 22, "next"))
		if got := next(t, b.obs); got != "next" {
			t.Errorf("got %s", got)
		}
	})
}

// RFC 7959 section 2.6, figure 12: the first block of a notification, the rest by GET.
func TestNotificationInBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer, obs, _ := observed(t, Options{})
		for i, etag := range []string{"v1", "v2"} {
			m := notification(uint16(i), obs.Token(), uint32(11+i), sixteenA).with(Block2, block(0, true, 0).value())
			m.SetETag([]byte(etag))
			peer.send(t, m)
		}
		asked := answers(t, peer, down(1, false, 0, "old", "v1"), down(1, false, 0, "new", "v2"))
		if a, b := next(t, obs), next(t, obs); a != sixteenA+"old" || b != sixteenA+"new" {
			t.Errorf("got %s, %s", a, b)
		}
		if got := <-asked; !slices.Equal(got, []string{"GET down 1/0/16", "GET down 1/0/16"}) {
			t.Errorf("asked %q", got)
		}

		m := notification(5, obs.Token(), 20, sixteenA).with(Block2, block(0, true, 0).value())
		peer.send(t, m)
		script := answers(t, peer, down(2, false, 0, "wrong", ""))
		if _, err := obs.Next(t.Context()); !errors.Is(err, ErrBlock) {
			t.Errorf("got %v", err)
		}
		<-script
		peer.send(t, notification(6, obs.Token(), 21, "goes on"))
		if got := next(t, obs); got != "goes on" {
			t.Errorf("got %s", got)
		}
	})
}

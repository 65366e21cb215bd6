package coap

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// TestEarlier shows what a Conn makes of requests that came over a former one.
func TestEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		created := &Message{Code: Created}
		created.SetLocationPath("/1/2")
		_, peer := scripted(t, func(x *Exchange) {
			runs++
			_ = x.Reply(Changed)
		}, Options{Earlier: []Earlier{
			{Type: CON, ID: 7, Token: token(1), Answer: created},
			{Type: CON, ID: 8, Token: token(2)},
			{Type: NON, ID: 9, Token: token(3), Answer: created},
		}})
		for range 2 {
			peer.send(t, request(CON, POST, 7, token(1), "/1"))
			if m := peer.expect(t, 0, ACK, Created); m.ID != 7 || m.Token != token(1) || m.LocationPath() != "/1/2" {
				t.Errorf("answer is %v", show(m))
			}
		}
		peer.send(t, request(CON, POST, 8, token(2), "/1"))
		peer.send(t, request(NON, POST, 9, token(3), "/1"))
		if m := peer.receive(t, 0); m != nil {
			t.Errorf("got %v, want nothing", show(m))
		}
		if runs != 0 {
			t.Errorf("%d of them ran again", runs)
		}
		peer.send(t, request(CON, POST, 7, token(4), "/1")) // another one with the same ID
		peer.expect(t, 0, ACK, Changed)
		elapse(5 * time.Minute)
		peer.send(t, request(CON, POST, 8, token(2), "/1")) // its ID may be used again
		peer.expect(t, 0, ACK, Changed)
		if runs != 2 {
			t.Errorf("%d others ran, want 2", runs)
		}
	})
}

// TestStart shows that numbers go on where a former Conn was, and do not follow the clock.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := Point{MessageID: 0xfffe, Observe: 0xfffffe}
		c, peer := scripted(t, nil, Options{Start: &start})
		if got := c.Point(); got != start {
			t.Errorf("it begins at %+v", got)
		}
		elapse(time.Hour)
		for _, want := range []Point{{0xffff, 0xffffff}, {0, 0}, {1, 1}} {
			if err := c.Notify(get("/a"), &Message{Type: NON, Code: Content}, nil); err != nil {
				t.Fatal(err)
			}
			m := peer.expect(t, 0, NON, Content)
			if v, _ := m.Observe(); v != want.Observe || m.ID != want.MessageID || c.Point() != want {
				t.Errorf("message %d with number %d, want %+v", m.ID, v, want)
			}
		}
		if got, want := start.Ahead(3), (Point{1, 1}); got != want {
			t.Errorf("three ahead is %+v, want %+v", got, want)
		}
	})
}

func TestAppendIsReadByParse(t *testing.T) {
	m := request(CON, FETCH, 77, token(1, 2, 3), "/3303/0")
	m.SetObserve(0)
	m.Payload = []byte("paths")
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := got.Append(nil); err != nil || !bytes.Equal(b, again) {
		t.Errorf("%x, then %x, %v", b, again, err)
	}
	if got.Token != m.Token || got.Path() != "/3303/0" || string(got.Payload) != "paths" {
		t.Errorf("got %v", show(got))
	}
}

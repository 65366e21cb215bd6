package coap

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// outcomes collects what Notify reports.
type outcomes struct{ errs []error }

func (o *outcomes) done(err error) { o.errs = append(o.errs, err) }

func (o *outcomes) take(t *testing.T) error {
	t.Helper()
	synctest.Wait()
	if len(o.errs) != 1 {
		t.Fatalf("%d outcomes: %v", len(o.errs), o.errs)
	}
	err := o.errs[0]
	o.errs = nil
	return err
}

func TestNotifyOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, constant(), Options{})
		observe := request(CON, GET, 1, token(1, 2), "/a")
		var o outcomes
		notify := func(typ Type) *Message {
			t.Helper()
			if err := c.Notify(observe, &Message{Type: typ, Code: Content, Payload: []byte("x")}, o.done); err != nil {
				t.Fatal(err)
			}
			m := peer.expect(t, 0, typ, Content)
			if _, ok := m.Observe(); !ok || m.Token != observe.Token || string(m.Payload) != "x" {
				t.Errorf("sent %v", show(m))
			}
			return m
		}
		peer.send(t, &Message{Type: ACK, ID: notify(CON).ID})
		if err := o.take(t); err != nil {
			t.Errorf("acknowledged: %v", err)
		}
		peer.send(t, &Message{Type: RST, ID: notify(CON).ID})
		if err := o.take(t); !errors.Is(err, ErrReset) {
			t.Errorf("reset: %v", err)
		}
		notify(CON)
		for range 4 {
			peer.expect(t, 60*time.Second, CON, Content)
		}
		elapse(60 * time.Second)
		if err := o.take(t); !errors.Is(err, ErrTimeout) {
			t.Errorf("silence: %v", err)
		}

		m := notify(NON)
		peer.expectNothing(t, 144*time.Second)
		peer.send(t, &Message{Type: RST, ID: m.ID})
		if err := o.take(t); !errors.Is(err, ErrReset) {
			t.Errorf("NON reset: %v", err)
		}
		peer.send(t, &Message{Type: RST, ID: m.ID}) // once more
		m = notify(NON)
		elapse(145 * time.Second)
		peer.send(t, &Message{Type: RST, ID: m.ID}) // too late
		m = notify(NON)
		peer.send(t, &Message{Type: ACK, ID: m.ID}) // nothing to acknowledge
		synctest.Wait()
		if len(o.errs) > 0 {
			t.Errorf("outcomes of NONs: %v", o.errs)
		}
		idle(t, c)

		if err := c.Notify(observe, &Message{Code: Content}, o.done); err != nil {
			t.Error(err)
		}
		_ = c.Close()
		if err := o.take(t); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestNotificationsWaitForNStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, constant(), Options{Limits: Limits{MaxQueued: 1}})
		observe := request(CON, GET, 1, token(1), "/a")
		var o outcomes
		for range 2 {
			if err := c.Notify(observe, &Message{Code: Content}, o.done); err != nil {
				t.Error(err)
			}
		}
		if err := c.Notify(observe, &Message{Code: Content}, o.done); !errors.Is(err, ErrQueueFull) {
			t.Errorf("got %v", err)
		}
		first := peer.expect(t, 0, CON, Content)
		peer.expectNothing(t, 0)
		if err := c.Notify(observe, &Message{Type: NON, Code: Content}, nil); err != nil {
			t.Error(err)
		}
		peer.expect(t, 0, NON, Content) // overtakes
		peer.send(t, &Message{Type: RST, ID: first.ID})
		second := peer.expect(t, 0, CON, Content)
		peer.send(t, &Message{Type: ACK, ID: second.ID})
		synctest.Wait()
		if len(o.errs) != 2 || !errors.Is(o.errs[0], ErrReset) || o.errs[1] != nil {
			t.Errorf("outcomes %v", o.errs)
		}
		idle(t, c)
	})
}

func TestUnconfirmedNotificationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, constant(), Options{})
		observe := request(CON, GET, 1, token(1), "/a")
		var o outcomes
		ids := make([]uint16, 0, maxUnconfirmed+2)
		for range maxUnconfirmed + 2 {
			if err := c.Notify(observe, &Message{Type: NON, Code: Content}, o.done); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, peer.expect(t, 0, NON, Content).ID)
		}
		for _, id := range ids {
			peer.send(t, &Message{Type: RST, ID: id})
		}
		synctest.Wait()
		if len(o.errs) != maxUnconfirmed {
			t.Errorf("%d outcomes", len(o.errs))
		}
	})
}

func TestNotifyWithOwnSequenceAndErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, constant(), Options{})
		observe := request(CON, GET, 1, token(1), "/a")
		if err := c.Notify(observe, (&Message{Type: NON, Code: Content}).with(Observe, 99), nil); err != nil {
			t.Error(err)
		}
		if v, _ := peer.expect(t, 0, NON, Content).Observe(); v != 99 {
			t.Errorf("sequence %d", v)
		}
		if err := c.Notify(observe, &Message{Type: NON, Code: NotFound}, nil); err != nil {
			t.Error(err)
		}
		if _, ok := peer.expect(t, 0, NON, NotFound).Observe(); ok {
			t.Error("an error has a sequence number")
		}
	})
}

func TestSequenceNumbersRise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := scripted(t, nil, Options{})
		last := c.NextObserve()
		for i := range 3000 {
			if i%100 == 0 {
				elapse(time.Duration(i) * time.Second)
			}
			v := c.NextObserve()
			if v > maxSequence || !fresher(v, last) {
				t.Fatalf("%d after %d", v, last)
			}
			last = v
		}
		elapse(time.Minute)
		other, _ := scripted(t, nil, Options{}) // after a restart
		if v := other.NextObserve(); !fresher(v, last) {
			t.Errorf("%d after a restart, %d before", v, last)
		}
	})
}

// The peer fetches the rest of a long notification by GET with another token; the handler
// does not run for it, not even when the observation outlives the process that began it.
func TestLongNotificationIsServedFromWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := func(*Exchange) { t.Error("the handler was called") }
		c, peer := scripted(t, handler, Options{Params: Params{BlockSize: 64}})
		observe := &Message{Code: GET, Token: token(5)} // made anew from what was stored
		observe.SetPath("/3/0")
		observe.SetAccept(110)
		if err := c.Notify(observe, &Message{Type: NON, Code: Content, Payload: numbered(100)}, nil); err != nil {
			t.Fatal(err)
		}
		first := peer.expect(t, 0, NON, Content)
		p := blockPeer{t: t, peer: peer}
		follow := request(CON, GET, 0, Token{}, "/3/0").with(Block2, block(1, false, 2).value())
		follow.SetAccept(110)
		follow.AddOption(URIHost, []byte("gateway"))
		rest := p.ask(follow)
		if string(first.Payload)+string(rest.Payload) != string(numbered(100)) || string(first.ETag()) != string(rest.ETag()) {
			t.Errorf("got %v and %v", show(first), show(rest))
		}
		if _, ok := rest.Observe(); ok {
			t.Error("a later block has a sequence number")
		}
		idle(t, c)
	})
}

// Who asked for small blocks when it began to observe gets its notifications in them, where they are longer.
func TestLongNotificationInBlocksOfTheSizeThatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := scripted(t, constant(), Options{Params: Params{BlockSize: 64}})
		p := blockPeer{t: t, peer: peer}
		observe := request(CON, GET, 1, token(5), "/3/0").with(Block2, block(0, false, 1).value())
		for n, want := range map[int]string{100: "0/1/32", 33: "0/1/32", 32: "", 3: ""} {
			if err := c.Notify(observe, &Message{Type: NON, Code: Content, Payload: numbered(n)}, nil); err != nil {
				t.Fatal(err)
			}
			first, got := peer.expect(t, 0, NON, Content), ""
			if b, ok := first.Block2(); ok {
				got = b.String()
			}
			if got != want || len(first.Payload) != min(n, 32) {
				t.Errorf("%d bytes come as block %q with %d", n, got, len(first.Payload))
			}
			if want == "" {
				continue
			}
			rest := p.ask(request(CON, GET, 0, Token{}, "/3/0").with(Block2, block(1, false, 1).value()))
			if string(first.ETag()) != string(rest.ETag()) || string(rest.Payload) != string(numbered(n)[32:min(n, 64)]) {
				t.Errorf("the second block is %v", show(rest))
			}
		}
		large := request(CON, GET, 1, token(6), "/3/1").with(Block2, block(0, false, 6).value())
		if err := c.Notify(large, &Message{Type: NON, Code: Content, Payload: numbered(100)}, nil); err != nil {
			t.Fatal(err)
		}
		if m := peer.expect(t, 0, NON, Content); len(m.Payload) != 64 {
			t.Errorf("a peer that asked for larger blocks than we send gets %d bytes", len(m.Payload))
		}
	})
}

func TestLongResponseThatBeginsAnObservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer := scripted(t, func(x *Exchange) {
			m := &Message{Code: Content, Payload: numbered(100)}
			m.SetObserve(x.Conn().NextObserve())
			_ = x.Respond(m)
		}, Options{Params: Params{BlockSize: 64}})
		p := blockPeer{t: t, peer: peer}
		if _, ok := p.ask(request(CON, GET, 0, Token{}, "/a").with(Observe, 0)).Observe(); !ok {
			t.Error("the first block has no sequence number")
		}
		rest, got := p.get("/a", block(1, false, 2))
		if _, ok := rest.Observe(); ok || got != "2.05 1/0/64" {
			t.Errorf("the second block is %v", show(rest))
		}
	})
}

func TestObserveBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		observers := make(chan *Message, 1)
		client, server, _, _ := pair(t, nil, func(x *Exchange) {
			observers <- x.Request.Clone()
			m := &Message{Code: Content, Payload: numbered(3000)}
			m.SetObserve(x.Conn().NextObserve())
			_ = x.Respond(m)
		}, Options{})
		obs, m, err := client.Observe(t.Context(), get("/3303"))
		if err != nil || string(m.Payload) != string(numbered(3000)) {
			t.Fatalf("got %v, %v", m, err)
		}
		req := <-observers
		for i := range 50 {
			m := &Message{Type: Type(i % 2), Code: Content, Payload: numbered(100 * i)}
			if err := server.Notify(req, m, nil); err != nil {
				t.Fatal(err)
			}
			got, err := obs.Next(t.Context())
			if err != nil || string(got.Payload) != string(numbered(100*i)) {
				t.Fatalf("notification %d: %v, %v", i, got, err)
			}
		}
		idle(t, client)
		idle(t, server)
	})
}

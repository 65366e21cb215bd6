package coap

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestTransportErrorsAreLossAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, a, _ := pair(t, nil, constant(), Options{})
		for _, loss := range []error{syscall.ECONNREFUSED, syscall.ENONET, syscall.EOPNOTSUPP} {
			a.refuse(loss) // of an earlier datagram: sent again at once
			if _, err := client.Do(t.Context(), get("/a")); err != nil || client.Counters().Retransmissions > 0 {
				t.Errorf("%v: got %v after %d retransmissions", loss, err, client.Counters().Retransmissions)
			}
		}
		a.refuse(syscall.ENETUNREACH, syscall.ENETUNREACH, syscall.ENETUNREACH, syscall.ENETUNREACH)
		if _, err := client.Do(t.Context(), get("/a")); err != nil || client.Counters().Retransmissions != 2 {
			t.Errorf("got %v after %d retransmissions", err, client.Counters().Retransmissions)
		}
		a.refuse(slices.Repeat([]error{syscall.ECONNREFUSED}, 10)...)
		if _, err := client.Do(t.Context(), get("/a")); !errors.Is(err, ErrTimeout) || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v", err)
		}
		a.disturb(func(int, []byte) []time.Duration { return nil })
		if _, err := client.Do(t.Context(), get("/a")); !errors.Is(err, ErrTimeout) || errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("an old error is named: %v", err)
		}
		if old, recent := client.TransportError(time.Time{}), client.TransportError(time.Now()); !errors.Is(old, syscall.ECONNREFUSED) || recent != nil {
			t.Errorf("transport errors are %v and %v", old, recent)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := pipe()
		c := New(a, nil, Options{})
		ran := make(chan error, 1)
		go func() { ran <- c.Run(t.Context()) }()
		pending := start(t.Context(), c, get("/a"))
		synctest.Wait()
		_ = c.Close()
		_ = c.Close()
		if o := <-pending; !errors.Is(o.err, ErrClosed) {
			t.Errorf("pending: %v", o.err)
		}
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		<-c.Done()
		if _, err := c.Do(t.Context(), get("/a")); !errors.Is(err, ErrClosed) {
			t.Errorf("Do: %v", err)
		}
		if err := c.Notify(get("/a"), &Message{Code: Content}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Notify CON: %v", err)
		}
		if err := c.Notify(get("/a"), &Message{Type: NON, Code: Content}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Notify NON: %v", err)
		}
		c.SetParams(Params{NStart: 4})
	})
}

func TestRunEndsWithItsContextAndLeavesTheTransportOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe()
		c := New(a, nil, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- c.Run(ctx) }()
		pending := start(t.Context(), c, get("/a"))
		synctest.Wait()
		cancel()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if o := <-pending; !errors.Is(o.err, ErrClosed) {
			t.Errorf("pending: %v", o.err)
		}
		<-b.in
		if _, err := a.Write([]byte("still open")); err != nil {
			t.Error(err)
		}
	})
}

func TestRunReportsABrokenTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := pipe()
		c := New(a, nil, Options{})
		ran := make(chan error, 1)
		go func() { ran <- c.Run(t.Context()) }()
		synctest.Wait()
		_ = a.Close() // not through the Conn
		if err := <-ran; err == nil {
			t.Error("Run returned nil")
		}
		<-c.Done()
	})
}

// Many goroutines, with loss, duplication and reordering in both directions: each
// request gets its own answer, and nothing is left over.
func TestExchangesOverABadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, a, b := pair(t, nil, func(x *Exchange) {
			body := append([]byte(x.Request.Path()), x.Request.Payload...)
			if len(body)%2 == 0 {
				_ = x.Respond(&Message{Code: Content, Payload: body})
				return
			}
			time.AfterFunc(3*time.Second, func() { _ = x.Respond(&Message{Code: Content, Payload: body}) })
		}, Options{Params: Params{NStart: 4, BlockSize: 64, MaxRetransmit: 12}, Limits: Limits{MaxTransfers: 40}})
		a.disturb(badNetwork(1))
		b.disturb(badNetwork(2))
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				req := get("/" + string(rune('a'+i)))
				req.Code = POST
				req.Payload = bytes.Repeat([]byte{byte(i)}, i*13)
				m, err := client.Do(t.Context(), req)
				if err != nil {
					t.Errorf("%d: %v", i, err)
				} else if want := append([]byte(req.Path()), req.Payload...); !bytes.Equal(m.Payload, want) {
					t.Errorf("%d: got %v with %d bytes, want %d", i, m.Code, len(m.Payload), len(want))
				}
			})
		}
		all.Wait()
		elapse(silence * 100)
		idle(t, client)
		idle(t, server)
	})
}

// badNetwork loses, duplicates and delays 15 % of the datagrams each, the same ones in each run.
func badNetwork(seed uint32) func(int, []byte) []time.Duration {
	return func(int, []byte) []time.Duration {
		seed = seed*1664525 + 1013904223
		switch p := seed >> 16 % 100; {
		case p < 15:
			return nil
		case p < 30:
			return []time.Duration{0, time.Duration(p) * 50 * time.Millisecond}
		case p < 45:
			return []time.Duration{time.Duration(p) * 100 * time.Millisecond}
		}
		return []time.Duration{0}
	}
}

package coap

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Everything at once while the connection is closed; the race detector watches.
func TestCloseRacesWithEverything(t *testing.T) {
	for range 20 {
		a, b := pipe()
		answering := make(chan *Exchange, 100)
		handler := func(x *Exchange) {
			select {
			case answering <- x:
			default:
				_ = x.Reply(ServiceUnavailable)
			}
		}
		limits := Limits{MaxTransfers: 2, MaxTransferBytes: 5000}
		client := New(a, handler, Options{Params: Params{NStart: 3, BlockSize: 64, AckDelay: time.Millisecond}, Limits: limits})
		server := New(b, handler, Options{Params: Params{NStart: 3, AckDelay: time.Millisecond}, Limits: limits})
		var all sync.WaitGroup
		for _, c := range []*Conn{client, server} {
			all.Go(func() { _ = c.Run(t.Context()) })
			for range 3 {
				all.Go(func() {
					for {
						_, err := c.Do(t.Context(), &Message{Code: POST, Payload: numbered(300)})
						if errors.Is(err, ErrClosed) {
							return
						}
					}
				})
			}
			all.Go(func() {
				for err := error(nil); !errors.Is(err, ErrClosed); {
					err = c.Notify(get("/a"), &Message{Type: NON, Code: Content, Payload: numbered(3000)}, func(error) {})
					c.SetParams(Params{NStart: 2, BlockSize: 128, AckDelay: time.Millisecond})
					_ = c.Counters()
					runtime.Gosched()
				}
			})
			all.Go(func() {
				for {
					select {
					case x := <-answering:
						_ = x.Respond(&Message{Code: Content, Payload: numbered(300)})
						_ = x.Reply(Content) // once more
					case <-c.Done():
						return
					}
				}
			})
		}
		timer := time.NewTimer(5 * time.Millisecond)
		<-timer.C
		all.Go(func() { _ = client.Close() })
		all.Go(func() { _ = server.Close() })
		all.Wait()
	}
}

// Connections that end with everything outstanding leave no goroutine behind.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 50 {
		socket := listenLoopback(t)
		l := Listen(socket, func(*Exchange) {}, ListenOptions{})
		client := New(dial(t, socket.LocalAddr()), nil, Options{})
		var all sync.WaitGroup
		all.Go(func() { _ = l.Run(t.Context()) })
		all.Go(func() { _ = client.Run(t.Context()) })
		for range 3 {
			all.Go(func() { _, _ = client.Do(t.Context(), get("/a")) })
		}
		waitFor(t, func() bool { return client.Counters().SentDatagrams > 0 })
		_ = client.Close()
		_ = l.Close()
		all.Wait()
	}
	waitFor(t, func() bool { return runtime.NumGoroutine() <= before })
}

package handshake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

func newLink(conn net.Conn) *handshake.Link {
	return handshake.NewLink(conn, handshake.Timing{
		Initial: time.Second, Max: 4 * time.Second, Deadline: time.Now().Add(25 * time.Second), MTU: 1200,
	}, handshake.ServerHello)
}

// times returns a route that notes when datagrams are sent and loses them.
func times(sent *[]string) dtlstest.Route {
	start := time.Now()
	return func(d []byte) [][]byte {
		*sent = append(*sent, fmt.Sprintf("%v %d", time.Since(start), len(d)))
		return nil
	}
}

// The flight goes out again after 1, 2, 4 and again 4 s, in small datagrams from the
// second time on, until the deadline.
func TestRetransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		near, _ := dtlstest.Pipe(times(&sent), nil)
		l := newLink(near)
		if err := l.Send(handshake.Message{Type: handshake.Certificate, Body: make([]byte, 300)}); err != nil {
			t.Fatal(err)
		}
		_, err := l.Receive(t.Context())
		var silent *handshake.SilenceError
		if !errors.As(err, &silent) || !errors.Is(silent.Cause, os.ErrDeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		want := []string{
			"0s 325", "1s 325", "3s 256", "3s 94", "7s 256", "7s 94", "11s 256", "11s 94",
			"15s 256", "15s 94", "19s 256", "19s 94", "23s 256", "23s 94",
		}
		if d := cmp.Diff(want, sent); d != "" {
			t.Error(d)
		}
	})
}

// The time-out of the next flight starts anew only if the last one was not lost.
func TestBackoffKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		near, far := dtlstest.Pipe(times(&sent), nil)
		l := newLink(near)
		send := func() {
			if err := l.Send(handshake.Message{Type: handshake.ClientHello}); err != nil {
				t.Fatal(err)
			}
		}
		send()
		time.AfterFunc(1500*time.Millisecond, func() { far.Write(hello(0)) })
		if _, err := l.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.Inbox.Number(1)
		send() // after 1.5 s with a time-out of 2 s
		time.AfterFunc(2500*time.Millisecond, func() { far.Write(hello(1)) })
		if _, err := l.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"0s 25", "1s 25", "1.5s 25", "3.5s 25"}, sent); d != "" {
			t.Error(d)
		}
	})
}

// hello returns a datagram with a message in epoch 0.
func hello(seq byte) []byte {
	return []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, seq, 0, 12, 2, 0, 0, 0, 0, seq, 0, 0, 0, 0, 0, 0}
}

// A forged part of a hello stands in its way until we send again, no longer.
func TestForgedHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := dtlstest.Pipe(nil, nil)
		l := newLink(near)
		if err := l.Send(handshake.Message{Type: handshake.ClientHello}); err != nil {
			t.Fatal(err)
		}
		forged := append(hello(0), 'x')
		forged[12], forged[16], forged[24] = 13, 9, 1 // a record of 13 bytes: 1 of 9 bytes of the body
		far.Write(forged)
		far.Write(hello(0))
		time.AfterFunc(1500*time.Millisecond, func() { far.Write(hello(0)) })
		start := time.Now()
		if m, err := l.Receive(t.Context()); err != nil || len(m.Body) != 0 || time.Since(start) != 1500*time.Millisecond {
			t.Errorf("%v of %d bytes after %v, %v", m.Type, len(m.Body), time.Since(start), err)
		}
	})
}

// The peer's flight, come again, makes us repeat ours at once, but not when it comes
// so soon that the network doubled it.
func TestPrompted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		near, far := dtlstest.Pipe(times(&sent), nil)
		l := newLink(near)
		l.Inbox.Number(4)
		if err := l.Send(handshake.Message{Type: handshake.ClientKeyExchange}); err != nil {
			t.Fatal(err)
		}
		for _, ms := range []int{100, 600, 700} {
			time.AfterFunc(time.Duration(ms)*time.Millisecond, func() { far.Write(hello(3)) })
		}
		time.AfterFunc(time.Second, func() { far.Write(hello(4)) })
		if _, err := l.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"0s 25", "600ms 25"}, sent); d != "" {
			t.Error(d)
		}
	})
}

func TestReceiveEnds(t *testing.T) {
	alert := func(level, description byte) []byte {
		return []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, level, description}
	}
	receive := func(t *testing.T, datagrams ...[]byte) error {
		t.Helper()
		near, far := dtlstest.Pipe(nil, nil)
		for _, d := range datagrams {
			if _, err := far.Write(d); err != nil {
				t.Fatal(err)
			}
		}
		_, err := newLink(near).Receive(t.Context())
		return err
	}
	for _, v := range []struct {
		name  string
		alert []byte
		want  uint8
	}{{"fatal", alert(2, 40), 40}, {"close_notify", alert(1, 0), 0}} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e *handshake.AlertError
				if err := receive(t, v.alert); !errors.As(err, &e) || e.Description != v.want {
					t.Errorf("error %v", err)
				}
			})
		})
	}
	t.Run("dropped", func(t *testing.T) { // a warning, a short alert, half a record, ChangeCipherSpec, a strange type
		synctest.Test(t, func(t *testing.T) {
			err := receive(t, alert(1, 100), alert(2, 40)[:14], []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2},
				[]byte{20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, []byte{99, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
				hello(0), hello(0))
			if err != nil {
				t.Errorf("error %v", err)
			}
		})
	})
}

func TestReceiveCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := dtlstest.Pipe(nil, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the reason")
		time.AfterFunc(300*time.Millisecond, func() {
			cancel(cause)
			near.SetReadDeadline(time.Unix(1, 0))
		})
		start := time.Now()
		_, err := newLink(near).Receive(ctx)
		var silent *handshake.SilenceError
		if !errors.As(err, &silent) || !errors.Is(silent.Cause, cause) || time.Since(start) != 300*time.Millisecond {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

func TestReceiveClosed(t *testing.T) {
	near, _ := dtlstest.Pipe(nil, nil)
	near.Close()
	if _, err := newLink(near).Receive(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

// The error of a silent peer names the last trouble.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := dtlstest.Pipe(nil, nil)
		far.Write([]byte("garbage in a datagram"))
		_, err := newLink(near).Receive(t.Context())
		if err == nil || !strings.Contains(err.Error(), record.ErrMalformed.Error()) {
			t.Errorf("error %v", err)
		}
	})
}

// Flights are packed into datagrams of the MTU and put together again, whatever it is.
func TestFlightSizes(t *testing.T) {
	for _, mtu := range []int{0, handshake.MinMTU, 272, 576, 1200, 16384} {
		var sizes []int
		near, far := dtlstest.Pipe(func(d []byte) [][]byte {
			sizes = append(sizes, len(d))
			return [][]byte{d}
		}, nil)
		var sealer record.Sealer
		flight := handshake.Flight{
			{Type: handshake.ServerHello, Seq: 0, Body: bytes.Repeat([]byte{1}, 80)},
			{Type: handshake.Certificate, Seq: 1, Body: bytes.Repeat([]byte{2}, 2000)},
			{Type: handshake.ServerHelloDone, Seq: 2, Body: []byte{}},
		}
		if trouble, err := flight.Send(near, &sealer, mtu); trouble != nil || err != nil {
			t.Fatal(trouble, err)
		}
		for _, n := range sizes {
			if n > max(mtu, handshake.MinMTU) {
				t.Errorf("datagram of %d bytes with an MTU of %d", n, mtu)
			}
		}
		l := newLink(far)
		for _, want := range flight {
			got, err := l.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			l.Inbox.Number(got.Seq + 1)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("MTU %d: %s", mtu, d)
			}
		}
	}
}

// The ClientHello goes into one datagram, however small the MTU is.
func TestClientHelloWhole(t *testing.T) {
	count := 0
	near, _ := dtlstest.Pipe(func([]byte) [][]byte { count++; return nil }, nil)
	flight := handshake.Flight{{Type: handshake.ClientHello, Body: make([]byte, 600)}}
	if _, err := flight.Send(near, new(record.Sealer), 272); err != nil {
		t.Fatal(err)
	}
	if count != 1 {
		t.Errorf("%d datagrams", count)
	}
}

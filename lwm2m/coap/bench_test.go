package coap

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// constant answers every request with the same small value.
func constant() Handler {
	var m Message // used again: only the reader's goroutine calls the handler
	m.Code = Content
	m.SetContentFormat(0)
	m.Payload = []byte("Open Mobile Alliance")
	return func(x *Exchange) { _ = x.Respond(&m) }
}

// loopback runs a server connection on UDP loopback and returns a connected socket
// to it.
func loopback(tb testing.TB, h Handler, o Options) *net.UDPConn {
	tb.Helper()
	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		tb.Fatal(err)
	}
	l := Listen(server, h, ListenOptions{Conn: o})
	ctx, cancel := context.WithCancel(tb.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = l.Run(ctx) })
	socket, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = socket.Close()
		cancel()
		done.Wait()
		_ = l.Close()
	})
	return socket
}

func BenchmarkReadRaw(b *testing.B) {
	socket := loopback(b, constant(), Options{})
	var req Message
	req.SetPath("/3/0/0")
	datagram, err := appendMessage(nil, CON, GET, 0, Token{len: 2}, req.options, nil)
	if err != nil {
		b.Fatal(err)
	}
	in := make([]byte, 2048)
	times := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	id := uint16(0)
	for b.Loop() {
		began := time.Now()
		id++
		setID(datagram, id)
		if _, err := socket.Write(datagram); err != nil {
			b.Fatal(err)
		}
		if _, err := socket.Read(in); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	report(b, times)
}

func report(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}

package coap

import (
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

// listenLoopback returns a UDP socket on loopback.
func listenLoopback(tb testing.TB) *net.UDPConn {
	tb.Helper()
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		tb.Fatal(err)
	}
	return socket
}

// serve runs a listener until the test has ended.
func serve(tb testing.TB, socket *net.UDPConn, h Handler, o Options) *Listener {
	tb.Helper()
	l := Listen(socket, h, ListenOptions{Conn: o})
	var done sync.WaitGroup
	done.Go(func() { _ = l.Run(tb.Context()) })
	tb.Cleanup(func() {
		_ = l.Close()
		done.Wait()
	})
	return l
}

// dial returns a socket connected to another.
func dial(tb testing.TB, to net.Addr) *net.UDPConn {
	tb.Helper()
	socket, err := net.DialUDP("udp", nil, to.(*net.UDPAddr))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = socket.Close() })
	return socket
}

func BenchmarkReadRaw(b *testing.B) {
	server := listenLoopback(b)
	serve(b, server, constant(), Options{})
	socket := dial(b, server.LocalAddr())
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
	b.Helper()
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}

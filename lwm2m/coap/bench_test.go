package coap

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/mux"
	coapnet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/options"
	"github.com/plgd-dev/go-coap/v3/udp"
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

// reads measures sequential CON reads of a small value over UDP loopback. Both ends are in
// this process; the client is a bare socket, so that it costs the same whatever the server is.
func reads(b *testing.B, to net.Addr) {
	b.Helper()
	readsOn(b, dial(b, to))
}

func readsOn(b *testing.B, socket *net.UDPConn) {
	b.Helper()
	datagram := wire(b, request(CON, GET, 0, token(1, 2), "/3/0/0"))
	in := make([]byte, 2048)
	times := make([]time.Duration, 0, 1<<20)
	b.ReportAllocs()
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
		if len(times) < cap(times) {
			times = append(times, time.Since(began))
		}
	}
	report(b, times)
}

func BenchmarkRead(b *testing.B) {
	server := listenLoopback(b)
	serve(b, server, constant(), Options{})
	reads(b, server.LocalAddr())
}

// BenchmarkReadConnected has a server on a connected socket, as a device has.
func BenchmarkReadConnected(b *testing.B) {
	front := listenLoopback(b)
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	addr := front.LocalAddr()
	_ = front.Close()
	_ = socket.Close()
	server, err := net.DialUDP("udp", socket.LocalAddr().(*net.UDPAddr), addr.(*net.UDPAddr))
	if err != nil {
		b.Fatal(err)
	}
	run(b, New(server, constant(), Options{}))
	client, err := net.DialUDP("udp", addr.(*net.UDPAddr), server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	readsOn(b, client)
}

// BenchmarkReadGoCoAP is the same load on go-coap's own server.
func BenchmarkReadGoCoAP(b *testing.B) {
	listener, err := coapnet.NewListenUDP("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	router := mux.NewRouter()
	err = router.Handle("/3/0/0", mux.HandlerFunc(func(w mux.ResponseWriter, _ *mux.Message) {
		_ = w.SetResponse(codes.Content, message.TextPlain, strings.NewReader("Open Mobile Alliance"))
	}))
	if err != nil {
		b.Fatal(err)
	}
	server := udp.NewServer(options.WithMux(router))
	var done sync.WaitGroup
	done.Go(func() { _ = server.Serve(listener) })
	b.Cleanup(func() {
		server.Stop()
		done.Wait()
		_ = listener.Close()
	})
	reads(b, listener.LocalAddr())
}

// BenchmarkDo is a read with a Conn at both ends.
func BenchmarkDo(b *testing.B) {
	server := listenLoopback(b)
	serve(b, server, constant(), Options{})
	client := New(dial(b, server.LocalAddr()), nil, Options{})
	run(b, client)
	req := get("/3/0/0")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Do(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNotify sends notifications to a Conn; a CON waits for the one before.
func BenchmarkNotify(b *testing.B) {
	for _, typ := range []Type{CON, NON} {
		b.Run(typ.String(), func(b *testing.B) {
			observers := make(chan *Exchange, 1)
			socket := listenLoopback(b)
			serve(b, socket, func(x *Exchange) {
				m := &Message{Code: Content}
				m.SetObserve(x.Conn().NextObserve())
				x.Request = x.Request.Clone()
				_ = x.Respond(m)
				observers <- x
			}, Options{})
			client := New(dial(b, socket.LocalAddr()), nil, Options{Limits: Limits{MaxNotifications: 1 << 10}})
			run(b, client)
			obs, _, err := client.Observe(b.Context(), get("/a"))
			if err != nil {
				b.Fatal(err)
			}
			x := <-observers
			m := &Message{Type: typ, Code: Content, Payload: []byte("23.5")}
			b.ReportAllocs()
			for b.Loop() {
				if err := x.Conn().Notify(x.Request, m, nil); err != nil {
					b.Fatal(err)
				}
				if _, err := obs.Next(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadBlocks is a read of 63 kB, as an object of 1,000 instances has.
func BenchmarkReadBlocks(b *testing.B) {
	body := numbered(63_000)
	server := listenLoopback(b)
	serve(b, server, func(x *Exchange) { _ = x.Respond(&Message{Code: Content, Payload: body}) }, Options{})
	client := New(dial(b, server.LocalAddr()), nil, Options{})
	run(b, client)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if m, err := client.Do(b.Context(), get("/3303")); err != nil || len(m.Payload) != len(body) {
			b.Fatal(err)
		}
	}
}

func report(b *testing.B, times []time.Duration) {
	b.Helper()
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}

package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
)

// rawServer speaks datagrams with a client that is registered with it, with next to no
// work of its own.
type rawServer struct {
	tb  testing.TB
	nc  net.Conn // to the client
	in  []byte
	lab *lab
	id  uint16
}

// get is a GET of a path with a token of two bytes, made by hand.
func get(observe bool, segments ...string) []byte {
	d := []byte{0x42, byte(coap.GET), 0, 0, 0xbe, 0xef}
	last := coap.OptionID(0)
	option := func(id coap.OptionID, value string) {
		d = append(d, byte(id-last)<<4|byte(len(value)))
		d = append(d, value...)
		last = id
	}
	if observe {
		option(coap.Observe, "")
	}
	for _, s := range segments {
		option(coap.URIPath, s)
	}
	return d
}

// ask sends a datagram under a new message ID and receives the answer in its ACK.
func (s *rawServer) ask(datagram []byte) []byte {
	s.id++
	binary.BigEndian.PutUint16(datagram[2:], s.id)
	if _, err := s.nc.Write(datagram); err != nil {
		s.tb.Fatal(err)
	}
	answer := s.receive()
	if binary.BigEndian.Uint16(answer[2:]) != s.id {
		s.tb.Fatalf("answer %x is not to message %04x", answer, s.id)
	}
	return answer
}

func (s *rawServer) receive() []byte {
	n, err := s.nc.Read(s.in)
	if err != nil {
		s.tb.Fatal(err)
	}
	return s.in[:n]
}

// accept answers the client's Register.
func (s *rawServer) accept() {
	d := s.receive()
	tokenLength := int(d[0] & 15)
	answer := append([]byte{0x60 | d[0]&15, byte(coap.Created)}, d[2:4+tokenLength]...)
	answer = append(answer, "\x82rd\x011"...) // Location-Path: rd, 1
	if _, err := s.nc.Write(answer); err != nil {
		s.tb.Fatal(err)
	}
}

// loopback returns a raw server over UDP, with a registered client if there is a lab.
func loopback(b *testing.B, prepare func(l *lab)) *rawServer {
	b.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { socket.Close() })
	s := &rawServer{tb: b, nc: dtlstest.Socket(socket), in: make([]byte, 2048)}
	s.begin(b, "coap://"+socket.LocalAddr().String(), DefaultDialer{}, nil, prepare)
	s.accept()
	s.settle()
	return s
}

// begin runs a client whose account leads to uri.
func (s *rawServer) begin(b *testing.B, uri string, d Dialer, security func(*model.Batch), prepare func(l *lab)) {
	b.Helper()
	s.lab = newBenchLab(b, d)
	s.lab.publish(s.lab.security, func(batch *model.Batch) {
		batch.Set(0, 0, lwm2m.String(uri))
		if security != nil {
			security(batch)
		}
	})
	if prepare != nil {
		prepare(s.lab)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.lab.client.Run(ctx)
	}()
	b.Cleanup(func() { cancel(); <-ended })
}

// settle waits until the client answers requests.
func (s *rawServer) settle() {
	if d := s.ask(get(false, "3", "0", "0")); coap.Code(d[1]) != coap.Content {
		s.tb.Fatalf("answer is %x", d)
	}
}

// overPSK returns a raw server over DTLS with a registered client.
func overPSK(b *testing.B) *rawServer {
	b.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { socket.Close() })
	s := &rawServer{tb: b, in: make([]byte, 2048)}
	s.begin(b, "coaps://"+socket.LocalAddr().String(), DefaultDialer{DTLS: dtls.Config{}}, pskAccount(psk), nil)
	session, err := dtlstest.Accept(b.Context(), dtlstest.Socket(socket), dtlstest.Config{PSK: dtlstest.Key("gw-17", psk), CIDLength: 6})
	if err != nil {
		b.Fatal(err)
	}
	s.nc = session
	s.accept()
	s.settle()
	return s
}

// measure reports rate and percentiles of what f does b.N times.
func measure(b *testing.B, f func()) {
	b.Helper()
	took := make([]time.Duration, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		f()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
}

// BenchmarkRead is sequential reads of /3/0/0 over loopback: package coap with a constant
// answer is what the client is to be compared with.
func BenchmarkRead(b *testing.B) {
	read := func(b *testing.B, s *rawServer) {
		b.Helper()
		request := get(false, "3", "0", "0")
		measure(b, func() { s.ask(request) })
	}
	b.Run("constant", func(b *testing.B) {
		device, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		server, err := net.DialUDP("udp", nil, device.LocalAddr().(*net.UDPAddr))
		if err != nil {
			b.Fatal(err)
		}
		var m coap.Message
		m.Code, m.Payload = coap.Content, []byte("Example")
		m.SetContentFormat(0)
		conn := coap.New(dtlstest.Socket(device), func(x *coap.Exchange) { _ = x.Respond(&m) }, coap.Options{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = conn.Run(b.Context())
		}()
		read(b, &rawServer{tb: b, nc: server, in: make([]byte, 2048)})
		conn.Close()
		server.Close()
		<-ended
	})
	b.Run("UDP", func(b *testing.B) { read(b, loopback(b, nil)) })
	b.Run("PSK", func(b *testing.B) { read(b, overPSK(b)) })
}

// BenchmarkNotify is one notification for each change, each awaited.
func BenchmarkNotify(b *testing.B) {
	s := loopback(b, nil)
	s.ask(get(true, "3303", "0", "5700"))
	celsius := 0.0
	measure(b, func() {
		celsius++
		s.lab.temperature(0, celsius)
		s.receive()
	})
}

// BenchmarkNotifyInFlight is one notification for each change, of 16 sensors that change
// without waiting for each other.
func BenchmarkNotifyInFlight(b *testing.B) {
	const sensors = 16
	s := loopback(b, func(l *lab) {
		for iid := range uint16(sensors) {
			l.temperature(iid, 0)
		}
	})
	for iid := range sensors {
		d := get(true, "3303", fmt.Sprint(iid), "5700")
		d[4] = byte(iid)
		s.ask(d)
	}
	b.ReportAllocs()
	celsius := 0.0
	for b.Loop() {
		celsius++
		for iid := range uint16(sensors) {
			s.lab.temperature(iid, celsius)
		}
		for range sensors {
			s.receive()
		}
	}
	b.ReportMetric(float64(b.N*sensors)/b.Elapsed().Seconds(), "notifications/s")
}

// BenchmarkReadObject1000 reads an object of 1,000 instances in SenML CBOR, block-wise.
func BenchmarkReadObject1000(b *testing.B) {
	s := loopback(b, func(l *lab) {
		for iid := range uint16(1000) {
			l.publish(l.sensors, func(batch *model.Batch) {
				batch.Create(iid)
				batch.Set(iid, 5700, lwm2m.Float(20.5+float64(iid)))
				batch.Set(iid, 5601, lwm2m.Float(-3.25))
				batch.Set(iid, 5602, lwm2m.Float(41.75))
				batch.Set(iid, 5603, lwm2m.Float(-40))
				batch.Set(iid, 5604, lwm2m.Float(125))
				batch.Set(iid, 5701, lwm2m.String("Cel"))
				batch.Set(iid, 5750, lwm2m.String(fmt.Sprintf("cold room %d", iid)))
			})
		}
	})
	conn := coap.New(s.nc, nil, coap.Options{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = conn.Run(b.Context())
	}()
	defer func() { conn.Close(); <-ended }()
	m := &coap.Message{Code: coap.GET}
	m.SetPath("/3303")
	m.SetAccept(uint16(lwm2m.FormatSenMLCBOR))
	size := 0
	for b.Loop() {
		answer, err := conn.Do(b.Context(), m)
		if err != nil || answer.Code != coap.Content {
			b.Fatalf("answer is %v, %v", answer, err)
		}
		size = len(answer.Payload)
	}
	b.ReportMetric(float64((size+1023)/1024), "blocks")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1e3, "ms/read")
}

// BenchmarkStart is from New to the registration over UDP.
func BenchmarkStart(b *testing.B) {
	s := &scripted{t: nil}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	listener := coap.Listen(socket, s.handleFrom, coap.ListenOptions{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = listener.Run(b.Context())
	}()
	defer func() { _ = listener.Close(); <-ended }()
	l := newBenchLab(b, DefaultDialer{})
	l.publish(l.security, func(batch *model.Batch) {
		batch.Set(0, 0, lwm2m.String("coap://"+socket.LocalAddr().String()))
	})
	for b.Loop() {
		registered := make(chan struct{}, 1)
		c := New(Config{Endpoint: "lab", Tree: l.tree, OnStatus: func(s AccountStatus) {
			if s.State == Registered {
				registered <- struct{}{}
			}
		}})
		ctx, cancel := context.WithCancel(b.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			_ = c.Run(ctx)
		}()
		<-registered
		cancel()
		<-over
	}
}

// newBenchLab returns a lab that has nothing between client and network.
func newBenchLab(b *testing.B, d Dialer) *lab {
	b.Helper()
	return newLab(b, func(c *Config) { c.Dialer, c.OnStatus = d, nil })
}

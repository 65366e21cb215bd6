package dtls_test

import (
	"net"
	"testing"

	pion "github.com/pion/dtls/v3"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// BenchmarkHandshake is a handshake in memory: the time of both sides.
func BenchmarkHandshake(b *testing.B) {
	for _, v := range []struct {
		name   string
		client dtls.Config
		server dtlstest.Config
	}{{"psk", pskClient, pskServer}, {"rpk", rpkClient, rpkServer}} {
		b.Run(v.name, func(b *testing.B) {
			for b.Loop() {
				benchmarkHandshake(b, v.client, v.server)
			}
		})
		b.Run(v.name+"-resumed", func(b *testing.B) {
			v.server.Sessions = new(dtlstest.Sessions)
			c := benchmarkHandshake(b, v.client, v.server)
			session, err := c.Session(0)
			if err != nil {
				b.Fatal(err)
			}
			v.client.Resume = session
			for b.Loop() {
				benchmarkHandshake(b, v.client, v.server)
			}
		})
	}
}

func benchmarkHandshake(b *testing.B, client dtls.Config, server dtlstest.Config) *dtls.Conn {
	b.Helper()
	near, far := dtlstest.Pipe(nil, nil)
	accepted := make(chan error, 1)
	go func() {
		_, err := dtlstest.Accept(b.Context(), far, server)
		accepted <- err
	}()
	c, err := dtls.Client(b.Context(), near, client)
	if err != nil {
		b.Fatal(err)
	}
	if err := <-accepted; err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkRestore is what a process start costs until the first record is sealed.
func BenchmarkRestore(b *testing.B) {
	session, err := benchmarkHandshake(b, pskClient, pskServer).Session(0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := dtls.Restore(new(script), session)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Session(1); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write(make([]byte, 40)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEcho is 40 bytes there and back over loopback UDP, by the client given
// and a server that does no more than the records: the cost of a LwM2M read without
// CoAP, seen from the server's side. The first one is UDP alone.
func BenchmarkEcho(b *testing.B) {
	b.Run("udp", func(b *testing.B) {
		near, far := sockets(b)
		near.Write([]byte("the first datagram tells the address"))
		if _, err := far.Read(make([]byte, 100)); err != nil {
			b.Fatal(err)
		}
		benchmarkEcho(b, near, far)
	})
	for _, v := range []struct {
		name string
		cfg  dtls.Config
	}{
		{"own", pskClient},
		{"own-gcm", with(pskClient, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128GCMSHA256} })},
	} {
		b.Run(v.name, func(b *testing.B) {
			near, far := sockets(b)
			accepted := make(chan result[*dtlstest.Conn], 1)
			go func() {
				s, err := dtlstest.Accept(b.Context(), far, with(pskServer, func(s *dtlstest.Config) { s.CIDLength = 6 }))
				accepted <- result[*dtlstest.Conn]{s, err}
			}()
			c, err := dtls.Client(b.Context(), near, v.cfg)
			r := <-accepted
			if err != nil || r.err != nil {
				b.Fatal(err, r.err)
			}
			benchmarkEcho(b, c, r.conn)
		})
	}
	b.Run("pion", func(b *testing.B) {
		near, far := sockets(b)
		accepted := make(chan result[*dtlstest.Conn], 1)
		go func() {
			s, err := dtlstest.Accept(b.Context(), far, pskServer)
			accepted <- result[*dtlstest.Conn]{s, err}
		}()
		c := pionClient(b, near)
		r := <-accepted
		if r.err != nil {
			b.Fatal(r.err)
		}
		benchmarkEcho(b, c, r.conn)
	})
}

// pionClient returns pion's client after its handshake.
func pionClient(b *testing.B, near *net.UDPConn) net.Conn {
	b.Helper()
	remote := near.RemoteAddr()
	local := near.LocalAddr().(*net.UDPAddr)
	near.Close() // pion wants a socket that is not connected
	socket, err := net.ListenUDP("udp", local)
	if err != nil {
		b.Fatal(err)
	}
	c, err := pion.ClientWithOptions(socket, remote,
		pion.WithPSK(func([]byte) ([]byte, error) { return testPSK, nil }), pion.WithPSKIdentityHint([]byte("gw-17")),
		pion.WithCipherSuites(pion.TLS_PSK_WITH_AES_128_CCM_8), pion.WithConnectionIDGenerator(pion.OnlySendCIDGenerator()))
	if err != nil {
		b.Fatal(err)
	}
	if err := c.HandshakeContext(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// sockets returns a connected client socket and a server's socket.
func sockets(b *testing.B) (near *net.UDPConn, far net.Conn) {
	b.Helper()
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	near, err = net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { near.Close(); server.Close() })
	return near, dtlstest.Socket(server)
}

// benchmarkEcho sends from the server; the client echoes on a goroutine of its own.
func benchmarkEcho(b *testing.B, client, server net.Conn) {
	b.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, err := client.Read(buf)
			if err != nil {
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	request, buf := make([]byte, 40), make([]byte, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := server.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := server.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	client.Close()
	<-done
}

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// startStream serves a Server on a TCP port of loopback.
func startStream(t *testing.T, cfg Config, serve func(*Server) func(context.Context, net.Listener) error) (*Server, string) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- serve(s)(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Wait()
	})
	return s, l.Addr().String()
}

func streamDevice(t *testing.T, nc net.Conn, answer func(*coap.Exchange)) *device {
	t.Helper()
	d := &device{answer: answer}
	d.Conn = coap.NewStream(nc, d.handle, coap.Options{})
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() { _ = d.Close(); <-done })
	return d
}

func connectStream(t *testing.T, address string) net.Conn {
	t.Helper()
	var d net.Dialer
	nc, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

func TestStream(t *testing.T) {
	s, address := startStream(t, Config{MaxClients: 1}, func(s *Server) func(context.Context, net.Listener) error { return s.ServeStream })
	events, end := s.Events(10)
	defer end()
	d := streamDevice(t, connectStream(t, address), func(x *coap.Exchange) {
		_ = x.Respond(&coap.Message{Code: coap.Content, Payload: make([]byte, 100_000)})
	})
	d.register(t, "b=T")
	if e := next(t, events, Registered); !e.Registration.Stream || e.Registration.Secure || e.Registration.Binding != "T" {
		t.Errorf("registered as %+v", e.Registration)
	}
	if second := streamDevice(t, connectStream(t, address), refuse); second.Ping(t.Context()) == nil {
		t.Error("there is room for one client only")
	}
	c, _ := s.Client("dev")
	conn, err := c.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &coap.Message{Code: coap.GET}
	m.SetPath("/3303/0")
	if answer, err := conn.Do(t.Context(), m); err != nil || len(answer.Payload) != 100_000 {
		t.Errorf("read %v, %v", answer, err)
	}
	_ = d.Close()
	<-conn.Done()
	if _, err := c.Read(t.Context(), lwm2m.NewPath(3303, 0)); !errors.Is(err, coap.ErrClosed) {
		t.Errorf("the connection has gone: %v", err)
	}
}

func TestTLS(t *testing.T) {
	ca := must(dtlstest.NewAuthority("Test Root"))
	own := must(ca.Issue("server.example.com", nil))
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	s, address := startStream(t, Config{
		Certificates: &Certificates{Chain: [][]byte{own.Certificate.Raw}, Key: own.Key, Clients: pool},
	}, func(s *Server) func(context.Context, net.Listener) error { return s.ServeTLS })
	as := func(id *dtlstest.Identity) *device {
		return streamDevice(t, tls.Client(connectStream(t, address), &tls.Config{
			RootCAs: pool, ServerName: "server.example.com", NextProtos: []string{"coap"},
			Certificates: []tls.Certificate{{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Key}},
		}), refuse)
	}
	as(must(ca.Issue("dev", nil))).register(t, "b=T")
	c, ok := s.Client("dev")
	if r := c.Registration(); !ok || !r.Secure || !r.Stream || r.Identity != "dev" {
		t.Errorf("registered as %+v", r)
	}
	if answer := as(must(ca.Issue("other", nil))).post(t, "/rd", objectList, "ep=dev", "lwm2m=1.2"); answer.Code != coap.Forbidden {
		t.Errorf("another one registered as dev: %v", answer)
	}
	stranger := must(must(dtlstest.NewAuthority("Another Root")).Issue("dev", nil))
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	if err := as(stranger).Ping(ctx); !errors.Is(err, coap.ErrClosed) {
		t.Errorf("a stranger: %v", err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if New(Config{}).ServeTLS(t.Context(), l) == nil {
		t.Error("served without a certificate")
	}
}

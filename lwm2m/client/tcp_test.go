package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

const registerTCP = "POST /rd [ep=lab lt=600 lwm2m=1.2 b=T]"

// listenTCP is the scripted server on a TCP port, behind TLS if there is a configuration.
// hangUp ends the connections that there are.
func (s *scripted) listenTCP(address string, c *tls.Config) (uri string, hangUp, stop func()) {
	s.t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(s.t.Context(), "tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	uri = "coap+tcp://" + listener.Addr().String()
	if c != nil {
		uri = "coaps+tcp://" + listener.Addr().String()
		listener = tls.NewListener(listener, c)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	s.wg.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			conn := coap.NewStream(nc, s.handleFrom, coap.Options{})
			s.wg.Go(func() {
				_ = conn.Run(ctx)
				_ = conn.Close()
			})
		}
	})
	return uri, func() { _ = s.connection().Close() }, func() {
		cancel()
		_ = listener.Close()
		s.wg.Wait()
	}
}

func TestOverTCP(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			s := &scripted{t: t}
			uri, hangUp, stop := s.listenTCP(address, nil)
			defer stop()
			l, changed := networked(t, nil, uri, nil)
			l.server = s
			if status := l.await(changed, "registered", isRegistered); status.Transport != "TCP" {
				t.Errorf("transport is %q", status.Transport)
			}
			l.exercise()
			l.wantCalls(registerTCP)
			hangUp() // and the client comes again, as another connection
			l.await(changed, "registered anew", func(s AccountStatus) bool { return isRegistered(s) && s.Location == "/rd/2" })
			l.wantCalls(registerTCP)
			l.exercise()
			l.client.NetworkChanged() // nothing new
			l.exercise()
			l.wantCalls()
		})
	}
}

// tls returns what a server of the authority has to be, which knows this client only.
func (p pki) tls() *tls.Config {
	clients := x509.NewCertPool()
	clients.AddCert(p.ca.Certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{p.server.Certificate.Raw}, PrivateKey: p.server.Key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: clients, NextProtos: []string{"coap"},
	}
}

func TestOverTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			p := newPKI(t)
			c := p.tls()
			c.MinVersion, c.MaxVersion = version, version
			var hello *tls.ClientHelloInfo
			c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) { hello = h; return nil, nil }
			s := &scripted{t: t}
			uri, _, stop := s.listenTCP("127.0.0.1:0", c)
			defer stop()
			l, changed := networked(t, nil, uri, p.account(t, p.client))
			l.server = s
			if status := l.await(changed, "registered", isRegistered); status.Transport != "TLS X.509" {
				t.Errorf("transport is %q", status.Transport)
			}
			l.exercise()
			l.wantCalls(registerTCP)
			if hello.ServerName != "server.example.com" || len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != "coap" {
				t.Errorf("asked %q for %q", hello.ServerName, hello.SupportedProtos)
			}
			if sent := l.status().Traffic[ForHandshake]; sent.SentBytes < 500 {
				t.Errorf("the handshake has sent %d bytes", sent.SentBytes)
			}
		})
	}
}

// TestStrangeTLSServer shows that TLS refuses what DTLS refuses, and what is told of it.
func TestStrangeTLSServer(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	for name, v := range map[string]struct {
		change func(*model.Batch)
		max    uint16
		alert  dtls.Alert
		reason string
		remedy string
	}{
		"wrong name": {
			func(b *model.Batch) { b.Set(0, 14, lwm2m.String("server-fail.example.com")) }, tls.VersionTLS13,
			dtls.AlertBadCertificate, `tls: server's certificate, "server.example.com", is not for "server-fail.example.com"`, "names",
		},
		"unknown authority": {
			func(b *model.Batch) { b.Set(0, 4, lwm2m.Opaque(other.ca.Certificate.Raw)) }, tls.VersionTLS12,
			dtls.AlertUnknownCA, "not trusted", "authority",
		},
		"another certificate": {
			func(b *model.Batch) {
				b.Set(0, 15, lwm2m.Unsigned(3))
				b.Set(0, 4, lwm2m.Opaque(other.server.Certificate.Raw))
			}, tls.VersionTLS13,
			dtls.AlertCertificateUnknown, "another certificate", "compare the server's certificate",
		},
		"another client":             {p.account(t, other.client), tls.VersionTLS12, dtls.AlertUnknownCA, "remote error: tls", "compare identity and key"},
		"another client, behind 1.3": {p.account(t, other.client), tls.VersionTLS13, dtls.AlertUnknownCA, "remote error: tls", "compare identity and key"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{t: t}
			c := p.tls()
			c.MaxVersion = v.max
			uri, _, stop := s.listenTCP("127.0.0.1:0", c)
			defer stop()
			alerts := make(chan dtls.Alert, 100)
			l, changed := networked(t, nil, uri, func(b *model.Batch) {
				p.account(t, p.client)(b)
				v.change(b)
			}, func(c *Config) { c.OnAlert = func(_ uint16, a dtls.Alert) { alerts <- a } })
			status := l.await(changed, "in trouble", func(s AccountStatus) bool { return s.LastError != "" })
			if a := <-alerts; a != v.alert {
				t.Errorf("alert %v, want %v", a, v.alert)
			}
			if status.Cause != Mistrusted || !strings.Contains(status.LastError, v.reason) || !strings.Contains(status.Remedy, v.remedy) {
				t.Errorf("status says %v, %q, %q", status.Cause, status.LastError, status.Remedy)
			}
			if strings.Contains(status.LastError, "dtls") {
				t.Errorf("status says %q", status.LastError)
			}
		})
	}
}

// TestTLSCredentials shows what TLS cannot do, and that a limit of the suites is kept.
func TestTLSCredentials(t *testing.T) {
	p := newPKI(t)
	c := p.tls()
	c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	var suites []uint16
	c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) { suites = h.CipherSuites; return nil, nil }
	s := &scripted{t: t}
	uri, _, stop := s.listenTCP("127.0.0.1:0", c)
	defer stop()
	x509Account := Credentials{
		Mode: SecurityX509, Identity: p.client.Certificate.Raw, SecretKey: pkcs8(t, p.client),
		ServerKey: p.server.Certificate.Raw, Usage: dtls.DomainIssued,
	}
	limited := func(suites ...dtls.Suite) Credentials {
		c := x509Account
		c.Suites = suites
		return c
	}
	for _, v := range []struct {
		credentials Credentials
		want        string // "" is success
	}{
		{x509Account, ""},
		{limited(dtls.ECDHEECDSAWithAES128CCM8, dtls.ECDHEECDSAWithAES128GCMSHA256), ""},
		{limited(dtls.ECDHEECDSAWithAES128CCM8), "no AES-CCM"},
		{Credentials{Mode: SecurityPSK, Identity: []byte("gw"), SecretKey: psk}, "neither pre-shared keys nor raw public keys"},
		{Credentials{Mode: SecurityRPK, ServerKey: p.server.Certificate.RawSubjectPublicKeyInfo, SecretKey: pkcs8(t, p.client)}, "neither pre-shared keys"},
		{Credentials{Mode: SecurityNone}, "not supported"},
	} {
		conn, err := DefaultDialer{}.Dial(t.Context(), Server{URI: uri, Credentials: v.credentials})
		switch {
		case v.want == "" && err != nil:
			t.Errorf("%v: %v", v.credentials.Suites, err)
		case v.want != "" && (!errors.Is(err, ErrAccount) || !strings.Contains(err.Error(), v.want)):
			t.Errorf("%v %v: %v, want %q", v.credentials, v.credentials.Suites, err, v.want)
		case err == nil:
			_ = conn.Close()
		}
	}
	if len(suites) != 1 || suites[0] != tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 {
		t.Errorf("offered %x", suites)
	}
}

// TestNobodyListensTCP shows that a closed port is named as such.
func TestNobodyListensTCP(t *testing.T) {
	s := &scripted{t: t}
	uri, _, stop := s.listenTCP("127.0.0.1:0", nil)
	stop()
	l, changed := networked(t, nil, uri, nil)
	status := l.await(changed, "in trouble", func(s AccountStatus) bool { return s.LastError != "" })
	if !strings.Contains(status.LastError, "refused") || !strings.Contains(status.Remedy, "listens on this port") {
		t.Errorf("status says %q, %q", status.LastError, status.Remedy)
	}
}

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"lwm2m-agent/lwm2m/coap"
)

// ServeStream answers clients on a TCP listener (coap+tcp) until ctx ends, and closes it.
func (s *Server) ServeStream(ctx context.Context, l net.Listener) error {
	return s.accept(ctx, l, "coap+tcp", func(ctx context.Context, nc net.Conn) { s.stream(ctx, nc, peer{stream: true}) })
}

// ServeTLS answers clients on a TCP listener over TLS (coaps+tcp) until ctx ends, and closes
// it. It needs Config.Certificates: with TLS there are no pre-shared keys here.
func (s *Server) ServeTLS(ctx context.Context, l net.Listener) error {
	c := s.cfg.Certificates
	if c == nil {
		_ = l.Close() // it was not used
		return errors.New("serve coaps+tcp: the server has no certificates")
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: c.Chain, PrivateKey: c.Key}},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    c.Clients,
		NextProtos:   []string{"coap"},
		Time:         s.cfg.Now,
	}
	return s.accept(ctx, l, "coaps+tcp", func(ctx context.Context, nc net.Conn) {
		conn := tls.Server(nc, config)
		who, err := shake(ctx, conn)
		if err != nil {
			s.cfg.Log.Info("handshake failed", slog.String("from", remoteOf(nc.RemoteAddr())), slog.Any("error", err))
			_ = nc.Close() // nothing is left to be lost
			return
		}
		s.stream(ctx, conn, who)
	})
}

// shake returns whom a TLS handshake was with.
func shake(ctx context.Context, conn *tls.Conn) (peer, error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return peer{}, err
	}
	who, err := certified(conn.ConnectionState().PeerCertificates[0])
	who.stream = true
	return who, err
}

// certified returns who has a certificate.
func certified(c *x509.Certificate) (peer, error) {
	if c.Subject.CommonName == "" {
		return peer{}, errors.New("client's certificate names no endpoint in its Common Name")
	}
	return peer{identity: c.Subject.CommonName, certified: true}, nil
}

// stream answers one client until its connection ends.
func (s *Server) stream(ctx context.Context, nc net.Conn, who peer) {
	c := coap.NewStream(nc, func(x *coap.Exchange) { s.handle(ctx, x, who) }, coap.Options{Params: s.cfg.Params, Trace: s.cfg.Trace})
	err := c.Run(ctx)
	_ = c.Close() // the connection is over either way
	s.cfg.Log.Debug("connection ended", slog.String("from", remoteOf(nc.RemoteAddr())), slog.Any("error", err))
}

// accept runs a session for each connection of a listener until ctx ends, at most as many as
// there may be clients, and closes it.
func (s *Server) accept(ctx context.Context, l net.Listener, scheme string, session func(context.Context, net.Conn)) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // what Accept returns then tells
	defer stop()
	room := make(chan struct{}, s.cfg.MaxClients)
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("serve %s on %s: %w", scheme, l.Addr(), err)
		}
		select {
		case room <- struct{}{}:
		default:
			_ = nc.Close() // there is no room
			continue
		}
		sessions.Go(func() {
			defer func() { <-room }()
			session(ctx, nc)
		})
	}
}

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	piondtls "github.com/pion/dtls/v3"

	"lwm2m-agent/lwm2m/coap"
)

// cidLength is the length in bytes of the Connection IDs that the server asks
// clients to put on their records (RFC 9146).
const cidLength = 8

// Keys holds the pre-shared keys of clients. The zero Keys is empty.
type Keys struct {
	mu   sync.Mutex
	keys map[string]pskEntry // by identity
}

type pskEntry struct {
	endpoint string
	key      []byte
}

// errNoKey is the reason for which a handshake fails; it names no identity, for
// anybody can send one.
var errNoKey = errors.New("there is no key for the identity")

// Add lets a client connect with an identity and key, and register as endpoint,
// or as anything if endpoint is empty.
func (k *Keys) Add(identity string, key []byte, endpoint string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = make(map[string]pskEntry)
	}
	k.keys[identity] = pskEntry{endpoint, append([]byte(nil), key...)}
}

// Remove takes an identity away. Sessions that are up stay.
func (k *Keys) Remove(identity string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, identity)
}

func (k *Keys) key(identity []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.keys[string(identity)]
	if !ok {
		return nil, errNoKey
	}
	return e.key, nil
}

func (k *Keys) allows(identity, endpoint string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.keys[identity]
	return ok && (e.endpoint == "" || e.endpoint == endpoint)
}

// Secure is a DTLS listener for ServeSecure.
type Secure struct {
	net.Listener
}

// ListenSecure opens a DTLS 1.2 listener with Connection IDs on a UDP address, for
// pre-shared keys and, where the server has certificates, X.509, with the suites that
// LwM2M demands of clients.
func (s *Server) ListenSecure(addr *net.UDPAddr) (*Secure, error) {
	suites := []piondtls.CipherSuiteID{piondtls.TLS_PSK_WITH_AES_128_CCM_8}
	options := []piondtls.ServerOption{
		piondtls.WithPSK(s.cfg.Keys.key),
		piondtls.WithPSKIdentityHint([]byte("lwm2m")),
		piondtls.WithConnectionIDGenerator(piondtls.RandomCIDGenerator(cidLength)),
	}
	if c := s.cfg.Certificates; c != nil {
		options = append(options, c.options(s.cfg.Now)...)
		suites = append(suites, piondtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, piondtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
	}
	l, err := piondtls.ListenWithOptions("udp", addr, append(options, piondtls.WithCipherSuites(suites...))...)
	if err != nil {
		return nil, fmt.Errorf("listen for coaps on %s: %w", addr, err)
	}
	return &Secure{l}, nil
}

// ServeSecure answers clients over DTLS until ctx ends, and closes the listener.
func (s *Server) ServeSecure(ctx context.Context, l *Secure) error {
	return s.accept(ctx, l, "coaps", func(ctx context.Context, nc net.Conn) { s.session(ctx, nc.(*piondtls.Conn)) })
}

// session handshakes with one client and answers it until its session ends.
func (s *Server) session(ctx context.Context, conn *piondtls.Conn) {
	log := s.cfg.Log.With(slog.String("from", remoteOf(conn.RemoteAddr())))
	defer conn.Close() //nolint:errcheck // nothing is left to be lost
	if err := conn.HandshakeContext(ctx); err != nil {
		log.Info("handshake failed", slog.Any("error", err))
		if s.cfg.Refused != nil {
			s.cfg.Refused(err)
		}
		return
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return
	}
	who, err := peerOf(&state)
	if err != nil {
		log.Info("client refused", slog.Any("error", err))
		return
	}
	c := coap.New(conn, func(x *coap.Exchange) { s.handle(ctx, x, who) }, coap.Options{Params: s.cfg.Params, Trace: s.cfg.Trace})
	err = c.Run(ctx)
	_ = c.Close() // the session is over either way
	log.Debug("session ended", slog.String("identity", who.identity), slog.Any("error", err))
}

package dtls

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
)

const (
	namedCurve = 3  // ECCurveType, RFC 8422, section 5.4
	ecdsaSign  = 64 // ClientCertificateType, RFC 8422, section 5.5
)

// certificates is what the two sides of an ECDHE handshake show each other.
// Raw public keys are one kind, X.509 chains another.
type certificates interface {
	// kind returns the CertificateType (RFC 7250, section 6).
	kind() uint8

	// suites returns the cipher suites that fit, the mandatory one first.
	suites() []Suite

	// algorithms returns how the server may sign, the preferred one first.
	algorithms() []signatureAlgorithm

	// own returns the body of our Certificate message.
	own() []byte

	// check returns the server's key if the body of its Certificate message is one
	// that we accept at the time.
	check(body []byte, now time.Time) (peer, error)

	// digest ties a session to the credentials.
	digest(master []byte) []byte
}

// peer is a server that is trusted if it has the private key.
type peer struct {
	key      crypto.PublicKey
	notAfter time.Time // the end of the trust; zero: none
}

// ecdhe is the key exchanges ECDHE_ECDSA and ECDHE_RSA on P-256 (RFC 8422, sections
// 2.1 and 2.2).
type ecdhe struct {
	certificates

	signer crypto.Signer // of our certificate's key
}

func (k *ecdhe) offer(h *clientHello) {
	h.certificates, h.certificateType, h.algorithms = true, k.kind(), k.algorithms()
}

// run checks the server's key and its share of the secret and answers with ours.
func (k *ecdhe) run(ctx context.Context, h *handshaker) (handshake.Flight, error) {
	if h.server.serverType != k.kind() {
		return nil, refuse(AlertUnsupportedCertificate, "server has certificates of type %d only", h.server.serverType)
	}
	m, err := h.receive(ctx, handshake.Certificate)
	if err != nil {
		return nil, err
	}
	peer, err := k.check(m.Body, h.cfg.Now())
	if err != nil {
		return nil, err
	}
	if !h.server.suite.fits(peer.key) {
		return nil, refuse(AlertUnsupportedCertificate, "server's key does not go with %v", h.server.suite)
	}
	h.notAfter = peer.notAfter
	if m, err = h.receive(ctx, handshake.ServerKeyExchange); err != nil {
		return nil, err
	}
	share, err := checkKeyExchange(m.Body, peer.key, &h.offered, h.server)
	if err != nil {
		return nil, err
	}
	requested, err := k.request(ctx, h)
	if err != nil {
		return nil, err
	}
	return k.answer(h, share, requested)
}

// request receives the rest of the server's flight and returns whether it asks for
// our key.
func (k *ecdhe) request(ctx context.Context, h *handshaker) (requested bool, err error) {
	m, err := h.receive(ctx, handshake.ServerHelloDone, handshake.CertificateRequest)
	if err != nil {
		return false, err
	}
	if m.Type == handshake.CertificateRequest {
		if h.server.clientType != k.kind() {
			return false, refuse(AlertHandshakeFailure, "server takes certificates of type %d only", h.server.clientType)
		}
		if err := checkCertificateRequest(m.Body); err != nil {
			return false, err
		}
		requested = true
		if m, err = h.receive(ctx, handshake.ServerHelloDone); err != nil {
			return false, err
		}
	}
	if len(m.Body) != 0 {
		return false, refuse(AlertDecodeError, "ServerHelloDone has a body")
	}
	return requested, nil
}

// answer makes our part of flight 5 and, on the way, the keys.
func (k *ecdhe) answer(h *handshaker, share *ecdh.PublicKey, requested bool) (handshake.Flight, error) {
	var flight handshake.Flight
	if requested {
		flight = append(flight, h.message(handshake.Certificate, k.own()))
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key share: %w", err)
	}
	premaster, err := key.ECDH(share)
	if err != nil {
		return nil, refuse(AlertIllegalParameter, "server's key share: %v", err)
	}
	point := key.PublicKey().Bytes() // uncompressed, RFC 8422, section 5.7
	flight = append(flight, h.message(handshake.ClientKeyExchange, opaque(1, point)))
	if err := h.derive(premaster); err != nil {
		return nil, err
	}
	if requested {
		signature, err := k.signer.Sign(rand.Reader, h.transcript.Sum(), crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("sign the handshake: %w", err)
		}
		body := append(marshalAlgorithms([]signatureAlgorithm{ecdsaSHA256}), opaque(2, signature)...)
		flight = append(flight, h.message(handshake.CertificateVerify, body)) // RFC 5246, section 7.4.8
	}
	return flight, nil
}

// checkKeyExchange verifies that the server's key signed its share of the secret,
// and returns it (RFC 8422, section 5.4).
func checkKeyExchange(body []byte, key crypto.PublicKey, client *clientHello, server *serverHello) (*ecdh.PublicKey, error) {
	var (
		s                cryptobyte.String = body
		curveType        uint8
		curve, algorithm uint16
		point, signature cryptobyte.String
	)
	ok := s.ReadUint8(&curveType) && s.ReadUint16(&curve) && s.ReadUint8LengthPrefixed(&point)
	params := body[:len(body)-len(s)]
	if !ok || !s.ReadUint16(&algorithm) || !s.ReadUint16LengthPrefixed(&signature) || !s.Empty() {
		return nil, refuse(AlertDecodeError, "ServerKeyExchange is malformed")
	}
	if curveType != namedCurve || curve != curveP256 {
		return nil, refuse(AlertIllegalParameter, "server chose curve %d", curve)
	}
	a := signatureAlgorithm(algorithm)
	if !slices.Contains(client.algorithms, a) {
		return nil, refuse(AlertIllegalParameter, "server signed with %#04x", algorithm)
	}
	if !a.verify(key, bytes.Join([][]byte{client.random, server.random, params}, nil), signature) {
		return nil, refuse(AlertDecryptError, "server's key share is not signed by its key")
	}
	share, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, refuse(AlertIllegalParameter, "server's key share: %v", err)
	}
	return share, nil
}

// checkCertificateRequest makes sure that the server takes ECDSA with SHA-256
// (RFC 5246, section 7.4.4).
func checkCertificateRequest(body []byte) error {
	var (
		s                        = cryptobyte.String(body)
		types, algorithms, names cryptobyte.String
	)
	if !s.ReadUint8LengthPrefixed(&types) || !s.ReadUint16LengthPrefixed(&algorithms) ||
		!s.ReadUint16LengthPrefixed(&names) || !s.Empty() || len(algorithms)%2 != 0 {
		return refuse(AlertDecodeError, "CertificateRequest is malformed")
	}
	takes := false
	for !algorithms.Empty() {
		var a uint16
		algorithms.ReadUint16(&a)
		takes = takes || signatureAlgorithm(a) == ecdsaSHA256
	}
	if !takes || bytes.IndexByte(types, ecdsaSign) < 0 {
		return refuse(AlertHandshakeFailure, "server does not take ECDSA with SHA-256")
	}
	return nil
}

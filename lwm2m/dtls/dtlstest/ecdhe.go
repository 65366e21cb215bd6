package dtlstest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/internal/handshake"
)

// serverECDHE returns our key, our signed share and, if the client is to show its
// key, a CertificateRequest.
func (s *server) serverECDHE() (handshake.Flight, error) {
	certificate, err := s.certificate()
	if err != nil {
		return nil, err
	}
	if s.share, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		return nil, fmt.Errorf("dtlstest: %w", err)
	}
	point := s.share.PublicKey().Bytes()
	params := append([]byte{namedCurve, curveP256 >> 8, curveP256 & 0xff, byte(len(point))}, point...) //nolint:gosec // 65 bytes
	if s.cfg.MutateParams != nil {
		params = s.cfg.MutateParams(params)
	}
	sum := sha256.Sum256(bytes.Join([][]byte{s.client.random, s.hello.random, params}, nil))
	algorithm, how := uint16(ecdsaSHA256), crypto.SignerOpts(crypto.SHA256)
	if _, isRSA := s.cfg.Key.Public().(*rsa.PublicKey); isRSA {
		algorithm, how = rsaPSSSHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	}
	signature, err := s.cfg.Key.Sign(rand.Reader, sum[:], how)
	if err != nil {
		return nil, fmt.Errorf("dtlstest: %w", err)
	}
	signed := binary.BigEndian.AppendUint16(params, algorithm)
	signed = append(signed, opaque16(signature)...)
	flight := handshake.Flight{
		s.message(handshake.Certificate, certificate),
		s.message(handshake.ServerKeyExchange, signed),
	}
	if s.hello.asks {
		body := []byte{1, ecdsaSign, 0, 2, ecdsaSHA256 >> 8, ecdsaSHA256 & 0xff, 0, 0}
		flight = append(flight, s.message(handshake.CertificateRequest, body))
	}
	return flight, nil
}

// certificate returns the body of our Certificate message.
func (s *server) certificate() ([]byte, error) {
	if s.cfg.Certificates != nil {
		items := make([][]byte, len(s.cfg.Certificates))
		for i, der := range s.cfg.Certificates {
			items[i] = opaque24(der)
		}
		return opaque24(slices.Concat(items...)), nil
	}
	spki, err := x509.MarshalPKIXPublicKey(s.cfg.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("dtlstest: own key: %w", err)
	}
	return opaque24(spki), nil
}

// clientCertificate returns the SubjectPublicKeyInfo that a client shows, nil if there is
// none.
func (s *server) clientCertificate(body []byte) []byte {
	var outer, first cryptobyte.String
	if message := cryptobyte.String(body); !message.ReadUint24LengthPrefixed(&outer) {
		return nil
	}
	if s.hello.raw {
		return outer
	}
	if !outer.ReadUint24LengthPrefixed(&first) {
		return nil
	}
	c, err := x509.ParseCertificate(first)
	if err != nil {
		return nil
	}
	return c.RawSubjectPublicKeyInfo
}

// clientECDHE receives the client's key, its share and its signature.
func (s *server) clientECDHE(ctx context.Context) error {
	if s.hello.asks {
		m, err := s.receive(ctx, handshake.Certificate)
		if err != nil {
			return err
		}
		if !bytes.Equal(s.clientCertificate(m.Body), s.cfg.ClientKey) {
			return refuse(dtls.AlertBadCertificate, "another client key")
		}
	}
	m, err := s.receive(ctx, handshake.ClientKeyExchange)
	if err != nil {
		return err
	}
	if len(m.Body) == 0 || len(m.Body) != 1+int(m.Body[0]) {
		return refuse(dtls.AlertDecodeError, "malformed ClientKeyExchange")
	}
	share, err := ecdh.P256().NewPublicKey(m.Body[1:])
	if err != nil {
		return refuse(dtls.AlertIllegalParameter, "client's key share is not on P-256")
	}
	premaster, err := s.share.ECDH(share)
	if err != nil {
		return fmt.Errorf("dtlstest: %w", err)
	}
	if err := s.derive(premaster); err != nil {
		return err
	}
	if !s.hello.asks {
		return nil
	}
	return s.certificateVerify(ctx)
}

func (s *server) certificateVerify(ctx context.Context) error {
	sum := s.transcript.Sum()
	m, err := s.receive(ctx, handshake.CertificateVerify)
	if err != nil {
		return err
	}
	key, err := x509.ParsePKIXPublicKey(s.cfg.ClientKey)
	if err != nil {
		return fmt.Errorf("dtlstest: client's key: %w", err)
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("dtlstest: client's key is a %T", key)
	}
	var (
		body      = cryptobyte.String(m.Body)
		algorithm uint16
		signature cryptobyte.String
	)
	if !body.ReadUint16(&algorithm) || !body.ReadUint16LengthPrefixed(&signature) || !body.Empty() {
		return refuse(dtls.AlertDecodeError, "malformed CertificateVerify")
	}
	if algorithm != ecdsaSHA256 || !ecdsa.VerifyASN1(public, sum, signature) {
		return refuse(dtls.AlertDecryptError, "handshake is not signed by the client's key")
	}
	return nil
}

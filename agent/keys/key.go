package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
)

// The bounds of a pre-shared key in bytes (RFC 4279, section 5.3, wants 64 at least).
const (
	minPSK = 1
	maxPSK = 64
)

// What is wrong with a key. None of the errors holds any of it.
var (
	ErrPSK        = errors.New("is not a pre-shared key: 1 to 64 bytes in hexadecimal")
	ErrPrivateKey = errors.New("is not a private key on P-256, in PEM or DER (PKCS #8 or SEC 1)")
	ErrPublicKey  = errors.New("is not a public key on P-256, in PEM or DER (SubjectPublicKeyInfo)")
)

// ParsePSK reads a pre-shared key in hexadecimal; white space does not count.
func ParsePSK(text []byte) ([]byte, error) {
	digits := make([]byte, 0, len(text))
	for field := range bytes.FieldsSeq(text) {
		digits = append(digits, field...)
	}
	defer clear(digits)
	key := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(key, digits); err != nil || len(key) < minPSK || len(key) > maxPSK {
		clear(key)
		return nil, ErrPSK
	}
	return key, nil
}

// ParsePrivateKey reads a private key on P-256: PKCS #8 or SEC 1, as PEM or DER.
func ParsePrivateKey(b []byte) (*ecdsa.PrivateKey, error) {
	der := b
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "PRIVATE KEY" || block.Type == "EC PRIVATE KEY" {
			der = block.Bytes
			defer clear(der)
			break
		}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		parsed, err = x509.ParseECPrivateKey(der)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, ErrPrivateKey
	}
	return key, nil
}

// publicKey returns the public half on P-256 of a signer.
func publicKey(s crypto.Signer) (*ecdsa.PublicKey, error) {
	pub, ok := s.Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, ErrPublicKey
	}
	return pub, nil
}

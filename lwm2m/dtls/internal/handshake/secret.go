package handshake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Sizes in bytes (RFC 5246, sections 7.4.1.2, 7.4.9 and 8.1).
const (
	RandomSize       = 32
	MasterSecretSize = 48
	VerifyDataSize   = 12
)

// Transcript hashes the messages of a handshake with SHA-256, the hash of every
// suite of the profile.
type Transcript struct {
	hash hash.Hash
	buf  []byte
}

// Reset starts anew: a ClientHello that was answered by a HelloVerifyRequest does
// not count (RFC 6347, section 4.2.1).
func (t *Transcript) Reset() { t.hash = sha256.New() }

// Add appends a message.
func (t *Transcript) Add(m Message) {
	t.buf = m.append(t.buf[:0])
	t.hash.Write(t.buf)
}

// Sum returns the hash of all messages so far.
func (t *Transcript) Sum() []byte { return t.hash.Sum(nil) }

// PSKPremaster returns the premaster secret of a pre-shared key of at most 65535
// bytes (RFC 4279, section 2): as many zeroes and the key, each behind its length.
func PSKPremaster(psk []byte) []byte {
	n := len(psk)
	out := make([]byte, 2+n+2+n)
	binary.BigEndian.PutUint16(out, uint16(n))       //nolint:gosec // bounded by the caller
	binary.BigEndian.PutUint16(out[2+n:], uint16(n)) //nolint:gosec // bounded by the caller
	copy(out[2+n+2:], psk)
	return out
}

// MasterSecret derives the master secret from both randoms (RFC 5246, section 8.1).
func MasterSecret(premaster, clientRandom, serverRandom []byte) []byte {
	master := make([]byte, MasterSecretSize)
	prf(master, premaster, "master secret", clientRandom, serverRandom)
	return master
}

// ExtendedMasterSecret derives the master secret from the hash of the messages up
// to and including ClientKeyExchange (RFC 7627, section 4).
func ExtendedMasterSecret(premaster, sessionHash []byte) []byte {
	master := make([]byte, MasterSecretSize)
	prf(master, premaster, "extended master secret", sessionHash)
	return master
}

// ClientFinished returns the verify_data of the client (RFC 5246, section 7.4.9).
func ClientFinished(master, sum []byte) []byte { return verifyData(master, "client finished", sum) }

// ServerFinished returns the verify_data of the server.
func ServerFinished(master, sum []byte) []byte { return verifyData(master, "server finished", sum) }

func verifyData(master []byte, label string, sum []byte) []byte {
	out := make([]byte, VerifyDataSize)
	prf(out, master, label, sum)
	return out
}

// Keys expands the master secret to the keys of both directions
// (RFC 5246, section 6.3; AEAD suites have no MAC keys).
func Keys(a record.AEAD, master, clientRandom, serverRandom []byte) (client, server *record.Protection, err error) {
	var block [2*record.KeySize + 2*record.IVSize]byte
	defer clear(block[:])
	prf(block[:], master, "key expansion", serverRandom, clientRandom)
	keys, ivs := block[:2*record.KeySize], block[2*record.KeySize:]
	if client, err = record.NewProtection(a, keys[:record.KeySize], ivs[:record.IVSize]); err != nil {
		return nil, nil, err
	}
	if server, err = record.NewProtection(a, keys[record.KeySize:], ivs[record.IVSize:]); err != nil {
		return nil, nil, err
	}
	return client, server, nil
}

// prf fills out with P_SHA256(secret, label + seed) (RFC 5246, section 5).
func prf(out, secret []byte, label string, seeds ...[]byte) {
	seed := []byte(label)
	for _, s := range seeds {
		seed = append(seed, s...)
	}
	mac := hmac.New(sha256.New, secret)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	a := seed // A(0); none of them tells anything without the secret
	for len(out) > 0 {
		a = sum(a) // A(i)
		block := sum(a, seed)
		out = out[copy(out, block):]
		clear(block)
	}
}

package record

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"lwm2m-agent/lwm2m/dtls/internal/ccm"
)

// AEAD is the algorithm of epoch 1.
type AEAD uint8

// The AEADs of the profile, with AES-128.
const (
	CCM8 AEAD = iota // tag of 8 bytes, RFC 6655
	CCM              // tag of 16 bytes, RFC 6655
	GCM              // tag of 16 bytes, RFC 5288
)

// What each direction takes from the key block.
const (
	KeySize = 16 // bytes of a direction's key in the key block
	IVSize  = 4  // bytes of its implicit nonce
)

const (
	explicitNonce = 8
	nonceSize     = IVSize + explicitNonce
	maxTag        = 16
)

// Protection is the key of one direction in epoch 1. It works in buffers of its
// own, so that a Sealer or an Opener has one to itself.
type Protection struct {
	aead  cipher.AEAD
	nonce [nonceSize]byte
	data  []byte // additional data, reused
}

// NewProtection expands a key of KeySize and an implicit nonce of IVSize bytes.
func NewProtection(a AEAD, key, iv []byte) (*Protection, error) {
	if len(key) != KeySize || len(iv) != IVSize {
		return nil, fmt.Errorf("record: key of %d and nonce of %d bytes", len(key), len(iv))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	p := &Protection{}
	copy(p.nonce[:], iv)
	switch a {
	case CCM8:
		p.aead, err = ccm.New(block, nonceSize, 8)
	case CCM:
		p.aead, err = ccm.New(block, nonceSize, maxTag)
	case GCM:
		// The nonce is the record number: it never repeats and is never random
		// (RFC 9325, section 7.2.1).
		p.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return p, nil
}

// overhead is what explicit nonce and tag add to a payload.
func (p *Protection) overhead() int { return explicitNonce + p.aead.Overhead() }

// prepare sets the nonce and the additional data of a record
// (RFC 5246, section 6.2.3.3; with a connection ID RFC 9146, section 5.3).
func (p *Protection) prepare(explicit []byte, typ Type, number uint64, cid []byte, size int) {
	copy(p.nonce[IVSize:], explicit)
	d := p.data[:0]
	if typ == ConnectionID {
		d = append(d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			byte(ConnectionID), byte(len(cid)), //nolint:gosec // at most MaxCID
			byte(ConnectionID), Version>>8, Version&0xff)
		d = binary.BigEndian.AppendUint64(d, number)
		d = append(d, cid...)
	} else {
		d = binary.BigEndian.AppendUint64(d, number)
		d = append(d, byte(typ), Version>>8, Version&0xff)
	}
	p.data = binary.BigEndian.AppendUint16(d, uint16(size)) //nolint:gosec // callers bound size by MaxPayload
}

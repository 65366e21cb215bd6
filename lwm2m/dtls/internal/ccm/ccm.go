// Package ccm is AES in counter mode with CBC-MAC (RFC 3610), the AEAD of the
// cipher suites that LwM2M demands, without an allocation per message.
//
// It knows one block cipher, a nonce size and a tag size. It must not know records,
// record numbers or where a key came from.
package ccm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
)

const blockSize = 16

// maxAdditional is where the short encoding of the length of the additional data
// ends (RFC 3610, section 2.2).
const maxAdditional = 0xff00 - 1

var errOpen = errors.New("ccm: message authentication failed")

// CCM implements [cipher.AEAD]. It works in buffers of its own, so that its methods
// must not run at the same time.
//
// The time that Seal and Open take depends on lengths only, as far as the block
// cipher's does: Go's AES is constant-time where the processor has AES
// instructions, and uses tables elsewhere (ARMv6, ARMv7, MIPS).
type CCM struct {
	block     cipher.Block
	nonceSize int
	tagSize   int

	mac     [blockSize]byte // X_i of RFC 3610, section 2.2
	counter [blockSize]byte // A_i of section 2.3
	stream  [blockSize]byte // S_i
	tag     [blockSize]byte // T, encrypted with S_0
}

var _ cipher.AEAD = (*CCM)(nil)

// New returns CCM over a cipher with blocks of 16 bytes, with nonces of 7 to 13
// bytes and tags of 4, 6, … or 16.
func New(block cipher.Block, nonceSize, tagSize int) (*CCM, error) {
	switch {
	case block.BlockSize() != blockSize:
		return nil, errors.New("ccm: block size is not 16")
	case nonceSize < 7 || nonceSize > 13:
		return nil, errors.New("ccm: nonce size is not 7 to 13")
	case tagSize < 4 || tagSize > 16 || tagSize%2 != 0:
		return nil, errors.New("ccm: tag size is not 4, 6, … or 16")
	}
	return &CCM{block: block, nonceSize: nonceSize, tagSize: tagSize}, nil
}

// NonceSize returns the length of a nonce in bytes.
func (c *CCM) NonceSize() int { return c.nonceSize }

// Overhead returns the length of a tag in bytes.
func (c *CCM) Overhead() int { return c.tagSize }

// Seal appends the encrypted plaintext and its tag to dst. The plaintext may be
// where the result goes, dst[len(dst):], but not overlap it otherwise. A nonce must
// not be used twice with one key. Like every cipher.AEAD it panics on a nonce of
// the wrong size and on messages over its limits.
func (c *CCM) Seal(dst, nonce, plaintext, additional []byte) []byte {
	c.start(nonce, len(plaintext), additional)
	dst = slices.Grow(dst, len(plaintext)+c.tagSize)
	out := dst[len(dst) : len(dst)+len(plaintext)+c.tagSize]
	rest, in := out, plaintext
	for len(in) > 0 {
		n := min(blockSize, len(in))
		subtle.XORBytes(c.mac[:], c.mac[:], in[:n])
		c.block.Encrypt(c.mac[:], c.mac[:])
		c.next()
		subtle.XORBytes(rest, in[:n], c.stream[:])
		rest, in = rest[n:], in[n:]
	}
	subtle.XORBytes(rest, c.mac[:c.tagSize], c.tag[:])
	return dst[:len(dst)+len(out)]
}

// Open appends the decrypted ciphertext to dst if its tag is right, and wipes what
// it decrypted if not. The ciphertext may be where the result goes, dst[len(dst):],
// but not overlap it otherwise.
func (c *CCM) Open(dst, nonce, ciphertext, additional []byte) ([]byte, error) {
	size := len(ciphertext) - c.tagSize
	if size < 0 {
		return nil, errOpen
	}
	c.start(nonce, size, additional)
	dst = slices.Grow(dst, size)
	out := dst[len(dst) : len(dst)+size]
	rest, in := out, ciphertext[:size]
	for len(in) > 0 {
		n := min(blockSize, len(in))
		c.next()
		subtle.XORBytes(rest, in[:n], c.stream[:])
		subtle.XORBytes(c.mac[:], c.mac[:], rest[:n])
		c.block.Encrypt(c.mac[:], c.mac[:])
		rest, in = rest[n:], in[n:]
	}
	subtle.XORBytes(c.mac[:], c.mac[:], c.tag[:])
	if subtle.ConstantTimeCompare(c.mac[:c.tagSize], ciphertext[size:]) != 1 {
		clear(out)
		return nil, errOpen
	}
	return dst[:len(dst)+size], nil
}

// start computes S_0, sets the counter to 1 before its first use and takes B_0 and
// the additional data into the MAC (RFC 3610, sections 2.2 and 2.3).
func (c *CCM) start(nonce []byte, size int, additional []byte) {
	lengthSize := blockSize - 1 - c.nonceSize
	switch {
	case len(nonce) != c.nonceSize:
		panic("ccm: nonce of the wrong size")
	case uint64(size)>>(8*lengthSize) != 0: //nolint:gosec // a length is not negative
		panic("ccm: message too long")
	case len(additional) > maxAdditional:
		panic("ccm: additional data too long")
	}
	flags := byte(lengthSize - 1) //nolint:gosec // 1 to 7
	c.counter = [blockSize]byte{flags}
	copy(c.counter[1:], nonce)
	c.block.Encrypt(c.tag[:], c.counter[:])

	binary.BigEndian.PutUint64(c.mac[8:], uint64(size)) //nolint:gosec // a length is not negative
	copy(c.mac[1:], nonce)                              // over the leading zeroes of the size
	c.mac[0] = flags | byte((c.tagSize-2)/2)<<3         //nolint:gosec // New bounds the tag
	if len(additional) > 0 {
		c.mac[0] |= 1 << 6
	}
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(additional) > 0 {
		c.absorb(additional)
	}
}

// absorb takes the additional data into the MAC, behind its length and padded with
// zeroes to whole blocks.
func (c *CCM) absorb(additional []byte) {
	c.mac[0] ^= byte(len(additional) >> 8) //nolint:gosec // start bounds it
	c.mac[1] ^= byte(len(additional))      //nolint:gosec // the low byte is meant
	at := 2
	for len(additional) > 0 {
		n := subtle.XORBytes(c.mac[at:], c.mac[at:], additional)
		c.block.Encrypt(c.mac[:], c.mac[:])
		additional, at = additional[n:], 0
	}
}

// next computes the next block of the key stream. The counter's low two bytes are
// inside the length field for every nonce size; longer ones carry on.
func (c *CCM) next() {
	for i := blockSize - 1; i > c.nonceSize; i-- {
		c.counter[i]++
		if c.counter[i] != 0 {
			break
		}
	}
	c.block.Encrypt(c.stream[:], c.counter[:])
}

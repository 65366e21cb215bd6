// Package signify verifies detached Ed25519 signatures in the format of OpenBSD's
// signify, which OpenWrt's usign reads and writes as well.
//
// It knows keys and signatures. It must not know what is signed. It cannot sign,
// and takes no private key.
//
// # Format
//
// A file has two lines: "untrusted comment: " and any text, and 42 (key) or 74
// (signature) bytes in base64. They are the algorithm "Ed", an identifier of the
// key of 8 bytes, and the key of 32 or the signature of 64 bytes (signify(1),
// struct pubkey and struct sig of signify.c; RFC 8032 has Ed25519).
package signify

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	algorithm = "Ed"
	idLength  = 8
	maxFile   = 4096 // bytes of a file; the comment has at most 1,024
	comment   = "untrusted comment: "
)

// ErrUntrusted says that something is not signed by a key that is trusted.
var ErrUntrusted = errors.New("not signed by a trusted key")

// Key is a public key.
type Key struct {
	id  [idLength]byte
	key [ed25519.PublicKeySize]byte
}

// ID returns the key's identifier in hexadecimal, as usign -F prints it.
func (k Key) ID() string { return hex.EncodeToString(k.id[:]) }

// ParseKey reads a public key.
func ParseKey(text []byte) (Key, error) {
	var k Key
	content, err := decode(text, len(k.key))
	if err != nil {
		return k, fmt.Errorf("this is no public key of signify or usign: %w", err)
	}
	copy(k.id[:], content)
	copy(k.key[:], content[idLength:])
	return k, nil
}

// ReadKeys reads public keys from files.
func ReadKeys(files []string) ([]Key, error) {
	keys := make([]Key, 0, len(files))
	for _, name := range files {
		text, err := read(name)
		if err != nil {
			return nil, err
		}
		k, err := ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// read reads a file, of which more than can be of use is an error.
func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes; it is no key", name, maxFile)
	}
	return text, nil
}

// Verify returns the key by which a signature has been made over a message. The
// error wraps [ErrUntrusted].
func Verify(keys []Key, message, signature []byte) (Key, error) {
	content, err := decode(signature, ed25519.SignatureSize)
	if err != nil {
		return Key{}, fmt.Errorf("%w: the signature cannot be read: %w", ErrUntrusted, err)
	}
	id, signed := content[:idLength], content[idLength:]
	known := false
	for _, k := range keys { // two keys may have one identifier
		if !bytes.Equal(k.id[:], id) {
			continue
		}
		known = true
		if ed25519.Verify(k.key[:], message, signed) {
			return k, nil
		}
	}
	if known {
		return Key{}, fmt.Errorf("%w: the signature by key %x is wrong", ErrUntrusted, id)
	}
	return Key{}, fmt.Errorf("%w: the signature is by key %x, which is not among the %d trusted ones", ErrUntrusted, id, len(keys))
}

// decode returns identifier and content of a file.
func decode(text []byte, length int) ([]byte, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if !strings.HasPrefix(first, comment) {
		return nil, fmt.Errorf("it does not begin with %q", comment)
	}
	second, rest, _ := strings.Cut(rest, "\n")
	if strings.TrimSpace(rest) != "" {
		return nil, errors.New("it has more than two lines")
	}
	content, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(second, "\r"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("its second line: %w", err)
	case !bytes.HasPrefix(content, []byte(algorithm)):
		return nil, errors.New("its algorithm is not Ed25519")
	case len(content) != len(algorithm)+idLength+length:
		return nil, fmt.Errorf("it has %d bytes, not %d", len(content), len(algorithm)+idLength+length)
	}
	return content[len(algorithm):], nil
}

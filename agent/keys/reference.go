package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
)

// References writes places where the bytes of a key stand otherwise, in object 0, and
// tells them from keys. A reference begins with random bytes that only this
// installation knows, so that nothing that a server writes can be one: neither a
// pre-shared key, which may be any bytes, nor a text that names a key of this machine.
type References struct{ mark []byte }

// Store keeps one record over restarts. Load returns nil if there is none.
type Store interface {
	Load(key string) ([]byte, error)
	Save(key string, record []byte) error
}

const (
	markKey  = "keys"
	markSize = 32
)

// NewReferences returns the references of an installation: the mark that the store
// has, or a new one.
func NewReferences(s Store) (*References, error) {
	mark, err := s.Load(markKey)
	if err != nil {
		return nil, fmt.Errorf("read the mark of key references: %w", err)
	}
	if len(mark) == markSize {
		return &References{mark}, nil
	}
	mark = make([]byte, markSize)
	_, _ = rand.Read(mark) // never fails
	if err := s.Save(markKey, mark); err != nil {
		return nil, fmt.Errorf("keep the mark of key references: %w", err)
	}
	return &References{mark}, nil
}

// Make returns the reference of a place.
func (r *References) Make(p Place) []byte { return append(bytes.Clone(r.mark), p.String()...) }

// Find returns the place that a secret refers to; ok is false if the secret is the key
// itself.
func (r *References) Find(secret []byte) (p Place, ok bool) {
	if len(secret) <= markSize || subtle.ConstantTimeCompare(secret[:markSize], r.mark) != 1 {
		return Place{}, false
	}
	p, err := ParsePlace(string(secret[markSize:]))
	return p, err == nil
}

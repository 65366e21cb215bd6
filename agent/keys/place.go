package keys

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Kind is how a key is held.
type Kind string

// The kinds, which are also what a place begins with.
const (
	TPM        Kind = "tpm"        // a private key at a persistent handle
	Sealed     Kind = "tpm-sealed" // a pre-shared key in a file that only one TPM opens
	Credential Kind = "credential" // a file of $CREDENTIALS_DIRECTORY
)

// Place is where a key is held.
type Place struct {
	Kind   Kind
	Handle uint32 // of TPM
	Name   string // the file of Sealed, absolute; the name of Credential
}

// The persistent handles of a TPM 2.0 for its owner (Registry of Reserved TPM 2.0
// Handles, section 2.3).
const (
	firstHandle = 0x81000000
	lastHandle  = 0x817fffff
)

// ErrPlace says that a text names no place.
var ErrPlace = errors.New(`is no place of a key; allowed: "tpm:0x81000001", "tpm-sealed:/FILE", "credential:NAME"`)

// ParsePlace reads what String writes.
func ParsePlace(text string) (Place, error) {
	kind, rest, _ := strings.Cut(text, ":")
	p := Place{Kind: Kind(kind)}
	ok := false
	switch p.Kind {
	case TPM:
		handle, err := strconv.ParseUint(rest, 0, 32)
		p.Handle = uint32(handle)
		ok = err == nil && handle >= firstHandle && handle <= lastHandle
	case Sealed:
		p.Name, ok = rest, filepath.IsAbs(rest) && !strings.ContainsRune(rest, 0)
	case Credential:
		p.Name, ok = rest, isCredential(rest)
	}
	if !ok {
		return Place{}, fmt.Errorf("%.80q %w", text, ErrPlace)
	}
	return p, nil
}

// isCredential reports whether a name is one that systemd takes: a file name (systemd.exec(5)).
func isCredential(name string) bool {
	return name != "" && len(name) <= 255 && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00:")
}

// String returns the place as the configuration writes it.
func (p Place) String() string {
	if p.Kind == TPM {
		return fmt.Sprintf("%s:%#x", TPM, p.Handle)
	}
	return string(p.Kind) + ":" + p.Name
}

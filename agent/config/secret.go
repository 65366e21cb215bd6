package config

import (
	"bytes"
	"fmt"
	"log/slog"
)

const redacted = "***"

// Secret holds key material. However it is printed, logged or marshalled, it
// shows as ***, or as an address where only its insides are seen: a function is
// the one thing whose content no formatter shows. The zero Secret is none.
type Secret struct{ held func() []byte }

// NewSecret returns a secret with a copy of b.
func NewSecret(b []byte) Secret {
	held := bytes.Clone(b)
	return Secret{func() []byte { return held }}
}

// bytes returns the bytes themselves, which nobody may change.
func (s Secret) bytes() []byte {
	if s.held == nil {
		return nil
	}
	return s.held()
}

// Reveal returns a copy of the bytes, nil for none. Who is done with it clears it.
func (s Secret) Reveal() []byte { return bytes.Clone(s.bytes()) }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return len(s.bytes()) == 0 }

// Equal reports whether two secrets are the same. Both are this machine's own.
func (s Secret) Equal(t Secret) bool { return bytes.Equal(s.bytes(), t.bytes()) }

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns ***.
func (Secret) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

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
type Secret struct{ reveal func() []byte }

// NewSecret returns a secret with a copy of b.
func NewSecret(b []byte) Secret {
	held := bytes.Clone(b)
	return Secret{func() []byte { return bytes.Clone(held) }}
}

// Reveal returns a copy of the bytes.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return len(s.Reveal()) == 0 }

// Equal reports whether two secrets are the same.
func (s Secret) Equal(t Secret) bool { return bytes.Equal(s.Reveal(), t.Reveal()) }

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns ***.
func (Secret) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

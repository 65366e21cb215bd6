package config

import (
	"fmt"
	"log/slog"
)

const redacted = "***"

// Secret holds key material. However it is printed, logged or marshalled, it
// shows as ***. The zero Secret is none.
type Secret struct{ bytes []byte }

// NewSecret returns a secret with a copy of b.
func NewSecret(b []byte) Secret { return Secret{append([]byte(nil), b...)} }

// Reveal returns a copy of the bytes.
func (s Secret) Reveal() []byte { return append([]byte(nil), s.bytes...) }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return len(s.bytes) == 0 }

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns ***.
func (Secret) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

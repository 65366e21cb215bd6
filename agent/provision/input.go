package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"lwm2m-agent/agent/keys"
)

// Input is what a machine says on a factory line, as JSON.
type Input struct {
	Endpoint  string   `json:"endpoint"` // may have {serial}, {mac}, {machine-id}
	Servers   []Server `json:"servers"`
	Bootstrap *Server  `json:"bootstrap"`
	Force     bool     `json:"force"`   // replace what is there
	Replace   bool     `json:"replace"` // likewise
	Label     bool     `json:"label"`   // tell what goes on a label, with the keys
}

// Server is an account and its credentials. Of secrets that are not given, new ones are
// made.
type Server struct {
	ShortServerID int    `json:"short_server_id"` // not for the bootstrap server
	URI           string `json:"uri"`
	Lifetime      string `json:"lifetime"`
	HoldOff       string `json:"hold_off"` // bootstrap server
	Security      string `json:"security"` // "none", "psk", "rpk", "x509"

	Identity string `json:"identity"` // psk
	Key      secret `json:"key"`      // psk: hexadecimal
	Size     int    `json:"size"`     // psk: bytes of a new one
	Seal     bool   `json:"seal"`     // psk: to the TPM
	Reveal   bool   `json:"reveal"`   // psk: tell the key in the answer

	PrivateKey        secret `json:"private_key"`        // rpk, x509: PEM
	TPM               string `json:"tpm"`                // rpk, x509: "0x81000001": made there
	Certificate       string `json:"certificate"`        // x509: PEM, with those above it
	ServerPublicKey   string `json:"server_public_key"`  // rpk: PEM
	ServerCertificate string `json:"server_certificate"` // x509: PEM
	CertificateUsage  *int   `json:"certificate_usage"`  // x509
}

// secret is text that prints as ***.
type secret string

// Format implements fmt.Formatter for every verb.
func (secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("***")) }

// Output is the answer to an Input.
type Output struct {
	Endpoint  string        `json:"endpoint,omitempty"`
	File      string        `json:"file"`    // of the configuration
	Changed   bool          `json:"changed"` // false: all was as wanted before
	Servers   []Provisioned `json:"servers,omitempty"`
	Bootstrap *Credential   `json:"bootstrap,omitempty"`
	Label     *Label        `json:"label,omitempty"`
}

// Provisioned is the credential of a server, nil if it has none.
type Provisioned struct {
	ShortServerID int         `json:"short_server_id"`
	Credential    *Credential `json:"credential,omitempty"`
}

// maxInput bounds an Input, in bytes.
const maxInput = 1 << 20

// ReadInput reads one Input and nothing behind it. The error holds no secret.
func ReadInput(r io.Reader) (*Input, error) {
	d := json.NewDecoder(io.LimitReader(r, maxInput))
	d.DisallowUnknownFields()
	in := new(Input)
	if err := d.Decode(in); err != nil {
		return nil, fmt.Errorf("%w: read the JSON: %s", ErrOrder, harmless(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: read the JSON: something follows it", ErrOrder)
	}
	return in, nil
}

// harmless says what is wrong with JSON without what is in it.
func harmless(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		found, _, _ := strings.Cut(e.Value, " ") // without a number, which may be a key
		if e.Field == "" {
			return found + " instead of an object"
		}
		return fmt.Sprintf("%q takes no %s", e.Field, found)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("syntax error at byte %d", e.Offset)
	}
	if text := err.Error(); strings.HasPrefix(text, "json: unknown field") {
		return strings.TrimPrefix(text, "json: ")
	}
	return "it ends early, or is too long"
}

// order returns what is to be made for a server.
func (s *Server) order(endpoint, name string, force bool) (*Order, error) {
	o := &Order{
		Kind: Kind(s.Security), Name: name, Endpoint: endpoint, Identity: s.Identity, Size: s.Size, Seal: s.Seal, Reveal: s.Reveal, Force: force,
	}
	if s.Key != "" && s.PrivateKey != "" || s.Key != "" && o.Kind != PSK || s.PrivateKey != "" && o.Kind == PSK {
		return nil, fmt.Errorf("%w: psk takes \"key\", rpk and x509 \"private_key\"", ErrOrder)
	}
	if s.Key+s.PrivateKey != "" {
		o.Secret = []byte(s.Key + s.PrivateKey)
	}
	if s.Certificate != "" {
		o.Certificate = []byte(s.Certificate)
	}
	if s.TPM != "" {
		place, err := keys.ParsePlace(string(keys.TPM) + ":" + s.TPM)
		if err != nil {
			return nil, fmt.Errorf("%w: tpm: %w", ErrOrder, err)
		}
		o.Handle = place.Handle
	}
	return o, nil
}

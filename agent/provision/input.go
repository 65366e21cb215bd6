package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
)

// Input is what a machine says on a factory line, as JSON.
type Input struct {
	Endpoint  string   `json:"endpoint"`
	Servers   []Server `json:"servers"`
	Bootstrap *Server  `json:"bootstrap"`
	Force     bool     `json:"force"` // replace what is there
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
	File      string        `json:"file"` // of the configuration
	Servers   []Provisioned `json:"servers,omitempty"`
	Bootstrap *Credential   `json:"bootstrap,omitempty"`
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
		return fmt.Sprintf("%q is no %s", e.Field, e.Type)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("syntax error at byte %d", e.Offset)
	}
	if text := err.Error(); strings.HasPrefix(text, "json: unknown field") {
		return strings.TrimPrefix(text, "json: ")
	}
	return "it ends early, or is too long"
}

// FileName is the part of the configuration that Apply writes.
const FileName = "10-provisioned.toml"

// Apply makes what an Input wants, and writes the part of the configuration that uses
// it, last and at once. If something fails, what it made is taken back, but for keys
// in the TPM and what replaced something.
func (m *Maker) Apply(in *Input, folder string) (*Output, error) {
	out, err := m.apply(in, filepath.Join(folder, FileName))
	if err != nil {
		return nil, errors.Join(err, m.TakeBack())
	}
	return out, nil
}

func (m *Maker) apply(in *Input, file string) (*Output, error) {
	if exists(file) && !in.Force { // before anything is made
		return nil, fmt.Errorf("%s %w", file, ErrThere)
	}
	out := &Output{Endpoint: in.Endpoint, File: file}
	var b strings.Builder
	b.WriteString("# Written by lwm2m-agent provision.\n")
	if in.Endpoint != "" {
		fmt.Fprintf(&b, "endpoint = %s\n", strconv.Quote(in.Endpoint))
	}
	for i := range in.Servers {
		s := &in.Servers[i]
		if s.ShortServerID < 1 || s.ShortServerID > 65534 {
			return nil, fmt.Errorf("%w: server %d: its short_server_id is not one of 1 to 65534", ErrOrder, i+1)
		}
		c, lines, err := m.server(in, s, "server-"+strconv.Itoa(s.ShortServerID))
		if err != nil {
			return nil, fmt.Errorf("server %d: %w", s.ShortServerID, err)
		}
		out.Servers = append(out.Servers, Provisioned{s.ShortServerID, c})
		b.WriteString("\n" + lines)
	}
	if in.Bootstrap != nil {
		c, lines, err := m.server(in, in.Bootstrap, "bootstrap")
		if err != nil {
			return nil, fmt.Errorf("bootstrap server: %w", err)
		}
		out.Bootstrap = c
		b.WriteString("\n" + lines)
	}
	if err := config.Validate(file, b.String()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	return out, m.write(new(Credential), file, []byte(b.String()), true, in.Force)
}

// server makes the credential of a server, and the lines of its section.
func (m *Maker) server(in *Input, s *Server, name string) (*Credential, string, error) {
	a := Account{ShortServerID: s.ShortServerID, URI: s.URI, Lifetime: s.Lifetime, HoldOff: s.HoldOff, CertificateUsage: s.CertificateUsage}
	if s.Security == "none" {
		return nil, a.Lines(nil), nil
	}
	o, err := s.order(in, name)
	if err != nil {
		return nil, "", err
	}
	c, err := m.Make(o)
	if err != nil {
		return nil, "", err
	}
	for _, public := range []struct {
		text, end string
		to        *string
	}{
		{s.ServerPublicKey, ".server" + endPublic, &a.ServerPublicKey}, {s.ServerCertificate, ".server" + endCertificate, &a.ServerCertificate},
	} {
		if public.text == "" {
			continue
		}
		*public.to = m.file(o, public.end)
		if err := m.write(c, *public.to, []byte(public.text), true, in.Force); err != nil {
			return nil, "", err
		}
	}
	lines := a.Lines(c)
	if c.Kind == X509 && c.Certificate == "" { // comes with a second Input, once the authority has answered
		lines = "#" + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n#") + "\n"
	}
	return c, lines, nil
}

// order returns what is to be made for a server.
func (s *Server) order(in *Input, name string) (*Order, error) {
	o := &Order{
		Kind: Kind(s.Security), Name: name, Endpoint: in.Endpoint, Identity: s.Identity, Size: s.Size, Seal: s.Seal, Reveal: s.Reveal, Force: in.Force,
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

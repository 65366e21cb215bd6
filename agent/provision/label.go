package provision

import (
	"cmp"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/agent/keys"
)

// Label is what goes on a device, or to who enters it at a server. It has keys.
type Label struct {
	Endpoint string         `json:"endpoint,omitempty"`
	Serial   string         `json:"serial,omitempty"`
	Accounts []LabelAccount `json:"accounts"`
}

// LabelAccount is what a label says of one server.
type LabelAccount struct {
	ShortServerID int    `json:"short_server_id,omitempty"` // not of the bootstrap server
	URI           string `json:"uri"`
	Security      string `json:"security"` // "none", "psk", "rpk", "x509"
	Identity      string `json:"identity,omitempty"`
	Key           string `json:"key,omitempty"`         // psk: hexadecimal
	Fingerprint   string `json:"fingerprint,omitempty"` // rpk, x509: of the public key
	Text          string `json:"text"`                  // for a QR code: see ReadText
}

func (m *Maker) label(r *record) (*Label, error) {
	l := &Label{Endpoint: cmp.Or(r.Endpoint, m.Names["endpoint"]), Serial: m.Names["serial"], Accounts: []LabelAccount{}}
	for i := range r.Accounts {
		a := &r.Accounts[i]
		la := LabelAccount{ShortServerID: a.ShortServerID, URI: a.URI, Security: "none"}
		if c := a.Credential; c != nil {
			la.Security, la.Identity = string(c.Kind), c.Identity
			if c.Kind == PSK {
				var err error
				if la.Key, err = m.secretOf(c); err != nil {
					return nil, err
				}
			} else {
				la.Fingerprint = c.Fingerprint
			}
		}
		la.Text = la.text(l.Endpoint)
		l.Accounts = append(l.Accounts, la)
	}
	return l, nil
}

// The fields of the text of a QR code.
const (
	textMark = "LWM2M:"
	textEnd  = ";;"

	textFieldNames = "EUSTIKHLP"
)

var escapes = strings.NewReplacer(`\`, `\\`, `;`, `\;`) //nolint:gochecknoglobals // a constant

func (a *LabelAccount) text(endpoint string) string {
	var b strings.Builder
	b.WriteString(textMark)
	field := func(name, value string) {
		if value != "" {
			b.WriteString(name + ":" + escapes.Replace(value) + ";")
		}
	}
	field("E", endpoint)
	field("U", a.URI)
	if a.ShortServerID != 0 {
		field("S", strconv.Itoa(a.ShortServerID))
	}
	field("T", a.Security)
	field("I", a.Identity)
	field("K", a.Key)
	field("P", a.Fingerprint)
	b.WriteString(";")
	return b.String()
}

// maxText bounds the text of a QR code, in bytes: the largest one holds 2953.
const maxText = 2953

// IsText reports whether something is the text of a QR code.
func IsText(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), textMark) }

// ReadText reads the text of a QR code: "LWM2M:", fields "NAME:VALUE;" in any order, and ";" as its
// end; a backslash before ";" or a backslash makes it part of a value.
//
//	E  endpoint name; may have {serial}, {mac}, {machine-id}
//	U  URI of the server
//	S  Short Server ID; without it: a bootstrap server
//	T  none, psk, rpk, x509; without it: psk if there is a K, or else none
//	I  identity of the pre-shared key
//	K  pre-shared key in hexadecimal
//	H  rpk: the server's public key, SubjectPublicKeyInfo in base64
//	L  lifetime, "24h"
//	P  fingerprint of the device's public key; not read
//
// The error holds no key.
func ReadText(text string) (*Input, error) {
	fields, err := textFields(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%w: read the text of the QR code: %w", ErrOrder, err)
	}
	s := &Server{URI: fields["U"], Security: fields["T"], Identity: fields["I"], Key: secret(fields["K"]), Lifetime: fields["L"]}
	in := &Input{Endpoint: fields["E"]}
	if s.Security == "" {
		s.Security = "none"
		if s.Key != "" {
			s.Security = string(PSK)
		}
	}
	if s.Key != "" {
		if _, err := keys.ParsePSK([]byte(s.Key)); err != nil {
			return nil, fmt.Errorf("%w: read the text of the QR code: K %w", ErrOrder, err)
		}
	}
	if h := fields["H"]; h != "" {
		der, err := base64.StdEncoding.DecodeString(h)
		if err != nil {
			return nil, fmt.Errorf("%w: read the text of the QR code: H is no base64", ErrOrder)
		}
		s.ServerPublicKey = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	id, there := fields["S"]
	if !there {
		in.Bootstrap = s
		return in, nil
	}
	if s.ShortServerID, err = strconv.Atoi(id); err != nil {
		return nil, fmt.Errorf("%w: read the text of the QR code: S is no number", ErrOrder)
	}
	in.Servers = []Server{*s}
	return in, nil
}

// textFields takes the text apart.
func textFields(text string) (map[string]string, error) {
	rest, ok := strings.CutPrefix(text, textMark)
	if !ok {
		return nil, fmt.Errorf("it does not begin with %q", textMark)
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("it is longer than a QR code holds, %d bytes", maxText)
	}
	rest, ok = strings.CutSuffix(rest, textEnd)
	if !ok {
		return nil, fmt.Errorf("it does not end with %q: part of it is missing", textEnd)
	}
	fields := make(map[string]string)
	for rest != "" {
		name, more, ok := strings.Cut(rest, ":")
		if !ok || len(name) != 1 || !strings.Contains(textFieldNames, name) {
			return nil, fmt.Errorf("field %d has none of the names E, U, S, T, I, K, H, L, P", len(fields)+1)
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		fields[name], rest = textValue(more)
	}
	if fields["U"] == "" {
		return nil, errors.New("the server's URI, field U, is missing")
	}
	return fields, nil
}

// textValue returns a value and what follows it.
func textValue(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == ';':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// ReadAccount reads an account from what a file or standard input has: the text of a QR code, or
// JSON as ReadInput takes it.
func ReadAccount(content []byte) (*Input, error) {
	text := strings.TrimSpace(strings.TrimPrefix(string(content), "\ufeff"))
	switch {
	case IsText(text):
		return ReadText(text)
	case strings.HasPrefix(text, "{"):
		return ReadInput(strings.NewReader(text))
	}
	return nil, fmt.Errorf("%w: it is neither the text of a QR code, which begins with %q, nor JSON", ErrOrder, textMark)
}

// Secret reports whether an Input has a key that nobody else may see.
func (in *Input) Secret() bool {
	secret := func(s *Server) bool { return s.Key+s.PrivateKey != "" }
	return in.Bootstrap != nil && secret(in.Bootstrap) || slices.ContainsFunc(in.Servers, func(s Server) bool { return secret(&s) })
}

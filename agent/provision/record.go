package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/agent/keys"
)

// record is what the file of the configuration says of itself, in its last comment: enough to tell
// whether the same is wanted again, and to answer as at the first time. It has no secret.
type record struct {
	Endpoint string    `json:"endpoint,omitempty"`
	Accounts []account `json:"accounts,omitempty"`
}

// account is one section of the file.
type account struct {
	ShortServerID int         `json:"short_server_id,omitempty"` // 0: the bootstrap server
	URI           string      `json:"uri"`
	Want          string      `json:"want"`  // digest of what was wanted
	Lines         string      `json:"lines"` // of the configuration
	Credential    *Credential `json:"credential,omitempty"`
	Files         []string    `json:"files,omitempty"` // that the section needs
}

const (
	head       = "# Written by lwm2m-agent provision. What is changed here by hand is lost when that runs again.\n"
	recordMark = "#provisioned "
)

// readRecord reads what a file says of itself; ok is false if there is no file. A file that says
// nothing was written by somebody else, or by an earlier release.
func readRecord(file string) (r *record, ok bool, err error) {
	content, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		return new(record), false, nil
	}
	if err != nil {
		return nil, true, fmt.Errorf("read %s: %w", file, err)
	}
	r = new(record)
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	if said, there := strings.CutPrefix(lines[len(lines)-1], recordMark); there && json.Unmarshal([]byte(said), r) == nil {
		return r, true, nil
	}
	return new(record), true, nil
}

// text is the file.
func (r *record) text() (string, error) {
	said, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode what was provisioned: %w", err)
	}
	var b strings.Builder
	b.WriteString(head)
	if r.Endpoint != "" {
		fmt.Fprintf(&b, "endpoint = %s\n", strconv.Quote(r.Endpoint))
	}
	for i := range r.Accounts {
		b.WriteString("\n" + r.Accounts[i].Lines)
	}
	fmt.Fprintf(&b, "\n%s%s\n", recordMark, said)
	return b.String(), nil
}

// account returns the account of a server, nil if there is none.
func (r *record) account(shortServerID int) *account {
	if i := r.index(shortServerID); i >= 0 {
		return &r.Accounts[i]
	}
	return nil
}

func (r *record) index(shortServerID int) int {
	return slices.IndexFunc(r.Accounts, func(a account) bool { return a.ShortServerID == shortServerID })
}

// put adds an account, or replaces the one of that server. The bootstrap server is the last one.
func (r *record) put(a *account) {
	if i := r.index(a.ShortServerID); i >= 0 {
		r.Accounts[i] = *a
		return
	}
	at := len(r.Accounts)
	if at > 0 && r.Accounts[at-1].ShortServerID == 0 {
		at--
	}
	r.Accounts = slices.Insert(r.Accounts, at, *a)
}

// needs reports whether a section needs a file.
func (r *record) needs(file string) bool {
	return slices.ContainsFunc(r.Accounts, func(a account) bool { return slices.Contains(a.Files, file) })
}

// missing returns a file that a section needs and that is not there, "" if all are. A request for a
// certificate and the device's public key may have been moved to where they are of use.
func (a *account) missing() string {
	for _, name := range a.Files {
		if !strings.HasSuffix(name, endRequest) && (!strings.HasSuffix(name, endPublic) || strings.HasSuffix(name, endServerPublic)) && !exists(name) {
			return name
		}
	}
	return ""
}

// waits reports whether the certificate is missing that a server's input brings.
func (a *account) waits(s *Server) bool {
	c := a.Credential
	return c != nil && c.Kind == X509 && c.Certificate == "" && s.Security == string(X509) && s.Certificate != "" && s.PrivateKey == "" && a.URI == s.URI
}

// want is a digest of what is wanted of a server. Of a secret its fingerprint counts, so that
// nobody can find out a weak one by trying.
func (s *Server) want(endpoint string) (string, error) {
	plain := *s
	plain.Reveal, plain.Key, plain.PrivateKey = false, "", ""
	if s.Key != "" {
		psk, err := keys.ParsePSK([]byte(s.Key))
		if err != nil {
			return "", fmt.Errorf("%w: the key %w", ErrOrder, err)
		}
		plain.Key = secret(shortPrint(psk))
		clear(psk)
	}
	if s.PrivateKey != "" {
		key, err := keys.ParsePrivateKey([]byte(s.PrivateKey))
		if err != nil {
			return "", fmt.Errorf("%w: the private key %w", ErrOrder, err)
		}
		print, err := printOf(key.Public())
		if err != nil {
			return "", err
		}
		plain.PrivateKey = secret(print)
	}
	if s.Security != string(X509) {
		endpoint = "" // it is in the request for a certificate only
	}
	said, err := json.Marshal(struct {
		Server   Server
		Endpoint string
	}{plain, endpoint})
	if err != nil {
		return "", fmt.Errorf("encode what is wanted: %w", err)
	}
	sum := sha256.Sum256(said)
	return hex.EncodeToString(sum[:]), nil
}

// secretOf reads a pre-shared key that was made before, in hexadecimal.
func (m *Maker) secretOf(c *Credential) (string, error) {
	var psk []byte
	place, err := keys.ParsePlace(c.Key)
	if err == nil {
		psk, err = m.Holder.PSK(place)
	} else {
		var content []byte
		if content, err = os.ReadFile(c.Key); err == nil {
			psk, err = keys.ParsePSK(content)
		}
		clear(content)
	}
	if err != nil {
		return "", fmt.Errorf("read the key %s: %w", c.Key, err)
	}
	defer clear(psk)
	return hex.EncodeToString(psk), nil
}

package provision

import (
	"fmt"
	"strconv"
	"strings"
)

// Account is what a section of the configuration says besides its keys.
type Account struct {
	ShortServerID int // 0: the bootstrap server
	URI           string
	Lifetime      string // "" is the default
	HoldOff       string // bootstrap server; "" is the default

	// Of RPK and X509: files, and how the server's certificate is judged.
	ServerPublicKey   string
	ServerCertificate string
	CertificateUsage  *int
}

// Lines returns a section of the configuration that uses a credential, nil for none.
// What is not known is a comment.
func (a *Account) Lines(c *Credential) string {
	var b strings.Builder
	line := func(known bool, key, value string) {
		if !known {
			b.WriteByte('#')
		}
		fmt.Fprintf(&b, "%s = %s\n", key, value)
	}
	text := func(key, value, otherwise string) {
		if value != "" || otherwise != "" {
			line(value != "", key, strconv.Quote(first(value, otherwise)))
		}
	}
	if a.ShortServerID != 0 {
		b.WriteString("[[server]]\n")
		line(true, "short_server_id", strconv.Itoa(a.ShortServerID))
	} else {
		b.WriteString("[bootstrap]\n")
	}
	text("uri", a.URI, "coaps://HOST:5684")
	text("lifetime", a.Lifetime, "")
	text("hold_off", a.HoldOff, "")
	if c == nil {
		return b.String()
	}
	line(true, "security", strconv.Quote(string(c.Kind)))
	switch c.Kind {
	case PSK:
		text("identity", c.Identity, "IDENTITY")
		text("key_file", c.Key, "")
	case RPK:
		text("private_key_file", c.Key, "")
		text("server_public_key_file", a.ServerPublicKey, "SERVER.pub.pem")
	case X509:
		text("private_key_file", c.Key, "")
		text("certificate_file", c.Certificate, "DEVICE.crt.pem")
		text("server_certificate_file", a.ServerCertificate, "AUTHORITY.crt.pem")
		if a.CertificateUsage != nil {
			line(true, "certificate_usage", strconv.Itoa(*a.CertificateUsage))
		}
	}
	return b.String()
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

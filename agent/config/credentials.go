package config

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/agent/keys"
)

// credentialKeys are the keys of an account's credentials by kind of security: those that
// are needed, and those that may be there.
var credentialKeys = map[Security]struct{ needed, taken []string }{
	SecurityNone: {},
	SecurityPSK:  {[]string{"identity"}, []string{"key", "key_file", "sni", "cipher_suites"}},
	SecurityRPK:  {[]string{"private_key_file", "server_public_key_file"}, []string{"matching_type", "sni", "cipher_suites"}},
	SecurityX509: {
		[]string{"certificate_file", "private_key_file", "server_certificate_file"},
		[]string{"certificate_usage", "matching_type", "sni", "cipher_suites"},
	},
}

// securityOf returns how an account is secured, which its credentials tell.
func securityOf(n *node) Security {
	fallback := SecurityNone
	switch {
	case n.table["identity"] != nil:
		fallback = SecurityPSK
	case n.table["certificate_file"] != nil:
		fallback = SecurityX509
	case n.table["server_public_key_file"] != nil:
		fallback = SecurityRPK
	}
	return Security(get(n, "security", string(fallback)))
}

// security checks that scheme, kind of security and credentials fit together.
func (b *builder) security(n *node, a *Account) {
	bad := func(key, format string, args ...any) {
		b.problems = append(b.problems, a.Problem(key, format, args...))
	}
	hasKey := n.table["key"] != nil || n.table["key_file"] != nil
	if n.table["uri"] == nil {
		return // reported as missing
	}
	b.scheme(a, "uri", a.URI)
	for _, u := range a.Secondary {
		b.scheme(a, "secondary_uris", u)
	}
	if a.Security == SecurityNone && hasKey {
		bad("security", `there is a key, but "none" needs no key; allowed: "psk" with identity`)
		return
	}
	fits := credentialKeys[a.Security]
	for _, kind := range credentialKeys {
		for _, key := range slices.Concat(kind.needed, kind.taken) {
			if n.table[key] != nil && !slices.Contains(fits.needed, key) && !slices.Contains(fits.taken, key) {
				bad(key, "is of no use with security = %q; leave it out", string(a.Security))
			}
		}
	}
	for _, key := range fits.needed {
		if n.table[key] == nil {
			bad(key, "missing; %s", needs[a.Security])
		}
	}
	if a.Security == SecurityPSK && !hasKey {
		bad("key_file", "missing; %s", needs[a.Security])
	}
}

// scheme checks that the scheme of an address fits the kind of security.
func (b *builder) scheme(a *Account, key string, u *url.URL) {
	secured := strings.HasPrefix(u.Scheme, "coaps")
	switch {
	case a.Security == SecurityNone && secured:
		b.bad(a, key, "%s needs credentials; give identity and key_file, or use a coap address in the laboratory", u.Scheme)
	case a.Security != SecurityNone && !secured:
		b.bad(a, key, "%s is not secured, but there are credentials; use a coaps address, or leave identity and key out", u.Scheme)
	case a.Security != SecurityX509 && u.Scheme == "coaps+tcp":
		b.bad(a, key, `over TCP (TLS) there is security = "x509" only; use a coaps address with %q`, string(a.Security))
	}
}

// needs says what needs a credential.
var needs = map[Security]string{
	SecurityPSK:  "a pre-shared key needs it",
	SecurityRPK:  `security = "rpk" needs it`,
	SecurityX509: `security = "x509" needs it`,
}

// publicKeys reads the credentials of raw public keys and certificates.
func (b *builder) publicKeys(n *node, a *Account) {
	a.SNI, a.CipherSuites = get(n, "sni", ""), get(n, "cipher_suites", []uint16(nil))
	a.CertificateUsage, a.MatchingType = optional(n, "certificate_usage"), int(get(n, "matching_type", int64(0)))
	if a.Security != SecurityRPK && a.Security != SecurityX509 {
		return
	}
	key := b.privateKey(a, n.table["private_key_file"])
	if a.Security == SecurityRPK {
		b.rawPublicKeys(n, a, key)
		return
	}
	list := b.chain(a, "certificate_file", n.table["certificate_file"])
	if len(list) > 0 {
		a.Public = joined(list)
		b.checkOwn(a, list[0], key)
	}
	if list := b.serverCertificate(n, a); len(list) > 0 {
		a.ServerKey = digest(a.MatchingType, list[0].Raw)
	}
}

func (b *builder) rawPublicKeys(n *node, a *Account, key *ecdsa.PrivateKey) {
	if key != nil {
		a.Public, _ = x509.MarshalPKIXPublicKey(key.Public()) // cannot fail on P-256
	}
	child := n.table["server_public_key_file"]
	name, text, ok := b.credential(a, "server_public_key_file", child, false)
	if !ok {
		return
	}
	if a.ServerKey = hexDigest(a.MatchingType, text); a.ServerKey != nil {
		return
	}
	der := unwrap(text, "PUBLIC KEY")
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		b.bad(a, "server_public_key_file", "%s does not hold a public key; allowed: SubjectPublicKeyInfo in PEM (PUBLIC KEY) or DER", name)
		return
	}
	if public, ok := parsed.(*ecdsa.PublicKey); !ok || public.Curve != elliptic.P256() {
		b.bad(a, "server_public_key_file", "the key in %s is not on P-256 (secp256r1), which LwM2M demands", name)
		return
	}
	a.ServerKey = digest(a.MatchingType, der)
}

func (b *builder) bad(a *Account, key, format string, args ...any) {
	b.problems = append(b.problems, a.Problem(key, format, args...))
}

// credential reads the file that a key names; a secret one must not be open to others.
func (b *builder) credential(a *Account, key string, n *node, secret bool) (name string, text []byte, ok bool) {
	if n == nil {
		return "", nil, false // reported as missing
	}
	name, _ = n.value.(string)
	name = n.path(name)
	content, open, err := b.readKey(name)
	switch {
	case err != nil:
		b.bad(a, key, "%s cannot be read: %s", name, reason(err))
	case secret && open:
		b.bad(a, key, "%s is open to more than its owner and a group that reads it; run: chmod g-w,o-rwx %s", name, name)
	default:
		return name, content, true
	}
	clear(content)
	return name, nil, false
}

// privateKey reads the own key, nil if that was reported, or if it is held elsewhere.
func (b *builder) privateKey(a *Account, n *node) *ecdsa.PrivateKey {
	const field = "private_key_file"
	if n != nil {
		place, elsewhere := b.held(a, field, n, keys.TPM, keys.Credential)
		if a.Held = place; elsewhere {
			return nil
		}
	}
	name, text, ok := b.credential(a, field, n, true)
	if !ok {
		return nil
	}
	key, err := parsePrivateKey(text)
	clear(text)
	if err != nil {
		b.bad(a, field, "%s %v", name, err)
		return nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.bad(a, field, "the key in %s cannot be used", name)
		return nil
	}
	a.Key = NewSecret(der)
	clear(der)
	return key
}

// Reasons for which a private key is refused; they follow the name of its file.
var (
	errEncrypted  = errors.New("holds an encrypted key, and there is nobody to ask for its password; decrypt it with openssl pkey")
	errNoKey      = errors.New("does not hold a private key; allowed: PKCS #8 or EC PRIVATE KEY in PEM or DER")
	errWrongCurve = errors.New("holds a key that is not on P-256 (secp256r1), which LwM2M demands")
)

// parsePrivateKey reads a key on P-256 in PEM or DER, as PKCS #8 or ECPrivateKey.
func parsePrivateKey(text []byte) (*ecdsa.PrivateKey, error) {
	der := text
	if isPEM(text) {
		der = nil
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
				continue // its certificate, its parameters
			}
			if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
				return nil, errEncrypted
			}
			der = block.Bytes
			defer clear(der)
			break
		}
	}
	var key crypto.PrivateKey
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		ec, err := x509.ParseECPrivateKey(der)
		if err != nil {
			return nil, errNoKey
		}
		key = ec
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errWrongCurve
	}
	return ec, nil
}

// chain reads certificates, none if that was reported.
func (b *builder) chain(a *Account, field string, n *node) []*x509.Certificate {
	name, text, ok := b.credential(a, field, n, false)
	if !ok {
		return nil
	}
	list, err := x509.ParseCertificates(unwrap(text, "CERTIFICATE"))
	if err != nil || len(list) == 0 {
		b.bad(a, field, "%s does not hold a certificate; allowed: X.509 in PEM or DER", name)
		return nil
	}
	return list
}

// checkOwn checks that the own certificate is one of the own key.
func (b *builder) checkOwn(a *Account, c *x509.Certificate, key *ecdsa.PrivateKey) {
	if key != nil && !key.PublicKey.Equal(c.PublicKey) {
		b.bad(a, "private_key_file", "the key does not belong to the certificate in certificate_file")
	}
	a.NotBefore, a.NotAfter = c.NotBefore, c.NotAfter
}

// Outdated returns a warning for each own certificate that is not valid at a time.
func (c *Config) Outdated(now time.Time) []*Problem {
	var accounts []*Account
	for i := range c.Servers {
		accounts = append(accounts, &c.Servers[i].Account)
	}
	if c.Bootstrap != nil {
		accounts = append(accounts, &c.Bootstrap.Account)
	}
	if c.Firmware != nil {
		for i := range c.Firmware.Hosts {
			accounts = append(accounts, &c.Firmware.Hosts[i].Account)
		}
	}
	var warnings []*Problem
	for _, a := range accounts {
		switch {
		case a.NotAfter.IsZero():
		case now.After(a.NotAfter):
			warnings = append(warnings, a.Problem("certificate_file", "the certificate expired at %s", a.NotAfter.UTC().Format(time.RFC3339)))
		case now.Before(a.NotBefore):
			warnings = append(warnings, a.Problem("certificate_file", "the certificate is not valid before %s", a.NotBefore.UTC().Format(time.RFC3339)))
		}
	}
	return warnings
}

// serverCertificate reads what the server's certificate is judged by. It is none where
// that was reported, or where the file has a digest of it.
func (b *builder) serverCertificate(n *node, a *Account) []*x509.Certificate {
	const field = "server_certificate_file"
	child := n.table[field]
	if name, text, ok := b.credential(a, field, child, false); !ok {
		return nil
	} else if a.ServerKey = hexDigest(a.MatchingType, text); a.ServerKey != nil {
		return nil
	} else if list := b.chain(a, field, child); len(list) == 1 {
		return list
	} else if len(list) > 1 {
		b.bad(a, field, "%s holds %d certificates; allowed: one, which certificate_usage says the use of", name, len(list))
	}
	return nil
}

func isPEM(text []byte) bool { return bytes.Contains(text, []byte("-----BEGIN ")) }

// unwrap returns the DER of all PEM blocks of a type, or what is in DER already.
func unwrap(text []byte, kind string) []byte {
	if !isPEM(text) {
		return text
	}
	var der []byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == kind {
			der = append(der, block.Bytes...)
		}
	}
	return der
}

func joined(list []*x509.Certificate) []byte {
	var der []byte
	for _, c := range list {
		der = append(der, c.Raw...)
	}
	return der
}

// digest returns what stands for a certificate or key with a matching type (/0/x/13).
func digest(matching int, der []byte) []byte {
	switch matching {
	case 1:
		sum := sha256.Sum256(der)
		return sum[:]
	case 2:
		sum := sha512.Sum384(der)
		return sum[:]
	case 3:
		sum := sha512.Sum512(der)
		return sum[:]
	}
	return der
}

// hexDigest returns the digest that a file holds in hexadecimal, nil if it holds none.
func hexDigest(matching int, text []byte) []byte {
	if matching == 0 {
		return nil
	}
	sum, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(sum) != len(digest(matching, nil)) {
		return nil
	}
	return sum
}

// CipherSuite is a cipher suite by its registered name and number (IANA, "TLS Cipher
// Suites").
type CipherSuite struct {
	Name   string
	Number uint16
}

// CipherSuites are those that DTLS has here.
var CipherSuites = []CipherSuite{
	{"TLS_PSK_WITH_AES_128_CCM_8", 0xc0a8},
	{"TLS_PSK_WITH_AES_128_CCM", 0xc0a4},
	{"TLS_PSK_WITH_AES_128_GCM_SHA256", 0x00a8},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", 0xc0ae},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_CCM", 0xc0ac},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xc02b},
	{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xc02f},
}

// cipherSuites takes a list of names, each at most once, and returns a []uint16.
var cipherSuites = kind{"a list of " + suiteNames(), func(v any) (any, bool) {
	list, ok := v.([]any)
	numbers := make([]uint16, 0, len(list))
	for _, element := range list {
		i := slices.IndexFunc(CipherSuites, func(s CipherSuite) bool { return s.Name == element })
		if i < 0 || slices.Contains(numbers, CipherSuites[i].Number) {
			return nil, false
		}
		numbers = append(numbers, CipherSuites[i].Number)
	}
	return numbers, ok && len(numbers) > 0
}}

func suiteNames() string {
	names := make([]string, len(CipherSuites))
	for i, s := range CipherSuites {
		names[i] = fmt.Sprintf("%q", s.Name)
	}
	return strings.Join(names, ", ")
}

package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// PackageHost is one [[firmware.host]]: what is peculiar to packages that lie at a host.
type PackageHost struct {
	Account                // what the agent shows to it: SecurityNone, SecurityPSK or SecurityX509; there is no URI
	Host        string     // name or address, in lower case, without a port
	Authorities []byte     // certificates in DER that its own is judged by; nil: as for other hosts
	Mirrors     []*url.URL // where packages of the host lie as well, at the same paths below these, in order
}

// packageHostKeys are the keys of a PackageHost.
var packageHostKeys = []key{
	{name: "host", kind: bareHost, required: true, help: "its name or address as URIs have it, without a port; it holds for all its ports"},
	{name: "identity", kind: text(maxIdentity), help: "coaps: identity of the pre-shared key"},
	{name: "key_file", kind: filePath, help: "coaps: file with the pre-shared key, as in [[server]]"},
	{name: "key", kind: hexKey, secret: true, help: "coaps: the pre-shared key itself, for tests"},
	{name: "certificate_file", kind: filePath, help: "https, coaps, coaps+tcp: own certificate, as in [[server]]"},
	{name: "private_key_file", kind: filePath, help: "https, coaps, coaps+tcp: own key on P-256, as in [[server]]"},
	{name: "ca_file", kind: filePath, fallback: "https: that of [firmware], or the system's", help: "authorities in PEM or DER that the host is trusted by, and no others; for coaps and coaps+tcp one certificate"},
	{name: "mirrors", kind: mirrorURIs, fallback: "none", help: "where else its packages are to be had, tried in order while it does not answer: path and query of a URI are put behind each of these"},
}

var packageHostSection = section{
	name: "host", identity: "host", help: "A host that packages come from, with what it is shown and trusted by, and its mirrors. Other hosts see nothing of it, also where a host redirects to them.",
	keys: packageHostKeys,
}

// bareHost takes a name or an address of a host.
var bareHost = kind{"the name or address of a host, 1 to 253 bytes, without scheme, port and brackets", func(v any) (any, bool) {
	s, _ := v.(string)
	if _, ok := hostName.read(v); !ok && net.ParseIP(s) == nil {
		return nil, false
	}
	return strings.ToLower(s), true
}}

// packageSchemes are those by which packages are fetched.
var packageSchemes = []string{"coap", "coaps", "coap+tcp", "coaps+tcp", "http", "https"}

// mirrorURIs takes URIs that paths can be put behind.
var mirrorURIs = kind{`a list of 1 to 8 URIs with a scheme (` + strings.Join(packageSchemes, ", ") + `), a host, and a path or none`, func(v any) (any, bool) {
	list := words(v)
	uris := make([]*url.URL, 0, len(list))
	for _, word := range list {
		u, err := url.Parse(word)
		if err != nil || !slices.Contains(packageSchemes, u.Scheme) || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return nil, false
		}
		uris = append(uris, u)
	}
	return uris, len(uris) > 0 && len(uris) <= 8
}}

// packageHosts reads the hosts of a [firmware].
func (b *builder) packageHosts(n *node, f *Firmware) {
	for _, e := range elements(n, "host") {
		f.Hosts = append(f.Hosts, b.packageHost(e, within(f.title, packageHostSection.title(e))))
	}
}

func (b *builder) packageHost(n *node, title string) PackageHost {
	h := PackageHost{
		Account: Account{Section: Section{n, title}, Identity: get(n, "identity", ""), CertificateUsage: NoInstance, URI: &url.URL{}},
		Host:    get(n, "host", ""), Mirrors: get(n, "mirrors", []*url.URL(nil)),
	}
	for _, k := range packageHostKeys {
		if child := n.table[k.name]; child != nil && child.bad {
			return h
		}
	}
	h.Security = b.packageSecurity(n, &h.Account)
	switch h.Security {
	case SecurityPSK:
		b.secret(n, &h.Account)
	case SecurityX509:
		key := b.privateKey(&h.Account, n.table["private_key_file"])
		if list := b.chain(&h.Account, "certificate_file", n.table["certificate_file"]); len(list) > 0 {
			h.Public = joined(list)
			b.checkOwn(&h.Account, list[0], key)
		}
	case SecurityNone, SecurityRPK:
	}
	if n.has("ca_file") {
		h.Authorities = joined(b.chain(&h.Account, "ca_file", n.table["ca_file"]))
	}
	return h
}

// packageSecurity returns what a host is shown, SecurityNone too where that is wrong and was
// reported.
func (b *builder) packageSecurity(n *node, a *Account) Security {
	shared := []string{"identity", "key_file", "key"}
	own := []string{"certificate_file", "private_key_file"}
	has := func(keys []string) bool { return slices.ContainsFunc(keys, n.has) }
	switch {
	case has(shared) && has(own):
		b.bad(a, "certificate_file", "there is a pre-shared key as well; give one of them")
	case has(shared) && !n.has("identity"):
		b.bad(a, "identity", "missing; %s", needs[SecurityPSK])
	case has(shared) && !has(shared[1:]):
		b.bad(a, "key_file", "missing; %s", needs[SecurityPSK])
	case has(shared):
		return SecurityPSK
	case has(own) && !n.has("certificate_file"):
		b.bad(a, "certificate_file", "missing; private_key_file needs it")
	case has(own) && !n.has("private_key_file"):
		b.bad(a, "private_key_file", "missing; certificate_file needs it")
	case has(own):
		return SecurityX509
	case !n.has("ca_file") && !n.has("mirrors"):
		b.bad(a, "", "nothing is said about the host; give identity and key_file, certificate_file and private_key_file, ca_file or mirrors")
	}
	return SecurityNone
}

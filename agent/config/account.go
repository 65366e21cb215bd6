package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
)

// keyReader reads a key file: its text, and whether others than owner and group
// have access to it.
type keyReader func(file string) (text string, open bool, err error)

// account reads what a server and the bootstrap server have in common.
func (b *builder) account(n *node, title string) Account {
	a := Account{
		Section:   Section{n, title},
		URI:       get(n, "uri", &url.URL{}),
		Identity:  get(n, "identity", ""),
		Instance:  optional(n, "instance"),
		QueueMode: get(n, "queue_mode", false),
		Version:   versionOf(n),
	}
	fallback := SecurityNone
	if a.Identity != "" {
		fallback = SecurityPSK
	}
	a.Security = Security(get(n, "security", string(fallback)))
	for _, k := range accountKeys {
		if child := n.table[k.name]; child != nil && child.bad {
			return a
		}
	}
	b.secret(n, &a)
	b.security(n, &a)
	a.Fingerprint = fingerprint(n, a.Key)
	return a
}

// secret reads the account's key from where it is.
func (b *builder) secret(n *node, a *Account) {
	inline, file := n.table["key"], n.table["key_file"]
	switch {
	case inline != nil && file != nil:
		b.problems = append(b.problems, a.Problem("key", "there is a key_file as well; give one of them"))
	case inline != nil:
		a.Key = get(n, "key", Secret{})
		if inline.source != nil && inline.source.open {
			b.cfg.Warnings = append(b.cfg.Warnings, a.Problem("key", "everyone on this machine can read it; use key_file, or run: chmod o-rwx %s", inline.source.file))
		}
	case file != nil:
		a.Key = b.keyFile(a, file)
	}
}

func (b *builder) keyFile(a *Account, n *node) Secret {
	name, _ := n.value.(string)
	name = n.path(name)
	text, open, err := b.readKey(name)
	bad := func(format string, args ...any) Secret {
		b.problems = append(b.problems, a.Problem("key_file", format, args...))
		return Secret{}
	}
	switch {
	case err != nil:
		return bad("%s cannot be read: %s", name, reason(err))
	case open:
		return bad("%s is open to others than its owner and group; run: chmod 0600 %s", name, name)
	}
	key, ok := parseKey(text)
	if !ok {
		return bad("%s does not hold a key; allowed: %s", name, hexKey.words)
	}
	return key
}

// readKeyFile is the keyReader for files.
func readKeyFile(file string) (string, bool, error) {
	text, mode, err := readBounded(file, maxKeyFile)
	return string(text), mode&0o027 != 0, err
}

// security checks that scheme, kind of security and credentials fit together.
func (b *builder) security(n *node, a *Account) {
	bad := func(key, format string, args ...any) {
		b.problems = append(b.problems, a.Problem(key, format, args...))
	}
	hasKey := n.table["key"] != nil || n.table["key_file"] != nil
	switch {
	case n.table["uri"] == nil:
		return // reported as missing
	case a.Security == SecurityNone && a.URI.Scheme == "coaps":
		bad("uri", "coaps needs credentials; give identity and key_file, or use a coap address in the laboratory")
	case a.Security == SecurityPSK && a.URI.Scheme != "coaps":
		bad("uri", "%s is not secured, but there are credentials; use a coaps address, or leave identity and key out", a.URI.Scheme)
	}
	switch {
	case a.Security == SecurityNone && a.Identity != "":
		bad("identity", `is of no use with security = "none"; leave it out`)
	case a.Security == SecurityNone && hasKey:
		bad("security", `there is a key, but "none" needs no key; allowed: "psk" with identity`)
	case a.Security == SecurityPSK && a.Identity == "":
		bad("identity", "missing; a pre-shared key needs it")
	case a.Security == SecurityPSK && !hasKey:
		bad("key_file", "missing; a pre-shared key needs it")
	}
}

// apart are the keys of a server that can be edited without making its account anew.
var apart = []string{"rights", "awake", "gather", "keep_alive"}

// fingerprint tells one content of an account's section from another. The hash
// of the key stands for the key, wherever it was read from. What objects 0 and 1 do not have
// is no part of the account.
func fingerprint(n *node, key Secret) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(n.table)) {
		if name != "key" && name != "key_file" && !slices.Contains(apart, name) {
			_, _ = fmt.Fprintf(h, "%s=%v\n", name, n.table[name].value)
		}
	}
	sum := sha256.Sum256(key.Reveal())
	h.Write(sum[:])
	return hex.EncodeToString(h.Sum(nil))
}

// ParseAccount makes an account of what stands in flags: the key in hexadecimal,
// identity and key empty for an unsecured server. The error is a Problems.
func ParseAccount(uri, identity, key string) (Account, error) {
	n := &node{table: make(map[string]*node)}
	for name, v := range map[string]string{"uri": uri, "identity": identity, "key": key} {
		if v != "" {
			n.table[name] = &node{value: v}
		}
	}
	var b builder
	s := section{keys: accountKeys}
	b.table(&s, n, "")
	b.required(&s, n, "")
	a := b.account(n, "")
	if len(b.problems) > 0 {
		return Account{}, b.problems.inOrder(nil)
	}
	return a, nil
}

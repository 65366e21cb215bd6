package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"lwm2m-agent/agent/keys"
)

// keyReader reads a key file: its text, and whether others than owner and group
// have access to it. The text is the caller's, to be cleared.
type keyReader func(file string) (text []byte, open bool, err error)

// account reads what a server and the bootstrap server have in common.
func (b *builder) account(n *node, title string) Account {
	a := Account{
		Section:   Section{n, title},
		URI:       get(n, "uri", &url.URL{}),
		Identity:  get(n, "identity", ""),
		Instance:  optional(n, "instance"),
		Secondary: get(n, "secondary_uris", []*url.URL(nil)),
		Interface: get(n, "interface", ""),
		Modem:     get(n, "modem", ""),
		QueueMode: get(n, "queue_mode", false),
		Version:   versionOf(n),
	}
	a.Security = securityOf(n)
	for _, k := range accountKeys {
		if child := n.table[k.name]; child != nil && child.bad {
			return a
		}
	}
	b.secret(n, &a)
	b.security(n, &a)
	b.publicKeys(n, &a)
	a.Fingerprint = fingerprint(n, &a)
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
		place, elsewhere := b.held(a, "key_file", file, keys.Sealed, keys.Credential)
		if a.Held = place; !elsewhere {
			a.Key = b.keyFile(a, file)
		}
	}
}

func (b *builder) keyFile(a *Account, n *node) Secret {
	name, _ := n.value.(string)
	name = n.path(name)
	text, open, err := b.readKey(name)
	defer clear(text)
	bad := func(format string, args ...any) Secret {
		b.problems = append(b.problems, a.Problem("key_file", format, args...))
		return Secret{}
	}
	switch {
	case err != nil:
		return bad("%s cannot be read: %s", name, reason(err))
	case open:
		return bad("%s is open to more than its owner and a group that reads it; run: chmod g-w,o-rwx %s", name, name)
	}
	key, ok := parseKey(text)
	if !ok {
		return bad("%s does not hold a key%s; allowed: %s", name, whyNoKey(text), hexKey.words)
	}
	return key
}

// whyNoKey says what is wrong with the content of a key file, as far as that gives nothing of it away.
func whyNoKey(text []byte) string {
	text = bytes.TrimSpace(text)
	digits := len(bytes.Trim(text, "0123456789abcdefABCDEF")) == 0
	switch {
	case len(text) == 0:
		return ": it is empty"
	case digits && len(text)%2 != 0:
		return fmt.Sprintf(": it has %d digits, two are a byte", len(text))
	case digits:
		return fmt.Sprintf(": it has %d bytes", len(text)/2)
	}
	return ": not all of it are hexadecimal digits (no spaces, colons, comments or 0x)"
}

// readKeyFile is the keyReader for files.
func readKeyFile(file string) ([]byte, bool, error) {
	text, mode, err := readBounded(file, maxKeyFile)
	return text, mode&0o027 != 0, err
}

// apart are the keys of a server that can be edited without making its account anew.
var apart = []string{"rights", "awake", "gather", "keep_alive", "interface", "modem"}

// held are the keys whose content counts, wherever it was read from.
var held = []string{"key", "key_file", "certificate_file", "private_key_file", "server_public_key_file", "server_certificate_file"}

// fingerprint tells one content of an account's section from another. The hashes
// of keys and certificates stand for them, and the place for a key that is held elsewhere.
// What objects 0 and 1 do not have is no part of the account.
func fingerprint(n *node, a *Account) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(n.table)) {
		if !slices.Contains(held, name) && !slices.Contains(apart, name) {
			_, _ = fmt.Fprintf(h, "%s=%v\n", name, n.table[name].value)
		}
	}
	if a.Held.Kind != "" {
		_, _ = fmt.Fprintf(h, "held=%s\n", a.Held)
	}
	sum := sha256.Sum256(a.Key.bytes())
	h.Write(sum[:])
	for _, part := range [][]byte{a.Public, a.ServerKey} {
		if part != nil {
			sum := sha256.Sum256(part)
			h.Write(sum[:])
		}
	}
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

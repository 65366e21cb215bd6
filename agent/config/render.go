package config

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/agent/keys"
)

// isFile reports whether the key names a file.
func (k *key) isFile() bool { return k.kind.words == filePath.words }

// resolved returns what a checked node says, a path as the program can open it.
func (n *node) resolved(k *key) any {
	text, ok := n.raw.(string)
	if !ok || !k.isFile() {
		return n.raw
	}
	kind, rest, held := strings.Cut(text, ":")
	switch {
	case held && keys.Kind(kind) == keys.Sealed && rest != "":
		return kind + ":" + n.path(rest)
	case held && slices.Contains(heldKinds, keys.Kind(kind)):
		return text
	}
	return n.path(text)
}

// reveal returns a secret as it stands in a configuration.
func (k *key) reveal(s Secret) string {
	if k.kind.words == hexKey.words {
		return hex.EncodeToString(s.Reveal())
	}
	return string(s.Reveal())
}

// same reports whether two checked nodes say the same.
func same(k *key, a, b *node) bool {
	if x, secret := a.value.(Secret); secret {
		y, _ := b.value.(Secret)
		return x.Equal(y)
	}
	if k.isFile() {
		return a.resolved(k) == b.resolved(k)
	}
	return reflect.DeepEqual(a.value, b.value)
}

// renderer writes checked nodes as TOML.
type renderer struct {
	strings.Builder
	open bool // secrets are written as they are, else as ***
}

// render returns a table of a section as TOML, in the order of the schema.
func render(s *section, n *node, open bool) string {
	r := renderer{open: open}
	r.table(s, n, "")
	return strings.TrimPrefix(r.String(), "\n")
}

func (r *renderer) table(s *section, n *node, path string) {
	for i := range s.keys {
		if k := &s.keys[i]; n.table[k.name] != nil {
			_, _ = fmt.Fprintf(r, "%s = %s\n", k.name, r.value(k, n.table[k.name]))
		}
	}
	for i := range s.sections {
		sub := &s.sections[i]
		child, inner := n.table[sub.name], strings.TrimPrefix(path+"."+sub.name, ".")
		if child == nil {
			continue
		}
		if sub.identity == "" {
			_, _ = fmt.Fprintf(r, "\n[%s]\n", inner)
			r.table(sub, child, inner)
		}
		for _, element := range child.list {
			_, _ = fmt.Fprintf(r, "\n[[%s]]\n", inner)
			r.table(sub, element, inner)
		}
	}
}

func (r *renderer) value(k *key, n *node) string {
	if s, secret := n.value.(Secret); secret {
		if !r.open {
			return quoted(redacted)
		}
		return quoted(k.reveal(s))
	}
	if i, number := n.raw.(int64); number && k.name == "address" {
		return fmt.Sprintf("0x%02x", i)
	}
	if u, uri := n.value.(*url.URL); uri {
		return quoted(u.String()) // with its port
	}
	return literal(n.resolved(k))
}

// literal writes what the TOML decoder made of a value.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return quoted(v)
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".en") { // an exponent, inf and nan mark a float too
			s += ".0"
		}
		return s
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = literal(v[i])
		}
		return "[" + strings.Join(words, ", ") + "]"
	}
	return fmt.Sprint(v) // true, 17
}

// quoted writes a text, which has no control characters, as a basic string.
func quoted(s string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) + `"`
}

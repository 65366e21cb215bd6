package config

import (
	"path/filepath"
	"slices"
	"strings"

	"lwm2m-agent/agent/keys"
)

// heldKinds are what the place of a key begins with that is not in a file.
var heldKinds = []keys.Kind{keys.TPM, keys.Sealed, keys.Credential}

// held reads where a key is held, if it is not in a file: "tpm:0x81000001",
// "tpm-sealed:FILE", "credential:NAME". ok says that it is not, and that what is wrong
// with the place is reported.
func (b *builder) held(a *Account, name string, n *node, fit ...keys.Kind) (place keys.Place, ok bool) {
	text, _ := n.value.(string)
	kind, rest, _ := strings.Cut(text, ":")
	if !slices.Contains(heldKinds, keys.Kind(kind)) {
		return keys.Place{}, false
	}
	if keys.Kind(kind) == keys.Sealed && rest != "" {
		if sealed, err := filepath.Abs(n.path(rest)); err == nil { // the main file may be named by a relative path
			text = kind + ":" + sealed
		}
	}
	place, err := keys.ParsePlace(text)
	switch {
	case err != nil:
		b.problems = append(b.problems, a.Problem(name, "%v", err))
	case !slices.Contains(fit, place.Kind):
		b.problems = append(b.problems, a.Problem(name, "%s holds another kind of key; allowed: a file, %s", place, kindWords(fit)))
	}
	return place, true
}

func kindWords(kinds []keys.Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = map[keys.Kind]string{keys.TPM: `"tpm:0x81000001"`, keys.Sealed: `"tpm-sealed:FILE"`, keys.Credential: `"credential:NAME"`}[k]
	}
	return strings.Join(words, ", ")
}

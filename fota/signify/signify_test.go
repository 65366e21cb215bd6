package signify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Made by signify-openbsd 31 over "hallo\n".
const (
	publicKey = "untrusted comment: signify public key\nRWTqPR+iRvPSdD6NkF0GXIGgj9b5D2WxxA/2rZ+1VtGCjqZjEme9mUfo\n"
	signed    = "untrusted comment: verify with k.pub\nRWTqPR+iRvPSdBldrlZZlZSkFEg6Hy08H3q0m/1qgNNdSTZ19awqA2nDdLjtvaUH/BKd5e3TxbK5ukihlI7xj4QmczNSE/uOGAA=\n"
	message   = "hallo\n"
)

func key(t *testing.T) Key {
	t.Helper()
	k, err := ParseKey([]byte(publicKey))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestVerify(t *testing.T) {
	k := key(t)
	stranger, namesake := k, k
	stranger.id[0] ^= 1
	namesake.key[0] ^= 1
	for _, c := range []struct {
		name, message, signature string
		keys                     []Key
		want                     string
	}{
		{"good", message, signed, []Key{k}, ""},
		{"second key", message, signed, []Key{stranger, k}, ""},
		{"key of the same number", message, signed, []Key{namesake, k}, ""},
		{"usign's line end", message, strings.TrimSuffix(signed, "\n"), []Key{k}, ""},
		{"carriage return", message, strings.ReplaceAll(signed, "\n", "\r\n"), []Key{k}, ""},
		{"other message", "hallo", signed, []Key{k}, "is wrong"},
		{"other signature", message, strings.Replace(signed, "BldrlZZ", "BldrlZA", 1), []Key{k}, "is wrong"},
		{"strange key", message, signed, []Key{stranger}, "is by key ea3d1fa246f3d274"},
		{"no key", message, signed, nil, "among the 0 trusted ones"},
		{"no comment", message, signed[10:], []Key{k}, "does not begin"},
		{"no signature", message, "", []Key{k}, "does not begin"},
		{"no base64", message, comment + "\n!\n", []Key{k}, "second line"},
		{"short", message, comment + "\nRWTqPR+i\n", []Key{k}, "it has 6 bytes, not 74"},
		{"a key", message, publicKey, []Key{k}, "it has 42 bytes, not 74"},
		{"another algorithm", message, strings.Replace(signed, "RW", "RX", 1), []Key{k}, "not Ed25519"},
		{"more lines", message, signed + signed, []Key{k}, "more than two lines"},
		{"too long", message, comment + strings.Repeat("x", maxFile), []Key{k}, "more than 4096 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Verify(c.keys, []byte(c.message), []byte(c.signature))
			switch {
			case c.want == "" && (err != nil || got != k):
				t.Errorf("got %v, %v", got, err)
			case c.want != "" && (!errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestReadKeys(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good := write("good.pub", publicKey)
	keys, err := ReadKeys([]string{good, good})
	if err != nil || len(keys) != 2 || keys[1].ID() != "ea3d1fa246f3d274" {
		t.Errorf("got %v, %v", keys, err)
	}
	for _, name := range []string{write("bad.pub", signed), write("long.pub", strings.Repeat("x", maxFile+1)), filepath.Join(dir, "none")} {
		if keys, err := ReadKeys([]string{good, name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, %v", name, keys, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(signed))
	f.Add([]byte(publicKey))
	f.Add([]byte(comment))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKey([]byte(publicKey))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify([]Key{k}, []byte("another message"), b); err == nil {
			t.Error("a signature over nothing known")
		}
		_, _ = ParseKey(b)
	})
}

package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

func seed(f *testing.F) {
	f.Helper()
	for _, text := range []string{
		"", "endpoint = 'a'", "\ufeffendpoint = 'a'\r\n", "[[sensor]]\nname='a'\ndriver='sim'\n[[sensor.channel]]\nname='c'\nobject=3303\n[[sensor]]\nname='b'",
		"[[server]]\nshort_server_id=1\nuri='coaps://[::1]'\nidentity=\"i\"\nkey='00'\nlifetime='1h'\n[bootstrap]\nuri='coap://h'\n",
		"device = {model = 'm', \"serial\" = '''s'''}", "x = [[1,2],[3]]\n", "\"a\\u0062\" = 1", "a.b.c = 1\na.d = 2\n[e.\"f g\".h]\ni=1\n",
		"x = \"\"\"a\n\\\"\"\"\"\"\ny = '''\n''''\n[z]\n", "x = [ # ]\n 1, '''\n]''', ]\n", "server = [{short_server_id = 1, uri = 'coap://h'}, {short_server_id = 2}]\n",
		"[[a]]\n[[a.b]]\n[a.b.c]\nx=1\n[[a]]\n[[a.b]]\ny=2\n", "[a]\n[a]", "[[a]]\n[a]", "\xff\xfe", "x = 1979-05-27", "x=[{}]\n[x]", strings.Repeat("[", 40),
	} {
		f.Add(text)
	}
}

// FuzzLoad: no text panics, and whatever is wrong with one has a line of it.
func FuzzLoad(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		// Twice, so that merging is tried as well.
		_, err := build(sources(text, text), Options{Drivers: drivers}, noKeys)
		if err == nil {
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("the error is %#v", err)
		}
		for _, p := range problems {
			if p.File == "" || p.Line < 1 || p.Line > 1+strings.Count(text, "\n") || p.Text == "" {
				t.Errorf("%s", p)
			}
		}
	})
}

// FuzzLines: in a text that the decoder takes, scanLines finds the same keys in
// the same order. Keys of inline tables it leaves out.
func FuzzLines(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		lines, tooDeep := scanLines(text)
		if tooDeep != 0 || strings.Contains(text, `\`) || !utf8.ValidString(text) {
			return
		}
		var into map[string]any
		meta, err := toml.Decode(text, &into)
		if err != nil {
			return
		}
		var header, last toml.Key
		rest := meta.Keys()
		for _, l := range lines {
			path := slices.Concat(header, l.path)
			if l.header {
				header, path = l.path, l.path
			}
			for len(rest) > 0 && len(rest[0]) > len(last) && slices.Equal(rest[0][:len(last)], last) && !slices.Equal(rest[0], path) {
				rest = rest[1:] // inside of an inline table
			}
			if len(rest) == 0 || !slices.Equal(rest[0], path) {
				t.Fatalf("line %d has %q, the decoder %q", l.number, path, rest)
			}
			last, rest = path, rest[1:]
		}
	})
}

package control

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// readYAML reads the part of YAML that docs/api.yaml is written in: mappings and
// sequences by indentation, sequences in brackets, plain and double-quoted
// scalars, comments on lines of their own. Values are map[string]any, []any,
// string, float64, bool or nil.
func readYAML(t *testing.T, file string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r yamlReader
	for i, line := range strings.Split(string(b), "\n") {
		text := strings.TrimLeft(line, " ")
		if text != "" && text[0] != '#' {
			r.lines = append(r.lines, yamlLine{i + 1, len(line) - len(text), strings.TrimRight(text, " ")})
		}
	}
	v, err := r.block(0)
	if err == nil && len(r.lines) > 0 {
		err = r.lines[0].wrong("is indented as nothing before it")
	}
	doc, ok := v.(map[string]any)
	if err != nil || !ok {
		t.Fatalf("%s: %v", file, err)
	}
	return doc
}

type yamlLine struct {
	number, indent int
	text           string
}

func (l yamlLine) wrong(what string) error {
	return fmt.Errorf("line %d %s: %s", l.number, what, l.text)
}

type yamlReader struct{ lines []yamlLine }

// block reads a mapping or sequence whose lines have this indentation.
func (r *yamlReader) block(indent int) (any, error) {
	if len(r.lines) > 0 && strings.HasPrefix(r.lines[0].text, "- ") {
		return r.sequence(indent)
	}
	m := make(map[string]any)
	for len(r.lines) > 0 && r.lines[0].indent == indent {
		l := r.lines[0]
		key, rest, err := yamlKey(l)
		if err != nil {
			return nil, err
		}
		if _, twice := m[key]; twice {
			return nil, l.wrong("has a key that is there twice")
		}
		r.lines = r.lines[1:]
		switch {
		case rest != "":
			m[key], err = yamlScalar(l, rest)
		case len(r.lines) > 0 && r.lines[0].indent > indent:
			m[key], err = r.block(r.lines[0].indent)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (r *yamlReader) sequence(indent int) (any, error) {
	var list []any
	for len(r.lines) > 0 && r.lines[0].indent == indent && strings.HasPrefix(r.lines[0].text, "- ") {
		// The element is a mapping whose first line stands behind the dash.
		r.lines[0].indent, r.lines[0].text = indent+2, r.lines[0].text[2:]
		element, err := r.block(indent + 2)
		if err != nil {
			return nil, err
		}
		list = append(list, element)
	}
	return list, nil
}

func yamlKey(l yamlLine) (key, rest string, err error) {
	if l.text[0] == '"' {
		quoted, err := strconv.QuotedPrefix(l.text)
		if err != nil {
			return "", "", l.wrong("is no key")
		}
		key, _ = strconv.Unquote(quoted)
		rest, ok := strings.CutPrefix(l.text[len(quoted):], ":")
		if !ok {
			return "", "", l.wrong("has no colon behind its key")
		}
		return key, strings.TrimSpace(rest), nil
	}
	key, rest, ok := strings.Cut(l.text, ":")
	if !ok || rest != "" && rest[0] != ' ' {
		return "", "", l.wrong("is no key")
	}
	return key, strings.TrimSpace(rest), nil
}

func yamlScalar(l yamlLine, s string) (any, error) {
	switch {
	case s[0] == '"':
		text, err := strconv.Unquote(s)
		if err != nil {
			return nil, l.wrong("has a bad string")
		}
		return text, nil
	case s[0] == '[':
		inner, ok := strings.CutSuffix(s[1:], "]")
		if !ok {
			return nil, l.wrong("has a bad list")
		}
		list := []any{}
		for part := range strings.SplitSeq(inner, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			v, err := yamlScalar(l, part)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case strings.ContainsAny(s[:1], "{}]&*!|>'%@`,") || strings.Contains(s, ": ") || strings.Contains(s, " #"):
		return nil, l.wrong("needs quotes")
	case s == "true" || s == "false":
		return s == "true", nil
	case s == "null":
		return nil, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f, nil
	}
	return s, nil
}

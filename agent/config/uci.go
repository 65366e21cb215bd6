package config

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// OpenWrt keeps settings in /etc/config in UCI's form (Unified Configuration Interface): each
// section of a type that the schema knows becomes the table of that name, the type "agent" the
// keys outside of any table. Texts have no type there; each key takes what fits it, pairs of numbers with a comma between.
//
//	config server 'office'
//	        option short_server_id '101'
//	        option uri 'coaps://lwm2m.example.com'
//	        list rights 'read'

// uciBase is the folder that relative paths in UCI's files are relative to, and where
// agent.d is: /etc/config holds nothing but UCI's own files.
const uciBase = "/etc/lwm2m-agent"

// uciRoot is the type of the section whose options belong to no table.
const uciRoot = "agent"

// uciText is a value of which only the text is known.
type uciText string

// isUCI reports whether a file is in UCI's form: by where it is, or by its first word.
func isUCI(file, text string) bool {
	if path.Dir(file) == "/etc/config" {
		return true
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			words := strings.Fields(line)
			return (words[0] == "config" || words[0] == "package") && len(words) > 1 && words[1][0] != '='
		}
	}
	return false
}

// uciReader makes nodes of the sections, in order.
type uciReader struct {
	source *source
	root   *node
	at     *node          // the section whose options follow
	last   *node          // the last list element, whose parts may follow
	within *section       // the schema's section of it
	names  map[string]int // of sections: their lines
}

// parseUCI reads a source in UCI's form.
func parseUCI(src *source) (*node, *Problem) {
	r := uciReader{source: src, root: &node{source: src, line: 1, table: make(map[string]*node)}, names: make(map[string]int)}
	number := 0
	for line := range strings.Lines(src.text) {
		number++
		words, err := uciWords(line)
		if err == nil && len(words) > 0 {
			err = r.statement(words, number)
		}
		if err != nil {
			r.root.line = number
			return nil, r.root.problem("", "syntax: "+err.Error())
		}
	}
	return r.root, nil
}

// statement takes one line in.
func (r *uciReader) statement(words []string, number int) error {
	switch keyword, n := words[0], len(words); {
	case keyword == "package" && n == 2:
		return nil
	case keyword == "config" && (n == 2 || n == 3):
		return r.section(words[1], slices.Concat(words[2:], []string{""})[0], number)
	case (keyword == "option" || keyword == "list") && n == 3:
		if r.at == nil {
			return fmt.Errorf("%s %s stands before any \"config\"", keyword, words[1])
		}
		return r.value(keyword == "list", words[1], words[2], number)
	}
	return fmt.Errorf("want \"config TYPE ['NAME']\", \"option KEY 'VALUE'\" or \"list KEY 'VALUE'\"")
}

// section opens the table of a type. A section's name stands for the key "name" of a list's
// element, where that tells elements apart.
func (r *uciReader) section(kind, name string, number int) error {
	if err := r.named(name, number); err != nil {
		return err
	}
	table := &node{source: r.source, line: number, table: make(map[string]*node)}
	if kind == uciRoot {
		r.at = r.root
		return nil
	}
	s, parent := schema.section(kind), r.root
	if part := r.part(kind); part != nil {
		s, parent = part, r.last
	}
	r.at = table
	if s == nil || s.identity == "" {
		if parent.table[kind] != nil {
			return fmt.Errorf("\"config %s\" is there twice, first in line %d", kind, parent.table[kind].line)
		}
		parent.table[kind] = table
		if s != nil && parent == r.root {
			r.within, r.last = s, table
		}
		return nil
	}
	if s.identity == "name" && name != "" {
		table.table["name"] = &node{source: r.source, line: number, value: uciText(name)}
	}
	if parent == r.root {
		r.within, r.last = s, table
	}
	list := parent.table[kind]
	if list == nil {
		list = &node{source: r.source, line: number}
		parent.table[kind] = list
	}
	list.list = append(list.list, table)
	return nil
}

// named refuses names that uci(1) does not take, or takes for those of one section: letters, digits and "_", once in a file.
func (r *uciReader) named(name string, number int) error {
	if strings.ContainsFunc(name, func(c rune) bool { return !letterOrDigit(c) && c != '_' }) {
		return fmt.Errorf("a section's name has letters, digits and \"_\" only, or uci does not read the file: leave it out, and say: option name '%s'", name)
	}
	if first := r.names[name]; name != "" && first != 0 {
		return fmt.Errorf("a section is called %s already, in line %d, and uci would make one of both: leave the name out, and say: option name '%[1]s'", name, first)
	}
	r.names[name] = number
	return nil
}

// part returns the schema of a section that belongs into the last section, nil if it does
// not.
func (r *uciReader) part(kind string) *section {
	if r.within == nil || schema.section(kind) != nil {
		return nil
	}
	return r.within.section(kind)
}

func (r *uciReader) value(list bool, key, text string, number int) error {
	old := r.at.table[key]
	if !list {
		if old != nil && (old.isTable() || old.isList()) {
			return fmt.Errorf("option %s: there are sections of that name", key)
		}
		r.at.table[key] = &node{source: r.source, line: number, value: uciText(text)} // the last one counts, as for UCI
		return nil
	}
	if old == nil {
		old = &node{source: r.source, line: number, value: []uciText{}}
		r.at.table[key] = old
	}
	texts, ok := old.value.([]uciText)
	if !ok {
		return fmt.Errorf("list %s: it is an option, too", key)
	}
	texts = append(texts, uciText(text))
	old.value = texts
	return nil
}

// uciWords splits a line as UCI does: blanks separate, quotes and backslashes protect, "#"
// begins a comment.
func uciWords(line string) (words []string, err error) {
	var word strings.Builder
	var quote rune
	inside, escaped := false, false
	for _, c := range strings.TrimRight(line, "\r\n") {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			inside, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			inside, quote = true, c
		case c == '#' && !inside:
			return words, nil
		case c == ' ' || c == '\t':
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		default:
			inside = true
			word.WriteRune(c)
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("the quote %c is not closed in its line", quote)
	case escaped:
		return nil, fmt.Errorf("nothing follows the backslash")
	case inside:
		words = append(words, word.String())
	}
	return words, nil
}

// uciValue makes of a text without a type the first value that a kind takes: a number, a
// truth, a list of numbers, or the text itself. raw is the value as TOML would have it.
func uciValue(k kind, v any) (raw, value any, ok bool) {
	switch v := v.(type) {
	case uciText:
		for _, candidate := range v.candidates() {
			if value, ok := k.read(candidate); ok {
				return candidate, value, true
			}
		}
		return nil, nil, false
	case []uciText:
		for i := range uciKinds {
			var list []any
			for _, text := range v {
				if c := text.as(i); c != nil {
					list = append(list, c)
				}
			}
			if value, ok := k.read(list); ok && len(list) == len(v) {
				return list, value, true
			}
		}
		return nil, nil, false
	}
	value, ok = k.read(v)
	return v, value, ok
}

// uciKinds is how many types a text may be of.
const uciKinds = 5

func (t uciText) candidates() []any {
	var out []any
	for i := range uciKinds {
		if c := t.as(i); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// as returns the text as a value of the type with a number, nil if it is none.
func (t uciText) as(i int) any {
	s := string(t)
	switch i {
	case 0:
		if n, err := strconv.ParseInt(s, 0, 64); err == nil {
			return n
		}
	case 1:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	case 2:
		switch s {
		case "1", "true", "on", "yes":
			return true
		case "0", "false", "off", "no":
			return false
		}
	case 3:
		if parts := strings.Split(s, ","); len(parts) > 1 {
			return numbers(parts)
		}
	default:
		return s
	}
	return nil
}

// numbers returns texts as a list of numbers, nil if one is none.
func numbers(texts []string) any {
	list := make([]any, len(texts))
	for i, text := range texts {
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return nil
		}
		list[i] = f
	}
	return list
}

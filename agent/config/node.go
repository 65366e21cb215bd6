package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// source is one file of the configuration.
type source struct {
	file string // as it is named in problems
	text string
	open bool   // others than owner and group can read it
	uci  bool   // it is in UCI's form, else in TOML
	base string // the folder that relative paths are relative to; "": the file's

	// fill, when not nil, is given what was parsed, before it is checked.
	fill func(*node) Problems
}

// node is a table, a list of tables or a value, and knows where it stands.
type node struct {
	source *source // nil: built in code
	line   int
	value  any              // of a value: what the decoder made of it, after check what its kind makes of it
	raw    any              // after check: what the decoder made of it; nil for a secret
	table  map[string]*node // of a table
	list   []*node          // of a list of tables
	bad    bool             // reported already; the value is not to be used
	filled bool             // it was "***" and has the secret that is in force
}

func (n *node) isTable() bool { return n.table != nil }
func (n *node) isList() bool  { return n.list != nil }

// problem returns what is wrong with the node. The key may be anything that
// stands in a file; it is made fit for a terminal.
func (n *node) problem(key, text string) *Problem {
	const most = 200
	if len(key) > most {
		key = key[:most] + "…"
	}
	if !printable(key) {
		key = strconv.Quote(key)
	}
	p := &Problem{Key: key, Text: text}
	if n != nil && n.source != nil {
		p.File, p.Line = n.source.file, n.line
	}
	return p
}

// path returns a path of the configuration as the program can open it: relative
// ones are relative to the file they are in.
func (n *node) path(p string) string {
	if filepath.IsAbs(p) || n.source == nil {
		return p
	}
	if n.source.uci {
		return filepath.Join(uciBase, p)
	}
	if n.source.base != "" {
		return filepath.Join(n.source.base, p)
	}
	return filepath.Join(filepath.Dir(n.source.file), p)
}

// parse reads a source. The decoder stops at the first error of syntax.
func parse(src *source) (*node, *Problem) {
	root := &node{source: src}
	if !utf8.ValidString(src.text) {
		valid := strings.ToValidUTF8(src.text, "\x00\x00")
		before, _, _ := strings.Cut(valid, "\x00\x00")
		root.line = 1 + strings.Count(before, "\n")
		return nil, root.problem("", "this is not UTF-8 text")
	}
	if src.uci {
		return parseUCI(src)
	}
	lines, tooDeep := scanLines(src.text)
	if tooDeep != 0 {
		root.line = tooDeep
		return nil, root.problem("", "keys or brackets are nested too deep")
	}
	var tables map[string]any
	if err := decode(src.text, &tables); err != nil {
		if syntax, ok := errors.AsType[toml.ParseError](err); ok {
			// The decoder gives no line for an escape at the very end.
			root.line = min(max(syntax.Position.Line, 1), 1+strings.Count(src.text, "\n"))
			twice := strings.HasPrefix(syntax.Message, "Key ")
			if !twice && slices.ContainsFunc(strings.Split(syntax.LastKey, "."), schema.hides) {
				syntax.Message = "this is no value; a text needs quotes" // the decoder would quote it
			}
			return nil, root.problem(syntax.LastKey, "syntax: "+syntax.Message)
		}
		return nil, root.problem("", "syntax: "+err.Error())
	}
	root.fill(tables)
	root.place(lines)
	return root, nil
}

// decode is toml.Decode; the decoder panics on some texts that are not TOML.
func decode(text string, into any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the text confuses the TOML decoder")
		}
	}()
	_, err = toml.Decode(text, into)
	return err
}

// fill builds the nodes of a table.
func (n *node) fill(table map[string]any) {
	n.table = make(map[string]*node, len(table))
	for key, v := range table {
		n.table[key] = n.child(v)
	}
}

func (n *node) child(v any) *node {
	c := &node{source: n.source}
	switch v := v.(type) {
	case map[string]any:
		c.fill(v)
	case []map[string]any:
		for _, table := range v {
			c.list = append(c.list, n.child(table))
		}
	case []any:
		if c.list = n.tables(v); c.list == nil {
			c.value = v
		}
	default:
		c.value = v
	}
	return c
}

// tables returns the nodes of a list that has only tables, else nil.
func (n *node) tables(list []any) []*node {
	var nodes []*node
	for _, v := range list {
		table, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		nodes = append(nodes, n.child(table))
	}
	return nodes
}

// place gives the nodes below a root their lines.
func (n *node) place(lines []line) {
	at, seen := n, make(map[*node]int)
	for _, l := range lines {
		if !l.header {
			at.mark(l, seen)
			continue
		}
		if at = n.mark(l, seen); at == nil {
			at = &node{}
		}
	}
	n.inherit(1)
}

// mark gives the node of a statement, and those on the way that have none, its
// line, and returns the table that a header opens. seen counts the tables that
// headers opened in a list.
func (n *node) mark(l line, seen map[*node]int) *node {
	at := n
	for i, name := range l.path {
		next, ok := at.table[name]
		if !ok {
			return nil // a key with escapes: it gets its table's line
		}
		if next.line == 0 {
			next.line = l.number
		}
		last := i == len(l.path)-1
		if next.isList() && (!last || l.header) {
			if last && l.list {
				seen[next]++
			}
			next = next.list[min(max(seen[next]-1, 0), len(next.list)-1)]
			if last {
				next.line = l.number
			}
		}
		at = next
	}
	return at
}

// inherit gives nodes without a line that of what they are in.
func (n *node) inherit(line int) {
	if n.line == 0 {
		n.line = line
	}
	for _, c := range n.table {
		c.inherit(n.line)
	}
	for _, c := range n.list {
		c.inherit(n.line)
	}
}

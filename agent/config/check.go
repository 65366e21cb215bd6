package config

import (
	"fmt"
	"slices"
	"strings"
)

// checker holds the nodes of one source against the schema.
type checker struct {
	problems Problems
}

func (c *checker) add(n *node, key, format string, args ...any) {
	c.problems = append(c.problems, n.problem(key, fmt.Sprintf(format, args...)))
}

// title names a table in problems: "device", "sensor \"cold room\"", and "" for
// the root.
func (s *section) title(n *node) string {
	if s.identity == "" {
		return s.name
	}
	id := n.table[s.identity]
	if id == nil || id.value == nil {
		return s.name
	}
	return s.name + " " + id.quote(false)
}

// within joins the title of a table and what is inside of it.
func within(title, inside string) string {
	if title == "" || inside == "" {
		return title + inside
	}
	return title + ": " + inside
}

// table checks a table: unknown keys, wrong types and values, lists. Values
// become what their kind makes of them; what is wrong is marked, so that it is
// reported once.
func (c *checker) table(s *section, n *node, outer string) {
	title := within(outer, s.title(n))
	for name, child := range n.table {
		if k := s.key(name); k != nil {
			c.value(k, child, title)
			continue
		}
		if sub := s.section(name); sub != nil {
			c.section(sub, child, title)
			continue
		}
		c.add(child, within(title, name), "unknown; %s", s.allowed(name))
		delete(n.table, name)
	}
}

func (c *checker) value(k *key, child *node, title string) {
	var raw, v any
	ok := false
	if !child.isTable() && !child.isList() {
		raw, v, ok = uciValue(k.kind, child.value)
	}
	if ok {
		if child.value = v; !k.secret {
			child.raw = raw
		}
		return
	}
	c.add(child, within(title, k.name), "%s is not valid%s; allowed: %s", child.quote(k.secret), mistake(k.kind, child.value), k.kind.words)
	*child = node{source: child.source, line: child.line, bad: true}
}

// quote shows what a node holds, briefly, and not at all if it is secret.
func (n *node) quote(secret bool) string {
	value := n.value
	if t, ok := value.(uciText); ok {
		value = string(t)
	}
	switch v := value.(type) {
	case string:
		if secret {
			return "this"
		}
		if len(v) > 40 {
			return fmt.Sprintf("%.40q…", v)
		}
		return fmt.Sprintf("%q", v)
	case bool, int64, float64:
		if !secret {
			return fmt.Sprint(v)
		}
	}
	return "this"
}

func (c *checker) section(s *section, child *node, outer string) {
	switch {
	case s.identity == "" && child.isTable():
		c.table(s, child, outer)
		return
	case s.identity == "":
		c.add(child, within(outer, s.name), "this is one table; allowed: [%s]", s.name)
	case !child.isList():
		c.add(child, within(outer, s.name), "this is a list of tables; allowed: [[%s]]", s.name)
	default:
		c.list(s, child, outer)
		return
	}
	*child = node{source: child.source, line: child.line, bad: true}
}

// list checks a list of tables. Those that cannot be told apart are taken out.
func (c *checker) list(s *section, n *node, outer string) {
	first := make(map[any]*node)
	n.list = slices.DeleteFunc(n.list, func(child *node) bool {
		c.table(s, child, outer)
		id := child.table[s.identity]
		if id == nil {
			c.add(child, within(outer, s.name), "%s is missing; it tells one [[%s]] from the other", s.identity, s.name)
			return true
		}
		if id.bad {
			return true
		}
		if other := first[id.value]; other != nil {
			c.add(id, within(outer, s.title(child)), "is there twice, first in line %d; each %s needs its own %s", other.line, s.name, s.identity)
			return true
		}
		first[id.value] = id
		return false
	})
}

// allowed says what may stand where an unknown key stands.
func (s *section) allowed(unknown string) string {
	var names []string
	for _, k := range s.keys {
		names = append(names, k.name)
	}
	for _, sub := range s.sections {
		if sub.identity == "" {
			names = append(names, "["+sub.name+"]")
		} else {
			names = append(names, "[["+sub.name+"]]")
		}
	}
	return suggestion(unknown, names) + "allowed: " + strings.Join(names, ", ")
}

// suggestion says which of the names may be meant, or nothing.
func suggestion(unknown string, names []string) string {
	for _, name := range names {
		if bare := strings.Trim(name, "[]"); distance(unknown, bare) <= min(2, len(bare)-2) {
			if name != bare {
				return fmt.Sprintf("did you mean %s? ", name)
			}
			return fmt.Sprintf("did you mean %q? ", name)
		}
	}
	return ""
}

// distance counts the letters that must be added, removed or replaced to turn one
// word into the other; words much longer than any key are far away.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// required reports keys that are missing in a merged table and in those below.
func (c *checker) required(s *section, n *node, outer string) {
	title := within(outer, s.title(n))
	for _, k := range s.keys {
		if k.required && n.table[k.name] == nil {
			c.add(n, within(title, k.name), "missing; needs %s", k.kind.words)
		}
	}
	for i := range s.sections {
		sub := &s.sections[i]
		child := n.table[sub.name]
		switch {
		case child == nil:
		case child.isTable():
			c.required(sub, child, title)
		default:
			for _, element := range child.list {
				c.required(sub, element, title)
			}
		}
	}
}

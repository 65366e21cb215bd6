package config

import "fmt"

// Section remembers where a section of the configuration stands. The zero
// Section stands nowhere: it was built in code.
type Section struct {
	node  *node
	title string
}

// Problem returns what is wrong with a key of the section ("" for the section
// itself), at its file and line. It is for those who find out later, such as the
// tables of drivers and objects.
func (s Section) Problem(key, format string, args ...any) *Problem {
	at := s.node
	if at != nil && at.table[key] != nil {
		at = at.table[key]
	}
	return at.problem(within(s.title, key), fmt.Sprintf(format, args...))
}

// Given reports whether the section itself says something about a key, which a
// default does not.
func (s Section) Given(key string) bool { return s.node != nil && s.node.table[key] != nil }

// where is the place of the section in words.
func (s Section) where() string {
	if s.node == nil || s.node.source == nil {
		return "built in"
	}
	return fmt.Sprintf("%s:%d", s.node.source.file, s.node.line)
}

package config

import "strings"

// maxDepth bounds dotted keys and brackets within brackets, which the TOML
// decoder follows by recursion. The configuration needs three.
const maxDepth = 16

// line is one statement of a TOML text: a header or a key with its value.
type line struct {
	number int // from 1
	header bool
	list   bool // of a list of tables: [[…]]
	path   []string
}

// scanLines finds the statements of a TOML text and where they begin: the decoder
// keeps one position for each key, which is that of the last table in a list of
// tables. It trusts the text to be TOML, and for one that is not finds something
// or other. It reports the first line that nests too deep, or 0.
func scanLines(text string) (lines []line, tooDeep int) {
	s := scanner{text: strings.TrimPrefix(text, "\ufeff"), number: 1}
	for s.skipBlank(); s.at < len(s.text); s.skipBlank() {
		l := line{number: s.number}
		if s.take('[') {
			l.header = true
			l.list = s.take('[')
		}
		l.path = s.path()
		if !l.header {
			s.skipValue()
		}
		s.skipLine()
		if s.tooDeep != 0 {
			return nil, s.tooDeep
		}
		lines = append(lines, l)
	}
	return lines, 0
}

type scanner struct {
	text    string
	at      int
	number  int // of the line at which it stands
	tooDeep int
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() == c && s.at < len(s.text) {
		s.next()
		return true
	}
	return false
}

func (s *scanner) next() {
	if s.text[s.at] == '\n' {
		s.number++
	}
	s.at++
}

// skipBlank goes to the next byte that is neither white space nor comment.
func (s *scanner) skipBlank() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.next()
		case '#':
			s.skipLine()
		default:
			return
		}
	}
}

func (s *scanner) skipLine() {
	for s.at < len(s.text) && s.text[s.at] != '\n' {
		s.at++
	}
}

// path reads a dotted key up to '=' or ']'.
func (s *scanner) path() []string {
	var path []string
	segment := func(name string) {
		if path = append(path, name); len(path) > maxDepth && s.tooDeep == 0 {
			s.tooDeep = s.number
		}
	}
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '=', ']', '\n':
			s.next()
			return path
		case ' ', '\t', '\r', '.':
			s.at++
		case '"', '\'':
			begin := s.at
			s.skipString()
			segment(strings.Trim(s.text[begin:s.at], string(c)))
		default:
			begin := s.at
			for s.at < len(s.text) && strings.IndexByte(" \t\r\n.=]\"'", s.text[s.at]) < 0 {
				s.at++
			}
			segment(s.text[begin:s.at])
		}
	}
	return path
}

// skipString goes behind a string of any of the four kinds.
func (s *scanner) skipString() {
	quote := s.text[s.at : s.at+1]
	if long := strings.Repeat(quote, 3); strings.HasPrefix(s.text[s.at:], long) {
		quote = long
	}
	for range len(quote) {
		s.next()
	}
	for s.at < len(s.text) && !strings.HasPrefix(s.text[s.at:], quote) {
		switch {
		case s.text[s.at] == '\n' && len(quote) == 1:
			return // an error that the decoder reports
		case s.text[s.at] == '\\' && quote[0] == '"' && s.at+1 < len(s.text):
			s.next()
		}
		s.next()
	}
	for s.at < len(s.text) && s.text[s.at] == quote[0] {
		s.next() // a long string may end in up to five quotes
		if len(quote) == 1 {
			return
		}
	}
}

// skipValue goes to the end of the line in which a value ends.
func (s *scanner) skipValue() {
	for depth := 0; s.at < len(s.text); {
		switch s.text[s.at] {
		case '"', '\'':
			s.skipString()
			continue
		case '#':
			s.skipLine()
			continue
		case '[', '{':
			if depth++; depth > maxDepth && s.tooDeep == 0 {
				s.tooDeep = s.number
			}
		case ']', '}':
			depth--
		case '\n':
			if depth <= 0 {
				return
			}
		}
		s.next()
	}
}

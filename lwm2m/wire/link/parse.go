package link

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"lwm2m-agent/lwm2m"
)

// Bounds of Parse.
const (
	MaxLinks = 10_000 // links of a payload, more are refused with 4.13
	MaxAttrs = 32     // attributes of a link, more are refused with 4.00
)

// Parse reads links. White space around links and attributes is accepted, and so is
// the attribute lwm2m before the first link, as a Bootstrap-Discover of LwM2M 1.0 has
// it (lwm2m="1.0",</0>); it becomes the attribute of a link to "/".
//
// The error is an *lwm2m.Error: 4.00, or 4.13 for too many links.
func Parse(data []byte) ([]Link, error) {
	p := parser{rest: string(data)}
	if !utf8.Valid(data) {
		return nil, p.refuse("not UTF-8")
	}
	p.space()
	if p.rest == "" {
		return nil, nil
	}
	var links []Link
	for {
		if len(links) == MaxLinks {
			return nil, lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "read links: there are more than %d", MaxLinks)
		}
		l, err := p.link(len(links) == 0)
		if err != nil {
			return nil, err
		}
		links = append(links, l)
		if p.rest == "" {
			return links, nil
		}
		if !p.take(',') {
			return nil, p.refuse("no comma after a link")
		}
		p.space()
	}
}

// parser takes links off the rest of a payload.
type parser struct{ rest string }

func (p *parser) refuse(what string) error {
	return lwm2m.Errorf(lwm2m.BadRequest, "read links: %.60s before %.40q", what, p.rest)
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take takes the character c if it is next.
func (p *parser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// link reads a target, its attributes and the white space after them.
func (p *parser) link(first bool) (Link, error) {
	var l Link
	if first && strings.HasPrefix(p.rest, "lwm2m=") {
		a, err := p.attr()
		p.space()
		return Link{Target: "/", Attrs: []Attr{a}}, err
	}
	if !p.take('<') {
		return l, p.refuse("no target")
	}
	end := strings.IndexByte(p.rest, '>')
	if end < 0 {
		return l, p.refuse("a target without end")
	}
	l.Target, p.rest = p.rest[:end], p.rest[end+1:]
	if strings.IndexFunc(l.Target, func(r rune) bool { return r <= ' ' || r == '<' || r == '"' || r == 0x7F }) >= 0 {
		return l, p.refuse("no URI as target")
	}
	for p.space(); p.take(';'); p.space() {
		if len(l.Attrs) == MaxAttrs {
			return l, p.refuse(fmt.Sprintf("more than %d attributes", MaxAttrs))
		}
		p.space()
		a, err := p.attr()
		if err != nil {
			return l, err
		}
		l.Attrs = append(l.Attrs, a)
	}
	return l, nil
}

// nameByte reports whether c is an attr-char of RFC 5987, or the asterisk that may
// follow those.
func nameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~*", c) >= 0
}

// attr reads an attribute.
func (p *parser) attr() (Attr, error) {
	end := 0
	for end < len(p.rest) && nameByte(p.rest[end]) {
		end++
	}
	a := Attr{Name: p.rest[:end], Form: FormFlag}
	if a.Name == "" {
		return a, p.refuse("an attribute without a name")
	}
	p.rest = p.rest[end:]
	if !p.take('=') {
		return a, nil
	}
	if p.take('"') {
		return p.quoted(a.Name)
	}
	end = strings.IndexAny(p.rest, ";, \t\r\n")
	if end < 0 {
		end = len(p.rest)
	}
	a = Token(a.Name, p.rest[:end])
	if !isToken(a.Value) {
		return a, p.refuse("no value of the attribute " + a.Name)
	}
	p.rest = p.rest[end:]
	return a, nil
}

// quoted reads a value after its opening quote.
func (p *parser) quoted(name string) (Attr, error) {
	end := strings.IndexAny(p.rest, `"\`)
	if end >= 0 && p.rest[end] == '"' {
		a := Quoted(name, p.rest[:end])
		p.rest = p.rest[end+1:]
		return a, nil
	}
	var value []byte
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return Quoted(name, string(value)), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			value = append(value, p.rest[i])
		default:
			value = append(value, c)
		}
	}
	return Attr{}, p.refuse("a quoted value without end")
}

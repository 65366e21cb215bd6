package lwm2m

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxID is the identifier that the specification reserves: no object, instance,
// resource or resource instance bears it (Core, section 7.1).
const MaxID = 65535

// Level is how deep a path goes.
type Level uint8

// The levels of a path, from the root "/" down to "/3/0/7/1".
const (
	LevelRoot Level = iota
	LevelObject
	LevelInstance
	LevelResource
	LevelResourceInstance
)

var levelNames = [...]string{"root", "object", "object instance", "resource", "resource instance"}

// String returns the specification's word for the level.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return "level " + strconv.Itoa(int(l))
}

// Path names a place in the object tree: up to four identifiers and, for an end
// device behind a gateway, the prefix of that device (LwM2M Gateway 1.1.1,
// section 6). The zero Path is the root of the own device. Paths are comparable
// and serve as map keys.
type Path struct {
	prefix string
	ids    [4]uint16
	level  Level
}

// ErrPath reports text that is not a path.
var ErrPath = errors.New("not a path")

// NewPath returns the path of the given identifiers, at most four.
func NewPath(ids ...uint16) Path {
	var p Path
	for _, id := range ids {
		p = p.Child(id)
	}
	return p
}

// maxPrefix bounds a gateway prefix: the longest Uri-Path option (RFC 7252,
// section 5.10).
const maxPrefix = 255

// ParsePath reads "/", "/3", "/3/0", "/3/0/7" or "/3/0/7/1", each optionally
// behind a gateway prefix ("/dev1/3/0"). The first slash may be missing and a
// single trailing one is accepted. A prefix consists of characters that a URI
// path takes as they are (RFC 3986, section 3.3) and begins with no digit, at
// most 255 of them. The error wraps ErrPath.
func ParsePath(s string) (Path, error) {
	var p Path
	rest := strings.TrimPrefix(s, "/")
	if rest == "" {
		return p, nil
	}
	rest = strings.TrimSuffix(rest, "/")
	for more := true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if p == (Path{}) && !startsWithDigit(segment) {
			if !isPrefix(segment) {
				return Path{}, fmt.Errorf("%w: %s: %s is neither identifier nor prefix", ErrPath, excerpt(s), excerpt(segment))
			}
			p.prefix = segment
			continue
		}
		if int(p.level) == len(p.ids) {
			return Path{}, fmt.Errorf("%w: %s has more than four identifiers", ErrPath, excerpt(s))
		}
		id, ok := parseID(segment)
		if !ok {
			return Path{}, fmt.Errorf("%w: %s: %s is no identifier", ErrPath, excerpt(s), excerpt(segment))
		}
		p = p.Child(id)
	}
	return p, nil
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// isPrefix reports whether s consists of pchar of RFC 3986 without escapes.
func isPrefix(s string) bool {
	if s == "" || len(s) > maxPrefix || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' {
			continue
		}
		if strings.IndexByte("-._~!$&'()*+,;=:@", c) < 0 {
			return false
		}
	}
	return true
}

// parseID reads an identifier: decimal, no sign, no leading zero, not MaxID.
func parseID(s string) (uint16, bool) {
	if s == "" || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n != MaxID
}

// MustPath is ParsePath for constants in code and tests; it panics on an error.
func MustPath(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// Level returns how deep the path goes.
func (p Path) Level() Level { return p.level }

// IsRoot reports whether the path names no object.
func (p Path) IsRoot() bool { return p.level == LevelRoot }

// Object returns the object identifier; the path must be at least that deep.
func (p Path) Object() uint16 { return p.id(LevelObject) }

// Instance returns the object instance identifier; the path must be at least that deep.
func (p Path) Instance() uint16 { return p.id(LevelInstance) }

// Resource returns the resource identifier; the path must be at least that deep.
func (p Path) Resource() uint16 { return p.id(LevelResource) }

// ResourceInstance returns the resource instance identifier; the path must be that deep.
func (p Path) ResourceInstance() uint16 { return p.id(LevelResourceInstance) }

func (p Path) id(l Level) uint16 {
	if p.level < l {
		panic(fmt.Sprintf("lwm2m: path %s has no %s", p, l))
	}
	return p.ids[l-1]
}

// Packed returns the identifiers in one number: 16 bits each, the object's at the top, 0 for
// what is not there.
func (p Path) Packed() uint64 {
	return uint64(p.ids[0])<<48 | uint64(p.ids[1])<<32 | uint64(p.ids[2])<<16 | uint64(p.ids[3])
}

// Prefix returns the gateway prefix of an end device, "" for the own device.
func (p Path) Prefix() string { return p.prefix }

// WithPrefix returns the path below the given gateway prefix.
func (p Path) WithPrefix(prefix string) Path {
	p.prefix = prefix
	return p
}

// Child returns the path one level deeper; p must not be a resource instance.
func (p Path) Child(id uint16) Path {
	if int(p.level) == len(p.ids) {
		panic("lwm2m: a resource instance has no child")
	}
	p.ids[p.level] = id
	p.level++
	return p
}

// Parent returns the path one level up; the root is its own parent.
func (p Path) Parent() Path {
	if p.level == LevelRoot {
		return p
	}
	return p.At(p.level - 1)
}

// At returns the path cut to the given level, or p if it is not deeper.
func (p Path) At(l Level) Path {
	for p.level > l {
		p.level--
		p.ids[p.level] = 0
	}
	return p
}

// Contains reports whether q is p or lies below it.
func (p Path) Contains(q Path) bool {
	return p.level <= q.level && q.At(p.level) == p
}

// Compare orders paths by prefix, then by identifiers; a parent comes before
// its children.
func (p Path) Compare(q Path) int {
	if c := cmp.Compare(p.prefix, q.prefix); c != 0 {
		return c
	}
	for i := range min(p.level, q.level) {
		if c := cmp.Compare(p.ids[i], q.ids[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(p.level, q.level)
}

// Append adds the path's text to dst.
func (p Path) Append(dst []byte) []byte {
	if p.prefix != "" {
		dst = append(append(dst, '/'), p.prefix...)
	}
	for _, id := range p.ids[:p.level] {
		dst = strconv.AppendUint(append(dst, '/'), uint64(id), 10)
	}
	if p.prefix == "" && p.level == LevelRoot {
		dst = append(dst, '/')
	}
	return dst
}

// String returns the path's text, "/" for the root.
func (p Path) String() string { return string(p.Append(nil)) }

// MarshalText implements encoding.TextMarshaler.
func (p Path) MarshalText() ([]byte, error) { return p.Append(nil), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Path) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePath(string(text))
	return err
}

package coap

import (
	"bytes"
	"encoding/binary"
	"iter"
	"strings"

	"github.com/plgd-dev/go-coap/v3/message"
)

// OptionID is an option number (RFC 7252 section 12.2).
type OptionID uint16

// Option numbers: RFC 7252 section 5.10, RFC 7641, RFC 7959, RFC 9175.
const (
	IfMatch       OptionID = 1
	URIHost       OptionID = 3
	ETag          OptionID = 4
	IfNoneMatch   OptionID = 5
	Observe       OptionID = 6
	URIPort       OptionID = 7
	LocationPath  OptionID = 8
	URIPath       OptionID = 11
	ContentFormat OptionID = 12
	MaxAge        OptionID = 14
	URIQuery      OptionID = 15
	Accept        OptionID = 17
	LocationQuery OptionID = 20
	Block2        OptionID = 23
	Block1        OptionID = 27
	Size2         OptionID = 28
	ProxyURI      OptionID = 35
	ProxyScheme   OptionID = 39
	Size1         OptionID = 60
	Echo          OptionID = 252
	RequestTag    OptionID = 292
)

// Critical tells whether a recipient that does not know the option has to refuse
// the message (RFC 7252 section 5.4.6).
func (id OptionID) Critical() bool { return id&1 == 1 }

// noCacheKey tells whether the option is no part of the cache key (section 5.4.6).
func (id OptionID) noCacheKey() bool { return id&0x1e == 0x1c }

// Options yields every option in the order of the wire. The values are borrowed.
func (m *Message) Options() iter.Seq2[OptionID, []byte] {
	return func(yield func(OptionID, []byte) bool) {
		for _, o := range m.options {
			if !yield(OptionID(o.ID), o.Value) {
				return
			}
		}
	}
}

// Option returns the first value of an option; it is borrowed.
func (m *Message) Option(id OptionID) (value []byte, ok bool) {
	for _, o := range m.options {
		if OptionID(o.ID) == id {
			return o.Value, true
		}
	}
	return nil, false
}

// OptionUint returns the first value of an option of format uint (RFC 7252
// section 3.2). Values of more than four bytes count as missing.
func (m *Message) OptionUint(id OptionID) (n uint32, ok bool) {
	v, ok := m.Option(id)
	if !ok || len(v) > 4 {
		return 0, false
	}
	for _, b := range v {
		n = n<<8 | uint32(b)
	}
	return n, true
}

// AddOption adds one more value of an option and copies it.
func (m *Message) AddOption(id OptionID, value []byte) {
	start := len(m.values)
	m.values = append(m.values, value...)
	end := len(m.values)
	m.options = m.options.Add(message.Option{ID: message.OptionID(id), Value: m.values[start:end:end]})
}

// SetOption replaces every value of an option by one.
func (m *Message) SetOption(id OptionID, value []byte) {
	m.RemoveOption(id)
	m.AddOption(id, value)
}

// SetOptionUint replaces every value of an option by n in the shortest form.
func (m *Message) SetOptionUint(id OptionID, n uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	m.SetOption(id, bytes.TrimLeft(b[:], "\x00"))
}

// RemoveOption removes every value of an option.
func (m *Message) RemoveOption(id OptionID) {
	m.options = m.options.Remove(message.OptionID(id))
}

// AppendPath appends the Uri-Path as "/3/0/0" to b; nothing for the root.
func (m *Message) AppendPath(b []byte) []byte {
	return m.appendSegments(b, URIPath, '/')
}

// Path returns the Uri-Path as "/3/0/0", "/" for the root. Segments are not escaped.
func (m *Message) Path() string {
	var buf [64]byte
	if b := m.AppendPath(buf[:0]); len(b) > 0 {
		return string(b)
	}
	return "/"
}

// PathSegments returns the segments of the Uri-Path, nil for the root.
func (m *Message) PathSegments() []string { return m.strings(URIPath) }

// SetPath replaces the Uri-Path by that of "/3/0/0" or "3/0/0". An empty string
// and "/" mean the root. A segment longer than 255 bytes is refused when sent.
func (m *Message) SetPath(path string) { m.setSegments(URIPath, path) }

// LocationPath returns the Location-Path as "/rd/5a3f", empty if there is none.
func (m *Message) LocationPath() string {
	return string(m.appendSegments(nil, LocationPath, '/'))
}

// SetLocationPath replaces the Location-Path by that of "/rd/5a3f".
func (m *Message) SetLocationPath(path string) { m.setSegments(LocationPath, path) }

// Queries returns the Uri-Query options, such as "ep=x"; nil if there is none.
func (m *Message) Queries() []string { return m.strings(URIQuery) }

// Query returns the value of the first Uri-Query "key=value", or an empty string
// for a plain "key".
func (m *Message) Query(key string) (value string, ok bool) {
	for _, o := range m.options {
		if OptionID(o.ID) != URIQuery {
			continue
		}
		k, v, _ := bytes.Cut(o.Value, []byte{'='})
		if string(k) == key {
			return string(v), true
		}
	}
	return "", false
}

// AddQuery adds one Uri-Query option, such as "ep=x".
func (m *Message) AddQuery(query string) { m.AddOption(URIQuery, []byte(query)) }

// ContentFormat returns the number of the payload's format (RFC 7252 section 12.3).
func (m *Message) ContentFormat() (format uint16, ok bool) { return m.uint16(ContentFormat) }

// SetContentFormat sets the number of the payload's format.
func (m *Message) SetContentFormat(format uint16) { m.SetOptionUint(ContentFormat, uint32(format)) }

// Accept returns the number of the format that the client wants.
func (m *Message) Accept() (format uint16, ok bool) { return m.uint16(Accept) }

// SetAccept sets the number of the format that the client wants.
func (m *Message) SetAccept(format uint16) { m.SetOptionUint(Accept, uint32(format)) }

// Observe returns the Observe option: 0 register or 1 deregister in a request, the
// 24-bit sequence number in a notification (RFC 7641 section 2).
func (m *Message) Observe() (value uint32, ok bool) { return m.shortUint(Observe, 3) }

// SetObserve sets the Observe option; only 24 bits of value are used.
func (m *Message) SetObserve(value uint32) { m.SetOptionUint(Observe, value&maxSequence) }

// ETag returns the first ETag option, nil if there is none; it is borrowed.
func (m *Message) ETag() []byte {
	v, _ := m.Option(ETag)
	return v
}

// SetETag sets the ETag, 1 to 8 bytes.
func (m *Message) SetETag(etag []byte) { m.SetOption(ETag, etag) }

// MaxAge returns the Max-Age option in seconds; the default of 60 is not filled in.
func (m *Message) MaxAge() (seconds uint32, ok bool) { return m.OptionUint(MaxAge) }

// SetMaxAge sets the Max-Age option in seconds.
func (m *Message) SetMaxAge(seconds uint32) { m.SetOptionUint(MaxAge, seconds) }

// Size1 returns the announced size of the request's body in bytes (RFC 7959 section 4).
func (m *Message) Size1() (size uint32, ok bool) { return m.OptionUint(Size1) }

// Size2 returns the announced size of the response's body in bytes (RFC 7959 section 4).
func (m *Message) Size2() (size uint32, ok bool) { return m.OptionUint(Size2) }

// Block1 returns the Block1 option; ok is false too if its value is longer than
// three bytes.
func (m *Message) Block1() (b Block, ok bool) { return m.block(Block1) }

// Block2 returns the Block2 option; ok is false too if its value is longer than
// three bytes.
func (m *Message) Block2() (b Block, ok bool) { return m.block(Block2) }

func (m *Message) block(id OptionID) (Block, bool) {
	v, ok := m.shortUint(id, 3)
	return parseBlock(v), ok
}

func (m *Message) uint16(id OptionID) (uint16, bool) {
	v, ok := m.shortUint(id, 2)
	return uint16(v), ok //nolint:gosec // two bytes
}

// shortUint is OptionUint for an option of at most length bytes: a longer value counts as
// missing (RFC 7252 section 5.4.3).
func (m *Message) shortUint(id OptionID, length int) (uint32, bool) {
	if v, ok := m.Option(id); !ok || len(v) > length {
		return 0, false
	}
	return m.OptionUint(id)
}

func (m *Message) strings(id OptionID) []string {
	var s []string
	for _, o := range m.options {
		if OptionID(o.ID) == id {
			s = append(s, string(o.Value))
		}
	}
	return s
}

func (m *Message) appendSegments(b []byte, id OptionID, separator byte) []byte {
	for _, o := range m.options {
		if OptionID(o.ID) == id {
			b = append(append(b, separator), o.Value...)
		}
	}
	return b
}

func (m *Message) setSegments(id OptionID, path string) {
	m.RemoveOption(id)
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return
	}
	for segment := range strings.SplitSeq(path, "/") {
		m.AddOption(id, []byte(segment))
	}
}

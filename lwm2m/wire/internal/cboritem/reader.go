package cboritem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"unicode/utf8"
)

// maxDepth bounds arrays, maps and tags inside each other.
const maxDepth = 8

// Errors of a Reader.
var (
	ErrSyntax = errors.New("it is not well-formed CBOR")
	ErrDepth  = fmt.Errorf("it is nested deeper than %d", maxDepth)
	ErrKind   = errors.New("it has another type of data item than expected")
)

// A Reader takes data items off a byte slice. The first error stays; after it
// every method does nothing and returns a zero value.
type Reader struct {
	data  []byte // what is left
	depth int
	err   error
}

// NewReader returns a reader of data, which it does not change.
func NewReader(data []byte) *Reader { return &Reader{data: data} }

// Err returns the first error, or one if bytes are left over once the caller has
// read what it wanted.
func (r *Reader) Err() error {
	if r.err == nil && len(r.data) > 0 {
		r.Fail(fmt.Errorf("%w: %d bytes are left over", ErrSyntax, len(r.data)))
	}
	return r.err
}

// Failed reports whether there was an error.
func (r *Reader) Failed() bool { return r.err != nil }

// Fail makes err the reader's error if it is the first.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.data = nil
}

// Kind is what the next item is.
type Kind uint8

// The kinds of items. KindNone stands for the end of the data and for a break.
const (
	KindNone Kind = iota
	KindInteger
	KindBytes
	KindText
	KindArray
	KindMap
	KindTag
	KindSimple // false, true, null and the floats
)

// Kind returns the kind of the next item without reading it.
func (r *Reader) Kind() Kind {
	if len(r.data) == 0 || r.data[0] == breakByte {
		return KindNone
	}
	switch r.data[0] & 0xE0 {
	case majorUnsigned, majorNegative:
		return KindInteger
	case majorBytes:
		return KindBytes
	case majorText:
		return KindText
	case majorArray:
		return KindArray
	case majorMap:
		return KindMap
	case majorTag:
		return KindTag
	default:
		return KindSimple
	}
}

// Null reads a null, if that is the next item.
func (r *Reader) Null() bool {
	if len(r.data) == 0 || r.data[0] != simpleNull {
		return false
	}
	r.Skip()
	return true
}

// Array reads an array of definite or indefinite length; the caller reads exactly
// one item in each round.
func (r *Reader) Array() iter.Seq[int] { return r.items(majorArray) }

// Map reads a map of definite or indefinite length; the caller reads exactly a key
// and a value in each round.
func (r *Reader) Map() iter.Seq[int] { return r.items(majorMap) }

func (r *Reader) items(want byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		major, n, definite := r.head()
		if r.err == nil && major != want {
			r.Fail(ErrKind)
		}
		if !r.enter() {
			return
		}
		defer r.leave()
		for i := 0; r.err == nil; i++ {
			if definite && uint64(i) >= n || !definite && r.atBreak() {
				return
			}
			if len(r.data) == 0 {
				r.Fail(fmt.Errorf("%w: it is cut off", ErrSyntax))
				return
			}
			if !yield(i) {
				return
			}
		}
	}
}

// enter goes one level down and reports whether that is possible.
func (r *Reader) enter() bool {
	if r.err != nil {
		return false
	}
	if r.depth == maxDepth {
		r.Fail(ErrDepth)
		return false
	}
	r.depth++
	return true
}

func (r *Reader) leave() { r.depth-- }

// atBreak takes the end mark of an indefinite length if it is next.
func (r *Reader) atBreak() bool {
	if len(r.data) == 0 || r.data[0] != breakByte {
		return false
	}
	r.data = r.data[1:]
	return true
}

// Int reads an integer that fits 64 bits with sign.
func (r *Reader) Int() int64 {
	major, arg, _ := r.head()
	switch {
	case r.err != nil:
		return 0
	case major > majorNegative || arg > math.MaxInt64:
		r.Fail(ErrKind)
		return 0
	case major == majorNegative:
		return ^int64(arg)
	default:
		return int64(arg)
	}
}

// Text reads a text string, which is checked to be UTF-8. The result may be part
// of the reader's data.
func (r *Reader) Text() []byte {
	text := r.str(majorText)
	if !utf8.Valid(text) {
		r.Fail(fmt.Errorf("%w: a text is not UTF-8", ErrSyntax))
		return nil
	}
	return text
}

// Bytes reads a byte string. The result may be part of the reader's data.
func (r *Reader) Bytes() []byte { return r.str(majorBytes) }

// str reads a string of definite length, or the chunks of one of indefinite
// length (RFC 8949, section 3.2.3).
func (r *Reader) str(want byte) []byte {
	major, n, definite := r.head()
	if r.err == nil && major != want {
		r.Fail(ErrKind)
	}
	if definite {
		return r.take(n)
	}
	whole := []byte{}
	for r.err == nil && !r.atBreak() {
		major, n, definite = r.head()
		if r.err == nil && (major != want || !definite) {
			r.Fail(fmt.Errorf("%w: a chunk is no string", ErrSyntax))
		}
		whole = append(whole, r.take(n)...)
	}
	return whole
}

// Skip reads the next item, whatever it is.
func (r *Reader) Skip() {
	switch r.Kind() {
	case KindArray:
		for range r.Array() {
			r.Skip()
		}
	case KindMap:
		for range r.Map() {
			r.Skip()
			r.Skip()
		}
	case KindTag:
		if r.head(); r.enter() {
			r.Skip()
			r.leave()
		}
	case KindText:
		r.Text()
	case KindBytes:
		r.Bytes()
	case KindInteger, KindSimple, KindNone:
		r.head()
	}
}

// head reads an item's first byte and its argument (RFC 8949, section 3). definite
// is false for an indefinite length, which only strings, arrays and maps have.
func (r *Reader) head() (major byte, arg uint64, definite bool) {
	first := r.take(1)
	if r.err != nil {
		return 0, 0, true
	}
	major = first[0] & 0xE0
	switch info := first[0] & 0x1F; {
	case info < 24:
		return major, uint64(info), true
	case info <= 27:
		return major, r.argument(1 << (info - 24)), true
	case info == 31 && major >= majorBytes && major <= majorMap:
		return major, 0, false
	default:
		r.Fail(fmt.Errorf("%w: no item begins with 0x%02X", ErrSyntax, first[0]))
		return 0, 0, true
	}
}

// argument reads an unsigned number of n bytes.
func (r *Reader) argument(n uint64) uint64 {
	var b [8]byte
	copy(b[8-n:], r.take(n))
	return binary.BigEndian.Uint64(b[:])
}

// take returns the next n bytes.
func (r *Reader) take(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	if n > uint64(len(r.data)) {
		r.Fail(fmt.Errorf("%w: it is cut off", ErrSyntax))
		return nil
	}
	taken := r.data[:n:n]
	r.data = r.data[n:]
	return taken
}

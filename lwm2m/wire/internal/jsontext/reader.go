// Package jsontext reads and writes the JSON (RFC 8259) of LwM2M's formats without
// building a document: the reader hands out one value after the other.
//
// It knows syntax. It must not know what a member stands for.
package jsontext

import (
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"
)

// maxDepth bounds arrays and objects inside each other.
const maxDepth = 8

// Errors of a Reader.
var (
	ErrSyntax = errors.New("it is not well-formed JSON")
	ErrDepth  = fmt.Errorf("it is nested deeper than %d", maxDepth)
	ErrKind   = errors.New("it has another type of value than expected")
)

// A Reader takes values off a byte slice. The first error stays; after it every
// method does nothing and returns a zero value.
type Reader struct {
	data  []byte
	at    int
	depth int
	err   error
}

// NewReader returns a reader of data, which it does not change. JSON is UTF-8 (RFC
// 8259, section 8.1); anything else is an error.
func NewReader(data []byte) *Reader {
	r := &Reader{data: data}
	if !utf8.Valid(data) {
		r.Fail(fmt.Errorf("%w: it is not UTF-8", ErrSyntax))
	}
	return r
}

// Err returns the first error, or one if text is left over once the caller has
// read what it wanted.
func (r *Reader) Err() error {
	if r.next(); r.at < len(r.data) {
		r.Fail(fmt.Errorf("%w: text is left over at byte %d", ErrSyntax, r.at))
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
	r.data = r.data[:r.at]
}

// Kind is what the next value is.
type Kind uint8

// The kinds of values. KindNone stands for the end of the text and what begins no
// value.
const (
	KindNone Kind = iota
	KindNumber
	KindString
	KindBool
	KindNull
	KindArray
	KindObject
)

// Kind returns the kind of the next value without reading it.
func (r *Reader) Kind() Kind {
	switch c := r.next(); {
	case c == '-' || isDigit(c):
		return KindNumber
	case c == '"':
		return KindString
	case c == 't' || c == 'f':
		return KindBool
	case c == 'n':
		return KindNull
	case c == '[':
		return KindArray
	case c == '{':
		return KindObject
	default:
		return KindNone
	}
}

// Array reads an array; the caller reads exactly one value in each round.
func (r *Reader) Array() iter.Seq[int] {
	return func(yield func(int) bool) {
		i := 0
		for more := r.open('[', ']'); more; more = r.more(']') {
			if !yield(i) {
				return
			}
			i++
		}
	}
}

// Object reads an object and hands out its names; the caller reads exactly one
// value in each round. A name may be part of the reader's data.
func (r *Reader) Object() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for more := r.open('{', '}'); more; more = r.more('}') {
			name := r.Text()
			r.expect(':')
			if r.err != nil || !yield(name) {
				return
			}
		}
	}
}

// open reads the opening bracket and reports whether there is an element.
func (r *Reader) open(bracket, closing byte) bool {
	if r.next() != bracket {
		r.unexpected()
		return false
	}
	if r.depth == maxDepth {
		r.Fail(ErrDepth)
		return false
	}
	r.at++
	if r.next() == closing {
		r.at++
		return false
	}
	r.depth++
	return r.err == nil
}

// more reads the comma or closing bracket after an element and reports whether
// there is another one.
func (r *Reader) more(closing byte) bool {
	if r.next() == closing {
		r.at++
		r.depth--
		return false
	}
	return r.expect(',')
}

// expect reads one character of syntax.
func (r *Reader) expect(c byte) bool {
	if r.next() != c {
		r.unexpected()
		return false
	}
	r.at++
	return true
}

// unexpected fails at what comes next.
func (r *Reader) unexpected() {
	switch {
	case r.Kind() != KindNone:
		r.Fail(fmt.Errorf("%w at byte %d", ErrKind, r.at))
	case r.at == len(r.data):
		r.Fail(fmt.Errorf("%w: it is cut off", ErrSyntax))
	default:
		r.Fail(fmt.Errorf("%w: %q at byte %d", ErrSyntax, r.data[r.at], r.at))
	}
}

// next skips white space and returns the character after it, 0 at the end.
func (r *Reader) next() byte {
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// Number reads a number and returns its text, which is part of the reader's data.
func (r *Reader) Number() []byte {
	if r.Kind() != KindNumber {
		r.unexpected()
		return nil
	}
	start := r.at
	if r.data[r.at] == '-' {
		r.at++
	}
	leading := r.at
	ok := r.digits() && (r.data[leading] != '0' || r.at == leading+1)
	if r.has('.') {
		ok = r.digits() && ok
	}
	if r.has('e') || r.has('E') {
		if !r.has('+') {
			r.has('-')
		}
		ok = r.digits() && ok
	}
	if !ok {
		r.Fail(fmt.Errorf("%w: no number at byte %d", ErrSyntax, start))
		return nil
	}
	return r.data[start:r.at]
}

// digits reads digits and reports whether there was one.
func (r *Reader) digits() bool {
	start := r.at
	for r.at < len(r.data) && isDigit(r.data[r.at]) {
		r.at++
	}
	return r.at > start
}

// has reads the character c if it is next.
func (r *Reader) has(c byte) bool {
	if r.at < len(r.data) && r.data[r.at] == c {
		r.at++
		return true
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Bool reads true or false.
func (r *Reader) Bool() bool {
	if r.next() == 't' {
		r.word("true")
		return r.err == nil
	}
	r.word("false")
	return false
}

func (r *Reader) word(word string) {
	r.next()
	if rest := r.data[r.at:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		r.unexpected()
		return
	}
	r.at += len(word)
}

// Skip reads the next value, whatever it is.
func (r *Reader) Skip() {
	switch r.Kind() {
	case KindNumber:
		r.Number()
	case KindString:
		r.Text()
	case KindBool:
		r.Bool()
	case KindNull:
		r.word("null")
	case KindArray:
		for range r.Array() {
			r.Skip()
		}
	case KindObject:
		for range r.Object() {
			r.Skip()
		}
	case KindNone:
		r.unexpected()
	}
}

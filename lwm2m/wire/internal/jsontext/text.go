package jsontext

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Text reads a string. The result is part of the reader's data if it has no escape.
// Half a surrogate pair, which no UTF-8 can express, is an error.
func (r *Reader) Text() []byte {
	if r.Kind() != KindString {
		r.unexpected()
		return nil
	}
	r.at++
	start := r.at
	for r.at < len(r.data) {
		switch c := r.data[r.at]; {
		case c == '"':
			r.at++
			return r.data[start : r.at-1 : r.at-1]
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			r.Fail(fmt.Errorf("%w: control character in a string at byte %d", ErrSyntax, r.at))
			return nil
		default:
			r.at++
		}
	}
	r.Fail(fmt.Errorf("%w: it is cut off", ErrSyntax))
	return nil
}

// escaped reads the rest of a string with escapes that began at start.
func (r *Reader) escaped(start int) []byte {
	text := append([]byte(nil), r.data[start:r.at]...)
	for r.at < len(r.data) {
		c := r.data[r.at]
		r.at++
		switch {
		case c == '"':
			return text
		case c == '\\':
			text = utf8.AppendRune(text, r.escape())
		case c < ' ':
			r.Fail(fmt.Errorf("%w: control character in a string at byte %d", ErrSyntax, r.at))
		default:
			text = append(text, c)
		}
	}
	r.Fail(fmt.Errorf("%w: it is cut off", ErrSyntax))
	return nil
}

// escape reads what comes after a backslash (RFC 8259, section 7).
func (r *Reader) escape() rune {
	if r.at == len(r.data) {
		return 0
	}
	c := r.data[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		return r.unicode()
	default:
		r.Fail(fmt.Errorf("%w: unknown escape at byte %d", ErrSyntax, r.at-1))
		return 0
	}
}

// unicode reads the digits of \uXXXX, or of two of them that form a pair.
func (r *Reader) unicode() rune {
	c := r.hex()
	if utf16.IsSurrogate(c) {
		first := c
		c = utf8.RuneError
		if r.has('\\') && r.has('u') {
			c = utf16.DecodeRune(first, r.hex())
		}
		if c == utf8.RuneError {
			r.Fail(fmt.Errorf("%w: half a surrogate pair before byte %d", ErrSyntax, r.at))
		}
	}
	return c
}

func (r *Reader) hex() rune {
	const digits = 4
	if len(r.data)-r.at < digits {
		r.at = len(r.data)
		return 0
	}
	n, err := strconv.ParseUint(string(r.data[r.at:r.at+digits]), 16, 16)
	if err != nil {
		r.Fail(fmt.Errorf("%w: no hexadecimal digits at byte %d", ErrSyntax, r.at))
		return 0
	}
	r.at += digits
	return rune(n)
}

// AppendText adds a string, which must be UTF-8, in quotes.
func AppendText[T string | []byte](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(dst, s[done:]...), '"')
}

// AppendFloat adds a finite float in the shortest form that reads back as the same.
// Beyond 2^53 it has an exponent, and negative zero a fraction: peers take digits
// alone for an integer, which would not be exactly the float.
func AppendFloat(dst []byte, f float64) []byte {
	const exact, small = 1 << 53, 1e-6
	format := byte('f')
	if a := math.Abs(f); a >= exact || a < small && a != 0 {
		format = 'e'
	}
	if f == 0 && math.Signbit(f) {
		return append(dst, "-0.0"...)
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

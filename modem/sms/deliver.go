package sms

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Part is a message that has come, or a part of one.
type Part struct {
	From   string    // the sender's number: "+4915112345678", "12345"; "" if it is no number
	Time   time.Time // at which the service centre took it; zero if that is not valid
	Binary bool      // octets, else text
	Data   []byte    // of a binary one, borrowed

	Reference     uint16 // the same for all parts of a message
	Total, Number uint8  // it is which, from 1 on, of how many parts
}

// ErrMalformed says that octets are no message that has come.
var ErrMalformed = errors.New("not a short message (SMS-DELIVER)")

// The bounds of a message (3GPP TS 23.040, clauses 9.1.2.5 and 9.2.3.24).
const (
	maxDigits   = 20
	maxUserData = 140 // octets
)

// What the first octet says (clause 9.2.3).
const (
	typeBits  = 3 // 0 is SMS-DELIVER
	headerBit = 1 << 6
)

// Parse reads what modems hand over in PDU mode (3GPP TS 27.005, clause 3.1: <pdu>): the
// address of the service centre, then an SMS-DELIVER (3GPP TS 23.040, clause 9.2.2.1). The
// error is ErrMalformed.
func Parse(pdu []byte) (*Part, error) {
	r := reader{rest: pdu}
	r.take(int(r.octet())) // the service centre
	first := r.octet()
	p := &Part{Total: 1, Number: 1, From: r.number()}
	r.octet() // protocol
	p.Binary = octets(r.octet())
	p.Time = timeStamp(r.take(7))
	size := int(r.octet())
	switch {
	case r.short || first&typeBits != 0:
		return nil, fmt.Errorf("%w: of type %d, %d octets", ErrMalformed, first&typeBits, len(pdu))
	case !p.Binary:
		return p, nil
	case size > maxUserData:
		return nil, fmt.Errorf("%w: %d octets of content", ErrMalformed, size)
	}
	content := reader{rest: r.take(size)}
	if first&headerBit != 0 {
		p.header(content.take(int(content.octet())))
	}
	if r.short || content.short {
		return nil, fmt.Errorf("%w: the content is cut off", ErrMalformed)
	}
	p.Data = content.rest
	return p, nil
}

// octets reports whether a data coding scheme is that of octets (3GPP TS 23.038, clause
// 4): in the general groups what bits 3 and 2 say, in the last group what bit 2 does. What
// is compressed is text.
func octets(coding byte) bool {
	switch {
	case coding>>7 == 0:
		return coding>>2&3 == 1 && coding>>5&1 == 0
	case coding>>4 == 15:
		return coding>>2&1 == 1
	}
	return false
}

// header reads the information elements that tell of parts (3GPP TS 23.040, clauses
// 9.2.3.24.1 and 9.2.3.24.8). Others mean nothing here, nor do impossible parts.
func (p *Part) header(b []byte) {
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		id, data := b[0], b[2:2+b[1]]
		b = b[2+len(data):]
		switch {
		case id == 0 && len(data) == 3:
			p.numbered(uint16(data[0]), data[1], data[2])
		case id == 8 && len(data) == 4:
			p.numbered(binary.BigEndian.Uint16(data), data[2], data[3])
		}
	}
}

func (p *Part) numbered(reference uint16, total, number uint8) {
	if number > 0 && number <= total {
		p.Reference, p.Total, p.Number = reference, total, number
	}
}

// reader takes octets from the front.
type reader struct {
	rest  []byte
	short bool // there were too few
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.short, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) octet() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// number reads an address (clause 9.1.2.5): the number of digits, the type of number, two
// digits in each octet, the lower half first. A name in letters is no number.
func (r *reader) number() string {
	digits, kind := int(r.octet()), r.octet()>>4&7
	packed := r.take((digits + 1) / 2)
	const international, letters = 1, 5
	if digits > maxDigits || len(packed) == 0 || kind == letters {
		return ""
	}
	out := make([]byte, 0, maxDigits+1)
	if kind == international {
		out = append(out, '+')
	}
	for i := range digits {
		digit := packed[i/2] >> (i % 2 * 4) & 15
		if digit > 9 {
			return "" // an asterisk, a letter: nobody's telephone
		}
		out = append(out, '0'+digit)
	}
	return string(out)
}

// timeStamp reads a time of the service centre (clause 9.2.3.11): year, month, day, hour,
// minute, second, and the zone in quarters of an hour with its sign in bit 3; digits swapped.
func timeStamp(b []byte) time.Time {
	if len(b) < 7 {
		return time.Time{}
	}
	var f [7]int
	for i, c := range b {
		if i == 6 {
			c &^= 8
		}
		if c&15 > 9 || c>>4 > 9 {
			return time.Time{}
		}
		f[i] = int(c&15)*10 + int(c>>4)
	}
	zone := time.Duration(f[6]) * 15 * time.Minute
	if b[6]&8 != 0 {
		zone = -zone
	}
	t := time.Date(2000+f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], 0, time.UTC)
	if int(t.Month()) != f[1] || t.Day() != f[2] || t.Hour() != f[3] || t.Minute() != f[4] || t.Second() != f[5] {
		return time.Time{}
	}
	return t.Add(-zone)
}

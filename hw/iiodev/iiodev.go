// Package iiodev reads the records of Linux's industrial I/O buffers
// (Documentation/iio/iio_devbuf.rst, Documentation/ABI/testing/sysfs-bus-iio):
// what a channel's "type" says and where its number lies in a record.
//
// It knows bytes and nothing of files, sensors or units.
package iiodev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Format is how a channel lies in a record: "le:s12/16>>4".
type Format struct {
	BigEndian bool
	Signed    bool
	Bits      int // that count, 1 to 64; to 63 if there is no sign
	Storage   int // bits in memory: 8, 16, 32 or 64
	Repeat    int // numbers that follow each other, 1 or more: 4 of a quaternion
	Shift     int // to the right, before Bits are taken
}

// maxRepeat bounds what is believed of a channel.
const maxRepeat = 16

// ParseFormat reads a channel's attribute "type".
func ParseFormat(text string) (Format, error) {
	f := Format{Repeat: 1}
	fail := func() (Format, error) { return Format{}, fmt.Errorf("%.40q is no type of a channel", text) }
	order, rest, ok := strings.Cut(text, ":")
	if !ok || order != "be" && order != "le" || rest == "" || rest[0] != 's' && rest[0] != 'u' {
		return fail()
	}
	f.BigEndian, f.Signed = order == "be", rest[0] == 's'
	used, rest, ok := strings.Cut(rest[1:], "/")
	storage, shift, shifted := strings.Cut(rest, ">>")
	if !ok || !shifted {
		return fail()
	}
	storage, repeat, repeated := strings.Cut(storage, "X")
	for _, field := range []struct {
		text  string
		into  *int
		given bool
	}{{used, &f.Bits, true}, {storage, &f.Storage, true}, {shift, &f.Shift, true}, {repeat, &f.Repeat, repeated}} {
		if !field.given {
			continue
		}
		n, err := strconv.ParseUint(field.text, 10, 8)
		if err != nil {
			return fail()
		}
		*field.into = int(n)
	}
	if !f.sound() {
		return fail()
	}
	return f, nil
}

// sound reports whether a channel can lie like that.
func (f Format) sound() bool {
	most := 64
	if !f.Signed {
		most = 63
	}
	return (f.Storage == 8 || f.Storage == 16 || f.Storage == 32 || f.Storage == 64) &&
		f.Bits >= 1 && f.Bits <= most && f.Bits+f.Shift <= f.Storage &&
		f.Repeat >= 1 && f.Repeat <= maxRepeat
}

// size is the room of all its numbers, in bytes.
func (f Format) size() int { return f.Storage / 8 * f.Repeat }

// number reads one number at the beginning of raw.
func (f Format) number(raw []byte) int64 {
	var order binary.ByteOrder = binary.LittleEndian
	if f.BigEndian {
		order = binary.BigEndian
	}
	var u uint64
	switch f.Storage {
	case 8:
		u = uint64(raw[0])
	case 16:
		u = uint64(order.Uint16(raw))
	case 32:
		u = uint64(order.Uint32(raw))
	default:
		u = order.Uint64(raw)
	}
	u = u >> f.Shift << (64 - f.Bits)
	if f.Signed {
		return int64(u) >> (64 - f.Bits) //nolint:gosec // two's complement
	}
	return int64(u >> (64 - f.Bits)) //nolint:gosec // 63 bits at most
}

// Layout says where the numbers of a record are.
type Layout struct {
	fields  []field
	size    int
	numbers int
}

type field struct {
	Format
	offset int
}

// NewLayout lays the channels out as the kernel does (iio_compute_scan_bytes in
// drivers/iio/industrialio-buffer.c): in the order of their index, the time
// stamp last, each at a multiple of its own size, and the record a multiple of
// the largest.
func NewLayout(channels []Format) (Layout, error) {
	var l Layout
	largest := 1
	for _, f := range channels {
		size := f.size()
		if !f.sound() || bits.OnesCount(uint(size)) != 1 {
			return Layout{}, fmt.Errorf("a channel of %d times %d bits cannot be laid out", f.Repeat, f.Storage)
		}
		l.fields = append(l.fields, field{f, align(l.size, size)})
		l.size = align(l.size, size) + size
		l.numbers += f.Repeat
		largest = max(largest, size)
	}
	if l.size == 0 {
		return Layout{}, errors.New("no channels to lay out")
	}
	l.size = align(l.size, largest)
	return l, nil
}

func align(offset, size int) int { return (offset + size - 1) &^ (size - 1) }

// Size is the length of a record in bytes.
func (l Layout) Size() int { return l.size }

// Numbers is how many numbers a record has.
func (l Layout) Numbers() int { return l.numbers }

// Decode reads one record of Size bytes into numbers, which has room for
// Numbers: those of the first channel first.
func (l Layout) Decode(record []byte, numbers []int64) {
	n := 0
	for _, f := range l.fields {
		for i := range f.Repeat {
			numbers[n] = f.number(record[f.offset+i*f.Storage/8:])
			n++
		}
	}
}

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// The append log's format. All numbers are little-endian.
//
//	8 bytes   smallMagic
//	records   1 byte  length k of the key, 1 to 255
//	          2 bytes length v of the value; bit 15: the record is removed, v is 0
//	          4 bytes CRC-32C of all else
//	          k bytes the key
//	          v bytes the value
//
// A later record replaces an earlier one of its key. A cut leaves any part of the
// last append, or zeros in its place; neither passes for a record.
const (
	smallFile   = "small.log"
	smallMagic  = "LWASMAL1"
	smallHeader = 7
	removedFlag = 1 << 15

	maxSmallValue   = 1024
	maxSmallRecords = 1024
	maxSmallFile    = 8 << 20
	// A log is compacted when it is longer than this and than four times what it
	// holds.
	compactFrom = 64 << 10
)

// appendSmall adds a record; a nil value is a removal.
func appendSmall(dst []byte, key string, value []byte) []byte {
	begin := len(dst)
	length := uint16(len(value)) //nolint:gosec // at most maxSmallValue
	if value == nil {
		length = removedFlag
	}
	dst = append(dst, byte(len(key))) //nolint:gosec // at most 255
	dst = binary.LittleEndian.AppendUint16(dst, length)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(append(dst, key...), value...)
	binary.LittleEndian.PutUint32(dst[begin+3:], smallSum(dst[begin:]))
	return dst
}

// smallSum is the checksum of a record: of all but its own four bytes.
func smallSum(record []byte) uint32 {
	return sum32(record[:3], record[smallHeader:])
}

// parseSmall reads the record at the beginning of b. n is its length, 0 if there
// is none.
func parseSmall(b []byte) (key string, value []byte, n int) {
	if len(b) < smallHeader || b[0] == 0 {
		return "", nil, 0
	}
	k, length := int(b[0]), binary.LittleEndian.Uint16(b[1:])
	v := int(length)
	if length == removedFlag {
		v = 0
	}
	n = smallHeader + k + v
	if v > maxSmallValue || n > len(b) || smallSum(b[:n]) != binary.LittleEndian.Uint32(b[3:]) {
		return "", nil, 0
	}
	key = string(b[smallHeader : smallHeader+k])
	if length != removedFlag {
		value = bytes.Clone(b[smallHeader+k : n])
		if value == nil {
			value = []byte{}
		}
	}
	return key, value, n
}

// replay is what an append log says.
type replay struct {
	small map[string][]byte
	torn  bool  // bytes behind the last record are none: an append, or the first one, was cut
	err   error // records follow bytes that are none, or the file is no such log: damage
}

// whole reports whether more can be appended to the file.
func (r replay) whole() bool { return r.err == nil && !r.torn }

// replaySmall reads an append log, and of a damaged one all that can be read.
func replaySmall(content []byte) replay {
	r := replay{small: make(map[string][]byte)}
	at := len(smallMagic)
	if len(content) < at {
		r.torn = true
		return r
	}
	if string(content[:at]) != smallMagic {
		r.err, at = errors.New("does not begin as an append log does"), 0
	}
	for at < len(content) {
		key, value, n := parseSmall(content[at:])
		if n == 0 {
			r.torn = true
			at++
			continue
		}
		if r.torn && r.err == nil {
			r.err = fmt.Errorf("has records behind garbage that ends at byte %d", at)
		}
		at += n
		if value == nil {
			delete(r.small, key)
		} else {
			r.small[key] = value
		}
	}
	return r
}

// encodeSmall returns an append log that says just this.
func encodeSmall(small map[string][]byte) []byte {
	b := []byte(smallMagic)
	for _, key := range slices.Sorted(maps.Keys(small)) {
		b = appendSmall(b, key, small[key])
	}
	return b
}

// Package tlv is the TLV format, application/vnd.oma.lwm2m+tlv, content format
// 11542 (Core, section 7.5.5 and appendix C.2).
//
// It knows nodes and shapes. It must not know the object tree or a transport.
//
// A TLV is a byte of type and lengths, an identifier of one or two bytes, a length
// of none to three bytes, and the value, which may be TLVs again:
//
//	object instance > resource
//	                > multiple resource > resource instance
package tlv

import (
	"encoding/binary"
	"math"

	"lwm2m-agent/lwm2m"
)

// kind is what a TLV stands for: bits 7 and 6 of its first byte.
type kind byte

const (
	kindInstance         kind = 0 << 6
	kindResourceInstance kind = 1 << 6
	kindMultiple         kind = 2 << 6
	kindResource         kind = 3 << 6
)

// The rest of the first byte.
const (
	maskKind     = 3 << 6
	bitLongID    = 1 << 5 // identifier of 16 bits
	maskLength   = 3 << 3 // bytes of the length field
	shiftLength  = 3
	maskShort    = 7 // the length itself, if there is no length field
	maxShort     = 7
	maxHead      = 6
	maxValue     = 1<<24 - 1
	longestValue = 8 // bytes of a number
)

func (k kind) String() string {
	switch k {
	case kindInstance:
		return "object instance"
	case kindResourceInstance:
		return "resource instance"
	case kindMultiple:
		return "multiple resource"
	case kindResource:
		return "resource"
	}
	return "" // there are no other values in two bits
}

// appendHead adds the first bytes of a TLV up to its value; length is at most
// maxValue.
func appendHead(dst []byte, k kind, id uint16, length uint32) []byte {
	first := byte(k)
	if id > math.MaxUint8 {
		first |= bitLongID
	}
	lengthBytes := 0
	switch {
	case length <= maxShort:
		first |= byte(length)
	case length <= math.MaxUint8:
		lengthBytes = 1
	case length <= math.MaxUint16:
		lengthBytes = 2
	default:
		lengthBytes = 3
	}
	dst = append(dst, first|byte(lengthBytes)<<shiftLength)
	if id > math.MaxUint8 {
		dst = append(dst, byte(id>>8))
	}
	dst = append(dst, byte(id&0xFF))
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], length)
	return append(dst, b[len(b)-lengthBytes:]...)
}

// element is a TLV taken apart.
type element struct {
	kind  kind
	id    uint16
	value []byte // part of the payload
}

// next returns the first TLV of data and what comes after it.
func next(data []byte) (e element, rest []byte, err error) {
	if len(data) == 0 {
		return e, nil, errCut
	}
	first := data[0]
	e.kind = kind(first & maskKind)
	idBytes := 1
	if first&bitLongID != 0 {
		idBytes = 2
	}
	lengthBytes := int(first & maskLength >> shiftLength)
	head := 1 + idBytes + lengthBytes
	if len(data) < head {
		return e, nil, errCut
	}
	e.id = uint16(number(data[1 : 1+idBytes])) //nolint:gosec // two bytes at most
	length := int(first & maskShort)
	if lengthBytes > 0 {
		length = int(number(data[1+idBytes : head])) //nolint:gosec // three bytes at most
	}
	end := head + length
	if len(data) < end {
		return e, nil, errCut
	}
	if e.id == lwm2m.MaxID {
		return e, nil, errID
	}
	e.value = data[head:end:end]
	return e, data[end:], nil
}

// number returns the unsigned number in up to eight bytes.
func number(b []byte) uint64 {
	var n [longestValue]byte
	copy(n[longestValue-len(b):], b)
	return binary.BigEndian.Uint64(n[:])
}

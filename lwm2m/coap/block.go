package coap

import (
	"math/bits"
	"strconv"
)

// Limits of the Block options (RFC 7959 section 2.2).
const (
	maxBlockNumber = 1<<20 - 1
	maxSZX         = 6 // 7 is reserved, except on a stream
	bert           = 7 // any number of 1,024 bytes in a message (RFC 8323 section 6)
)

// Block is the value of a Block1 or Block2 option (RFC 7959 section 2.2).
type Block struct {
	Number uint32 // of this block, counted in units of its own size; 20 bits
	More   bool   // more blocks follow
	SZX    uint8  // size exponent, 0 to 6; 7 is BERT on a stream (RFC 8323 section 6), else reserved
}

// Size is the size of the block in bytes, 16 to 1024. With BERT it is that of the units of
// which a message has any number.
func (b Block) Size() int { return 16 << b.exponent() }

// exponent is the size exponent of what Number counts.
func (b Block) exponent() uint8 { return min(b.SZX, maxSZX) }

// takes tells whether n bytes may be the payload of the block.
func (b Block) takes(n int) bool {
	switch {
	case b.SZX == bert:
		return !b.More || n > 0 && n%b.Size() == 0
	case b.More:
		return n == b.Size()
	}
	return n <= b.Size()
}

// Offset is the place of the block's first byte in the body.
func (b Block) Offset() int64 { return int64(b.Number) << (b.exponent() + 4) }

// String returns number/more/size, such as "3/1/1024" (RFC 7959 section 3).
func (b Block) String() string {
	more := "/0/"
	if b.More {
		more = "/1/"
	}
	return strconv.FormatUint(uint64(b.Number), 10) + more + strconv.Itoa(b.Size())
}

func (b Block) value() uint32 {
	v := b.Number<<4 | uint32(b.SZX)
	if b.More {
		v |= 8
	}
	return v
}

func parseBlock(v uint32) Block {
	return Block{Number: v >> 4, More: v&8 != 0, SZX: uint8(v & 7)}
}

// szxOf returns the exponent of the largest block that is not larger than size,
// within 16 to 1024 bytes.
func szxOf(size int) uint8 {
	n := bits.Len(uint(max(size, 16))) - 5
	return uint8(min(n, maxSZX)) //nolint:gosec // 0 to 6
}

package record

import (
	"encoding/binary"
	"slices"
)

// Sealer makes the records of one side. Its zero value seals in epoch 0.
type Sealer struct {
	next     [2]uint64 // number of the next record, by epoch
	reserved bool      // only numbers below limit may be used in epoch 1
	limit    uint64
	cid      []byte // on every record of epoch 1, unless empty
	key      *Protection
}

// Protect starts epoch 1 with its first record number; cid is the connection ID
// that the peer asked for, empty if none, and next is at most Numbers.
func (s *Sealer) Protect(key *Protection, cid []byte, next uint64) {
	s.key, s.cid, s.next[1] = key, cid, next
}

// Reserve allows the next count record numbers of epoch 1 and no more, and returns
// the first number beyond.
func (s *Sealer) Reserve(count uint64) uint64 {
	s.limit = s.next[1] + min(count, Numbers-s.next[1])
	s.reserved = true
	return s.limit
}

// Ahead returns the number that lies count ahead of the next record of epoch 1, for
// Allow. Without a limit so far, it is the limit from now on.
func (s *Sealer) Ahead(count uint64) uint64 {
	ahead := s.next[1] + min(count, Numbers-s.next[1])
	if !s.reserved {
		s.limit, s.reserved = ahead, true
	}
	return ahead
}

// Allow raises the limit of the record numbers of epoch 1. It never lowers it.
func (s *Sealer) Allow(limit uint64) {
	s.limit = max(s.limit, min(limit, Numbers))
}

// Remaining returns how many records of epoch 1 may still be sealed.
func (s *Sealer) Remaining() uint64 {
	if s.reserved {
		return s.limit - s.next[1]
	}
	return Numbers - s.next[1]
}

// Overhead returns what a record of the epoch adds to its payload, in bytes.
func (s *Sealer) Overhead(epoch uint16) int {
	switch {
	case epoch == 0 || s.key == nil:
		return HeaderSize
	case len(s.cid) > 0:
		return HeaderSize + len(s.cid) + 1 + s.key.overhead()
	}
	return HeaderSize + s.key.overhead()
}

// Append appends payload as the next record of the epoch to dst. It does not
// allocate if dst has room for Overhead and payload, and leaves no copy of the payload behind if
// it does.
func (s *Sealer) Append(dst []byte, epoch uint16, typ Type, payload []byte) ([]byte, error) {
	number, err := s.number(epoch, len(payload))
	if err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, s.Overhead(epoch)+len(payload))
	if epoch == 0 {
		dst = appendHeader(dst, typ, number, nil, len(payload))
		return append(dst, payload...), nil
	}
	inner := len(payload)
	outer := typ
	if len(s.cid) > 0 {
		inner++ // the type goes behind the payload, RFC 9146, section 4
		outer = ConnectionID
	}
	dst = appendHeader(dst, outer, number, s.cid, inner+s.key.overhead())
	dst = binary.BigEndian.AppendUint64(dst, number)
	explicit := dst[len(dst)-explicitNonce:]
	start := len(dst)
	dst = append(dst, payload...)
	if outer == ConnectionID {
		dst = append(dst, byte(typ))
	}
	s.key.prepare(explicit, outer, number, s.cid, inner)
	return s.key.aead.Seal(dst[:start], s.key.nonce[:], dst[start:], s.key.data), nil
}

// number takes the next record number of the epoch, with the epoch in its top
// 16 bits.
func (s *Sealer) number(epoch uint16, size int) (uint64, error) {
	if epoch > 1 || epoch == 1 && s.key == nil {
		return 0, errEpoch
	}
	if size > MaxPayload {
		return 0, errTooLong
	}
	n := s.next[epoch]
	switch {
	case n > maxSequence:
		return 0, ErrExhausted
	case epoch == 1 && s.reserved && n >= s.limit:
		return 0, ErrReserved
	}
	s.next[epoch]++
	return uint64(epoch)<<48 | n, nil
}

func appendHeader(dst []byte, typ Type, number uint64, cid []byte, size int) []byte {
	dst = append(dst, byte(typ), Version>>8, Version&0xff)
	dst = binary.BigEndian.AppendUint64(dst, number)
	if typ == ConnectionID {
		dst = append(dst, cid...)
	}
	return binary.BigEndian.AppendUint16(dst, uint16(size)) //nolint:gosec // number bounds the payload by MaxPayload
}

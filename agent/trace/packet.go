package trace

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of protocols above IP.
const (
	protocolTCP = 6
	protocolUDP = 17
)

// packet returns an IPv4 (RFC 791) or IPv6 packet (RFC 8200) without options.
func packet(from, to netip.AddrPort, protocol byte, payload []byte) []byte {
	b := make([]byte, 0, 40+len(payload))
	if from.Addr().Is4() {
		b = append(b, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0) // do not fragment, 64 hops
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))      //nolint:gosec // at most 64 KiB
		b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
		binary.BigEndian.PutUint16(b[10:], ^sum(0, b))
	} else {
		b = append(b, 0x60, 0, 0, 0, 0, 0, protocol, 64)
		binary.BigEndian.PutUint16(b[4:], uint16(len(payload))) //nolint:gosec // at most 64 KiB
		b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
	}
	return append(b, payload...)
}

// udp returns a datagram with its header (RFC 768).
func udp(from, to netip.AddrPort, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload))) //nolint:gosec // at most 64 KiB
	b = append(append(b, 0, 0), payload...)
	binary.BigEndian.PutUint16(b[6:], checksum(from, to, protocolUDP, b))
	return b
}

// maxSegment bounds what one TCP segment carries, in bytes, so that it fits into IP.
const maxSegment = 32 << 10

// maxStreams bounds the connections whose position is known. The count of a connection
// that is forgotten begins anew.
const maxStreams = 1024

// segment returns a TCP segment (RFC 9293, section 3.1) that follows what went the same way.
func (w *Writer) segment(from, to netip.AddrPort, payload []byte) []byte {
	if len(w.streams) >= maxStreams {
		clear(w.streams)
	}
	way, back := stream{from, to}, stream{to, from}
	b := binary.BigEndian.AppendUint16(nil, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint32(b, 1+w.streams[way])
	b = binary.BigEndian.AppendUint32(b, 1+w.streams[back])
	b = append(b, 5<<4, 0x18, 0xff, 0xff, 0, 0, 0, 0) // 20 bytes of header; PSH and ACK
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[16:], checksum(from, to, protocolTCP, b))
	w.streams[way] += uint32(len(payload)) //nolint:gosec // at most maxSegment
	return b
}

// checksum is that of UDP and TCP, over the addresses as well.
func checksum(from, to netip.AddrPort, protocol byte, segment []byte) uint16 {
	s := sum(sum(uint16(protocol), from.Addr().AsSlice()), to.Addr().AsSlice())
	s = sum(s, binary.BigEndian.AppendUint32(nil, uint32(len(segment)))) //nolint:gosec // at most 64 KiB
	if c := ^sum(s, segment); c != 0 {
		return c
	}
	return 0xffff // 0 would say that there is none (RFC 768)
}

// sum is the sum of 16-bit words in one's complement (RFC 1071).
func sum(start uint16, b []byte) uint16 {
	total := uint32(start)
	for ; len(b) > 1; b = b[2:] {
		total += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		total += uint32(b[0]) << 8
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}

// framed returns a message, in the form that it has over UDP, as it is over TCP (RFC 8323,
// section 3.2): its length before it, and neither version, type nor message ID.
func framed(datagram []byte) []byte {
	token := datagram[0] & 15
	code, rest := datagram[1], datagram[4:]
	length := len(rest) - int(token)
	var b []byte
	switch {
	case length < 13:
		b = append(b, byte(length)<<4|token) //nolint:gosec // below 13
	case length < 269:
		b = append(b, 13<<4|token, byte(length-13))
	case length < 65805:
		b = binary.BigEndian.AppendUint16(append(b, 14<<4|token), uint16(length-269))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 15<<4|token), uint32(length-65805)) //nolint:gosec // a message's
	}
	return append(append(b, code), rest...)
}

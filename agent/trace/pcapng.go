package trace

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
)

// Writer writes messages as a capture file (draft-ietf-opsawg-pcapng): one section, one
// interface of raw IP packets. What the messages travelled in is put around them anew, without
// the security, so that Wireshark reads them: the server is at CoAP's port, whatever its own is.
type Writer struct {
	out     io.Writer
	streams map[stream]uint32 // bytes sent so far
	block   []byte            // used again
}

// stream is one direction of a TCP connection.
type stream struct{ from, to netip.AddrPort }

// The blocks and options of the draft that are used (sections 3.5, 4.1 to 4.3).
const (
	sectionHeader  = 0x0a0d0d0a
	interfaceBlock = 1
	packetBlock    = 6
	byteOrder      = 0x1a2b3c4d
	linkTypeRaw    = 101 // IPv4 or IPv6, as its first four bits say

	optionComment    = 1
	optionName       = 2 // of an interface
	optionProgram    = 4 // of a section
	optionResolution = 9 // of an interface
	optionFlags      = 2 // of a packet
	optionDropped    = 4 // of a packet

	nanoseconds = 9
	inbound     = 1
	outbound    = 2
)

// NewWriter begins a file; program says who writes it.
func NewWriter(out io.Writer, program string) (*Writer, error) {
	w := &Writer{out: out, streams: make(map[stream]uint32)}
	section := binary.LittleEndian.AppendUint32(nil, byteOrder)
	section = append(section, 1, 0, 0, 0)                       // version 1.0
	section = append(section, bytes.Repeat([]byte{0xff}, 8)...) // the length is not known
	section = endOptions(appendOption(section, optionProgram, []byte(program)))
	described := []byte{linkTypeRaw, 0, 0, 0, 0, 0, 0, 0} // no limit of length
	described = appendOption(described, optionName, []byte("lwm2m"))
	described = endOptions(appendOption(described, optionResolution, []byte{nanoseconds}))
	if err := w.write(sectionHeader, section); err != nil {
		return nil, err
	}
	return w, w.write(interfaceBlock, described)
}

// write writes a block: type, length, body, length again.
func (w *Writer) write(kind uint32, body []byte) error {
	length := uint32(len(body)) + 12 //nolint:gosec // a message's
	b := binary.LittleEndian.AppendUint32(w.block[:0], kind)
	b = append(binary.LittleEndian.AppendUint32(b, length), body...)
	w.block = binary.LittleEndian.AppendUint32(b, length)
	if _, err := w.out.Write(w.block); err != nil {
		return fmt.Errorf("write the capture: %w", err)
	}
	return nil
}

// appendOption appends an option, padded to 32 bits.
func appendOption(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value))) //nolint:gosec // short
	return pad(append(b, value...))
}

func endOptions(b []byte) []byte { return append(b, 0, 0, 0, 0) }

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// Write adds a message. One that is not to be decoded is left out.
func (w *Writer) Write(m *Message) error {
	datagram, err := base64.StdEncoding.DecodeString(m.Datagram)
	if err != nil {
		return fmt.Errorf("the agent shows a message that is not in Base64: %w", err)
	}
	if len(datagram) < 4 {
		return nil
	}
	from, to := endpoints(m)
	if m.Transport != "tcp" {
		return w.packet(m, packet(from, to, protocolUDP, udp(from, to, datagram)))
	}
	for rest := framed(datagram); len(rest) > 0; {
		part := rest[:min(len(rest), maxSegment)]
		rest = rest[len(part):]
		if err := w.packet(m, packet(from, to, protocolTCP, w.segment(from, to, part))); err != nil {
			return err
		}
	}
	return nil
}

// packet writes an Enhanced Packet Block.
func (w *Writer) packet(m *Message, data []byte) error {
	at := uint64(m.Time.UnixNano())
	body := binary.LittleEndian.AppendUint32(nil, 0)
	body = binary.LittleEndian.AppendUint32(body, uint32(at>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(at))        //nolint:gosec // the lower half
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data))) //nolint:gosec // at most 64 KiB
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data))) //nolint:gosec // as above
	body = pad(append(body, data...))
	body = appendOption(body, optionComment, []byte(comment(m)))
	direction := uint32(inbound)
	if m.Sent {
		direction = outbound
	}
	body = appendOption(body, optionFlags, binary.LittleEndian.AppendUint32(nil, direction))
	if m.Lost > 0 {
		body = appendOption(body, optionDropped, binary.LittleEndian.AppendUint64(nil, m.Lost))
	}
	return w.write(packetBlock, endOptions(body))
}

// comment says what the bytes of a message do not.
func comment(m *Message) string {
	text := fmt.Sprintf("server %d", m.ShortServerID)
	if m.ShortServerID == 0 {
		text = "bootstrap server"
	}
	if m.Operation != "" {
		text += ": " + m.Operation
	}
	if m.Name != "" {
		text += " " + m.Name
	}
	if m.Hidden {
		text += "; what nobody may read is replaced"
	}
	return text
}

// coapPort is what Wireshark takes for CoAP (RFC 7252, section 6.1).
const coapPort = 5683

// endpoints returns the addresses that a message is shown with.
func endpoints(m *Message) (from, to netip.AddrPort) {
	agent, err1 := netip.ParseAddrPort(m.Local)
	server, err2 := netip.ParseAddrPort(m.Remote)
	if err1 != nil || err2 != nil || agent.Addr().Unmap().Is4() != server.Addr().Unmap().Is4() { // of no IP network, as in a test
		agent = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 49152) // RFC 5737
		server = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), coapPort)
	}
	agent = netip.AddrPortFrom(agent.Addr().Unmap().WithZone(""), agent.Port())
	server = netip.AddrPortFrom(server.Addr().Unmap().WithZone(""), coapPort)
	if m.Sent {
		return agent, server
	}
	return server, agent
}

package trace

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m/coap"
)

// captured is one packet of a capture file.
type captured struct {
	Time    time.Time
	Data    []byte
	Comment string
	Flags   uint32
	Dropped uint64
}

// readCapture reads a file strictly.
func readCapture(t *testing.T, file []byte) (packets []captured) {
	t.Helper()
	order := binary.LittleEndian
	for n := 0; len(file) > 0; n++ {
		kind, length := order.Uint32(file), order.Uint32(file[4:])
		if length%4 != 0 || int(length) > len(file) || order.Uint32(file[length-4:]) != length {
			t.Fatalf("block %d has length %d", n, length)
		}
		body := file[8 : length-4]
		file = file[length:]
		switch {
		case n == 0 && kind == 0x0a0d0d0a && order.Uint32(body) == 0x1a2b3c4d && order.Uint64(body[8:]) == 1<<64-1:
			if got := readOptions(t, body[16:]); string(got[4]) != "test" {
				t.Errorf("the section's options are %v", got)
			}
		case n == 1 && kind == 1 && order.Uint16(body) == 101:
			if got := readOptions(t, body[8:]); string(got[9]) != "\x09" {
				t.Errorf("the interface's options are %v", got)
			}
		case n > 1 && kind == 6:
			size := order.Uint32(body[12:])
			if order.Uint32(body[16:]) != size {
				t.Errorf("packet %d is cut", n)
			}
			p := captured{Time: time.Unix(0, int64(uint64(order.Uint32(body[4:]))<<32|uint64(order.Uint32(body[8:])))).UTC(), Data: body[20 : 20+size]}
			got := readOptions(t, body[20+(size+3)/4*4:])
			p.Comment, p.Flags = string(got[1]), order.Uint32(got[2])
			if lost, ok := got[4]; ok {
				p.Dropped = order.Uint64(lost)
			}
			packets = append(packets, p)
		default:
			t.Fatalf("block %d is of kind %#x", n, kind)
		}
	}
	return packets
}

func readOptions(t *testing.T, b []byte) map[uint16][]byte {
	t.Helper()
	out := make(map[uint16][]byte)
	for {
		code, length := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		if code == 0 {
			if length != 0 || len(b) != 4 {
				t.Fatalf("the options end with % x", b)
			}
			return out
		}
		out[code] = b[4 : 4+length]
		b = b[4+(int(length)+3)/4*4:]
	}
}

func capture(t *testing.T, messages ...Message) []captured {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, "test")
	if err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		if err := w.Write(&messages[i]); err != nil {
			t.Fatal(err)
		}
	}
	return readCapture(t, file.Bytes())
}

// TestCaptureUDP: the packet byte for byte (RFC 791, RFC 768), and what stands beside it.
func TestCaptureUDP(t *testing.T) {
	data := base64.StdEncoding.EncodeToString([]byte("\x40\x01\x12\x34"))
	at := noon.Add(123456789)
	got := capture(t,
		Message{
			Time: at, ShortServerID: 101, Sent: true, Transport: "udp", Local: "10.0.0.1:40000", Remote: "10.0.0.2:5684", Datagram: data,
			Operation: "Read", Name: "/device", Lost: 2, Hidden: true,
		},
		Message{Time: at, Transport: "udp", Local: "[fe80::1%eth0]:40000", Remote: "[fe80::2%eth0]:5783", Datagram: data},
		Message{Time: at, Transport: "udp", Local: "pipe", Remote: "pipe", Datagram: data},
		Message{Time: at, Transport: "udp", Text: "2 bytes that are no message"},
	)
	want := []captured{
		{at, []byte("\x45\x00\x00\x20\x00\x00\x40\x00\x40\x11\x26\xcb\x0a\x00\x00\x01\x0a\x00\x00\x02" +
			"\x9c\x40\x16\x33\x00\x0c\xe7\x2a\x40\x01\x12\x34"), "server 101: Read /device; what nobody may read is replaced", 2, 2},
		{at, []byte("\x60\x00\x00\x00\x00\x0c\x11\x40" +
			"\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
			"\x16\x33\x9c\x40\x00\x0c\xfe\x28\x40\x01\x12\x34"), "bootstrap server", 1, 0},
		{at, []byte("\x45\x00\x00\x20\x00\x00\x40\x00\x40\x11\xb6\xc9\xc0\x00\x02\x02\xc0\x00\x02\x01" +
			"\x16\x33\xc0\x00\x00\x0c\x53\x69\x40\x01\x12\x34"), "bootstrap server", 1, 0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for i, p := range got {
		verify(t, i, p.Data)
	}
}

// verify adds up a packet as its receiver does (RFC 1071): with the sum it is nought.
func verify(t *testing.T, i int, p []byte) {
	t.Helper()
	at, addresses, protocol := 20, p[12:20], p[9]
	if p[0]>>4 == 6 {
		at, addresses, protocol = 40, p[8:40], p[6]
	} else if total := plainSum(p[:20]); total != 0xffff {
		t.Errorf("packet %d: its header adds up to %#x", i, total)
	}
	pseudo := append(bytes.Clone(addresses), 0, protocol, byte((len(p)-at)>>8), byte(len(p)-at))
	if total := plainSum(append(pseudo, p[at:]...)); total != 0xffff {
		t.Errorf("packet %d: its payload adds up to %#x", i, total)
	}
}

func plainSum(b []byte) int {
	total := 0
	for i, c := range b {
		total += int(c) << (8 * (1 - i%2))
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return total
}

// TestCaptureTCP: the frames of both ways (RFC 8323, section 3.2), in segments that follow each other.
func TestCaptureTCP(t *testing.T) {
	frames := make(map[netip.AddrPort][]byte)
	sizes := []int{0, 12, 13, 268, 269, 5000, 65804, 65805, 100_000}
	messages := make([]Message, 0, len(sizes))
	for _, size := range sizes {
		m := &coap.Message{Type: coap.NON, Code: coap.PUT}
		m.Token, _ = coap.MakeToken([]byte("tok"))
		if size > 0 {
			m.Payload = bytes.Repeat([]byte{'x'}, size-1) // and the marker
		}
		b, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, Message{
			Time: noon, Sent: size%2 == 0, Transport: "tcp", Local: "10.0.0.1:40000", Remote: "10.0.0.2:5683", Datagram: base64.StdEncoding.EncodeToString(b),
		})
	}
	for i, p := range capture(t, messages...) {
		verify(t, i, p.Data)
		from, _ := netip.AddrFromSlice(p.Data[12:16])
		segment := p.Data[20:]
		sender := netip.AddrPortFrom(from, binary.BigEndian.Uint16(segment))
		if position := binary.BigEndian.Uint32(segment[4:]); int(position) != 1+len(frames[sender]) {
			t.Errorf("segment %d is at %d, want %d", i, position, 1+len(frames[sender]))
		}
		frames[sender] = append(frames[sender], segment[20:]...)
	}
	for sender, b := range frames {
		for i, size := range sizes {
			if (size%2 == 0) != (sender.Port() == 40000) {
				continue
			}
			var length int
			if length, b = readFrame(t, b); length != size {
				t.Errorf("message %d has %d bytes, want %d", i, length, size)
			}
		}
		if len(b) > 0 {
			t.Errorf("%d bytes are left", len(b))
		}
	}
}

// readFrame takes one message off a stream and returns the length of its options and payload.
func readFrame(t *testing.T, b []byte) (length int, rest []byte) {
	t.Helper()
	length, at := int(b[0]>>4), 1
	switch length {
	case 13:
		length, at = 13+int(b[1]), 2
	case 14:
		length, at = 269+int(binary.BigEndian.Uint16(b[1:])), 3
	case 15:
		length, at = 65805+int(binary.BigEndian.Uint32(b[1:])), 5
	}
	if !strings.HasPrefix(string(b[at:]), "\x03tok") {
		t.Fatalf("a frame begins with % x", b[:at+4])
	}
	return length, b[at+4+length:]
}

type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

// TestCaptureFull: a file that takes no more ends the trace.
func TestCaptureFull(t *testing.T) {
	if _, err := NewWriter(&full{10}, "test"); err == nil {
		t.Error("no error at the beginning")
	}
	w, err := NewWriter(&full{100}, "test")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err = errors.Join(err, w.Write(&Message{Time: noon, Transport: "udp", Datagram: "QAEAAQ=="}))
	}
	if err == nil || !strings.Contains(err.Error(), "write the capture: no space left") {
		t.Errorf("got %v", err)
	}
}

package modbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFrames: the examples of V1.1b3 sections 6.1 to 6.12, requests and
// responses.
func TestFrames(t *testing.T) {
	read := func(table Table, first, count uint16) request {
		r, err := readRequest(table, first, count)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	write := func(table Table, first uint16, values ...uint16) request {
		r, err := writeRequest(table, first, values)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	tests := []struct {
		name             string
		r                request
		request, answers []byte
		data             []byte
	}{
		{"coils 20 to 38", read(Coils, 0x13, 0x13), []byte{1, 0, 0x13, 0, 0x13}, []byte{1, 3, 0xcd, 0x6b, 0x05}, []byte{0xcd, 0x6b, 0x05}},
		{"discretes 197 to 218", read(Discretes, 0xc4, 0x16), []byte{2, 0, 0xc4, 0, 0x16}, []byte{2, 3, 0xac, 0xdb, 0x35}, []byte{0xac, 0xdb, 0x35}},
		{"holdings 108 to 110", read(Holdings, 0x6b, 3), []byte{3, 0, 0x6b, 0, 3}, []byte{3, 6, 2, 0x2b, 0, 0, 0, 0x64}, []byte{2, 0x2b, 0, 0, 0, 0x64}},
		{"input 9", read(Inputs, 8, 1), []byte{4, 0, 8, 0, 1}, []byte{4, 2, 0, 0x0a}, []byte{0, 0x0a}},
		{"coil 173 on", write(Coils, 0xac, 1), []byte{5, 0, 0xac, 0xff, 0}, []byte{5, 0, 0xac, 0xff, 0}, nil},
		{"register 2", write(Holdings, 1, 3), []byte{6, 0, 1, 0, 3}, []byte{6, 0, 1, 0, 3}, nil},
		{"registers 2 and 3", write(Holdings, 1, 0x0a, 0x0102), []byte{0x10, 0, 1, 0, 2, 4, 0, 0x0a, 1, 2}, []byte{0x10, 0, 1, 0, 2}, nil},
	}
	for _, tt := range tests {
		if !bytes.Equal(tt.r.pdu, tt.request) {
			t.Errorf("%s: request % x, want % x", tt.name, tt.r.pdu, tt.request)
		}
		if data, err := tt.r.response(tt.answers); err != nil || !bytes.Equal(data, tt.data) {
			t.Errorf("%s: data % x, %v", tt.name, data, err)
		}
		if _, err := tt.r.response(tt.answers[:len(tt.answers)-1]); !errors.Is(err, ErrFrame) {
			t.Errorf("%s, cut short: %v", tt.name, err)
		}
		if _, err := tt.r.response([]byte{tt.request[0] | 0x80, 2}); !errors.Is(err, ExceptionError(2)) {
			t.Errorf("%s, refused: %v", tt.name, err)
		}
	}
	if got := unpack(Coils, []byte{0xcd, 0x6b, 0x05}, 19); got[0] != 1 || got[1] != 0 || got[18] != 1 || got[17] != 0 {
		t.Errorf("%v", got)
	}
	if _, err := readRequest(Inputs, 0, 126); err == nil {
		t.Error("126 registers are more than a request can have")
	}
	if _, err := readRequest(Inputs, 65535, 2); err == nil {
		t.Error("there is no register 65536")
	}
	if _, err := writeRequest(Inputs, 0, []uint16{1}); err == nil {
		t.Error("an input was written")
	}
}

func TestValues(t *testing.T) {
	tests := []struct {
		kind  Type
		words []uint16
		want  float64
	}{
		{Uint16, []uint16{0xffff}, 65535},
		{Int16, []uint16{0xffff}, -1},
		{Uint32, []uint16{0x0001, 0x0002}, 65538},
		{Int32, []uint16{0xffff, 0xfffe}, -2},
		{Uint64, []uint16{0, 0, 1, 0}, 65536},
		{Int64, []uint16{0xffff, 0xffff, 0xffff, 0xfffd}, -3},
		{Float32, []uint16{0x4366, 0x8000}, 230.5},
		{Float64, []uint16{0x406c, 0xd000, 0, 0}, 230.5},
	}
	for _, tt := range tests {
		for _, low := range []bool{false, true} {
			words := slices.Clone(tt.words)
			if low {
				slices.Reverse(words)
			}
			if got, err := tt.kind.Decode(words, low); err != nil || got != tt.want {
				t.Errorf("%s % x low %v: %v, %v", tt.kind, words, low, got, err)
			}
			if got, err := tt.kind.Encode(tt.want, low); err != nil || !slices.Equal(got, words) {
				t.Errorf("%s %v low %v: % x, %v", tt.kind, tt.want, low, got, err)
			}
		}
	}
	if _, err := Float32.Decode([]uint16{0x7fc0, 0}, false); err == nil {
		t.Error("no number was taken for one")
	}
	for kind, x := range map[Type]float64{Int16: 32768, Uint16: -1, Uint32: math.Ldexp(1, 32), Int64: math.Ldexp(1, 63)} {
		if _, err := kind.Encode(x, false); err == nil {
			t.Errorf("%v was taken for %s", x, kind)
		}
	}
}

// TestCRC16: the frame of serial line V1.02 appendix B has 0x12 0x41 on the wire.
func TestCRC16(t *testing.T) {
	if got := crc16([]byte{0x02, 0x07}); got != 0x1241 {
		t.Errorf("%#04x", got)
	}
}

// ptys are the ends of a serial line: this one, and the path of the other.
func ptys(t *testing.T) (*os.File, string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	conn, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	if err := conn.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return master, fmt.Sprintf("/dev/pts/%d", number)
}

// frame adds the checksum.
func frame(data ...byte) []byte { return binary.LittleEndian.AppendUint16(data, crc16(data)) }

// answer takes requests of 8 bytes from a line and answers each with the next.
func answer(t *testing.T, line io.ReadWriter, answers ...[]byte) {
	t.Helper()
	go func() {
		for _, a := range answers {
			if _, err := io.ReadFull(line, make([]byte, 8)); err != nil {
				return
			}
			if _, err := line.Write(a); err != nil {
				return
			}
		}
	}()
}

func TestRTU(t *testing.T) {
	master, path := ptys(t)
	file, err := OpenSerial(path, Line{Baud: 19200, Parity: "even", StopBits: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := NewRTU(file, 19200)
	t.Cleanup(func() { _ = c.Close() })
	good := frame(2, 3, 4, 0x43, 0x66, 0x80, 0)
	wrong := slices.Clone(good)
	wrong[8] ^= 1
	answer(t, master, good, frame(2, 0x83, 2), wrong, frame(3, 3, 4, 0, 0, 0, 0), good[:6], append(slices.Clone(good), good...), good)
	for i, want := range []error{nil, ExceptionError(2), ErrFrame, ErrFrame, ErrSilence, nil, nil} { // the last but one is said twice
		within := time.Minute
		if want == ErrSilence { //nolint:errorlint // itself
			within = 300 * time.Millisecond
		}
		got, err := c.Read(2, Holdings, 0, 2, within)
		if !errors.Is(err, want) || want == nil && (err != nil || !slices.Equal(got, []uint16{0x4366, 0x8000})) {
			t.Errorf("answer %d: % x, %v; want %v", i, got, err, want)
		}
	}
	if _, err := OpenSerial("/dev/null", Line{Baud: 9600}); err == nil {
		t.Error("/dev/null is a serial line")
	}
}

func TestTCP(t *testing.T) {
	ours, theirs := net.Pipe()
	c := NewTCP(ours)
	t.Cleanup(func() { _ = c.Close() })
	head := func(id, length, unit byte, pdu ...byte) []byte {
		return append([]byte{0, id, 0, 0, 0, length, unit}, pdu...)
	}
	go func() {
		for _, a := range [][]byte{
			head(1, 5, 9, 4, 2, 0, 7),
			append(head(1, 5, 9, 4, 2, 0, 8), head(2, 5, 9, 4, 2, 0, 9)...), // the first comes late
			head(3, 3, 9, 0x84, 6),
			head(4, 5, 8, 4, 2, 0, 7),
			{0, 5, 0, 1, 0, 5, 9, 4, 2, 0, 7},
		} {
			if _, err := io.ReadFull(theirs, make([]byte, 12)); err != nil {
				return
			}
			_, _ = theirs.Write(a)
		}
	}()
	for i, want := range []error{nil, nil, ErrBusy, ErrFrame, ErrFrame} {
		got, err := c.Read(9, Inputs, 0, 1, time.Second)
		if !errors.Is(err, want) || want == nil && (err != nil || got[0] != uint16(7+2*i)) {
			t.Errorf("answer %d: %v, %v; want %v", i, got, err, want)
		}
	}
}

// script is a stream whose other end has said all it will say.
type script struct{ *bytes.Reader }

func (script) Write(p []byte) (int, error) { return len(p), nil }
func (script) Close() error                { return nil }
func (script) SetDeadline(time.Time) error { return nil }

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4}, uint16(2))
	f.Add([]byte{0, 1, 0, 0, 0, 3, 1, 0x83, 2}, uint16(2))
	f.Add([]byte{0, 0, 0, 0, 0, 3, 1, 0x83, 2, 0, 1, 0, 0, 0xff, 0xff, 1}, uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, count uint16) {
		c := NewTCP(script{bytes.NewReader(data)})
		values, err := c.Read(1, Holdings, 0, count, time.Second)
		if err == nil && len(values) != int(count) {
			t.Errorf("%d values of %d", len(values), count)
		}
	})
}

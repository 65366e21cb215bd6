package coap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("61", 300)
	tests := []struct {
		name string
		wire string
		want string // of show, empty: malformed
	}{
		{"empty CON, a ping", "40000102", "CON EMPTY id=258 token= 0 bytes"},
		{"RFC 7252 figure 16", "44017d34 cafe0123 bb74656d7065726174757265", "CON GET id=32052 token=cafe0123 11=74656d7065726174757265 0 bytes"},
		{"RFC 7252 figure 16 answer", "60457d34 ff32322e332043", "ACK 2.05 id=32052 token= 6 bytes"},
		{"token of 8 bytes", "48010001 0102030405060708", "CON GET id=1 token=0102030405060708 0 bytes"},
		{"option delta 13", "40010001 d000", "CON GET id=1 token= 13= 0 bytes"},
		{"option delta 269", "40010001 e00000", "CON GET id=1 token= 269= 0 bytes"},
		{"option length 12", "40010001 bc" + long[:24], "CON GET id=1 token= 11=" + long[:24] + " 0 bytes"},
		{"option length 13", "40010001 bd00" + long[:26], "CON GET id=1 token= 11=" + long[:26] + " 0 bytes"},
		{"option length 268", "40010001 dd16ff" + long[:536], "CON GET id=1 token= 35=" + long[:536] + " 0 bytes"},
		{"option length 269", "40010001 de160000" + long[:538], "CON GET id=1 token= 35=" + long[:538] + " 0 bytes"},
		{"option value ends in the marker's byte", "40010001 b161 01ff", "CON GET id=1 token= 11=61 11=ff 0 bytes"},
		{"option 65535", "40010001 e0fef2", "CON GET id=1 token= 65535= 0 bytes"},
		{"repeated options", "40010001 b133 0130 0135", "CON GET id=1 token= 11=33 11=30 11=35 0 bytes"},
		{"payload of 1 byte", "50020001 ff00", "NON POST id=1 token= 1 bytes"},

		{"no bytes", "", ""},
		{"3 bytes", "400001", ""},
		{"version 0", "00010001", ""},
		{"version 2", "80010001", ""},
		{"token length 9", "49010001 010203040506070809", ""},
		{"token length 15", "4f010001", ""},
		{"token cut", "44010001 010203", ""},
		{"empty with token", "41000001 01", ""},
		{"empty with payload", "40000001 ff00", ""},
		{"class 1", "40200001", ""},
		{"class 6", "40c00001", ""},
		{"class 7, a TCP signal", "40e10001", ""},
		{"option delta 15", "40010001 f0", ""},
		{"option length 15", "40010001 0f", ""},
		{"option delta extension cut", "40010001 d0", ""},
		{"option delta extension half", "40010001 e000", ""},
		{"option length extension cut", "40010001 bd", ""},
		{"option value cut", "40010001 b26162"[:len("40010001 b261")], ""},
		{"option number 65536", "40010001 e0fef3", ""},
		{"option numbers over 65535 in sum", "40010001 e0fef2 10", ""},
		{"marker without payload", "40010001 ff", ""},
		{"marker without payload after an option", "40010001 b161 ff", ""},
		{"65 options", "40010001 10" + strings.Repeat("00", 64), ""},
		{"64 options", "40010001 10" + strings.Repeat("00", 63), "CON GET id=1 token=" + strings.Repeat(" 1=", 64) + " 0 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(strings.ReplaceAll(tt.wire, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			m, err := Parse(b)
			if tt.want == "" {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("got %v, %v, want ErrMalformed", m, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, show(m)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if again := wire(t, m); !bytes.Equal(again, b) {
				t.Errorf("encoded again: %x, want %x", again, b)
			}
		})
	}
}

func TestEncodeRefusesWhatIsTooLong(t *testing.T) {
	tests := []struct {
		name string
		make func(m *Message)
		ok   bool
	}{
		{"segment of 255 bytes", func(m *Message) { m.SetPath(strings.Repeat("a", 255)) }, true},
		{"segment of 256 bytes", func(m *Message) { m.SetPath(strings.Repeat("a", 256)) }, false},
		{"Proxy-Uri of 1034 bytes", func(m *Message) { m.AddOption(ProxyURI, make([]byte, 1034)) }, true},
		{"Proxy-Uri of 1035 bytes", func(m *Message) { m.AddOption(ProxyURI, make([]byte, 1035)) }, false},
		{"64 options", func(m *Message) { m.SetPath(strings.Repeat("a/", 63) + "a") }, true},
		{"65 options", func(m *Message) { m.SetPath(strings.Repeat("a/", 64) + "a") }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Message
			tt.make(&m)
			_, err := appendMessage(nil, CON, GET, 1, Token{}, m.options, nil)
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, ErrTooLong) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMessageAccessors(t *testing.T) {
	var m Message
	m.SetPath("/3303/0/5700")
	m.AddQuery("pmin=10")
	m.AddQuery("con")
	m.SetContentFormat(11542)
	m.SetAccept(0)
	m.SetObserve(1<<24 + 5)
	m.SetETag([]byte{1, 2})
	m.SetMaxAge(300)
	m.SetLocationPath("/rd/5a3f")
	m.SetOptionUint(Size1, 70_000)
	m.SetOptionUint(Size2, 16_777_216)
	m.SetOptionUint(Block1, Block{Number: 3, More: true, SZX: 6}.value())
	m.SetOptionUint(Block2, Block{Number: 1<<20 - 1, SZX: 2}.value())
	if _, err := Parse(wire(t, &m)); err == nil {
		t.Fatal("an empty message with options was accepted")
	}
	m.Code = PUT
	parsed, err := Parse(wire(t, &m))
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*Message{"made": &m, "parsed": parsed, "cloned": parsed.Clone()} {
		check := func(what string, got, want any) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s: -want +got\n%s", name, what, diff)
			}
		}
		check("path", m.Path(), "/3303/0/5700")
		check("segments", m.PathSegments(), []string{"3303", "0", "5700"})
		check("queries", m.Queries(), []string{"pmin=10", "con"})
		pmin, _ := m.Query("pmin")
		check("query", pmin, "10")
		_, ok := m.Query("con")
		check("plain query", ok, true)
		_, ok = m.Query("pmax")
		check("absent query", ok, false)
		cf, ok := m.ContentFormat()
		check("content format", []any{cf, ok}, []any{uint16(11542), true})
		accept, ok := m.Accept()
		check("accept", []any{accept, ok}, []any{uint16(0), true})
		observe, ok := m.Observe()
		check("observe", []any{observe, ok}, []any{uint32(5), true})
		check("etag", m.ETag(), []byte{1, 2})
		age, _ := m.MaxAge()
		check("max-age", age, uint32(300))
		check("location", m.LocationPath(), "/rd/5a3f")
		size1, _ := m.Size1()
		size2, _ := m.Size2()
		check("sizes", []uint32{size1, size2}, []uint32{70_000, 16_777_216})
		b1, _ := m.Block1()
		b2, _ := m.Block2()
		check("blocks", []string{b1.String(), b2.String()}, []string{"3/1/1024", "1048575/0/64"})
	}
	m.SetPath("/")
	m.RemoveOption(ETag)
	if m.Path() != "/" || m.PathSegments() != nil || m.ETag() != nil {
		t.Errorf("path %q, segments %q, etag %x after removal", m.Path(), m.PathSegments(), m.ETag())
	}
}

// Values of illegal length are as good as absent (RFC 7252 section 5.4.3).
func TestAccessorsLeaveOutIllegalLengths(t *testing.T) {
	var m Message
	m.AddOption(ContentFormat, []byte{0, 0, 40})
	m.AddOption(Observe, []byte{0, 0, 0, 1})
	m.AddOption(Block2, []byte{0, 0, 0, 6})
	m.AddOption(Size2, []byte{0, 0, 0, 0, 1})
	if _, ok := m.ContentFormat(); ok {
		t.Error("Content-Format of 3 bytes was taken")
	}
	if _, ok := m.Observe(); ok {
		t.Error("Observe of 4 bytes was taken")
	}
	if _, ok := m.Block2(); ok {
		t.Error("Block2 of 4 bytes was taken")
	}
	if _, ok := m.Size2(); ok {
		t.Error("Size2 of 5 bytes was taken")
	}
}

func TestMessageReuseDoesNotAllocate(t *testing.T) {
	var m Message
	buf, payload := make([]byte, 0, 256), []byte("x")
	n := testing.AllocsPerRun(100, func() {
		m.Reset()
		m.Code = Content
		m.SetContentFormat(110)
		m.SetMaxAge(10)
		m.Payload = payload
		buf, _ = appendMessage(buf[:0], ACK, m.Code, 1, Token{}, m.options, m.Payload)
		if m.parse(buf) != nil {
			t.Fatal("malformed")
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTokenIsAValue(t *testing.T) {
	b := []byte{1, 2, 3}
	tok, err := MakeToken(b)
	b[0] = 9
	if err != nil || tok.String() != "010203" || tok != token(1, 2, 3) || tok.Len() != 3 {
		t.Errorf("got %v, %v", tok, err)
	}
	if _, err := MakeToken(make([]byte, 9)); !errors.Is(err, ErrToken) {
		t.Errorf("9 bytes: got %v", err)
	}
}

func TestCodeString(t *testing.T) {
	for code, want := range map[Code]string{Empty: "EMPTY", GET: "GET", IPATCH: "iPATCH", 8: "0.08", Content: "2.05", Continue: "2.31", RequestEntityTooLarge: "4.13", ProxyingNotSupported: "5.05"} {
		if code.String() != want {
			t.Errorf("%d: got %s, want %s", code, code, want)
		}
	}
}

func TestBlockSizeExponent(t *testing.T) {
	for size, want := range map[int]uint8{0: 0, 15: 0, 16: 0, 31: 0, 32: 1, 64: 2, 128: 3, 256: 4, 512: 5, 1000: 5, 1024: 6, 4096: 6} {
		if got := szxOf(size); got != want {
			t.Errorf("%d: got %d, want %d", size, got, want)
		}
	}
}

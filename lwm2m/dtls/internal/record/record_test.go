package record

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	pion "github.com/pion/dtls/v3/pkg/crypto/ccm"

	"lwm2m-agent/test/memory"
)

var (
	testKey = []byte("0123456789abcdef")
	testIV  = []byte{0xa1, 0xa2, 0xa3, 0xa4}
)

// pair returns the two ends of one direction in epoch 1.
func pair(tb testing.TB, a AEAD, cid []byte) (*Sealer, *Opener) {
	tb.Helper()
	var s Sealer
	var o Opener
	s.Protect(protection(tb, a), cid, 0)
	o.Protect(protection(tb, a), cid, 0)
	return &s, &o
}

func protection(tb testing.TB, a AEAD) *Protection {
	tb.Helper()
	p, err := NewProtection(a, testKey, testIV)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func seal(tb testing.TB, s *Sealer, epoch uint16, typ Type, payload string) []byte {
	tb.Helper()
	b, err := s.Append(nil, epoch, typ, []byte(payload))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// A record of epoch 0 (RFC 6347, section 4.1).
func TestPlaintextLayout(t *testing.T) {
	var s Sealer
	seal(t, &s, 0, Handshake, "")
	got := seal(t, &s, 0, Handshake, "abc")
	want := []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 'a', 'b', 'c'}
	if !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// Records of epoch 1, opened by pion's CCM with the additional data written out as
// RFC 5246, section 6.2.3.3, and RFC 9146, section 5.3, have it.
func TestSealedLayout(t *testing.T) {
	block, err := aes.NewCipher(testKey)
	if err != nil {
		t.Fatal(err)
	}
	reference, err := pion.NewCCM(block, 8, 12)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		name       string
		cid        []byte
		header     []byte // up to the ciphertext
		additional []byte
		inner      string
	}{
		{
			name: "no connection ID",
			header: []byte{
				23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 5, 0, 8 + 3 + 8,
				0, 1, 0, 0, 0, 0, 0, 5,
			},
			additional: []byte{0, 1, 0, 0, 0, 0, 0, 5, 23, 0xfe, 0xfd, 0, 3},
			inner:      "abc",
		},
		{
			name: "connection ID of two bytes",
			cid:  []byte{0xc1, 0xc2},
			header: []byte{
				25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 5, 0xc1, 0xc2, 0, 8 + 4 + 8,
				0, 1, 0, 0, 0, 0, 0, 5,
			},
			additional: []byte{
				0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 25, 2,
				25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 5, 0xc1, 0xc2, 0, 4,
			},
			inner: "abc\x17",
		},
	} {
		t.Run(v.name, func(t *testing.T) {
			var s Sealer
			s.Protect(protection(t, CCM8), v.cid, 5)
			got := seal(t, &s, 1, ApplicationData, "abc")
			if !bytes.HasPrefix(got, v.header) {
				t.Fatalf("header %x, want %x", got[:len(v.header)], v.header)
			}
			if want := len(v.header) + len(v.inner) + 8; len(got) != want || len(got) != s.Overhead(1)+3 {
				t.Errorf("%d bytes, want %d; Overhead says %d", len(got), want, s.Overhead(1)+3)
			}
			nonce := append(bytes.Clone(testIV), 0, 1, 0, 0, 0, 0, 0, 5)
			inner, err := reference.Open(nil, nonce, got[len(v.header):], v.additional)
			if err != nil || string(inner) != v.inner {
				t.Errorf("inner %q, %v; want %q", inner, err, v.inner)
			}
		})
	}
}

func TestSealOpen(t *testing.T) {
	for _, a := range []AEAD{CCM8, CCM, GCM} {
		for _, n := range []int{0, 1, 6, 255} {
			s, o := pair(t, a, bytes.Repeat([]byte{7}, n))
			for _, payload := range []string{"", "x", "ends in zeroes\x00\x00", string(make([]byte, MaxPayload))} {
				raw := seal(t, s, 1, Handshake, payload)
				if len(raw) > MaxSize {
					t.Errorf("record of %d bytes is over MaxSize", len(raw))
				}
				again := bytes.Clone(raw)
				r, rest, err := o.Open(raw)
				if err != nil || r.Epoch != 1 || r.Type != Handshake || string(r.Payload) != payload || len(rest) != 0 {
					t.Fatalf("AEAD %d, connection ID of %d: %d %d, %d bytes, rest %d, %v",
						a, n, r.Epoch, r.Type, len(r.Payload), len(rest), err)
				}
				if _, _, err := o.Open(again); !errors.Is(err, ErrReplayed) {
					t.Errorf("repeated: %v", err)
				}
			}
		}
	}
}

// Several records in one datagram, of which some are to be dropped.
func TestDatagram(t *testing.T) {
	s, o := pair(t, CCM8, []byte{1, 2})
	forged := seal(t, s, 1, ApplicationData, "forged")
	forged[len(forged)-1] ^= 1
	datagram := bytes.Join([][]byte{
		seal(t, s, 0, Alert, "plain"),
		forged,
		seal(t, s, 1, ApplicationData, "one"),
		seal(t, s, 1, ApplicationData, "two"),
		{22, 0xfe, 0xfd},
	}, nil)
	var got []string
	for len(datagram) > 0 {
		r, rest, err := o.Open(datagram)
		got, datagram = append(got, fmt.Sprintf("%s %v", r.Payload, err)), rest
	}
	want := []string{
		"plain <nil>", " record is not authentic", "one <nil>", "two <nil>", " record is malformed",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Whatever is not a record of this session is dropped, and what follows it is found
// where its end can be told.
func TestOpenDrops(t *testing.T) {
	change := func(at int, b byte) func([]byte) []byte {
		return func(r []byte) []byte { r[at] = b; return r }
	}
	withoutCID := func(r []byte) []byte { r[0] = 23; return append(r[:11], r[13:]...) }
	cut := func(n int) func([]byte) []byte { return func(r []byte) []byte { return r[:n] } }
	for _, v := range []struct {
		name   string
		cid    []byte
		change func([]byte) []byte
		want   error
		rest   bool
	}{
		{"empty datagram", nil, cut(0), ErrMalformed, false},
		{"12 bytes", nil, cut(12), ErrMalformed, false},
		{"header only", nil, cut(13), ErrMalformed, false},
		{"last byte missing", nil, func(r []byte) []byte { return r[:len(r)-5] }, ErrMalformed, false},
		{"epoch 2", nil, change(4, 2), ErrForeign, true},
		{"epoch 257", nil, change(3, 1), ErrForeign, true},
		{"version of TLS", nil, change(1, 3), ErrForeign, true},
		{"version DTLS 1.0 in epoch 1", nil, change(2, 0xff), ErrForeign, true},
		{"other type", nil, change(0, 21), ErrForged, true},
		{"other number", nil, change(10, 9), ErrForged, true},
		{"other explicit nonce", nil, change(20, 9), ErrForged, true},
		{"connection ID, none expected", nil, change(0, 25), ErrForeign, false},
		{"no connection ID, one expected", []byte{1, 2}, withoutCID, ErrForeign, true},
		{"other connection ID", []byte{1, 2}, change(11, 9), ErrForeign, true},
		{"cut within the connection ID", []byte{1, 2}, cut(14), ErrMalformed, false},
		{"connection ID in epoch 0", []byte{1, 2}, change(4, 0), ErrForeign, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			s, o := pair(t, CCM8, v.cid)
			datagram := append(seal(t, s, 1, ApplicationData, "hello"), "rest"...)
			_, rest, err := o.Open(v.change(datagram))
			if !errors.Is(err, v.want) {
				t.Errorf("%v, want %v", err, v.want)
			}
			if v.rest && string(rest) != "rest" {
				t.Errorf("rest %q", rest)
			}
		})
	}
}

func TestShortCiphertext(t *testing.T) {
	_, o := pair(t, CCM8, nil)
	for size := range 16 {
		raw := append([]byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, byte(size)}, make([]byte, size)...)
		if _, _, err := o.Open(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Epoch 0 is open until Seal, with the minor version of DTLS 1.0 too.
func TestEpoch0(t *testing.T) {
	var s Sealer
	var o Opener
	raw := seal(t, &s, 0, Handshake, "hello")
	raw[2] = 0xff
	if r, _, err := o.Open(bytes.Clone(raw)); err != nil || string(r.Payload) != "hello" || r.Epoch != 0 {
		t.Errorf("%q in epoch %d, %v", r.Payload, r.Epoch, err)
	}
	other := bytes.Clone(raw)
	other[1] = 3
	if _, _, err := o.Open(other); !errors.Is(err, ErrMalformed) {
		t.Errorf("major version 3: %v", err)
	}
	sealed := bytes.Clone(raw)
	sealed[4] = 1
	if _, _, err := o.Open(sealed); !errors.Is(err, ErrForeign) {
		t.Errorf("epoch 1 without key: %v", err)
	}
	o.Seal()
	if _, _, err := o.Open(raw); !errors.Is(err, ErrForeign) {
		t.Errorf("after Seal: %v", err)
	}
}

// The inner plaintext of RFC 9146, section 4: padding is allowed, no type is not.
func TestInnerPlaintext(t *testing.T) {
	for _, v := range []struct {
		inner   string
		payload string
		typ     Type
		err     error
	}{
		{"abc\x17", "abc", ApplicationData, nil},
		{"abc\x17\x00\x00\x00", "abc", ApplicationData, nil},
		{"\x15\x00", "", Alert, nil},
		{"", "", 0, ErrMalformed},
		{"\x00\x00", "", 0, ErrMalformed},
	} {
		payload, typ, err := unpad([]byte(v.inner))
		if string(payload) != v.payload || typ != v.typ || !errors.Is(err, v.err) {
			t.Errorf("%q: %q, %d, %v", v.inner, payload, typ, err)
		}
	}
}

func TestNumbersRunOut(t *testing.T) {
	var s Sealer
	if _, err := s.Append(nil, 1, ApplicationData, nil); err == nil {
		t.Error("epoch 1 without key")
	}
	s.Protect(protection(t, CCM8), nil, maxSequence-1)
	if _, err := s.Append(nil, 2, ApplicationData, nil); err == nil {
		t.Error("epoch 2")
	}
	if got := s.Remaining(); got != 2 {
		t.Errorf("%d numbers remain, want 2", got)
	}
	seal(t, &s, 1, ApplicationData, "last but one")
	raw := seal(t, &s, 1, ApplicationData, "last")
	if !bytes.Equal(raw[3:11], []byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) {
		t.Errorf("last number %x", raw[3:11])
	}
	if _, err := s.Append(nil, 1, ApplicationData, nil); !errors.Is(err, ErrExhausted) {
		t.Errorf("beyond: %v", err)
	}
	if limit := s.Reserve(10); limit != Numbers || s.Remaining() != 0 {
		t.Errorf("reserved up to %#x, %d remain", limit, s.Remaining())
	}
}

func TestReserve(t *testing.T) {
	var s Sealer
	s.Protect(protection(t, CCM8), nil, 100)
	if limit := s.Reserve(2); limit != 102 || s.Remaining() != 2 {
		t.Errorf("reserved up to %d, %d remain", limit, s.Remaining())
	}
	seal(t, &s, 1, ApplicationData, "100")
	seal(t, &s, 1, ApplicationData, "101")
	for range 2 {
		if _, err := s.Append(nil, 1, ApplicationData, nil); !errors.Is(err, ErrReserved) {
			t.Errorf("beyond: %v", err)
		}
	}
	seal(t, &s, 0, Handshake, "epoch 0 is not reserved")
	if limit := s.Reserve(1 << 63); limit != Numbers {
		t.Errorf("a huge count reserves up to %#x", limit)
	}
	if raw := seal(t, &s, 1, ApplicationData, ""); raw[10] != 102 {
		t.Errorf("number %d, want 102", raw[10])
	}
}

// TestAhead shows that numbers are asked for before they may be used.
func TestAhead(t *testing.T) {
	var s Sealer
	s.Protect(protection(t, CCM8), nil, 100)
	if limit := s.Ahead(2); limit != 102 || s.Remaining() != 2 {
		t.Errorf("the first limit is %d, %d remain", limit, s.Remaining())
	}
	seal(t, &s, 1, ApplicationData, "100")
	if limit := s.Ahead(10); limit != 111 || s.Remaining() != 1 {
		t.Errorf("ahead is %d, %d remain", limit, s.Remaining())
	}
	s.Allow(111)
	s.Allow(105)
	if s.Remaining() != 10 {
		t.Errorf("%d remain of what was allowed", s.Remaining())
	}
	s.Allow(1 << 63)
	if s.Remaining() != Numbers-101 || s.Ahead(1<<63) != Numbers {
		t.Errorf("%#x remain of all", s.Remaining())
	}
}

// TestPayloadIsNotLeft: a record that does not fit is made in a new array at once. One that grew on the way would leave the payload in each.
func TestPayloadIsNotLeft(t *testing.T) {
	memory.Keep(t)
	mark := make([]byte, 32)
	rand.Read(mark)
	secret := memory.Hide(bytes.Clone(mark))
	for _, a := range []AEAD{CCM8, CCM, GCM} {
		s, _ := pair(t, a, []byte{1, 2, 3, 4})
		short := make([]byte, 0, 100)
		for size := 200; size < 500; size += 4 { // of some, the last bytes fall into another size class of Go's allocator
			payload := make([]byte, size)
			copy(payload, mark)
			if _, err := s.Append(short, 1, ApplicationData, payload); err != nil {
				t.Fatal(err)
			}
			clear(payload)
		}
	}
	if n := secret.Count(t); n != 1 {
		t.Errorf("the payload is there %d times, want once", n)
	}
	clear(mark)
	if n := secret.Count(t); n > 0 {
		t.Errorf("the payload is left %d times", n)
	}
}

func TestTooLong(t *testing.T) {
	s, _ := pair(t, CCM8, nil)
	if _, err := s.Append(nil, 1, ApplicationData, make([]byte, MaxPayload+1)); err == nil {
		t.Error("16385 bytes accepted")
	}
	if s.Remaining() != Numbers {
		t.Error("a refused payload used a number")
	}
}

func TestWindow(t *testing.T) {
	type step struct {
		number uint64
		fresh  bool
	}
	for name, steps := range map[string][]step{
		"in order":        {{0, true}, {1, true}, {2, true}, {1, false}, {2, false}},
		"reordered":       {{3, true}, {1, true}, {2, true}, {0, true}, {1, false}, {0, false}},
		"63 below newest": {{64, true}, {1, true}, {0, false}},
		"jump of 64":      {{0, true}, {64, true}, {0, false}, {63, true}},
		"far jump":        {{5, true}, {1 << 40, true}, {5, false}, {1<<40 - 63, true}, {1<<40 - 64, false}},
		"last number":     {{maxSequence, true}, {maxSequence, false}, {maxSequence - 1, true}},
	} {
		var w window
		for _, s := range steps {
			if got := w.fresh(s.number); got != s.fresh {
				t.Errorf("%s: number %d fresh: %v", name, s.number, got)
			}
			if s.fresh {
				w.mark(s.number)
			}
		}
	}
	w := newWindow(1000)
	if w.fresh(999) || w.fresh(937) || !w.fresh(1000) {
		t.Error("a restored window takes what may have been received")
	}
}

func TestNoAllocation(t *testing.T) {
	for _, a := range []AEAD{CCM8, CCM, GCM} {
		for _, cid := range [][]byte{nil, {1, 2, 3, 4}} {
			s, o := pair(t, a, cid)
			payload, buf := make([]byte, 60), make([]byte, 0, 200)
			if n := testing.AllocsPerRun(100, func() {
				b, err := s.Append(buf, 1, ApplicationData, payload)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := o.Open(b); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("AEAD %d, connection ID %x: %v allocations", a, cid, n)
			}
		}
	}
}

// Whatever arrives, Open ends, makes progress and stays inside the datagram.
func FuzzOpen(f *testing.F) {
	for _, n := range []int{0, 4} {
		s, _ := pair(f, CCM8, bytes.Repeat([]byte{7}, n))
		plain := seal(f, s, 0, Handshake, "a handshake message")
		sealed := seal(f, s, 1, ApplicationData, "hello")
		f.Add(append(plain, sealed...), uint8(n))
		f.Add(sealed, uint8(n))
		f.Add(sealed[:len(sealed)-1], uint8(n))
	}
	f.Fuzz(func(t *testing.T, datagram []byte, n uint8) {
		_, o := pair(t, CCM8, bytes.Repeat([]byte{7}, int(n)))
		for len(datagram) > 0 {
			r, rest, err := o.Open(datagram)
			if len(rest) >= len(datagram) {
				t.Fatal("no progress")
			}
			if err == nil && len(r.Payload) > MaxPayload {
				t.Fatalf("payload of %d bytes", len(r.Payload))
			}
			if err == nil && r.Epoch == 1 && r.Type != ApplicationData {
				t.Fatalf("forged record of type %d", r.Type)
			}
			datagram = rest
		}
	})
}

func BenchmarkSealOpen(b *testing.B) {
	for name, a := range map[string]AEAD{"CCM8": CCM8, "GCM": GCM} {
		for _, n := range []int{0, 6} {
			b.Run(fmt.Sprintf("%s/cid=%d", name, n), func(b *testing.B) {
				s, o := pair(b, a, make([]byte, n))
				payload, buf := make([]byte, 40), make([]byte, 0, 200)
				b.ReportAllocs()
				for b.Loop() {
					raw, err := s.Append(buf, 1, ApplicationData, payload)
					if err != nil {
						b.Fatal(err)
					}
					if _, _, err := o.Open(raw); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

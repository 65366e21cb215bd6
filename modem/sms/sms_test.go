package sms

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"
)

// The parts of a message from +491511234567, taken at 18:57:00 +01:00, by way of +491760000443.
const (
	centre = "0791947106004034"
	sender = "0C91945111325476"
	taken  = "62118281750040"
)

func octetsOf(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	at := time.Date(2026, 11, 28, 17, 57, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		pdu  string
		want Part
	}{
		"octets":                 {centre + "04" + sender + "0004" + taken + "03" + "010203", Part{From: "+491511234567", Time: at, Binary: true, Data: []byte{1, 2, 3}, Total: 1, Number: 1}},
		"without a centre":       {"00" + "04" + sender + "00F5" + taken + "0107", Part{From: "+491511234567", Time: at, Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"a class of octets":      {"00" + "04" + sender + "0016" + taken + "0107", Part{From: "+491511234567", Time: at, Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"no octets":              {"00" + "04" + sender + "0004" + taken + "00", Part{From: "+491511234567", Time: at, Binary: true, Total: 1, Number: 1}},
		"hello":                  {centre + "04" + sender + "0000" + taken + "05E8329BFD06", Part{From: "+491511234567", Time: at, Total: 1, Number: 1}},
		"UCS2":                   {"00" + "04" + sender + "0008" + taken + "020041", Part{From: "+491511234567", Time: at, Total: 1, Number: 1}},
		"compressed":             {"00" + "04" + sender + "0024" + taken + "0107", Part{From: "+491511234567", Time: at, Total: 1, Number: 1}},
		"text of a class":        {"00" + "04" + sender + "00F1" + taken + "0107", Part{From: "+491511234567", Time: at, Total: 1, Number: 1}},
		"waiting mail":           {"00" + "04" + sender + "00C8" + taken + "0107", Part{From: "+491511234567", Time: at, Total: 1, Number: 1}},
		"five digits":            {"00" + "04" + "05812143F5" + "0004" + taken + "0107", Part{From: "12345", Time: at, Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"a name":                 {"00" + "04" + "04D0C834" + "0004" + taken + "0107", Part{Time: at, Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"an asterisk":            {"00" + "04" + "0281A1" + "0004" + taken + "0107", Part{Time: at, Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"nobody":                 {"00" + "04" + "0080" + "0004" + taken + "0107", Part{Time: at, Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"no such day":            {"00" + "04" + sender + "0004" + "62039200000000" + "0107", Part{From: "+491511234567", Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"no such digit":          {"00" + "04" + sender + "0004" + "6A118281750040" + "0107", Part{From: "+491511234567", Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"west":                   {"00" + "04" + sender + "0004" + "62118281750048" + "0107", Part{From: "+491511234567", Time: at.Add(2 * time.Hour), Binary: true, Data: []byte{7}, Total: 1, Number: 1}},
		"a part":                 {"00" + "44" + sender + "0004" + taken + "07" + "050003030502" + "09", Part{From: "+491511234567", Time: at, Binary: true, Data: []byte{9}, Reference: 3, Total: 5, Number: 2}},
		"a part, ports before":   {"00" + "44" + sender + "0004" + taken + "0E" + "0C" + "050416330000" + "0804ABCD0201" + "09", Part{From: "+491511234567", Time: at, Binary: true, Data: []byte{9}, Reference: 0xabcd, Total: 2, Number: 1}},
		"part 3 of 2":            {"00" + "44" + sender + "0004" + taken + "07" + "050003AA0203" + "09", Part{From: "+491511234567", Time: at, Binary: true, Data: []byte{9}, Total: 1, Number: 1}},
		"part 0":                 {"00" + "44" + sender + "0004" + taken + "07" + "050003AA0200" + "09", Part{From: "+491511234567", Time: at, Binary: true, Data: []byte{9}, Total: 1, Number: 1}},
		"an element that is cut": {"00" + "44" + sender + "0004" + taken + "04" + "02000309", Part{From: "+491511234567", Time: at, Binary: true, Data: []byte{9}, Total: 1, Number: 1}},
	} {
		pdu := octetsOf(t, tt.pdu)
		p, err := Parse(pdu)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if data, want := p.Data, tt.want.Data; !bytes.Equal(data, want) || !p.Time.Equal(tt.want.Time) || p.Time.IsZero() != tt.want.Time.IsZero() {
			t.Errorf("%s: %x at %v, want %x at %v", name, data, p.Time, want, tt.want.Time)
		}
		got, want := *p, tt.want
		if got.From != want.From || got.Binary != want.Binary || got.Reference != want.Reference || got.Total != want.Total || got.Number != want.Number {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if !p.Binary {
			continue // whose content is not looked at
		}
		for n := range pdu { // cut anywhere
			if p, err := Parse(pdu[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, %d octets of it: %+v, %v", name, n, p, err)
			}
		}
	}
}

func TestMalformed(t *testing.T) {
	for name, pdu := range map[string]string{
		"nothing": "", "a report": "00" + "02" + sender + "0004" + taken + "0107", "one to be sent": "00" + "01" + sender + "0004" + taken + "0107",
		"a centre of 200 octets": "C801", "141 octets": "00" + "04" + sender + "0004" + taken + "8D" + string(bytes.Repeat([]byte("00"), 141)),
		"a header longer than all": "00" + "44" + sender + "0004" + taken + "02" + "0500",
		"a header of nothing":      "00" + "44" + sender + "0004" + taken + "00",
	} {
		if p, err := Parse(octetsOf(t, pdu)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func part(from string, reference uint16, total, number uint8, data ...byte) *Part {
	return &Part{From: from, Binary: true, Reference: reference, Total: total, Number: number, Data: data}
}

func TestJoin(t *testing.T) {
	var j Joiner
	want := func(what string, p *Part, data ...byte) {
		t.Helper()
		m, places, ok := j.Add(p, int(p.Number))
		if ok != (data != nil) || !bytes.Equal(m.Data, data) || ok && (m.From != p.From || len(places) != int(p.Total)) {
			t.Errorf("%s: %+v at %v, %v; want %x", what, m, places, ok, data)
		}
	}
	want("whole", part("+1", 0, 1, 1, 9), 9)
	want("the last part", part("+1", 7, 3, 3, 3))
	want("the first", part("+1", 7, 3, 1, 1))
	want("the first again", part("+1", 7, 3, 1, 8))
	want("another one's", part("+2", 7, 3, 2, 8))
	want("another message's", part("+1", 8, 3, 2, 8))
	want("of another length", part("+1", 7, 2, 2, 8))
	want("the middle", part("+1", 7, 3, 2, 2), 1, 2, 3)
	want("the middle of what is over", part("+1", 7, 3, 2, 2))
	want("too many parts", part("+1", 9, maxParts+1, 1, 1))
	for i := range uint8(maxJoined) {
		want("the first of two", part("+3", uint16(i), 2, 1, i))
	}
	want("what had to give way", part("+2", 7, 3, 1, 1))
	want("the oldest, too", part("+3", 0, 2, 2, 1))
	want("the newest", part("+3", maxJoined-1, 2, 2, 1), maxJoined-1, 1)
	if len(j.waiting) > maxJoined {
		t.Errorf("%d messages wait", len(j.waiting))
	}
	if m, _, ok := j.Add(&Part{From: "+1", Total: 1, Number: 1}); !ok || m.Data != nil {
		t.Errorf("a text: %+v, %v", m, ok)
	}
}

// FuzzParse reads anything, and joins what it says.
func FuzzParse(f *testing.F) {
	for _, pdu := range []string{
		centre + "04" + sender + "0004" + taken + "03" + "010203",
		"00" + "44" + sender + "0004" + taken + "0E" + "0C" + "050416330000" + "0804ABCD0201" + "09",
		centre + "04" + sender + "0000" + taken + "05E8329BFD06",
	} {
		f.Add(octetsOf(f, pdu))
	}
	f.Fuzz(func(t *testing.T, pdu []byte) {
		p, err := Parse(pdu)
		if err != nil {
			if p != nil || !errors.Is(err, ErrMalformed) {
				t.Errorf("%+v, %v", p, err)
			}
			return
		}
		if len(p.Data) > maxUserData || len(p.From) > maxDigits+1 || p.Number == 0 || p.Number > p.Total || !p.Binary && p.Data != nil {
			t.Errorf("%+v", p)
		}
		var j Joiner
		for n := range p.Total {
			p.Number = n + 1
			m, _, ok := j.Add(p)
			if ok != (p.Total <= maxParts && p.Number == p.Total) || ok && len(m.Data) != int(p.Total)*len(p.Data) {
				t.Errorf("part %d of %d: %v, %d octets", p.Number, p.Total, ok, len(m.Data))
			}
		}
	})
}

package playback

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
)

const example = `lwm2m-agent playback 1
driver = sht3x
address = 0x44

open
> f3 2d < 80 10 e1
sample
> 24 00
< 66 66 93 80 00 a2
= temperature 25 Cel good
set level 50
> 06 00 ! EREMOTEIO
! no device answers
`

func TestParse(t *testing.T) {
	f, err := Parse(strings.NewReader(example))
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Settings: []Setting{{"driver", "sht3x"}, {"address", "0x44"}},
		Steps: []Step{
			{Line: 5, Action: Open, Transfers: []Transfer{{Line: 6, Written: []byte{0xf3, 0x2d}, Read: []byte{0x80, 0x10, 0xe1}}}},
			{Line: 7, Action: Sample, Transfers: []Transfer{
				{Line: 8, Written: []byte{0x24, 0x00}},
				{Line: 9, Read: []byte{0x66, 0x66, 0x93, 0x80, 0x00, 0xa2}},
			}, Readings: []string{"temperature 25 Cel good"}},
			{Line: 11, Action: Set, Channel: "level", Value: "50", Transfers: []Transfer{
				{Line: 12, Written: []byte{0x06, 0x00}, Err: unix.EREMOTEIO},
			}, Failure: "no device answers"},
		},
	}
	if d := cmp.Diff(want, f); d != "" {
		t.Error(d)
	}
	var text bytes.Buffer
	if _, err := f.WriteTo(&text); err != nil || text.String() != example {
		t.Errorf("written again it is\n%s%v", &text, err)
	}
	same, err := Parse(strings.NewReader(strings.ReplaceAll(strings.ReplaceAll(example, "> f3 2d < 80 10 e1", " > f32d<8010E1\t"), "sample", "# two\n\nsample")))
	if err != nil || same.Steps[0].Transfers[0].String() != "> f3 2d < 80 10 e1" || same.Steps[1].Line != 9 {
		t.Errorf("with other spaces: %+v, %v", same, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "the file is empty",
		"lwm2m-agent playback 2\n":            "no playback file of this version",
		magic + "\nopen\n> 0\n":               "line 3",
		magic + "\nopen\n> 0g\n":              "hexadecimal",
		magic + "\nopen\n> 00 ! ECHILD\n":     `"ECHILD" is no error of a transfer`,
		magic + "\nopen\nread 00\n":           "it begins with none of",
		magic + "\nset level\n":               "needs a channel and a value",
		magic + "\n> 00\n":                    `the first step begins with "open"`,
		magic + "\nopen\n> " + longHex + "\n": "8193 bytes",
		magic + "\nopen\n<\n":                 "nothing is transferred",
		magic + "\nopen it\n":                 `a setting is "KEY = VALUE"`,
	} {
		if f, err := Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %+v, %v; want %s", text, f, err, want)
		}
	}
}

var longHex = strings.Repeat("00", maxBytes+1)

// part answers with what was written, counting up.
type part struct{ i2c.BusCloser }

func (part) Tx(_ uint16, w, r []byte) error {
	switch {
	case len(w) == 0:
		return unix.ENXIO
	case w[0] == 0xff:
		return errors.New("of no number")
	}
	for i := range r {
		r[i] = w[0] + byte(i)
	}
	return nil
}

func TestRecorder(t *testing.T) {
	var r Recorder
	bus := r.Wrap(part{})
	w, in := []byte{0x10}, make([]byte, 2)
	errs := []error{bus.Tx(0x44, w, in), bus.Tx(0x44, nil, in), bus.Tx(0x44, []byte{0xff}, nil)}
	w[0], in[0] = 0, 0 // what was noted is its own
	if errs[0] != nil || !errors.Is(errs[1], unix.ENXIO) || errs[2] == nil {
		t.Errorf("errors %v", errs)
	}
	r.Fail(unix.ENOENT)
	r.Fail(errors.New("of no number"))
	taken := r.Take()
	got := make([]string, 0, len(taken))
	for _, transfer := range taken {
		got = append(got, transfer.String())
	}
	if d := cmp.Diff([]string{"> 10 < 10 11", "< ! ENXIO", "> ff ! EIO", "> ! ENOENT"}, got); d != "" {
		t.Error(d)
	}
	if left := r.Take(); left != nil {
		t.Errorf("taken twice: %v", left)
	}
}

func TestPlayer(t *testing.T) {
	p := Player{Address: 0x44}
	in := make([]byte, 2)
	p.Load([]Transfer{{Line: 6, Written: []byte{1}, Read: []byte{2, 3}}, {Line: 7, Written: []byte{4}, Err: unix.ENXIO}})
	if err := p.Tx(0x44, []byte{1}, in); err != nil || in[1] != 3 {
		t.Errorf("read % x, %v", in, err)
	}
	if err := p.Tx(0x44, []byte{4}, in); !errors.Is(err, unix.ENXIO) {
		t.Errorf("error %v", err)
	}
	if err := p.Done(); err != nil {
		t.Error(err)
	}
	if err := p.Tx(0x45, []byte{4}, in); !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), "speaks to address 0x45, not 0x44") {
		t.Errorf("another address: %v", err)
	}
	if err := p.Tx(0x44, []byte{1}, in); !errors.Is(err, ErrOther) || !errors.Is(p.Done(), ErrOther) {
		t.Errorf("after an error it goes on: %v", err)
	}
}

// FuzzParse: what is read is written and read as the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(magic + "\na = b\nopen\n<\n>! EIO\n!\n=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(bytes.NewReader(data))
		if err != nil {
			return
		}
		var text bytes.Buffer
		if _, err := file.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(bytes.NewReader(text.Bytes()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, &text)
		}
		var twice bytes.Buffer
		if _, err := again.WriteTo(&twice); err != nil || twice.String() != text.String() {
			t.Errorf("%s\nbecomes\n%s", &text, &twice)
		}
	})
}

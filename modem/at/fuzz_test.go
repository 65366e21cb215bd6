package at

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/modem"
)

// deaf is a port that takes everything and says nothing.
type deaf struct{ written strings.Builder }

func (d *deaf) Read([]byte) (int, error)         { return 0, nil }
func (d *deaf) Write(b []byte) (int, error)      { return d.written.Write(b) }
func (d *deaf) Close() error                     { return nil }
func (d *deaf) SetWriteDeadline(time.Time) error { return nil }

// hand is a channel that is moved by hand, without goroutines.
type hand struct {
	*Channel
	port *deaf
}

func newHand() *hand {
	p := &deaf{}
	c := NewChannel(p, func(line string) {
		if len(line) > maxLine {
			panic(fmt.Sprintf("a line of %d bytes", len(line)))
		}
	})
	c.deadline = time.NewTimer(time.Hour)
	return &hand{c, p}
}

func (h *hand) start(t *testing.T, cmd Command) *request {
	t.Helper()
	r := &request{Command: cmd, limit: time.Hour, ctx: t.Context(), result: make(chan error, 1)}
	if err := h.begin(r); err != nil {
		t.Fatal(err)
	}
	return r
}

// expire lets the time run out until the command has ended.
func (h *hand) expire(t *testing.T) {
	t.Helper()
	for range maxQuestions + 2 {
		if err := h.late(); err != nil {
			t.Fatal(err)
		}
	}
	if h.now != nil {
		t.Fatal("the command does not end")
	}
}

// whatever has anything come for a command, then has a modem in good order answer the
// next one: that must get its own answer, or an error.
func whatever(t *testing.T, chunks ...[]byte) {
	t.Helper()
	h := newHand()
	first := h.start(t, Command{Text: "+CMGS=1", Prefix: "+CMGS:", Data: "00"})
	for _, chunk := range chunks {
		if err := h.take(chunk); err != nil {
			t.Fatal(err)
		}
	}
	h.expire(t)
	if len(first.lines) > maxLines || first.size > maxAnswer+maxLine {
		t.Fatalf("an answer of %d lines, %d bytes", len(first.lines), first.size)
	}
	h.port.written.Reset()
	second := h.start(t, Command{Text: "+CSQ", Prefix: "+CSQ:"})
	for range maxQuestions + 1 {
		sent := h.port.written.String()
		h.port.written.Reset()
		switch {
		case strings.HasSuffix(sent, question+"\r"):
			_ = h.take([]byte("\r\n+CMEE: 1\r\n\r\nOK\r\n"))
			if h.dirty { // noise has spoiled it
				_ = h.late()
			}
		case strings.HasSuffix(sent, "AT+CSQ\r"):
			_ = h.take([]byte("\r\n+CSQ: 18,99\r\n\r\nOK\r\n"))
		}
	}
	h.expire(t)
	err := <-second.result
	if err == nil && second.lines[len(second.lines)-1] != "+CSQ: 18,99" {
		t.Fatalf("answered by %q", second.lines)
	}
	if err != nil && !errors.Is(err, ErrAnswer) && !errors.Is(err, ErrRestarted) && !errors.Is(err, ErrSilent) && !refused(err) {
		t.Fatal(err)
	}
}

func FuzzChannel(f *testing.F) {
	for _, s := range []string{
		"\r\n> ", "\r\n+CMGS: 7\r\n\r\nOK\r\n", "\r\nOK\r\n\r\nOK\r\n", "AT+CM\r\nRDY\r\nGS=1\r", "\r\n+CME ERROR: 10\r\nO", "K", "\x00\xff\r\nOK",
		"\r\n+CMT: ,2\r\nABCD\r\n", "\r\n+CMT: ,2\r\n\r\nOK\r\nABCD\r\n",
		"+CMGS: 1\r\n+CMEE: 1\r\nOK\r\nERROR\r\n+CSQ: 1", strings.Repeat("x", maxLine+1),
	} {
		f.Add([]byte(s), uint16(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		at := min(int(cut), len(data))
		whatever(t, data[:at], data[at:])
	})
}

// TestURCAtEveryByte lets a URC in at every byte of an answer, loses and doubles every
// line.
func TestURCAtEveryByte(t *testing.T) {
	const answer = "AT+CMGS=1\r\r\n> \r\n+CMGS: 7\r\n\r\nOK\r\n"
	for _, urc := range []string{"\r\n+CEREG: 5\r\n", "\r\nRDY\r\n", "\r\nNO CARRIER\r\n", "\r\n+CSQ: 1,2\r\n", "\r\nOK\r\n", "\r\n+CMT: ,2\r\nABCD\r\n", "\x00"} {
		for i := range len(answer) + 1 {
			whatever(t, []byte(answer[:i]), []byte(urc), []byte(answer[i:]))
		}
	}
	lines := strings.SplitAfter(answer, "\n")
	for i := range lines {
		lost, doubled := "", ""
		for j, l := range lines {
			if doubled += l; j == i {
				doubled += l
			} else {
				lost += l
			}
		}
		whatever(t, []byte(lost))
		whatever(t, []byte(doubled))
	}
}

func FuzzFields(f *testing.F) {
	for _, s := range []string{`1,"1A2B","01A2D003",7`, `"a,b",`, `"`, ``, `,,`, `(1-15),"IP",,,(0-2)`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := fields(s)
		if len(got) < 1 || len(got) > strings.Count(s, ",")+1 {
			t.Fatalf("%q: %d fields", s, len(got))
		}
	})
}

// BenchmarkURC has a URC heard and understood, all the way to the state; a thousand a second must cost less than a
// twentieth of a core, 50 µs each.
func BenchmarkURC(b *testing.B) {
	s := &session{m: New(Config{Now: time.Now, Log: slog.New(slog.DiscardHandler), Changed: func(modem.State, modem.Part) {}}), dialect: &standard}
	s.m.state.Presence = modem.Ready
	for i := range s.domains {
		s.domains[i].known = true
	}
	c := NewChannel(&deaf{}, s.urc)
	cells := [][]byte{[]byte("\r\n+CEREG: 5,\"1A2B\",\"01A2D003\",7\r\n"), []byte("\r\n+CEREG: 1,\"1A2B\",\"01A2D004\",7\r\n")}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := c.take(cells[n%2]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if !s.m.state.Network.Registration.Registered() {
		b.Error("nobody has understood them")
	}
	used := b.Elapsed() / time.Duration(n)
	b.ReportMetric(100*1000*used.Seconds(), "%core@1000/s")
	if used > 50*time.Microsecond {
		b.Errorf("%v each, at most 50 µs", used)
	}
}

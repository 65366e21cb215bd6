package at

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at/attest"
)

// pduOf makes a message from +491511234567 (3GPP TS 23.040, clause 9.2.2.1): octets, one of two
// parts of them if number is not 0, or a text.
func pduOf(data string, number int, binary bool) string {
	first, coding, header := 4, 0, ""
	if binary {
		coding = 4
	}
	if number > 0 {
		first, header = 0x44, fmt.Sprintf("05000307%02X%02X", 2, number)
	}
	return strings.ToUpper(fmt.Sprintf("0791947106004034%02X0C9194511132547600%02X62118281750040%02X%s%s",
		first, coding, len(header)/2+len(data), header, hex.EncodeToString([]byte(data))))
}

// reading is a modem with a storage for messages, whose owner takes those that begin with "!".
type reading struct {
	*desk
	kept *attest.Messages
	got  []string
}

// read has a module without a storage get one when it runs already, and tell.
func read(t *testing.T, size int) *reading {
	t.Helper()
	r := new(reading)
	r.desk = newDesk(t, "bg95", func(c *Config) {
		c.Received = func(m modem.Message) bool {
			if !m.Time.Equal(time.Date(2026, 11, 28, 17, 57, 0, 0, time.UTC)) || m.From != "+491511234567" {
				t.Errorf("from %q at %v", m.From, m.Time)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.got = append(r.got, string(m.Data))
			return strings.HasPrefix(string(m.Data), "!")
		}
	})
	r.kept = r.sim.Keep(size)
	if err := r.sim.Say("+QIND: SMS DONE"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r
}

// came returns what has come since it was asked the last time.
func (r *reading) came() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func (r *reading) want(t *testing.T, what string, got, kept []string) {
	t.Helper()
	if came, has := r.came(), r.kept.Kept(); !slices.Equal(came, got) || !slices.Equal(has, kept) {
		t.Errorf("%s: %q came, want %q; the modem keeps %q, want %q", what, came, got, has, kept)
	}
}

func (r *reading) receive(t *testing.T, pdus ...string) {
	t.Helper()
	for _, pdu := range pdus {
		if err := r.kept.Receive(pdu); err != nil {
			t.Error(err)
		}
	}
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := read(t, 10)
		r.want(t, "nothing", nil, nil)
		text, other := pduOf("hello", 0, false), pduOf("other", 0, true)
		r.receive(t, text)
		r.want(t, "a text", []string{""}, []string{text})
		r.receive(t, other, pduOf("!go", 0, true))
		r.want(t, "one to be left, one to be taken", []string{"other", "!go"}, []string{text, other})
		second := pduOf("part", 2, true)
		r.receive(t, second)
		r.want(t, "half of one", nil, []string{text, other, second})
		r.receive(t, pduOf("!1st", 1, true))
		r.want(t, "both halves", []string{"!1stpart"}, []string{text, other})
		r.receive(t, "00FF")
		r.want(t, "none at all", nil, []string{text, other, "00FF"})
		if err := r.sim.Say("+CMT: ,24", pduOf("!now", 0, true)); err != nil {
			t.Fatal(err)
		}
		r.want(t, "handed over", []string{"!now"}, []string{text, other, "00FF"})

		// What has come while nobody was there is read once.
		r.unplug(nil)
		r.want(t, "unplugged", nil, []string{text, other, "00FF"})
		r.receive(t, pduOf("!late", 0, true))
		time.Sleep(modem.MaxPause)
		r.want(t, "back", []string{"!late"}, []string{text, other, "00FF"})
		_ = r.sim.Say("RDY")
		r.want(t, "restarted", nil, []string{text, other, "00FF"})
	})
}

// TestMessagesFill has more texts come than the modem can keep.
func TestMessagesFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := read(t, 4)
		texts := make([]string, 0, 10)
		for i := range 10 {
			texts = append(texts, pduOf(fmt.Sprint("text", i), 0, false))
			r.receive(t, texts[i])
			r.came()
		}
		r.want(t, "the last ones", nil, texts[9:])
	})
}

// TestMessagesElsewhere has one come to another storage than that which is read.
func TestMessagesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := read(t, 4)
		if err := r.sim.Say(`+CMTI: "SM",3`, `+CMTI: "no such";+X",3`); err != nil {
			t.Fatal(err)
		}
		r.came()
		if err := r.sim.Say(`+CMTI: "SM",3`); err != nil {
			t.Fatal(err)
		}
		r.came()
		got := r.sim.Commands()
		if n := slices.Index(got, `AT+CPMS="SM"`); n < 0 || got[n+1] != "AT+CMGL=0" || strings.Contains(strings.Join(got, "\n"), "no such") {
			t.Errorf("%q", got)
		}
	})
}

// TestMessagesAmid hands a message over while a command is answered.
func TestMessagesAmid(t *testing.T) {
	pdu := pduOf("!amid", 0, true)
	said := "\r\n+CMT: ,24\r\n" + pdu + "\r\n"
	for name, tt := range map[string]struct {
		command Command
		chunks  []string
		want    []string
		heard   []string
	}{
		"before a number of a card":  {Command{Text: "+CCID", Prefix: Bare}, []string{said, "\r\n8949020000123456789F\r\n", "\r\nOK\r\n"}, []string{"8949020000123456789F"}, []string{"+CMT: ,24", pdu}},
		"lost, and a number of one":  {Command{Text: "+CCID", Prefix: Bare}, []string{"\r\n+CMT: ,24\r\n", "\r\n+CREG: 1\r\n", "\r\n89490200001234567890\r\n", "\r\nOK\r\n"}, []string{"89490200001234567890"}, []string{"+CMT: ,24", "+CREG: 1"}},
		"in a list":                  {Command{Text: "+CMGL=0", Prefix: "+CMGL:", Below: true}, []string{"\r\n+CMGL: 1,0,,3\r\n010203\r\n", said, "+CMGL: 2,0,,2\r\nABCD\r\n", "\r\nOK\r\n"}, []string{"+CMGL: 1,0,,3", "010203", "+CMGL: 2,0,,2", "ABCD"}, []string{"+CMT: ,24", pdu}},
		"a list with a line missing": {Command{Text: "+CMGL=0", Prefix: "+CMGL:", Below: true}, []string{"\r\n+CMGL: 1,0,,3\r\n+CMGL: 2,0,,2\r\nABCD\r\n", "\r\nOK\r\n"}, []string{"+CMGL: 1,0,,3", "+CMGL: 2,0,,2", "ABCD"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var heard []string
			c := NewChannel(&deaf{}, func(line string) { heard = append(heard, line) })
			c.deadline = time.NewTimer(time.Hour)
			h := &hand{Channel: c}
			r := h.start(t, tt.command)
			for _, chunk := range tt.chunks {
				if err := c.take([]byte(chunk)); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-r.result; err != nil || !slices.Equal(r.lines, tt.want) || !slices.Equal(heard, tt.heard) {
				t.Errorf("%v, %q, want %q; heard %q, want %q", err, r.lines, tt.want, heard, tt.heard)
			}
		})
	}
}

// TestMessagesNotRead leaves the modem's messages alone where nobody wants them.
func TestMessagesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		kept := d.sim.Keep(4)
		if err := kept.Receive(pduOf("!", 0, true)); err != nil {
			t.Fatal(err)
		}
		_ = d.sim.Say("+QIND: SMS DONE", "+CMT: ,24", pduOf("!", 0, true))
		d.look()
		for _, c := range d.sim.Commands() {
			if strings.HasPrefix(c, "AT+CMG") || strings.HasPrefix(c, "AT+CNMI") || strings.HasPrefix(c, "AT+CPMS") {
				t.Errorf("%q was sent", c)
			}
		}
	})
}

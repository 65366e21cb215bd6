package modem

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestPIN gives it as often as a card takes it, and once to each that refuses it, in this life and the next.
func TestPIN(t *testing.T) {
	var kept []string
	keep := func(refused []string) { kept = refused }
	p := NewPIN("4711", nil, keep)
	give := func(p *PIN, card string, verdict Verdict) bool {
		t.Helper()
		given, err := p.Give(card, func(pin Secret) (Verdict, error) {
			if string(pin) != "4711" && string(pin) != "4712" {
				t.Errorf("another PIN")
			}
			return verdict, nil
		})
		if err != nil {
			t.Error(err)
		}
		return given
	}
	for _, tt := range []struct {
		card    string
		verdict Verdict
		given   bool
	}{
		{"1", PINTaken, true},
		{"1", PINTaken, true},
		{"1", PINUnseen, true},
		{"1", PINWrong, true},
		{"1", PINTaken, false},
		{"2", PINInDoubt, true},
		{"2", PINTaken, false},
		{"3", PINWrong, true},
		{"", PINWrong, true},
		{"", PINTaken, false},
		{"4", PINTaken, true},
	} {
		if got := give(p, tt.card, tt.verdict); got != tt.given {
			t.Errorf("card %q: given %v", tt.card, got)
		}
		if p.Refused(tt.card) != (tt.verdict == PINWrong || tt.card == "" || tt.card == "1" && !tt.given) {
			t.Errorf("card %q: refused %v", tt.card, p.Refused(tt.card))
		}
	}
	if len(kept) != 4 || strings.Contains(strings.Join(kept, " "), "4711") {
		t.Errorf("kept %q", kept)
	}
	next := NewPIN("4711", slices.Clone(kept), keep)
	if give(next, "1", PINTaken) || give(next, "3", PINTaken) || give(next, "2", PINTaken) || !next.Doubted("2") || next.Refused("2") {
		t.Error("in the next life: not as before")
	}
	next.Settle("1") // which is in no doubt
	if next.Settle("2"); next.Doubted("2") || len(kept) != 3 || give(next, "1", PINTaken) || !give(next, "2", PINTaken) {
		t.Errorf("settled: kept %q", kept)
	}
	if other := NewPIN("4712", slices.Clone(kept), keep); !give(other, "1", PINTaken) {
		t.Error("another PIN is not tried")
	}
	given, err := next.Give("6", func(Secret) (Verdict, error) { // and the program is ended
		if killed := NewPIN("4711", slices.Clone(kept), nil); give(killed, "6", PINTaken) || !give(killed, "7", PINTaken) {
			t.Error("ended while it was given: given again")
		}
		return PINUnseen, nil
	})
	if !given || err != nil || next.Doubted("6") || len(kept) != 3 {
		t.Errorf("not seen: given %v, %v, kept %q", given, err, kept)
	}
	if before := len(kept); !give(next, "8", PINUnasked) || next.Doubted("8") || len(kept) != before || give(next, "8", PINTaken) {
		t.Errorf("not asked: kept %q", kept)
	}
	if next.Again(); !give(next, "8", PINTaken) {
		t.Error("somebody else could hand it on, and it is not given")
	}
	for range 2 * maxRefused {
		next.refused = append(next.refused, "old")
	}
	if give(next, "5", PINWrong); len(kept) != maxRefused || kept[maxRefused-1] != next.mark("5") {
		t.Errorf("kept %q", kept)
	}
	var none *PIN
	if given, err := none.Give("1", nil); given || err != nil || none.Refused("1") || none.Doubted("1") {
		t.Error("no PIN is given")
	}
	if _, err := NewPIN("1", nil, nil).Give("1", func(Secret) (Verdict, error) { return PINWrong, errors.New("gone") }); err == nil {
		t.Error("an error is not told")
	}
}

package fota

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var updateDocs = flag.Bool("update", false, "write docs/firmware-update.md anew")

func TestTableHasEachPairOnce(t *testing.T) {
	type pair struct {
		from Phase
		on   event
	}
	seen := make(map[pair]bool)
	for _, tr := range transitions {
		p := pair{tr.from, tr.on}
		if seen[p] {
			t.Errorf("%v on %v is there twice", tr.from, tr.on)
		}
		seen[p] = true
		performed := false
		for _, a := range tr.do {
			if performed && a.recorded() {
				t.Errorf("%v on %v: %v comes after what is done", tr.from, tr.on, a)
			}
			performed = performed || !a.recorded()
		}
	}
}

// TestNothingHangs shows that each phase goes on after a start, whatever system
// runs, and ends.
func TestNothingHangs(t *testing.T) {
	for p := Receiving; p < phaseCount; p++ {
		events := []event{started}
		if p >= Installing {
			events = []event{startedOld, startedNew, startedAstray}
		}
		for _, e := range events {
			if _, _, ok := next(p, e); !ok {
				t.Errorf("%v does not know %v", p, e)
			}
		}
	}
	for p := Receiving; p < Installing; p++ {
		for _, e := range []event{reset, cancel} {
			if to, _, _ := next(p, e); to != Resting {
				t.Errorf("%v on %v goes to %v", p, e, to)
			}
		}
	}
	for p := Installing; p < phaseCount; p++ {
		for _, e := range []event{reset, cancel, update, pushBegun, uriGiven} {
			if _, _, ok := next(p, e); ok {
				t.Errorf("%v allows %v", p, e)
			}
		}
	}
}

// TestSuccessTakesATrial shows the only way to result 1.
func TestSuccessTakesATrial(t *testing.T) {
	for _, tr := range transitions {
		if slices.Contains(tr.do, succeed) && (tr.from != Confirming || tr.on != marked) {
			t.Errorf("%v on %v succeeds", tr.from, tr.on)
		}
		if tr.to == Confirming && tr.from != Confirming && tr.from != Trial {
			t.Errorf("%v on %v confirms", tr.from, tr.on)
		}
		if tr.to == Trial && tr.on != startedNew {
			t.Errorf("%v on %v begins a trial", tr.from, tr.on)
		}
	}
}

func TestRecordComesBack(t *testing.T) {
	r := firstRecord(time.Unix(1e9, 0).UTC())
	r.Phase, r.Reason, r.URI, r.Old, r.Policy.MaxDefer = Deferred, "why", "coap://x/y", "A", 5
	r.Spoilt = []string{"coap://x/y", "http://mirror/y"}
	b, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(b)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v; want %+v", got, err, r)
	}
	later, err := decodeRecord([]byte(`{"layout":1,"phase":"trial","old":"A","new":"B","of_a_later_agent":[1]}`)) // an old agent after a way back
	if err != nil || later.Phase != Trial || later.New != "B" {
		t.Errorf("a record of a later agent is %+v, %v", later, err)
	}
	for _, bad := range []string{"", "{", `{"layout":2,"phase":"idle"}`, `{"layout":1,"phase":"flying"}`} {
		if _, err := decodeRecord([]byte(bad)); err == nil {
			t.Errorf("%q is a record", bad)
		}
	}
}

const pictureFile = "../docs/firmware-update.md"

// TestPicture compares the end of docs/firmware-update.md with the table.
func TestPicture(t *testing.T) {
	const mark = "<!-- Made from the table in fota/table.go by go generate. -->\n"
	text, err := os.ReadFile(pictureFile)
	if err != nil {
		t.Fatal(err)
	}
	written, got, ok := strings.Cut(string(text), mark)
	if !ok {
		t.Fatalf("%s has no place for the picture", pictureFile)
	}
	want := picture()
	if *updateDocs {
		if err := os.WriteFile(pictureFile, []byte(written+mark+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s is not what the table says; run: go generate ./fota", pictureFile)
	}
}

func picture() string {
	var b strings.Builder
	b.WriteString("\nAn event that is not listed for a phase is refused and changes nothing. \"note\" is what the journal has before the rest is done.\n\n" +
		"```mermaid\nstateDiagram-v2\n    [*] --> idle\n")
	for from := range phaseCount {
		for to := range phaseCount {
			if labels := eventsBetween(from, to); len(labels) > 0 && from != to {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", from, to, strings.Join(labels, ", "))
			}
		}
	}
	b.WriteString("```\n\n| phase | State | event | next phase | actions |\n|---|---|---|---|---|\n")
	for _, tr := range transitions {
		actions := make([]string, len(tr.do))
		for i, a := range tr.do {
			actions[i] = a.String()
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |\n", tr.from, tr.from.State(), tr.on, tr.to, strings.Join(actions, "; "))
	}
	return b.String()
}

func eventsBetween(from, to Phase) []string {
	var labels []string
	for _, tr := range transitions {
		if tr.from == from && tr.to == to && !slices.Contains(labels, tr.on.String()) {
			labels = append(labels, tr.on.String())
		}
	}
	return labels
}

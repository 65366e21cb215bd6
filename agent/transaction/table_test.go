package transaction

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the picture in docs/remote-configuration.md anew")

// TestTable: each pair is there once, every phase but Resting ends by itself and after a start, and
// only what ends a transaction has a result.
func TestTable(t *testing.T) {
	seen := make(map[string]bool)
	for _, tr := range transitions {
		pair := fmt.Sprint(tr.from, "/", tr.on)
		if seen[pair] {
			t.Errorf("%s is there twice", pair)
		}
		seen[pair] = true
		if (tr.ends != "") != (tr.to == Resting) {
			t.Errorf("%s goes to %q with the result %q", pair, tr.to, tr.ends)
		}
	}
	for _, p := range []Phase{Applying, Trying, Reverting} {
		if tr, _ := next(p, started); tr.to != Reverting {
			t.Errorf("%s at a start goes to %q", p, tr.to)
		}
		if tr, ok := next(p, committed); ok {
			t.Errorf("%s is replaced by another transaction: %+v", p, tr)
		}
	}
	if tr, ok := next(Resting, started); ok {
		t.Errorf("at rest, a start leads to %q", tr.to)
	}
}

// TestPhaseOfAnotherRelease: what another release calls otherwise is reverted, too.
func TestPhaseOfAnotherRelease(t *testing.T) {
	g := &gateway{t: t, files: map[string][]byte{
		overlayFile: []byte("new"), journalFile: []byte(`{"layout":1,"phase":"asking","by":"server 101","before":"former"}`),
	}}
	m, err := Open(g)
	if err != nil || m.Overlay() != "former" {
		t.Fatal(m.Overlay(), err)
	}
	m.Begin(m.cfg)
	if s := m.Status(); s.Phase != Resting || s.History[0].Result != Reverted || string(g.files[overlayFile]) != "former" {
		t.Errorf("%+v, %s", s, g.files)
	}
}

// TestPicture compares the picture in docs/remote-configuration.md with the table.
func TestPicture(t *testing.T) {
	const page, begin, end = "../../docs/remote-configuration.md", "<!-- Made from the table in agent/transaction/table.go by go generate. -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the picture", page)
	}
	want := head + begin + picture() + end + tail
	if *update && want != string(text) {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is not what the table says; run: go generate ./agent/transaction", page)
	}
}

func picture() string {
	var b strings.Builder
	b.WriteString("\n```mermaid\nstateDiagram-v2\n    [*] --> resting\n")
	phases := []Phase{Resting, Applying, Trying, Reverting}
	name := func(p Phase) string { return cmp.Or(string(p), "resting") }
	for _, from := range phases {
		for _, to := range phases {
			var labels []string
			for _, tr := range transitions {
				if label := tr.on.String(); tr.from == from && tr.to == to && from != to {
					if tr.ends != "" {
						label += " (" + string(tr.ends) + ")"
					}
					labels = append(labels, label)
				}
			}
			if slices.Sort(labels); len(labels) > 0 {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", name(from), name(to), strings.Join(labels, ", "))
			}
		}
	}
	b.WriteString("```\n\n")
	return b.String()
}

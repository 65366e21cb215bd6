package client

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the pictures in docs anew")

func TestTableHasEachPairOnce(t *testing.T) {
	type pair struct {
		from State
		on   event
	}
	seen := make(map[pair]bool)
	for _, tr := range transitions {
		p := pair{tr.from, tr.on}
		if seen[p] {
			t.Errorf("%v on %v is there twice", tr.from, tr.on)
		}
		seen[p] = true
		if tr.from == tr.to && len(tr.do) == 0 {
			t.Errorf("%v on %v does nothing: leave it out", tr.from, tr.on)
		}
	}
}

// TestEachStateCanBeLeft shows that an account ends from everywhere, and at once.
func TestEachStateCanBeLeft(t *testing.T) {
	for s := range stateCount {
		if s == Stopped {
			continue
		}
		if to, _ := next(s, stop); to != Stopped {
			t.Errorf("%v on %v goes to %v", s, stop, to)
		}
		to, _ := next(s, leave)
		if to != Stopped && to != Deregistering && s != Deregistering {
			t.Errorf("%v on %v goes to %v", s, leave, to)
		}
	}
	for e := range eventCount {
		if to, do := next(Stopped, e); to != Stopped || do != nil {
			t.Errorf("stopped on %v goes to %v and does %v", e, to, do)
		}
	}
}

// TestTableKeepsConnectionsInOrder walks the table with what is known about the
// connection in each state.
func TestTableKeepsConnectionsInOrder(t *testing.T) {
	linked := map[State]bool{
		Registering: true, Registered: true, Updating: true, Asleep: true, Disabling: true, Deregistering: true,
	}
	for _, tr := range transitions {
		has := linked[tr.from] || tr.on == connected || tr.on == continued || tr.on == resumed
		for _, a := range tr.do {
			switch a {
			case hangUp, suspend:
				if a == suspend && !has {
					t.Errorf("%v on %v suspends no connection", tr.from, tr.on)
				}
				has = false
			case sendRegister, sendUpdate, sendDeregister, begin, goOn, putOff:
				if !has {
					t.Errorf("%v on %v: %v without a connection", tr.from, tr.on, a)
				}
			case dial:
				if has {
					t.Errorf("%v on %v dials beside a connection", tr.from, tr.on)
				}
			case lowerVersion, tellList, updateAgain, backOff, waitDisabled, waitDelay, actionCount:
			}
		}
		if has != linked[tr.to] {
			t.Errorf("%v on %v: enters %v, connected=%v", tr.from, tr.on, tr.to, has)
		}
	}
}

// TestNothingHangs shows that each state which waits for something has a way on for
// each outcome.
func TestNothingHangs(t *testing.T) {
	outcomes := []event{accepted, unknown, rejected, silent, lost}
	for _, s := range []State{Registering, Updating, Disabling, Deregistering} {
		for _, e := range outcomes {
			if to, _ := next(s, e); to == s {
				t.Errorf("%v on %v stays", s, e)
			}
		}
	}
	for _, e := range []event{connected, continued, resumed, unreachable} {
		if to, _ := next(Connecting, e); to == Connecting {
			t.Errorf("connecting on %v stays", e)
		}
	}
	for _, s := range []State{Waiting, Disabled} {
		if to, _ := next(s, waitOver); to != Connecting {
			t.Errorf("%v on %v goes to %v", s, waitOver, to)
		}
	}
}

const pictureFile = "../../docs/registration.md"

// TestPicture compares the end of docs/registration.md with the table.
func TestPicture(t *testing.T) {
	comparePicture(t, pictureFile, "<!-- Made from the table in lwm2m/client/registration.go by go generate. -->\n", picture())
}

// comparePicture compares what stands in a file behind a mark with what is wanted there.
func comparePicture(t *testing.T, file, mark, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	written, got, ok := strings.Cut(string(text), mark)
	if !ok {
		t.Fatalf("%s has no place for the picture", file)
	}
	if *update {
		if err := os.WriteFile(file, []byte(written+mark+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s is not what the table says; run: go generate ./lwm2m/client", file)
	}
}

func picture() string {
	var b strings.Builder
	b.WriteString("\nEach server account is in one of these states. An event that is not listed for a state changes nothing.\n\n" +
		"```mermaid\nstateDiagram-v2\n    [*] --> waiting\n")
	for from := range stateCount {
		for to := range stateCount {
			if labels := eventsBetween(from, to); len(labels) > 0 && to != Stopped {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", from, to, strings.Join(labels, ", "))
			}
		}
	}
	for from := range stateCount {
		if from == Deregistering {
			fmt.Fprintf(&b, "    %s --> stopped: %s\n", from, strings.Join(eventsBetween(from, Stopped), ", "))
		}
	}
	b.WriteString("    stopped --> [*]\n```\n\nTo keep the picture readable it leaves out how the other states end: by \"stop\", and by \"leave\" where nothing is registered.\n\n" +
		"| state | event | next state | actions |\n|---|---|---|---|\n")
	for _, tr := range transitions {
		actions := make([]string, len(tr.do))
		for i, a := range tr.do {
			actions[i] = a.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", tr.from, tr.on, tr.to, strings.Join(actions, ", "))
	}
	return b.String()
}

func eventsBetween(from, to State) []string {
	var labels []string
	for _, tr := range transitions {
		if tr.from == from && tr.to == to && !slices.Contains(labels, tr.on.String()) {
			labels = append(labels, tr.on.String())
		}
	}
	return labels
}

package client

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestBootstrapTableHasEachPairOnce(t *testing.T) {
	seen := make(map[[2]uint8]bool)
	for _, tr := range bootTransitions {
		p := [2]uint8{uint8(tr.from), uint8(tr.on)}
		if seen[p] {
			t.Errorf("%v on %v is there twice", tr.from, tr.on)
		}
		seen[p] = true
		if tr.from == tr.to && len(tr.do) == 0 {
			t.Errorf("%v on %v does nothing: leave it out", tr.from, tr.on)
		}
	}
}

// TestBootstrapEnds shows that a bootstrap ends from everywhere, and that what it waits for
// leads on, whatever comes of it.
func TestBootstrapEnds(t *testing.T) {
	for s := range bootstrapStateCount {
		if to, _ := nextBootstrap(s, bootStop); to != BootstrapStopped {
			t.Errorf("%v on %v goes to %v", s, bootStop, to)
		}
	}
	for e := range bootEventCount {
		if to, do := nextBootstrap(BootstrapStopped, e); to != BootstrapStopped || do != nil {
			t.Errorf("stopped on %v goes to %v and does %v", e, to, do)
		}
	}
	for from, outcomes := range map[BootstrapState][]bootEvent{
		BootstrapWaiting:    {bootDue},
		BootstrapConnecting: {bootConnected, bootConnectedNew, bootUnreachable},
		BootstrapPacking:    {bootFinished, bootPackless, bootSilent, bootLost},
		BootstrapRequesting: {bootAccepted, bootRejected, bootSilent, bootLost},
		BootstrapOpen:       {bootFinished, bootExpired, bootLost},
		BootstrapDone:       {bootOver, bootLost},
	} {
		for _, e := range outcomes {
			if to, _ := nextBootstrap(from, e); to == from {
				t.Errorf("%v on %v stays", from, e)
			}
		}
	}
}

// TestBootstrapTableKeepsConnectionsInOrder walks the table with what is known about the
// connection in each state.
func TestBootstrapTableKeepsConnectionsInOrder(t *testing.T) {
	linked := map[BootstrapState]bool{BootstrapPacking: true, BootstrapRequesting: true, BootstrapOpen: true, BootstrapDone: true}
	for _, tr := range bootTransitions {
		has := linked[tr.from] || tr.on == bootConnected || tr.on == bootConnectedNew
		for _, a := range tr.do {
			switch a {
			case bootHangUp:
				has = false
			case bootAskPack, bootRequest, bootBegin, bootConclude:
				if !has {
					t.Errorf("%v on %v: %v without a connection", tr.from, tr.on, a)
				}
			case bootDial, bootPlan, bootBackOff:
				if has {
					t.Errorf("%v on %v: %v beside a connection", tr.from, tr.on, a)
				}
			case bootAnyFormat, bootActionCount:
			}
		}
		if has != linked[tr.to] {
			t.Errorf("%v on %v: enters %v, connected=%v", tr.from, tr.on, tr.to, has)
		}
	}
}

const bootstrapPictureFile = "../../docs/bootstrap.md"

// TestBootstrapPicture compares the end of docs/bootstrap.md with the table.
func TestBootstrapPicture(t *testing.T) {
	comparePicture(t, bootstrapPictureFile, "<!-- Made from the table in lwm2m/client/bootstrap.go by go generate. -->\n", bootstrapPicture())
}

func bootstrapPicture() string {
	var b strings.Builder
	b.WriteString("\nAn event that is not listed for a state changes nothing.\n\n" +
		"```mermaid\nstateDiagram-v2\n    [*] --> idle\n")
	for from := range bootstrapStateCount {
		for to := range bootstrapStateCount {
			var labels []string
			for _, tr := range bootTransitions {
				if tr.from == from && tr.to == to && !slices.Contains(labels, tr.on.String()) {
					labels = append(labels, tr.on.String())
				}
			}
			if len(labels) > 0 && to != BootstrapStopped {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", node(from), node(to), strings.Join(labels, ", "))
			}
		}
	}
	b.WriteString("```\n\nTo keep the picture readable it leaves out that each state ends by \"stop\".\n\n" +
		"| state | event | next state | actions |\n|---|---|---|---|\n")
	for _, tr := range bootTransitions {
		actions := make([]string, len(tr.do))
		for i, a := range tr.do {
			actions[i] = a.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", tr.from, tr.on, tr.to, strings.Join(actions, ", "))
	}
	return b.String()
}

// node is a state's name without spaces, as the picture's nodes have to be.
func node(s BootstrapState) string { return strings.ReplaceAll(s.String(), " ", "_") }

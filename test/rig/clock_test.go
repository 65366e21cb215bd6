//go:build rig

package rig

import (
	"strings"
	"testing"
	"time"
)

// TestClock sets the clock of a board with an agent, back and forth: the agent hears of it from the kernel, does not believe a clock that
// has gone back, takes a time that is written to it, and knows it after a start in 1970.
func TestClock(t *testing.T) {
	inTurn(t)
	b := Start(t, Config{
		Programs: map[string]string{"/usr/bin/lwm2m-agent": Build(t, "./cmd/lwm2m-agent")},
		Files:    map[string][]byte{"/etc/lwm2m-agent/agent.toml": []byte("endpoint = 'board'\n")},
	})
	b.Run(t, "date -s '2030-01-10 12:00'")
	const run = "/usr/bin/lwm2m-agent run -state /tmp/state"
	pid := b.Spawn(t, run)
	awaitValue(t, b, "/3/0/16", "UT")
	awaitStatus(t, b, "clock-wrong", false)
	b.Run(t, "date -s '2030-01-09 12:00'")
	if s := awaitStatus(t, b, "clock-wrong", true); !strings.Contains(s, "it is 2030-01-10T12:") {
		t.Errorf("the status is %s", s)
	}
	b.Run(t, "/usr/bin/lwm2m-agent write /3/0/13 $(date +%s)")
	awaitStatus(t, b, "clock-wrong", false)
	b.Run(t, "date -s '2030-03-01 12:00'")
	b.Run(t, "kill "+pid+"; while kill -0 "+pid+" 2>/dev/null; do sleep 1; done; date -s '1970-01-02 00:00'")
	b.Spawn(t, run)
	if s := awaitStatus(t, b, "clock-wrong", true); !strings.Contains(s, "it is 2030-03-01T12:") {
		t.Errorf("the status after a start in 1970 is %s", s)
	}
	b.PowerOff(t)
}

// awaitStatus asks the board's agent for its status until that has a word, or has it no longer.
func awaitStatus(t *testing.T, b shellGuest, word string, there bool) string {
	t.Helper()
	for deadline := time.Now().Add(slow); ; {
		output, status := b.Try(t, "/usr/bin/lwm2m-agent status")
		output = strings.Join(strings.Fields(output), " ") // whatever the width
		if status == 0 && strings.Contains(output, word) == there {
			return output
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q is there: want %v, have %s", word, there, output)
		}
	}
}

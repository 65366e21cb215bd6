package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/control"
)

// TestVerdict: no trouble is no success as long as a server has not answered.
func TestVerdict(t *testing.T) {
	for state, want := range map[string]string{
		"registered": "health: all is well\n", "asleep": "health: all is well\n", "disabled": "health: all is well\n",
		"registering": "health: nothing is known to be wrong, but server 102 is not registered\n",
		"stopped":     "health: server 102 was deregistered here; a restart of the agent registers it again\n",
		"connecting":  "health: nothing is known to be wrong, but server 102 is not registered\n",
	} {
		var out bytes.Buffer
		c := newCall(command{name: "status"}, nil, &out, io.Discard)
		c.printStatus(&control.Status{Servers: []control.Server{{ShortServerID: 101, State: "registered"}, {ShortServerID: 102, State: state}}})
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s: %s", state, out.String())
		}
	}
}

// TestStateInWords: the state is said once, with what there is to say about it, and the next Update.
func TestStateInWords(t *testing.T) {
	at := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	for words, want := range map[string]string{
		"registered": "  registered since 11:00:00 (1 h), next update at 13:00:00 (in 1 h)\n",
		"registered (continued after a restart of the agent)": "  registered since 11:00:00 (1 h), next update at 13:00:00 (in 1 h) (continued\n    after a restart of the agent)\n",
		"registered; with the former credentials":             "  registered since 11:00:00 (1 h), next update at 13:00:00 (in 1 h); with the\n    former credentials\n",
		"registered, update due":                              "  registered since 11:00:00 (1 h): update due\n",
		"registered anew: unknown":                            "  registered since 11:00:00 (1 h): registered anew: unknown\n",
		"no answer for 6 s":                                   "  registered since 11:00:00 (1 h): no answer for 6 s\n",
	} {
		var out bytes.Buffer
		c := newCall(command{name: "status"}, nil, &out, io.Discard)
		c.zone = time.UTC
		s := control.Server{ShortServerID: 101, State: "registered", Words: words, Since: at, Registered: at, NextUpdate: at.Add(2 * time.Hour)}
		c.printServers([]control.Server{s}, at.Add(time.Hour))
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s, want %s", words, out.String(), want)
		}
	}
}

// TestWords: what belongs together is not torn apart at the end of a line.
func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"in 3 min 59 s)":          {"in", "3 min", "59 s)"},
		"notify 55.7 kB, request": {"notify", "55.7 kB,", "request"},
		"at -97 dBm, s":           {"at", "-97 dBm,", "s"},
		"s is no unit":            {"s", "is", "no", "unit"},
		"":                        nil,
	} {
		if d := cmp.Diff(want, words(text)); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWords: all that a command can be told is in the manual page and in the completion.
func TestWords(t *testing.T) {
	program := filepath.Join(t.TempDir(), "lwm2m-agent")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "lwm2m-agent/cmd/lwm2m-agent").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	commands, err := ask(context.Background(), program)
	if err != nil {
		t.Fatal(err)
	}
	lines, page := string(completion(commands)), string(manual(commands))
	for command, words := range map[string][]string{
		"config": {"show", "diff", "apply", "confirm", "rollback", "reset-accounts", "-no-wait"}, "firmware": {"status", "install", "accept", "cancel", "mark-good", "rollback"},
		"provision": {"psk", "rpk", "x509", "list", "account", "-bytes"}, "sensor": {"record", "replay", "-driver"}, "run": {"-config", "-state", "-socket"},
	} {
		_, line, found := strings.Cut(lines, "    *:"+command+") words='")
		line, _, _ = strings.Cut(line, "'")
		offered := strings.Fields(line)
		for _, word := range words {
			if !found || !slices.Contains(offered, word) {
				t.Errorf("%s is completed by %q, not by %q", command, offered, word)
			}
			if !strings.Contains(page, roff(word)) {
				t.Errorf("the manual page has no %q", word)
			}
		}
	}
	if strings.Contains(lines, "*:observe) words='path") || strings.Contains(lines, "PATH") {
		t.Errorf("what stands for something else is offered:\n%s", lines)
	}
}

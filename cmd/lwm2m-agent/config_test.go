package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/agent/control"
)

const configAnswer = `{"state":"idle","message":"kept: reached server 101","active":"endpoint = \"gw\"\n","hash":"ab","confirm_time":600,` +
	`"changes":["sensor \"b\": added"],"history":[{"at":"2026-03-01T11:00:00Z","by":"server 101","result":"kept","reason":"reached server 101"}]}`

func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new.toml")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{"GET /v1/config": configAnswer, "POST /v1/config": `{"changes":["log: level: none becomes \"warn\""],"restart":["firmware"]}`}
	tests := []struct {
		args []string
		out  string
		code int
	}{
		{[]string{"show"}, "# idle, SHA-256 ab\n# kept: reached server 101\n\nendpoint = \"gw\"\n", 0},
		{[]string{"diff"}, "sensor \"b\": added\n", 0},
		{[]string{"diff", file}, "log: level: none becomes \"warn\"\nfrom the next start of the agent on: firmware\n", 0},
		{[]string{"diff", file, "-json"}, "{\"changes\":[\"log: level: none becomes \\\"warn\\\"\"],\"restart\":[\"firmware\"]}\n", 0},
		{[]string{"apply", file, "-no-wait"}, "log: level: none becomes \"warn\"\nfrom the next start of the agent on: firmware\n", 0},
		{[]string{"apply", file}, "log: level: none becomes \"warn\"\nfrom the next start of the agent on: firmware\n", 0},
		{[]string{"confirm"}, "", 0},
		{[]string{"reset-accounts"}, "", 0},
		{[]string{"apply"}, "", 2},
		{[]string{"erase"}, "", 2},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			a := startAgent(t, answers)
			out, problems, code := run(t.Context(), append([]string{"config", "-socket", a.socket}, tt.args...)...)
			if out != tt.out || code != tt.code {
				t.Errorf("exit %d, %s\n%s", code, problems, out)
			}
		})
	}
}

// TestRollbackEndsATrial: what was asked for is no failure; a going back that failed its own trial is.
func TestRollbackEndsATrial(t *testing.T) {
	const over = `{"state":"reverted","history":[{"at":"2026-03-01T12:00:00Z","by":"a local user","result":"reverted","reason":"rolled back by a local user"}]}`
	for state, code := range map[string]int{"awaiting confirmation": 0, "idle": 1} {
		a := startAgent(t, map[string]string{"GET /v1/config": `{"state":"` + state + `"}`, "POST /v1/config": ""})
		a.later = map[string]string{"GET /v1/config": over}
		out, problems, got := run(t.Context(), "config", "-socket", a.socket, "rollback")
		if got != code || !strings.Contains(out+problems, "the configuration of before is back: rolled back by a local user") || (out == "") != (code == 1) {
			t.Errorf("%s: exit %d, %q, %q", state, got, out, problems)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new.toml")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := startAgent(t, map[string]string{"GET /v1/config": configAnswer, "POST /v1/config": `{"error":`})
	_, problems, code := run(t.Context(), "config", "-socket", a.socket, "apply", file)
	if code != 1 || problems == "" {
		t.Errorf("exit %d, %s", code, problems)
	}
	c := newCall(commands()[0], nil, nil, nil)
	c.args = []string{"apply", "new.toml"}
	err := c.ofFile(&control.Refusal{Code: "4.00", Message: "candidate:3: syntax\nagent.toml:1: x\ncandidate:4: y"})
	if got := report(io.Discard, "config", err); got != exitUsage || err.Error() != "new.toml:3: syntax\nagent.toml:1: x\nnew.toml:4: y" {
		t.Errorf("exit %d, %v", got, err)
	}
	a = startAgent(t, map[string]string{"GET /v1/config": strings.Replace(configAnswer, "kept", "reverted", 2), "POST /v1/config": `{"changes":[]}`})
	if _, problems, code = run(t.Context(), "config", "-socket", a.socket, "apply", filepath.Join(file, "none")); code != 1 || !strings.Contains(problems, "not a directory") {
		t.Errorf("exit %d, %s", code, problems)
	}
}

func TestBundle(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "b.tar.gz")
	args := []string{"bundle", "-socket", filepath.Join(dir, "s"), "-config", filepath.Join(dir, "agent.toml"), "-state", dir, file}
	if out, problems, code := run(t.Context(), args...); code != 0 || !strings.Contains(out, "no keys") {
		t.Errorf("exit %d, %s%s", code, out, problems)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if _, problems, code := run(t.Context(), args...); code != 1 || !strings.Contains(problems, "file exists") {
		t.Errorf("over a file that is there: exit %d, %s", code, problems)
	}
	args[len(args)-1] = "-"
	t.Chdir(dir)
	if out, problems, code := run(t.Context(), args...); code != 0 || !strings.HasPrefix(out, "\x1f\x8b") || !strings.Contains(problems, "no keys") {
		t.Errorf("to standard output: exit %d, %.10q, %s", code, out, problems)
	}
	if _, err := os.Stat("-"); err == nil {
		t.Error(`there is a file called "-"`)
	}
}

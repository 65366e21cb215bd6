package fota

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestProgram(t *testing.T) {
	if err := Program("/bin/sh", "-c", "exit 0")(t.Context()); err != nil {
		t.Error(err)
	}
	if err := Program("/bin/sh", "-c", "echo ill; exit 3")(t.Context()); err == nil || !strings.Contains(err.Error(), "ill") {
		t.Errorf("got %v", err)
	}
	if err := Program("/bin/sh", "-c", "exit 3")(t.Context()); err == nil || err.Error() != "/bin/sh: exit status 3" {
		t.Errorf("one that says nothing: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Program("/bin/sh", "-c", "sleep 60")(ctx); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got %v", err)
	}
}

func TestRun(t *testing.T) {
	out, words, err := Run(t.Context(), "in\n", "/bin/sh", "-c", "cat; echo a  b >&2; echo c >&2")
	if string(out) != "in\n" || words != "a b c" || err != nil {
		t.Errorf("got %q, %q, %v", out, words, err)
	}
	_, _, err = Run(t.Context(), "", "/bin/sh", "-c", "echo ill >&2; exit 3")
	if end, ok := errors.AsType[*exec.ExitError](err); !ok || end.ExitCode() != 3 || !strings.Contains(err.Error(), "ill") {
		t.Errorf("got %v", err)
	}
	if out, _, err := Run(t.Context(), "", "/bin/sh", "-c", "head -c 2000000 /dev/zero"); len(out) != maxPrinted || err == nil {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
	if _, _, err := Run(t.Context(), "", "/bin/none"); err == nil || !strings.HasSuffix(err.Error(), "no such file or directory") {
		t.Errorf("a program that is not there: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := Run(ctx, "", "/bin/sh", "-c", "sleep 60"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got %v", err)
	}
}

// TestEnvironment: what is the agent's alone is not said to the programs that it starts; all else is.
func TestEnvironment(t *testing.T) {
	t.Setenv("OF_THE_UNIT", "passes")
	for _, name := range own {
		t.Setenv(name, "")
	}
	out, _, err := Run(t.Context(), "", "env")
	if err != nil || !strings.Contains(string(out), "OF_THE_UNIT=passes\n") {
		t.Errorf("%s, %v", out, err)
	}
	for _, name := range own {
		if strings.Contains("\n"+string(out), "\n"+name+"=") {
			t.Errorf("Run: %s is passed on", name)
		}
		if err := Program("/bin/sh", "-c", `[ -z "${`+name+`+set}" ]`)(t.Context()); err != nil {
			t.Errorf("Program: %s is passed on: %v", name, err)
		}
	}
}

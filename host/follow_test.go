package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// following follows a file until the test ends; the channel gets its lines.
func following(t *testing.T, name string) <-chan string {
	t.Helper()
	lines := make(chan string, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- FollowFile(ctx, name, func(line []byte) { lines <- string(line) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return lines
}

func wantLines(t *testing.T, lines <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-lines:
			if got != w {
				t.Fatalf("line %.60q, want %.60q", got, w)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no line, want %.60q", w)
		}
	}
}

func appendTo(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFollowFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "messages")
	appendTo(t, name, "one\ntwo\n")
	lines := following(t, name)
	wantLines(t, lines, "one", "two")
	appendTo(t, name, "thr")
	appendTo(t, name, "ee\n\nfour\n")
	wantLines(t, lines, "three", "four")
	appendTo(t, name, strings.Repeat("x", 3*maxLogLine)+"\nfive\n")
	wantLines(t, lines, strings.Repeat("x", maxLogLine), "five")

	// As logrotate does it: moved away and made anew.
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	appendTo(t, name+".1", "six\n") // the program has the old file open
	appendTo(t, name, "seven\n")
	wantLines(t, lines, "six", "seven")
	// As copytruncate does it.
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, name, "8\n")
	wantLines(t, lines, "8")
}

func TestFollowFileThatComesLater(t *testing.T) {
	name := filepath.Join(t.TempDir(), "messages")
	lines := following(t, name)
	appendTo(t, name, "one\n")
	wantLines(t, lines, "one")
}

// TestFollowFileFromItsEnd: of a long file only the end is read, from a whole line
// on.
func TestFollowFileFromItsEnd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "messages")
	appendTo(t, name, strings.Repeat("a line of eighteen\n", 10000)+"last\n")
	lines := following(t, name)
	wantLines(t, lines, slices.Repeat([]string{"a line of eighteen"}, (followBack-5)/19)...)
	wantLines(t, lines, "last")
}

func TestFollowFileRefusals(t *testing.T) {
	take := func([]byte) {}
	if err := FollowFile(t.Context(), filepath.Join(t.TempDir(), "no", "messages"), take); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that there is not: %v", err)
	}
	if err := FollowFile(t.Context(), t.TempDir(), take); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a folder: %v", err)
	}
}

// TestFollowJournal runs a program that stands for journalctl, as found on PATH.
func TestFollowJournal(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"$@\"\necho two\nexec sleep 1000\n"
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	ctx, cancel := context.WithCancel(t.Context())
	var lines []string
	err := FollowJournal(ctx, func(line []byte) {
		lines = append(lines, strings.TrimSpace(string(line)))
		if len(lines) == 2 {
			cancel()
		}
	})
	if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[0], "--follow") || lines[1] != "two" {
		t.Errorf("%v, %v", lines, err)
	}
}

func TestProgramThatEnds(t *testing.T) {
	var lines []string
	take := func(line []byte) { lines = append(lines, string(line)) }
	err := followProgram(t.Context(), take, "sh", "-c", "echo one; echo no permission >&2")
	if err == nil || !strings.Contains(err.Error(), "no permission") || !slices.Equal(lines, []string{"one\n"}) {
		t.Errorf("%v, %v", lines, err)
	}
	if err := followProgram(t.Context(), take, "a-program-that-there-is-not"); !errors.Is(err, ErrNotSupported) {
		t.Errorf("%v", err)
	}
}

func TestLinesAreCut(t *testing.T) {
	var lines []int
	text := strings.Repeat("x", 3*maxLogLine) + "\nshort\n" + "end without newline"
	if err := eachLine(strings.NewReader(text), func(line []byte) { lines = append(lines, len(line)) }); err != nil || !slices.Equal(lines, []int{maxLogLine, 6, 19}) {
		t.Errorf("lines of %v bytes, %v", lines, err)
	}
}

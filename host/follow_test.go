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
	file := NewLogFile(name, func(line []byte) { lines <- string(line) })
	go func() { ended <- file.Follow(ctx) }()
	t.Cleanup(func() {
		defer file.Close()
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

// TestFollowFileInAFolderThatGoes: a folder that is removed or moved away ends Follow, which goes on when it is there again: with what
// was still written to the former file, and all of the new one.
func TestFollowFileInAFolderThatGoes(t *testing.T) {
	for what, away := range map[string]func(folder string) error{
		"removed": os.RemoveAll,
		"moved":   func(folder string) error { return os.Rename(folder, folder+".old") },
	} {
		folder := filepath.Join(t.TempDir(), "app")
		name := filepath.Join(folder, "messages")
		var lines []string
		count := make(chan int, 100000)
		file := NewLogFile(name, func(line []byte) { lines = append(lines, string(line)); count <- len(lines) })
		defer file.Close()
		ended := make(chan error)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		follow := func() { go func() { ended <- file.Follow(ctx) }() }
		until := func(n int) {
			t.Helper()
			for limit := time.After(20 * time.Second); ; {
				select {
				case got := <-count:
					if got == n {
						return
					}
				case <-limit:
					t.Fatalf("%s: less than %d lines", what, n)
				}
			}
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		appendTo(t, name, "one\n")
		former, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		follow()
		until(1)
		if err := away(folder); err != nil {
			t.Fatal(err)
		}
		select {
		case err = <-ended:
		case <-time.After(20 * time.Second):
		}
		if !errors.Is(err, errFolderGone) {
			t.Fatalf("%s: %v", what, err)
		}
		if _, err := former.WriteString("two\n"); err != nil { // the program has the former file open
			t.Fatal(err)
		}
		if err := errors.Join(former.Close(), os.Mkdir(folder, 0o700)); err != nil {
			t.Fatal(err)
		}
		appendTo(t, name, strings.Repeat("new\n", followBack)) // more than what is read of a file at first
		follow()
		until(2 + followBack)
		appendTo(t, name, "last\n")
		until(3 + followBack)
		end()
		if err := <-ended; err != nil || lines[1] != "two" || lines[2] != "new" || lines[len(lines)-1] != "last" {
			t.Errorf("%s: %.60q, %v", what, lines, err)
		}
	}
}

func TestFollowFileRefusals(t *testing.T) {
	follow := func(name string) error {
		file := NewLogFile(name, func([]byte) {})
		defer file.Close()
		return file.Follow(t.Context())
	}
	if err := follow(filepath.Join(t.TempDir(), "no", "messages")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that there is not: %v", err)
	}
	if err := follow(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular file") {
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

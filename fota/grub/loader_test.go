package grub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/fota/plain"
)

const signature = "# GRUB Environment Block\n"

// edit is what grub-editenv does, as far as it is called (GRUB 2.06, util/grub-editenv.c).
func edit(_ context.Context, file string, args ...string) (said string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	body, ok := bytes.CutPrefix(b, []byte(signature))
	if !ok {
		return "", errors.New("invalid environment block")
	}
	lines := strings.SplitAfter(strings.TrimRight(string(body), "#"), "\n")
	if args[0] == "list" {
		for _, line := range lines {
			if !strings.HasPrefix(line, "#") {
				said += line
			}
		}
		return said, nil
	}
	for _, set := range args[1:] {
		name, _, _ := strings.Cut(set, "=")
		at := len(lines) - 1
		for i, line := range lines {
			if strings.HasPrefix(line, name+"=") {
				at = i
			}
		}
		if at == len(lines)-1 {
			lines = append(lines[:at], "", "")
		}
		lines[at] = set + "\n"
	}
	text := signature + strings.Join(lines, "")
	if len(text) > len(b) {
		return "", errors.New("environment block too small")
	}
	return "", os.WriteFile(file, append([]byte(text), bytes.Repeat([]byte("#"), len(b)-len(text))...), 0o600)
}

// broken cannot write.
func broken(ctx context.Context, file string, args ...string) (string, error) {
	if args[0] == "list" {
		return edit(ctx, file, args...)
	}
	return "", errors.New("Read-only file system")
}

// wordy makes blocks longer.
func wordy(ctx context.Context, file string, args ...string) (string, error) {
	said, err := edit(ctx, file, args...)
	if err == nil && args[0] == "set" {
		b, _ := os.ReadFile(file)
		err = os.WriteFile(file, append(b, '#'), 0o600)
	}
	return said, err
}

// blockOf makes a block with lines behind the signature.
func blockOf(t *testing.T, lines ...string) string {
	t.Helper()
	text := signature
	for _, line := range lines {
		text += line + "\n"
	}
	file := filepath.Join(t.TempDir(), "grubenv")
	content := append([]byte(text), bytes.Repeat([]byte("#"), 1024-len(text))...)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func loader(t *testing.T, file string, tool Tool) *Loader {
	t.Helper()
	l, err := New(Options{File: file, Slots: []string{"A", "B"}, Tool: tool})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var factory = []string{"saved_entry=x", "ORDER=A B", "A_OK=1", "A_TRY=1", "B_OK=0", "B_TRY=0"}

// vars returns the variables of a block.
func vars(t *testing.T, file string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			found[name] = value
		}
	}
	return found
}

// checkLife takes a block through an update and its way back.
func checkLife(t *testing.T, tool Tool) {
	t.Helper()
	file := blockOf(t, factory...)
	l := loader(t, file, tool)
	want := map[string]string{"saved_entry": "x", "ORDER": "A B", "A_OK": "1", "A_TRY": "1", "B_OK": "0", "B_TRY": "0"}
	for _, step := range []struct {
		name      string
		do        func(ctx context.Context) error
		change    map[string]string
		standings map[string]plain.Standing
	}{
		{"factory", nil, nil, map[string]plain.Standing{"A": plain.OnTrial, "B": plain.Forbidden}},
		{
			"A is up", func(ctx context.Context) error { return l.Mark(ctx, "A", true) },
			map[string]string{"A_TRY": "0"},
			map[string]plain.Standing{"A": plain.Good, "B": plain.Forbidden},
		},
		{
			"B is next", func(ctx context.Context) error { return l.Activate(ctx, "B") },
			map[string]string{"ORDER": "B A", "B_OK": "1"},
			map[string]plain.Standing{"A": plain.Good, "B": plain.Good},
		},
		{
			"B is bad", func(ctx context.Context) error { return l.Mark(ctx, "B", false) },
			map[string]string{"B_OK": "0"},
			map[string]plain.Standing{"A": plain.Good, "B": plain.Forbidden},
		},
		{
			"A is next", func(ctx context.Context) error { return l.Activate(ctx, "A") },
			map[string]string{"ORDER": "A B"},
			map[string]plain.Standing{"A": plain.Good, "B": plain.Forbidden},
		},
		{
			"again", func(ctx context.Context) error { return l.Activate(ctx, "A") }, nil,
			map[string]plain.Standing{"A": plain.Good, "B": plain.Forbidden},
		},
	} {
		if step.do != nil {
			if err := step.do(t.Context()); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
		}
		maps.Copy(want, step.change)
		if got := vars(t, file); !maps.Equal(got, want) {
			t.Errorf("%s: the block has %v, want %v", step.name, got, want)
		}
		if got, err := l.Standings(t.Context()); err != nil || !maps.Equal(got, step.standings) {
			t.Errorf("%s: got %v, %v; want %v", step.name, got, err, step.standings)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Size() != 1024 {
		t.Errorf("the block has another size now: %v, %v", info, err)
	}
}

func TestLife(t *testing.T) { checkLife(t, edit) }

// TestBlockKeepsItsPlace: GRUB finds the block by its place on the disk, and writes there.
func TestBlockKeepsItsPlace(t *testing.T) {
	file := blockOf(t, factory...)
	before, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := loader(t, file, edit).Activate(t.Context(), "B"); err != nil {
		t.Fatal(err)
	}
	was, err := before.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if is, err := os.Stat(file); err != nil || !os.SameFile(was, is) {
		t.Errorf("the file was replaced: %v", err)
	}
}

// TestNewBlock: a block that has been made just now gets the variables with the first change.
func TestNewBlock(t *testing.T) {
	file := blockOf(t)
	if err := loader(t, file, edit).Mark(t.Context(), "A", true); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"ORDER": "A B", "A_OK": "1", "A_TRY": "0"}
	if got := vars(t, file); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTroubles(t *testing.T) {
	far := make([]string, 0, 20)
	for i := range 14 {
		far = append(far, fmt.Sprintf("kept_%02d=%030d", i, 0))
	}
	far = append(far, "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=0", "B_TRY=0") // from 14 * 39 + 25 = 571 on: one sector
	straddling := slices.Concat(far[:12], far[14:])                          // from 493 on: over the end of the first one
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, maxBlock+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file string
		tool       Tool
		want       string
	}{
		{"far behind", blockOf(t, far...), edit, ""},
		{"over the end of a sector", blockOf(t, straddling...), edit, "make the block anew with these variables first"},
		{"none", filepath.Join(t.TempDir(), "none"), edit, "no such file"},
		{"empty", empty, edit, "is empty"},
		{"too large", large, edit, "more than 65536 bytes"},
		{"program fails", blockOf(t, factory...), broken, "Read-only file system"},
		{"program makes it longer", blockOf(t, factory...), wordy, "made 1025 bytes of its 1024"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, _ := os.ReadFile(c.file)
			err := loader(t, c.file, c.tool).Activate(t.Context(), "B")
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if after, _ := os.ReadFile(c.file); c.want != "" && !bytes.Equal(before, after) {
				t.Error("the block has changed all the same")
			}
		})
	}
	if err := loader(t, blockOf(t, factory...), edit).Mark(t.Context(), "C", true); err == nil {
		t.Error("a slot that is none was marked")
	}
	if _, err := New(Options{File: "x", Slots: []string{"A", "B-2"}}); err == nil {
		t.Error("a slot that no variable can name was taken")
	}
}

func TestProbe(t *testing.T) {
	file := blockOf(t, factory...)
	before, _ := os.ReadFile(file)
	if err := loader(t, file, edit).Probe(t.Context(), "A"); err != nil {
		t.Error(err)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("the block has changed")
	}
	for name, c := range map[string]struct{ file, want string }{
		"no order":     {blockOf(t, factory[2:]...), "does not have slot A in ORDER"},
		"no count":     {blockOf(t, factory[:5]...), "B_TRY"},
		"two sectors":  {blockOf(t, append([]string{"long=" + strings.Repeat("x", 450)}, factory...)...), "make the block anew"},
		"no such file": {filepath.Join(t.TempDir(), "grubenv"), "no such file"},
	} {
		if err := loader(t, c.file, edit).Probe(t.Context(), "A"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestProgram runs programs in place of grub-editenv.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	l := loader(t, blockOf(t, factory...), nil)
	if _, err := l.Standings(t.Context()); err == nil || !strings.Contains(err.Error(), "no program grub-editenv: install GRUB's tools") {
		t.Errorf("no program: got %v", err)
	}
	put := func(name, script string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "the agent's")
	put("grub2-editenv", `[ "$2" = list ] && [ -z "$NOTIFY_SOCKET" ] && echo "ORDER=B A" && echo B_OK=1 && echo B_TRY=0`)
	if s, err := l.Standings(t.Context()); err != nil || s["B"] != plain.Good || s["A"] != plain.Forbidden {
		t.Errorf("got %v, %v", s, err)
	}
	put("grub-editenv", "echo 'grub-editenv: error: invalid environment block.' >&2; exit 1")
	if _, err := l.Standings(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid environment block.") {
		t.Errorf("got %v", err)
	}
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented finds commands in a document: a line of a code block, or code in a sentence.
var documented = regexp.MustCompile("(?m)^    (?:sudo )?lwm2m-agent (.*)$|`(?:sudo )?lwm2m-agent ([^`]*)`")

// notCommands are first lines of files that documents show.
var notCommands = []string{"playback 1", "images 1"}

// TestDocumentedCommands has every command that the documents tell parsed, up to its flags and what
// kind of thing it is to do. Nothing is run: -h follows.
func TestDocumentedCommands(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range documented.FindAllStringSubmatch(string(text), -1) {
			line := m[1] + m[2]
			if slices.Contains(notCommands, line) || line == "…" {
				continue
			}
			found++
			args := documentedArgs(line)
			if _, problems, code := run(t.Context(), append(args, "-h")...); code != 0 {
				t.Errorf("%s: lwm2m-agent %s: %s", filepath.Base(file), line, problems)
			}
			if kinds := kindsOf(args[0]); len(args) > 1 && len(kinds) > 0 && !slices.Contains(kinds, args[1]) && !strings.HasPrefix(args[1], "-") {
				t.Errorf("%s: lwm2m-agent %s: %q is none of %q", filepath.Base(file), line, args[1], kinds)
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d commands were found", found)
	}
}

// documentedArgs returns the arguments of a command as a document tells it: without what follows
// it, and with what is optional.
func documentedArgs(line string) []string {
	line, _, _ = strings.Cut(line, "   ") // a comment
	line, _, _ = strings.Cut(line, "#")
	line, _, _ = strings.Cut(line, " | ") // a pipe, or the other kinds
	line, _, _ = strings.Cut(line, ", ")  // further commands
	return strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(line))
}

// kindsOf returns what a command does, where it does one of several things: "show", "apply".
func kindsOf(name string) []string {
	for _, cmd := range commands() {
		if alternatives := strings.Split(strings.Trim(cmd.arguments, "[]"), "|"); cmd.name == name && len(alternatives) > 1 {
			for i := range alternatives {
				alternatives[i] = strings.Fields(alternatives[i])[0]
			}
			return alternatives
		}
	}
	return nil
}

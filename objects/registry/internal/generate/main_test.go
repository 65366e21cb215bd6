package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestUpToDate fails when the archive was changed and "go generate" forgotten.
func TestUpToDate(t *testing.T) {
	dir := t.TempDir()
	table, notice := filepath.Join(dir, "objects.bin"), filepath.Join(dir, "NOTICE")
	if err := generate("../../xml", table, notice); err != nil {
		t.Fatal(err)
	}
	for committed, made := range map[string]string{"../../objects.bin": table, "../../NOTICE": notice} {
		want, err := os.ReadFile(made)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(committed); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what is generated (%v): run go generate", committed, err)
		}
	}
}

func TestNothingToReadFrom(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "objects.bin")
	if err := generate(filepath.Join(dir, "none"), table, filepath.Join(dir, "NOTICE")); err == nil {
		t.Error("a missing archive was taken")
	}
	if _, err := os.Stat(table); err == nil {
		t.Error("a table was written")
	}
}

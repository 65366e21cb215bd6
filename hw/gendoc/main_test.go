package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPagesAreUpToDate(t *testing.T) {
	for _, file := range []string{"../../docs/drivers.md", "../../README.md"} {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := fill(page)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(page)); diff != "" {
			t.Errorf("%s: run ./dev generate: %s", file, diff)
		}
	}
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "drivers.md")
	if err := os.WriteFile(path, []byte("a\n"+begin+"old\n"+end+"b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{path}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := fill([]byte("a\n" + begin + end + "b\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(path, []byte(end+begin), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {path}, {path + "x"}} {
		if err := run(args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

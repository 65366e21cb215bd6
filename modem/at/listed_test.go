package at

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listed has testdata/module/README.md name each module, by the first line of its transcript and what is made of it.
func listed(t *testing.T) {
	const page = "testdata/module/README.md"
	var b strings.Builder
	b.WriteString("# Modules\n\nWhat modules answer (`.at`), made of facts in their makers' manuals and of what people have published; numbers of cards and modules are made up. " +
		"What the agent takes from it is beside it (`.txt`),\nwritten by `go test ./modem/at -run TestModules -update`, which writes this list too.\n\n| | module | commands of |\n|---|---|---|\n")
	files, err := filepath.Glob("testdata/module/*.at")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		said, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		taken, err := os.ReadFile(strings.TrimSuffix(file, ".at") + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		about, _, _ := strings.Cut(string(said), "\n")
		first, _, _ := strings.Cut(string(taken), "\n")
		dialect := first[strings.LastIndex(first, ": ")+2:]
		about, commented := strings.CutPrefix(about, "# ")
		if !commented {
			t.Errorf("%s says not in its first line what it is", file)
		}
		about, _, _ = strings.Cut(about, `: "> `) // how transcripts are written
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimSuffix(filepath.Base(file), ".at"), strings.TrimSuffix(about, "."), dialect)
	}
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := os.ReadFile(page); err != nil || string(list) != b.String() {
		t.Errorf("%s is not up to date: go test ./modem/at -run TestModules -update (%v)", page, err)
	}
}

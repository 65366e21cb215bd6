//go:build interop

package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestRows leaves out what needs the emulated board, and builds for other processors, which the cross-builds of ./dev check try.
func TestRows(t *testing.T) {
	tried(t, func(name string) bool {
		return !slices.Contains(append(boardRows, "size", "packages", "bytes"), name)
	})
}

// TestPartsOf takes a small program of this machine apart.
func TestPartsOf(t *testing.T) {
	b := &bench{ctx: t.Context()}
	path := filepath.Join(t.TempDir(), "starter")
	if err := b.guarded(func() { b.build(path, nil, "PROGRAM=./test/bench/starter", "SYMBOLS=1") }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := partsOf(path, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	var size float64
	named := make(map[string]part)
	for _, p := range parts {
		if p.all() <= 0 {
			t.Errorf("%s takes %.0f bytes", p.name, p.all())
		}
		size += p.all()
		named[p.name] = p
	}
	if math.Abs(size-float64(info.Size())) > 1 {
		t.Errorf("the parts make %.0f bytes, the program has %d", size, info.Size())
	}
	for _, name := range []string{"compress", "cmd/lwm2m-agent"} { // package main counts as the command
		if p := named[name]; p.code == 0 || p.tables == 0 {
			t.Errorf("%s: %+v, want code and function tables", name, p)
		}
	}
	if r := named["runtime"]; r.code < 100e3 || r.data < 20e3 {
		t.Errorf("the runtime is %+v, want it larger", r)
	}
}

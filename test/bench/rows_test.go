//go:build interop || rig

package main

import (
	"os"
	"slices"
	"testing"
	"time"
)

// TestMain is the program that a measurement starts again beside itself, where it does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"-constant", "-echo", "-changing"}, os.Args[1]) {
		main()
	}
	os.Exit(m.Run())
}

// boardRows are the measurements on the emulated board.
var boardRows = []string{"board", "day"}

// tried makes measurements with the least that each can be made with, and judges no numbers: that is the affair of a full run.
func tried(t *testing.T, wanted func(name string) bool) {
	t.Helper()
	b := &bench{ctx: t.Context(), idle: time.Second / 5, divisor: 1000}
	defer b.cleanUp()
	if err := b.guarded(b.prepare); err != nil {
		t.Fatal(err)
	}
	for _, m := range b.measurements() {
		if !wanted(m.name) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			before := len(b.rows)
			if err := b.guarded(m.make); err != nil {
				t.Error(err)
			}
			if len(b.rows) == before {
				t.Error("the report has no row of it")
			}
		})
	}
}

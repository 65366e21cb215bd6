//go:build interop

package main

import "testing"

// TestRows leaves out what needs the emulated board, and builds for other processors, which the cross-builds of ./dev check try.
func TestRows(t *testing.T) {
	tried(t, func(name string) bool { return name != "board" && name != "size" })
}

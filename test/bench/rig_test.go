//go:build rig

package main

import (
	"slices"
	"testing"
)

func TestRowsOfBoard(t *testing.T) {
	tried(t, func(name string) bool { return slices.Contains(boardRows, name) })
}

//go:build rig

package main

import "testing"

func TestRowOfBoard(t *testing.T) { tried(t, func(name string) bool { return name == "board" }) }

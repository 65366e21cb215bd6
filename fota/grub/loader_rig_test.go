//go:build rig

package grub

import "testing"

// TestRealProgram takes a block through the same life with GRUB's own program.
func TestRealProgram(t *testing.T) { checkLife(t, run) }

//go:build soak

package install

import "testing"

// TestSoak tries the package in a Debian 13, whose systemd and polkit are newer.
func TestSoak(t *testing.T) { checkInstalled(t, "trixie") }

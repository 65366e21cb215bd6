//go:build soak

package store

import "testing"

// TestEnduranceKilled is TestKilled at very many instants.
func TestEnduranceKilled(t *testing.T) { killRepeatedly(t, 500) }

//go:build bare

package bare

import "testing"

func TestDemoBookworm(t *testing.T) { checkDemo(t, "bookworm") }

package plain

import (
	"slices"
	"testing"
)

// TestCompare has the specification's examples, and others, each list in order.
func TestCompare(t *testing.T) {
	for _, list := range [][]string{
		{"122.1", "123~rc1-1", "123", "123-a", "123-a.1", "123-1", "123-1.1", "123^post1", "123.a-1", "123.1-1", "123a-1", "124-1"},
		{"", "0", "1"},
		{"1.0~rc1", "1.0~rc2", "1.0", "1.0-1", "1.0^git", "1.0.1", "1.9", "1.10", "1.10a", "2"},
		{"2026.4", "2026.11", "2026.11.2"},
		{"B", "a", "b"},
	} {
		for i, a := range list {
			for j, b := range list {
				if got, want := Compare(a, b), max(-1, min(1, i-j)); got != want {
					t.Errorf("%q to %q: got %d, want %d", a, b, got, want)
				}
			}
		}
	}
	for _, same := range [][2]string{{"1.02", "1.2"}, {"1_2", "1+2"}, {"ä1", "1"}, {"1.0", "1.0"}, {"00", "0"}} {
		if got := Compare(same[0], same[1]); got != 0 {
			t.Errorf("%q to %q: got %d", same[0], same[1], got)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("1.0~rc1", "1.0-2^git.4a")
	f.Add("é~", "^^")
	f.Fuzz(func(t *testing.T, a, b string) {
		if Compare(a, b) != -Compare(b, a) || Compare(a, a) != 0 {
			t.Error("no order")
		}
		list := []string{a, b, a}
		slices.SortFunc(list, Compare)
	})
}

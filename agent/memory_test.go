package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// resident returns the program's file pages in memory, in kB.
func resident(t *testing.T) (kilobytes int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "RssFile: %d kB", &kilobytes); err == nil {
			return kilobytes
		}
	}
	t.Fatal("/proc/self/status has no RssFile")
	return 0
}

func TestGiveBackStart(t *testing.T) {
	before := resident(t)
	giveBackStart()
	if after := resident(t); after >= before {
		t.Errorf("%d kB of the program were resident, now %d kB", before, after)
	}
}

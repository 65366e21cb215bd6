package agent

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"lwm2m-agent/fota"
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

// TestProgramsHaveTheirProcessors: that the agent runs on one is not said to the programs that it starts; all else is.
func TestProgramsHaveTheirProcessors(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1")
	t.Setenv("OF_THE_UNIT", "passes")
	end := onOneProcessor()
	out, _, err := fota.Run(t.Context(), "", "env")
	end()
	if err != nil || bytes.Contains(out, []byte("GOMAXPROCS")) || !bytes.Contains(out, []byte("OF_THE_UNIT=passes")) {
		t.Errorf("%s, %v", out, err)
	}
	if os.Getenv("GOMAXPROCS") != "1" {
		t.Error("the variable is gone for good")
	}
}

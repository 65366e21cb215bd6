package rig

import (
	"fmt"
	"time"

	"lwm2m-agent/test/workspace"
)

// Pass lets time pass in the guest, or less of it once a file has a line; it reports whether it has. Programs that have something to do go on
// between two leaps of the clock. The guest is a PC that has the program "lapse", and whose kernel leaves it the timer (iomem=relaxed).
func (g *guest) Pass(t workspace.T, most time.Duration, file, line string) bool {
	t.Helper()
	out, status := g.Try(t, fmt.Sprintf("lapse %v %s %s", most, file, line))
	if status > 1 {
		t.Fatalf("let %v pass: %s", most, out)
	}
	return status == 0
}

// Uptime is for how long the guest has been running, as it sees it.
func (g *guest) Uptime(t workspace.T) time.Duration {
	t.Helper()
	up, err := time.ParseDuration(g.Run(t, "read up idle </proc/uptime; echo ${up}s"))
	if err != nil {
		t.Fatalf("read for how long the guest runs: %v", err)
	}
	return up
}

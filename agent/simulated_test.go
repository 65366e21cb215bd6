//go:build !small

package agent

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// TestSimulatedTimezone: what a server writes to the demo's board is what it reads, and the
// machine that the demo runs on stays as it is.
func TestSimulatedTimezone(t *testing.T) {
	l := newLab(t)
	l.run(t, l.config())
	l.next(t, server.Registered)
	for _, step := range []struct{ path, write, offset, zone string }{
		{"/3/0/14", "+03:00", "+03:00", "Etc/GMT-3"},
		{"/3/0/15", "Etc/GMT+5", "-05:00", "Etc/GMT+5"},
	} {
		path := lwm2m.MustPath(step.path)
		if err := l.client(t).Replace(t.Context(), path, lwm2m.FormatText, []lwm2m.Node{{Path: path, Value: lwm2m.String(step.write)}}); err != nil {
			t.Fatal(err)
		}
		if offset, zone := l.read(t, "/3/0/14"), l.read(t, "/3/0/15"); offset != lwm2m.String(step.offset) || zone != lwm2m.String(step.zone) {
			t.Errorf("after %s to %s: offset %v, time zone %v", step.write, step.path, offset, zone)
		}
	}
}

package main

import (
	"strings"
	"testing"

	"lwm2m-agent/agent"
)

// TestAbsent: who looks for a sensor on a bus that is switched off is told how to switch it on.
func TestAbsent(t *testing.T) {
	serial := agent.Finding{Bus: "serial", Where: "/dev/ttyS0"}
	if text := absent([]agent.Finding{serial}); !strings.Contains(text, "raspi-config") || !strings.Contains(text, "modprobe i2c-dev") {
		t.Errorf("without a bus: %q", text)
	}
	if text := absent([]agent.Finding{serial, {Bus: "i2c", Where: "/dev/i2c-1"}}); text != "" {
		t.Errorf("with a bus: %q", text)
	}
}

//go:build rig

package rig

import (
	"strings"
	"testing"
	"time"

	"lwm2m-agent/test/workspace"
)

// TestWLAN has a board with an agent get wireless interfaces, join a network with one of them, and lose them: object 12 follows by what the
// kernel tells.
func TestWLAN(t *testing.T) {
	inTurn(t)
	b := Start(t, Config{
		Programs: map[string]string{"/usr/bin/lwm2m-agent": Build(t, "./cmd/lwm2m-agent"), "/payload/adhoc": Build(t, "./test/rig/adhoc")},
		Files:    map[string][]byte{"/etc/lwm2m-agent/agent.toml": []byte("endpoint = 'board'\n")},
	})
	b.Spawn(t, "/usr/bin/lwm2m-agent run -state /tmp/state")
	awaitValue(t, b, "/3/0/16", "UT")
	if output, status := b.Try(t, "/usr/bin/lwm2m-agent read /12"); status == 0 {
		t.Errorf("without wireless interfaces there is an object 12: %s", output)
	}
	b.AddWLAN(t)
	awaitValue(t, b, "/12/0/0", "wlan0")
	awaitValue(t, b, "/12/1/0", "wlan1")
	awaitValue(t, b, "/12/0/3", "0") // Status: disabled
	awaitValue(t, b, "/12/0/8", "1") // Mode: station
	mac := strings.ReplaceAll(b.Run(t, "cat /sys/class/net/wlan0/address"), ":", "")
	awaitValue(t, b, "/12/0/4", strings.ToUpper(mac))

	for _, name := range []string{"wlan0", "wlan1"} { // who is alone in a network has no carrier
		b.Run(t, "/payload/adhoc "+name+" harbour && ip link set "+name+" up")
	}
	awaitValue(t, b, "/12/0/5", "harbour")
	awaitValue(t, b, "/12/0/3", "1")
	awaitValue(t, b, "/12/0/9", "6")  // Channel
	awaitValue(t, b, "/12/0/2", "1")  // Radio Enabled: 2.4 GHz
	awaitValue(t, b, "/12/0/14", "2") // Standard: 802.11bg
	b.Run(t, "ip link set wlan0 down")
	awaitValue(t, b, "/12/0/3", "0")
	b.RemoveWLAN(t)
	deadline := time.Now().Add(slow)
	for output, status := b.Try(t, "/usr/bin/lwm2m-agent read /12"); status == 0; output, status = b.Try(t, "/usr/bin/lwm2m-agent read /12") {
		if time.Now().After(deadline) {
			t.Fatalf("object 12 stays: %s", output)
		}
	}
	b.PowerOff(t)
}

// awaitValue asks the board's agent for a resource until it has a value.
func awaitValue(t *testing.T, b shellGuest, path, want string) {
	t.Helper()
	deadline := time.Now().Add(slow)
	for {
		output, status := b.Try(t, "/usr/bin/lwm2m-agent read "+path)
		if status == 0 && strings.Contains(" "+strings.Join(strings.Fields(output), " ")+" ", " "+want+" ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s, want %s", path, output, want)
		}
	}
}

// shellGuest is a board or a PC.
type shellGuest interface {
	Run(t workspace.T, command string) string
	Try(t workspace.T, command string) (output string, status int)
}

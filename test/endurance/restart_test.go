//go:build soak

package endurance

import (
	"testing"
	"time"

	"lwm2m-agent/test/restart"
)

// TestRestarts kills the agent at 200 instants under traffic: nothing runs twice, no record number comes again, the server sees
// neither a handshake nor a Register, and is told each stored notification.
func TestRestarts(t *testing.T) { restart.Kill(t, 200, uint64(time.Now().UnixNano())) }

// TestRestartsWhileBootstrapped kills the agent at 200 instants while it is given other accounts.
func TestRestartsWhileBootstrapped(t *testing.T) {
	restart.KillBootstraps(t, 200, uint64(time.Now().UnixNano()))
}

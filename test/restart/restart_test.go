package restart

import (
	"os"
	"testing"
	"time"

	"lwm2m-agent/test/gateway"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gateway.RemoveBinaries()
	os.Exit(code)
}

// TestKill is a short one; ./dev soak kills more often.
func TestKill(t *testing.T) {
	t.Parallel()
	Kill(t, 20, uint64(time.Now().UnixNano()))
}

// TestKillBootstraps is a short one, too.
func TestKillBootstraps(t *testing.T) {
	t.Parallel()
	KillBootstraps(t, 8, uint64(time.Now().UnixNano()))
}

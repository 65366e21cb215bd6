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
func TestKill(t *testing.T) { Kill(t, 20, uint64(time.Now().UnixNano())) }

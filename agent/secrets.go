package agent

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// KeepMemory keeps what is in this process's memory, keys among it, out of core dumps and
// from other processes of the same user: it makes no core file, hands nothing to a
// program that collects them, and cannot be attached to (prctl(2), PR_SET_DUMPABLE).
func KeepMemory() error {
	// A sandbox may forbid it, and the other one suffices: see core(5).
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}

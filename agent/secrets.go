package agent

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// KeepMemory keeps what is in this process's memory, keys among it, out of core dumps and
// from other processes of the same user: it makes no core file, hands nothing to a
// program that collects them, and cannot be attached to (prctl(2), PR_SET_DUMPABLE). Only
// a sandbox that forbids the calls makes them fail.
func KeepMemory() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}

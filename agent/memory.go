package agent

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// startTime is how long after it is ready the agent still does what it does only once:
// connections are made, first values read, sessions saved a second later. Until then nothing
// is collected or given back.
const startTime = 3 * time.Second

// gcPercent keeps the heap, which is about a megabyte, from growing to the four
// that the runtime would otherwise let it; a collection takes well under a
// millisecond at that size.
const gcPercent = 30

// onOneProcessor has one thread run Go code at a time, unless the environment says how many
// (GOMAXPROCS). The agent does one small thing after another; to wake a second thread for each
// datagram takes longer than to answer it, and wakes another core. Threads that wait for a
// disk or a bus do not count. It returns what ends it.
func onOneProcessor() func() {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	before := runtime.GOMAXPROCS(1)
	return func() { runtime.GOMAXPROCS(before) }
}

// boundHeap sets how the heap grows, unless the environment says it (GOGC).
func boundHeap() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// giveBackStart returns to the kernel what only starting needed: freed heap, and
// the pages of the program that were mapped for it. Those still in use come back
// from the page cache when they are touched. It is for machines with little
// memory, so a failure does not matter.
func giveBackStart() {
	debug.FreeOSMemory()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close() //nolint:errcheck // only read
	program, err := os.Executable()
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var (
			from, to uintptr
			rights   string
		)
		line := lines.Text()
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil {
			return
		}
		if strings.HasSuffix(line, program) && rights[1] == '-' { // code and constants: the same in the file
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Memory is an amount of memory or storage in kilobytes of 1000 bytes.
type Memory struct{ Total, Free int64 }

// ReadMemory reads main memory from /proc/meminfo. Free is what programs can
// still have (MemAvailable).
func ReadMemory(root fs.FS) (Memory, error) {
	b, err := read(root, "proc/meminfo")
	if err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	kibibytes := make(map[string]int64)
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); len(fields) > 0 {
			if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
				kibibytes[name] = n
			}
		}
		if name == "MemAvailable" { // the third line: what follows is not asked for
			break
		}
	}
	available, ok := kibibytes["MemAvailable"]
	if !ok { // kernels before 3.14
		available = kibibytes["MemFree"] + kibibytes["Buffers"] + kibibytes["Cached"]
	}
	if kibibytes["MemTotal"] == 0 {
		return Memory{}, errors.New("read memory: /proc/meminfo has no MemTotal")
	}
	return Memory{Total: kilobytes(kibibytes["MemTotal"]), Free: kilobytes(available)}, nil
}

// kilobytes makes units of 1000 bytes of units of 1024.
func kilobytes(kibibytes int64) int64 { return kibibytes * 1024 / 1000 }

// ReadStorage asks for the size of the file system that holds a path. Free is
// what a user without privileges can fill.
func ReadStorage(path string) (Memory, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Memory{}, fmt.Errorf("read storage of %s: %w", path, err)
	}
	size := uint64(s.Bsize)                                                                               //nolint:gosec // not negative; the type differs by architecture
	return Memory{Total: int64(s.Blocks * size / 1000), Free: int64(uint64(s.Bavail) * size / 1000)}, nil //nolint:gosec,unconvert // below 2^63; Bavail is signed on some architectures
}

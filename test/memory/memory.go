// Package memory looks for secrets on the heap of this process: in what is reachable, and in what is not and
// the garbage collector has left. What lies in processor registers and in parts of stacks that are not in use it does not see.
package memory

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// Secret is what to look for, in a form that is not found itself.
type Secret []byte

// mask hides a byte.
const mask = 0xa5

// Hide returns what to look for, of at least 16 bytes, and wipes b.
func Hide(b []byte) Secret {
	s := make(Secret, len(b))
	for i, c := range b {
		s[i] = c ^ mask
	}
	clear(b)
	return s
}

// Keep keeps garbage where it is until the test ends.
func Keep(t *testing.T) {
	t.Helper()
	percent := debug.SetGCPercent(-1)
	limit := debug.SetMemoryLimit(1 << 40)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
}

// Count returns how often the heap has a secret. A Go string or slice of it counts, a hash or a key schedule does not.
func (s Secret) Count(t *testing.T) int {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "heap"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	debug.WriteHeapDump(f.Fd())
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return s.count(t, f)
}

// count reads a dump through one buffer, which is wiped.
func (s Secret) count(t *testing.T, r io.Reader) (found int) {
	t.Helper()
	buf := make([]byte, 1<<20)
	defer clear(buf)
	kept := 0
	for {
		n, err := io.ReadFull(r, buf[kept:])
		found += s.in(buf[:kept+n])
		if err != nil {
			return found
		}
		kept = copy(buf, buf[len(buf)-len(s)+1:])
	}
}

func (s Secret) in(b []byte) (found int) {
	first := s[0] ^ mask
	for {
		at := bytes.IndexByte(b, first)
		if at < 0 || len(b)-at < len(s) {
			return found
		}
		if s.is(b[at:]) {
			found++
		}
		b = b[at+1:]
	}
}

func (s Secret) is(b []byte) bool {
	for i, c := range s {
		if b[i]^mask != c {
			return false
		}
	}
	return true
}

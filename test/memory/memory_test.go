package memory

import (
	"bytes"
	"crypto/rand"
	"runtime"
	"testing"
)

// TestCount: what is held is found, and garbage too; what was wiped is not.
func TestCount(t *testing.T) {
	Keep(t)
	b := make([]byte, 32)
	rand.Read(b)
	held, dropped := bytes.Clone(b), string(b)
	secret := Hide(b)
	if n := secret.Count(t); n != 2 {
		t.Errorf("found %d times, want 2", n)
	}
	runtime.KeepAlive(dropped)
	clear(held)
	if n := secret.Count(t); n != 1 {
		t.Errorf("found %d times after one was wiped, want the one that is garbage", n)
	}
	if n := secret.Count(t); n != 1 {
		t.Errorf("found %d times, want 1: counting leaves copies", n)
	}
}

// TestCountOverEdges: a secret is found wherever it lies in a dump.
func TestCountOverEdges(t *testing.T) {
	secret := Hide([]byte("0123456789abcdef"))
	for _, at := range []int{0, 1<<20 - 17, 1<<20 - 16, 1<<20 - 15, 1<<20 - 1, 1 << 20, 2 << 20} {
		dump := make([]byte, 3<<20)
		copy(dump[at:], "0123456789abcdef")
		if n := secret.count(t, bytes.NewReader(dump)); n != 1 {
			t.Errorf("at %d: found %d times", at, n)
		}
	}
}

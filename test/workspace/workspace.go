// Package workspace knows where tests keep what outlasts one of them: the repository, the cache of what was fetched or built, the folder
// of artifacts. It knows nothing of what lies there.
package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// T is what rigs and peers ask of a test. *testing.T is one; a benchmark program can bring its own.
type T interface {
	Helper()
	Name() string
	Context() context.Context
	TempDir() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// Root returns the top folder of the repository.
func Root(t T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("find the repository: %v", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			t.Fatalf("find the repository: no go.mod above %s", dir)
		}
	}
}

// Artifact returns the path under which a test leaves a file for people: a log, a screenshot. It lies in the folder of the test's name
// below $LWM2M_ARTIFACTS or the repository's artifacts.
func Artifact(t T, name string) string {
	t.Helper()
	base := os.Getenv("LWM2M_ARTIFACTS")
	if base == "" {
		base = filepath.Join(Root(t), "artifacts")
	}
	path := filepath.Join(base, filepath.FromSlash(t.Name()), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("make room for artifact %s: %v", name, err)
	}
	return path
}

// Cache returns the folder that ./dev keeps everything in: $LWM2M_CACHE, or lwm2m-agent in the user's cache.
func Cache(t T) string {
	t.Helper()
	if dir := os.Getenv("LWM2M_CACHE"); dir != "" {
		return dir
	}
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find the cache: %v", err)
	}
	return filepath.Join(base, "lwm2m-agent")
}

// Cached returns a folder in the cache that build has filled once for this kind and these inputs. Processes that want the same wait for
// the first. A build that fails leaves nothing behind.
func Cached(t T, kind string, inputs []string, build func(dir string) error) string {
	t.Helper()
	sum := sha256.Sum256([]byte(strings.Join(inputs, "\x00")))
	dir := filepath.Join(Cache(t), kind+"-"+hex.EncodeToString(sum[:8]))
	unlock := lock(t, filepath.Join(Cache(t), kind+".lock"))
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := fill(dir, build); err != nil {
		t.Fatalf("build %s: %v", kind, err)
	}
	return dir
}

func fill(dir string, build func(dir string) error) error {
	beside := dir + ".new"
	if err := os.RemoveAll(beside); err != nil {
		return err
	}
	if err := os.MkdirAll(beside, 0o755); err != nil {
		return err
	}
	if err := build(beside); err != nil {
		return err
	}
	return os.Rename(beside, dir)
}

// lock takes the lock file and gives what lets it go.
func lock(t T, path string) (unlock func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("lock %s: %v", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatalf("lock: %v", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", path, err)
	}
	return func() { f.Close() } // closing lets go of the lock
}

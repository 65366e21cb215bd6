package workspace

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestCachedBuildsOnce(t *testing.T) {
	t.Setenv("LWM2M_CACHE", t.TempDir())
	var builds atomic.Int32
	build := func(dir string) error {
		builds.Add(1)
		return os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600)
	}
	var together sync.WaitGroup
	for range 4 {
		together.Go(func() {
			dir := Cached(t, "thing", []string{"a", "b"}, build)
			if text, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(text) != "content" {
				t.Errorf("cached file = %q, %v", text, err)
			}
		})
	}
	together.Wait()
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times, want once", n)
	}
	Cached(t, "thing", []string{"ab"}, build)
	if n := builds.Load(); n != 2 {
		t.Errorf("other inputs: built %d times, want 2", n)
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "thing")
	broken := errors.New("broken")
	if err := fill(dir, func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v", err, broken)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed build is there: %v", err)
	}
	if err := fill(dir, func(string) error { return nil }); err != nil {
		t.Errorf("build after a failed one: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	if _, err := os.Stat(filepath.Join(Root(t), "test", "workspace", "workspace.go")); err != nil {
		t.Error(err)
	}
	base := t.TempDir()
	t.Setenv("LWM2M_ARTIFACTS", base)
	if got, want := Artifact(t, "page.png"), filepath.Join(base, "TestPlaces", "page.png"); got != want {
		t.Errorf("artifact = %s, want %s", got, want)
	}
	t.Setenv("LWM2M_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", base)
	if got, want := Cache(t), filepath.Join(base, "lwm2m-agent"); got != want {
		t.Errorf("cache = %s, want %s", got, want)
	}
}

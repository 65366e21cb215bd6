package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// markOf opens a directory and returns its mark.
func markOf(t *testing.T, dir string) []byte {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, err := s.Mark()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Mark(); err != nil || !bytes.Equal(m, again) {
		t.Errorf("the mark changes by itself: %x, %x, %v", m, again, err)
	}
	return m
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// TestMark shows what counts as a copy and what does not.
func TestMark(t *testing.T) {
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	first := markOf(t, at("state"))
	t.Run("work and restarts", func(t *testing.T) {
		s, err := Open(at("state"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := s.Bucket(Client).Save("a", []byte("b")); err != nil {
				t.Fatal(err)
			}
			s.Counter("c").Add(1)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, markOf(t, at("state"))) {
			t.Error("they count as a copy")
		}
	})
	t.Run("scrubbed", func(t *testing.T) { // as after each transaction of the configuration
		for range 2 {
			s := mustOpen(t, at("state"), Options{})
			_, err := s.Mark()
			if err := errors.Join(err, s.Scrub(), s.Bucket(Client).Save("a", []byte("c")), s.Scrub(), s.Close()); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, markOf(t, at("state"))) {
				t.Error("it counts as a copy")
			}
		}
	})
	t.Run("written anew after a failure", func(t *testing.T) {
		s := mustOpen(t, at("state"), Options{})
		_, err := s.Mark()
		if err := errors.Join(err, s.db.close(), os.Remove(at("state/state.db")), s.Bucket(Client).Save("a", []byte("d")), s.Close()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, markOf(t, at("state"))) {
			t.Error("it counts as a copy")
		}
	})
	t.Run("renamed", func(t *testing.T) {
		run(t, "mv", at("state"), at("elsewhere"))
		if !bytes.Equal(first, markOf(t, at("elsewhere"))) {
			t.Error("it counts as a copy")
		}
		run(t, "mv", at("elsewhere"), at("state"))
	})
	for name, copying := range map[string][]string{
		"cp -a": {"cp", "-a", at("state"), at("copy")},
		"tar":   {"sh", "-c", "mkdir " + at("copy") + " && tar -C " + at("state") + " -c . | tar -C " + at("copy") + " -x"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, copying[0], copying[1:]...)
			if bytes.Equal(first, markOf(t, at("copy"))) {
				t.Error("the copy is not recognised")
			}
			run(t, "rm", "-r", at("copy"))
		})
	}
	t.Run("backup put back", func(t *testing.T) {
		run(t, "cp", "-a", at("state"), at("backup"))
		run(t, "cp", "-a", at("backup")+"/.", at("state"))
		if bytes.Equal(first, markOf(t, at("state"))) {
			t.Error("it is not recognised")
		}
	})
	t.Run("database put back by renaming", func(t *testing.T) {
		before := markOf(t, at("state"))
		run(t, "cp", "-a", at("state/state.db"), at("state/x"))
		run(t, "mv", at("state/x"), at("state/state.db"))
		if bytes.Equal(before, markOf(t, at("state"))) {
			t.Error("it is not recognised")
		}
	})
	if info, err := os.Stat(at("state/mark")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mark is %v, %v", info.Mode(), err)
	}
}

func TestSmallBucket(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := s.SmallBucket("client/")
	if err := b.Save("session/101", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b = s.SmallBucket("client/")
	if got, err := b.Load("session/101"); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := s.Small("client/session/101"); string(got) != "x" {
		t.Errorf("small record is %q", got)
	}
	if err := errors.Join(b.Defer("deferred", []byte("y")), s.SetSmall("other/a", []byte("z"))); err != nil {
		t.Error(err)
	}
	keys := b.Keys()
	slices.Sort(keys)
	if fmt.Sprint(keys) != "[deferred session/101]" {
		t.Errorf("keys are %v", keys)
	}
	if err := b.Save("session/101", nil); err != nil || s.Small("client/session/101") != nil {
		t.Errorf("not removed: %v", err)
	}
}

// TestNoted: a noted record is in the file at once, and forced to the disk before anything
// that is saved later.
func TestNoted(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	defer s.Close()
	b := s.SmallBucket("client/")
	if err := b.Save("first", []byte("x")); err != nil { // it makes the file
		t.Fatal(err)
	}
	for what, save := range map[string]func() error{
		"a small record": func() error { return b.Save("edge", []byte(t.Name())) },
		"the same again": func() error { return b.Save("first", []byte("x")) },
		"a record":       func() error { return s.Bucket(Values).Save("k", []byte("v")) },
		"the counters":   s.Flush,
	} {
		if err := b.Note("request", []byte(what)); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(s.Path(smallFile))
		if err != nil {
			t.Fatal(err)
		}
		if got := replaySmall(content).small["client/request"]; string(got) != what || s.log.unforced == 0 {
			t.Errorf("%s: in the file is %q, of which %d bytes are not forced", what, got, s.log.unforced)
		}
		if err := save(); err != nil || s.log.unforced != 0 {
			t.Errorf("%s: %d bytes are not forced, %v", what, s.log.unforced, err)
		}
	}
	for i := range 2 * pageSize / 50 {
		if err := b.Note("request", fmt.Appendf(nil, "%050d", i)); err != nil || s.log.unforced >= pageSize {
			t.Fatalf("%d bytes are not forced, %v", s.log.unforced, err)
		}
	}
}

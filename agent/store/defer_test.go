package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestDeferSmall: a record is there at once and on disk after FlushAfter; the newest is
// kept, and one that takes a record away.
func TestDeferSmall(t *testing.T) {
	dir := t.TempDir()
	later := func(s *Store, key string, record []byte) {
		t.Helper()
		if err := s.DeferSmall(key, record); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, dir, Options{FlushAfter: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		defer running.Wait()
		defer cancel()
		if err := s.SetSmall("gone", []byte("x")); err != nil {
			t.Fatal(err)
		}
		later(s, "set", []byte("old"))
		if err := s.SetSmall("set", []byte("new")); err != nil {
			t.Fatal(err)
		}
		later(s, "set", nil)
		later(s, "low", []byte("20"))
		later(s, "low", []byte("19"))
		later(s, "gone", nil)
		later(s, "never there", nil)
		<-time.After(59 * time.Second)
		disk := replaySmall(mustRead(t, filepath.Join(dir, smallFile))).small
		if string(s.Small("low")) != "19" || s.Small("gone") != nil || string(disk["low"]) != "" || string(disk["gone"]) != "x" {
			t.Errorf("before it is written: low %q, gone %q, on disk %q", s.Small("low"), s.Small("gone"), disk)
		}
		<-time.After(2 * time.Second)
		disk = replaySmall(mustRead(t, filepath.Join(dir, smallFile))).small
		if string(disk["low"]) != "19" || len(disk) != 1 || string(s.Small("low")) != "19" || s.Small("gone") != nil {
			t.Errorf("on disk %q", disk)
		}
		if err := s.DeferSmall("", nil); !errors.Is(err, ErrTooLarge) {
			t.Errorf("without a key: %v", err)
		}
		if err := s.DeferSmall("x", make([]byte, 2000)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("of 2000 bytes: %v", err)
		}
		for i := 0; ; i++ {
			if err := s.DeferSmall(fmt.Sprint(i), []byte("x")); err != nil {
				if i != maxSmallRecords-1 || !errors.Is(err, ErrFull) {
					t.Errorf("after %d: %v", i, err)
				}
				break
			}
		}
		later(s, "low", []byte("18")) // which is there already
	})
	again := mustOpen(t, dir, Options{})
	if got := again.Small("low"); string(got) != "18" {
		t.Errorf("after Close there is %q", got)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

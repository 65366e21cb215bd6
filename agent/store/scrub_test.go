package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestScrub: a record that was replaced is in the file until it is scrubbed, and the records that
// there are stay, also after a restart.
func TestScrub(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	former, present := []byte("a former key"), []byte("a present key")
	b := s.Bucket(Accounts)
	for _, record := range [][]byte{former, present} {
		if err := b.Save("security", record); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, databaseFile)
	held, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(held, former) {
		t.Fatalf("nothing to scrub: %v", err)
	}
	old, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := s.Scrub(); err != nil {
		t.Fatal(err)
	}
	if held, err := os.ReadFile(path); err != nil || bytes.Contains(held, former) || !bytes.Contains(held, present) {
		t.Errorf("the file has the former record, or not the present one: %v", err)
	}
	was := make([]byte, len(held))
	if n, _ := old.ReadAt(was, 0); n != len(held) || len(bytes.Trim(was, "\x00")) > 0 {
		t.Errorf("the former file is not zeros")
	}
	if err := b.Save("another", []byte("x")); err != nil {
		t.Errorf("after that: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Scrub(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	s, err = Open(dir, Options{})
	if err != nil || len(s.Damages()) > 0 {
		t.Fatal(err, s.Damages())
	}
	defer s.Close()
	if got, _ := s.Bucket(Accounts).Load("security"); !bytes.Equal(got, present) {
		t.Errorf("%q", got)
	}
}

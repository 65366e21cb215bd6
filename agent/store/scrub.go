package store

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Scrub writes state.db anew, so that records which were replaced or removed are not in it any more,
// and zeros over the former file. What the file system, or flash below it, keeps of that is not
// in its power.
func (s *Store) Scrub() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return ErrClosed
	}
	former, err := os.OpenFile(s.db.disk.path(databaseFile), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if former != nil {
		defer former.Close() //nolint:errcheck // it has no name any more
	}
	next := s.records.clone()
	if err := s.done(s.db.rebuild(next)); err != nil {
		return err
	}
	s.mu.Lock()
	s.records = next
	s.mu.Unlock()
	if former == nil {
		return nil
	}
	return zero(former)
}

// zero writes zeros over all of a file.
func zero(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	blank := make([]byte, 64<<10)
	for at := int64(0); at < info.Size(); at += int64(len(blank)) {
		if _, err := f.WriteAt(blank[:min(int64(len(blank)), info.Size()-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

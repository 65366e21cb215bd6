package fota

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// area is where a package lies while it comes. The second implementation is one
// that loses power.
type area interface {
	// create makes the file, empty.
	create() (file, error)
	// extend opens the file to write at an offset, and cuts off what is behind it.
	extend(offset int64) (file, error)
	// size returns the length of the file, 0 if there is none.
	size() (int64, error)
	// room returns how many bytes there is place for.
	room() (int64, error)
	remove() error
	path() string
}

type file interface {
	io.WriteCloser
	Sync() error
}

// folder is an area of the operating system: one file in a folder of its own.
type folder string

// packageFile is the name of the package. Nothing that a package says becomes part
// of a path.
const packageFile = "package"

func (f folder) path() string { return filepath.Join(string(f), packageFile) }

func (f folder) create() (file, error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, err
	}
	if err := f.remove(); err != nil { // who writes the former one yet has a file without a name
		return nil, err
	}
	opened, err := os.OpenFile(f.path(), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return opened, f.sync()
}

func (f folder) extend(offset int64) (file, error) {
	opened, err := os.OpenFile(f.path(), os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) && offset == 0 {
		return f.create()
	}
	if err != nil {
		return nil, err
	}
	if err = opened.Truncate(offset); err == nil {
		_, err = opened.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

func (f folder) size() (int64, error) {
	info, err := os.Lstat(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f folder) room() (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(string(f), &s); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: string(f), Err: err}
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:gosec,unconvert // no disk is that large; the types differ by architecture
}

func (f folder) remove() error {
	err := os.Remove(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sync makes the file's name last.
func (f folder) sync() error {
	d, err := os.Open(string(f))
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only synced
	return d.Sync()
}

// storing makes a Failure of an error of writing the package.
func storing(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Failure](err); ok {
		return err
	}
	result := UpdateFailed
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		result = NoStorage
	}
	return Failf(result, "store the package: %v", err)
}

// room refuses a package of a size that there is no place for; size 0 is unknown. What
// has come of it, or of what it replaces, has its place already.
func (u *Updater) room(size int64) error {
	if size > u.cfg.MaxSize {
		return Failf(NoStorage, "the package has %d bytes; max_size is %d", size, u.cfg.MaxSize)
	}
	free, err := u.area.room()
	have, err2 := u.area.size()
	if free += have; errors.Join(err, err2) == nil && size > free {
		return Failf(NoStorage, "the package has %d bytes; %d are free for it", size, free)
	}
	return nil // what cannot be told shows with the writing
}

// within refuses a package that is longer than the quota.
func (u *Updater) within(have int64) error {
	if have > u.cfg.MaxSize {
		return Failf(NoStorage, "the package is longer than max_size, %d bytes", u.cfg.MaxSize)
	}
	return nil
}

// finish closes the package's file for good.
func finish(f file) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return storing(fmt.Errorf("finish: %w", err))
	}
	return nil
}

package transaction

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk is the folder that the files are in. The second implementation is one that loses
// power.
type Disk interface {
	// Read returns a file, nil if it is not there.
	Read(name string) ([]byte, error)
	// Replace makes a file hold this, or removes it if content is nil. When it returns nil, that
	// is on disk; a cut leaves the former content or the new one.
	Replace(name string, content []byte) error
}

// maxFile bounds what is read of a file, in bytes.
const maxFile = 1 << 20

// Folder is a Disk of the operating system.
type Folder string

// Read implements Disk.
func (f Folder) Read(name string) ([]byte, error) {
	r, err := os.OpenFile(filepath.Join(string(f), name), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return content, err
}

// Replace implements Disk.
func (f Folder) Replace(name string, content []byte) error {
	path := filepath.Join(string(f), name)
	former, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if former != nil {
		defer former.Close() //nolint:errcheck // it is gone
	}
	if content == nil && former == nil {
		return nil
	}
	if err := f.put(path, content); err != nil {
		return err
	}
	if former != nil {
		_ = wipe(former) // it may have held a key; nobody can be told if that fails
	}
	return nil
}

func (f Folder) put(path string, content []byte) error {
	if content == nil {
		if err := os.Remove(path); err != nil {
			return err
		}
		return f.sync()
	}
	next, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = next.Write(content)
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	return f.sync()
}

func (f Folder) sync() error {
	d, err := os.Open(string(f))
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only synced
	return d.Sync()
}

// wipe writes zeros over a file that has no name any more.
func wipe(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(make([]byte, min(info.Size(), maxFile)), 0); err != nil {
		return err
	}
	return f.Sync()
}

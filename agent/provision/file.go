package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrThere says that a file is there already.
var ErrThere = errors.New("is there already; -replace replaces it, and what it was good for is lost")

const (
	secretMode = 0o600
	publicMode = 0o644
)

// save writes a file so that it is there whole or not at all, whenever the power goes:
// beside, to the disk, then under its name. A file that is there is replaced only with
// force. It belongs to whom the folder belongs, so that what root makes the agent can
// read.
func (m *Maker) save(name string, content []byte, mode fs.FileMode, force bool) (err error) {
	dir := filepath.Dir(name)
	if err := m.next(); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, besidePattern) // 0600
	if err != nil {
		return err
	}
	defer func() {
		if m.next() == nil {
			_ = os.Remove(f.Name()) // gone after a rename
		}
	}()
	if err = m.next(); err == nil {
		_, err = f.Write(content)
	}
	err = errors.Join(err, f.Chmod(mode), own(f, dir), f.Sync(), f.Close(), m.next())
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if force {
		err = os.Rename(f.Name(), name)
	} else {
		err = os.Link(f.Name(), name) // a rename would replace
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s %w", name, ErrThere)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return syncFolder(dir)
}

// besidePattern is of the names of files that are being written.
const besidePattern = ".new-*"

// next is asked before each change of the disk; tests cut the power with it.
func (m *Maker) next() error {
	if m.step == nil {
		return nil
	}
	return m.step()
}

// eraseTorn erases what was not written to its end in a folder.
func (m *Maker) eraseTorn(dir string) error {
	torn, err := filepath.Glob(filepath.Join(dir, besidePattern))
	for _, name := range torn {
		err = errors.Join(err, m.erase(name))
	}
	return err
}

// erase writes zeros over a file and removes it; of one that has a second name, only this one goes: the power went
// when save had just given it the other. So does what is no file: a link, a pipe. What is not there is erased.
func (m *Maker) erase(name string) error {
	if err := m.next(); err != nil {
		return err
	}
	err := overwrite(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err = errors.Join(err, m.next()); err == nil {
		err = os.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("erase %s: %w", name, err)
	}
	return syncFolder(filepath.Dir(name))
}

// overwrite writes zeros over a file that has no other name.
func overwrite(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) // a pipe would be waited for
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return nil // a link; a pipe or a socket
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && !namedTwice(info) {
		_, err = f.WriteAt(make([]byte, min(info.Size(), maxFile)), 0)
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}

func namedTwice(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Nlink > 1
}

// secretModeIn returns the mode of a file with a key: for its owner alone, and for the
// group to read where the folder is open to it, as that of a package is to the service's.
func secretModeIn(dir string) fs.FileMode {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o050 != 0o050 || info.Mode().Perm()&0o020 != 0 {
		return secretMode
	}
	return secretMode | 0o040
}

// own gives a file to the owner of its folder.
func own(f *os.File, dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(s.Uid), int(s.Gid))
}

// syncFolder makes a new name survive a power cut.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// exists reports whether a file is there.
func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

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
var ErrThere = errors.New("is there already; -force replaces it, and what it was good for is lost")

const (
	secretMode = 0o600
	publicMode = 0o644
)

// write writes a file so that it is there whole or not at all, whenever the power goes:
// beside, to the disk, then under its name. A file that is there is replaced only with
// force. It belongs to whom the folder belongs, so that what root makes the agent can
// read.
func write(name string, content []byte, mode fs.FileMode, force bool) (err error) {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, ".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone after a rename
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), own(f, dir), f.Sync(), f.Close())
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

// secretModeIn returns the mode of a file with a key: for its owner alone, and for the
// group to read where the folder is open to it, as that of a package is to the agent's.
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

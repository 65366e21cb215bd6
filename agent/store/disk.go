package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// disk is a folder as the store writes it: the second implementation is one that
// loses power.
type disk interface {
	// read returns a file's bytes; fs.ErrNotExist, or ErrTooLarge beyond most.
	read(name string, most int64) ([]byte, error)
	// create makes a file or empties it.
	create(name string) (file, error)
	// extend opens a file to write behind its end.
	extend(name string) (file, error)
	// rename replaces the file to, for good: the folder is synced.
	rename(from, to string) error
	remove(name string) error
	// list returns the names that begin so.
	list(prefix string) ([]string, error)
	// path is where a file lies, for those who open it themselves.
	path(name string) string
}

type file interface {
	io.WriteCloser
	Sync() error
}

// folder is a disk of the operating system.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) read(name string, most int64) ([]byte, error) {
	r, err := os.OpenFile(f.path(name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) // a FIFO would be waited for
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // only read
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: f.path(name), Err: errForeign}
	}
	b := make([]byte, min(info.Size(), most+1)) // grown by halves, it would be copied several times
	if n, err := io.ReadFull(r, b); err != nil {
		return b[:n], err
	}
	if int64(len(b)) > most {
		return b[:most], fmt.Errorf("%s is %w", name, ErrTooLarge)
	}
	return b, nil
}

var errForeign = errors.New("is not a regular file")

func (f folder) create(name string) (file, error) {
	return os.OpenFile(f.path(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
}

func (f folder) extend(name string) (file, error) {
	return os.OpenFile(f.path(name), os.O_WRONLY|os.O_APPEND|unix.O_NOFOLLOW, 0)
}

func (f folder) rename(from, to string) error {
	if err := os.Rename(f.path(from), f.path(to)); err != nil {
		return err
	}
	d, err := os.Open(string(f))
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only synced
	return d.Sync()
}

func (f folder) remove(name string) error {
	err := os.Remove(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (f folder) list(prefix string) ([]string, error) {
	entries, err := os.ReadDir(string(f))
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// maxAside bounds the damaged files that are kept of each kind.
const maxAside = 3

// moveAside keeps a damaged file beside the one that follows it, and lets the
// oldest of those go. It returns the new name.
func moveAside(d disk, name string) (string, error) {
	prefix := name + ".corrupt-"
	names, err := d.list(prefix)
	if err != nil {
		return "", err
	}
	numbers := make(map[int]bool)
	last := 0
	for _, n := range names {
		if i, err := strconv.Atoi(strings.TrimPrefix(n, prefix)); err == nil && i > 0 {
			numbers[i] = true
			last = max(last, i)
		}
	}
	for i := 1; len(numbers) >= maxAside && i <= last; i++ {
		if numbers[i] {
			delete(numbers, i)
			if err := d.remove(prefix + strconv.Itoa(i)); err != nil {
				return "", err
			}
		}
	}
	aside := prefix + strconv.Itoa(last+1)
	return aside, d.rename(name, aside)
}

// prepare writes the next content of a file beside it, synced.
func prepare(d disk, name string, content []byte) error {
	f, err := d.create(name + newSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, d.remove(name+newSuffix))
	}
	return nil
}

// newSuffix marks the next content of a file.
const newSuffix = ".new"

// settle takes what prepare left if a power cut came between the moving aside of
// a damaged file and its replacement, and otherwise removes it.
func settle(d disk, name string, most int64, whole func([]byte) bool) error {
	names, err := d.list(name)
	if err != nil || !slices.Contains(names, name+newSuffix) {
		return err
	}
	if !slices.Contains(names, name) {
		content, err := d.read(name+newSuffix, most)
		if err == nil && whole(content) {
			return d.rename(name+newSuffix, name)
		}
	}
	if err := d.remove(name + newSuffix); !readOnly(err) {
		return err
	}
	return nil
}

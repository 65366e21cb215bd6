package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// resetFile is there from the order of a reset until all of it is done.
const resetFile = "reset"

// resetOrder is what it says.
type resetOrder struct {
	Records map[Name]map[string][]byte `json:"records,omitempty"` // that outlive it
	Folders []string                   `json:"folders,omitempty"` // likewise, by their path in the directory
}

// Kept is what a reset leaves: the keys of records, records as they are to be, and folders such as
// "firmware/slots".
type Kept struct {
	Records map[Name][]string
	Set     map[Name]map[string][]byte
	Folders []string
}

// OrderReset has the next Open of the directory erase everything that is in it, but for what is kept
// and the directory itself. The order is on disk when it returns nil, and carried out however
// often the power goes before it is.
func (s *Store) OrderReset(keep Kept) error {
	order := resetOrder{Records: make(map[Name]map[string][]byte), Folders: keep.Folders}
	s.mu.RLock()
	for n, keys := range keep.Records {
		order.Records[n] = make(map[string][]byte)
		for _, key := range keys {
			if record := s.records[n][key]; record != nil {
				order.Records[n][key] = record
			}
		}
	}
	s.mu.RUnlock()
	for n, bucket := range keep.Set {
		if order.Records[n] == nil {
			order.Records[n] = make(map[string][]byte)
		}
		maps.Copy(order.Records[n], bucket)
	}
	content, err := json.Marshal(&order)
	if err != nil {
		return fmt.Errorf("order a reset: %w", err)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return ErrClosed
	}
	return s.write(func() error {
		disk := folder(s.dir)
		if err := prepare(disk, resetFile, content); err != nil {
			return err
		}
		return disk.rename(resetFile+newSuffix, resetFile)
	})
}

// FinishReset carries out a reset that was ordered, if one was, before anybody else reads what is in
// the directory.
func FinishReset(dir string, opts Options) (done bool, err error) {
	if _, err := os.Lstat(filepath.Join(dir, resetFile)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	s, err := Open(dir, opts)
	if err != nil {
		return false, err
	}
	return true, s.Close()
}

// maxOrder bounds the order, in bytes.
const maxOrder = 1 << 20

// reset carries out a reset that was ordered.
func (s *Store) reset() error {
	content, err := folder(s.dir).read(resetFile, maxOrder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil && !errors.Is(err, ErrTooLarge): // nothing is erased for a disk that fails or a lack of descriptors
		return fmt.Errorf("see whether a reset was ordered: %w", err)
	}
	var order resetOrder
	if err == nil {
		err = json.Unmarshal(content, &order)
	}
	if err != nil { // it was ordered all the same
		s.opts.Log.Warn("what a reset was to keep is not known", slog.Any("error", err))
		order = resetOrder{}
	}
	if err := s.empty("", order.Folders); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	r := records{own: {layoutKey: []byte(layout)}}
	for n, bucket := range order.Records {
		for key, record := range bucket {
			r.set(n, key, record)
		}
	}
	db := database{disk: folder(s.dir)}
	if err := s.write(func() error { return errors.Join(db.rebuild(r), db.close()) }); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if err := s.write(func() error { return errors.Join(folder(s.dir).remove(resetFile), s.syncFolder("")) }); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return nil
}

// empty erases what is in a folder of the directory, files first, for keys are in some. What cannot be listed, overwritten
// or removed, such as what belongs to another user, is logged and left: no gateway stands still for it.
func (s *Store) empty(under string, keep []string) error {
	entries, err := os.ReadDir(s.Path(under))
	for _, folders := range [...]bool{false, true} {
		for _, e := range entries {
			if e.IsDir() != folders {
				continue
			}
			if err := s.clear(filepath.Join(under, e.Name()), e.Type(), keep); err != nil {
				return err
			}
		}
	}
	if err == nil {
		err = s.syncFolder(under)
	}
	s.leave(err)
	return nil
}

// clear erases a file or a folder, unless it is to be kept. Its error is that of Options.BeforeWrite.
func (s *Store) clear(name string, kind fs.FileMode, keep []string) error {
	if name == resetFile || name == lockFile || slices.Contains(keep, name) {
		return nil
	}
	if kind.IsDir() {
		if err := s.empty(name, keep); err != nil {
			return err
		}
		if left, err := os.ReadDir(s.Path(name)); err == nil && len(left) > 0 {
			return nil // something in it is kept, or left
		}
	}
	return s.write(func() error {
		if kind.IsRegular() {
			if err := s.blank(name); err != nil {
				s.leave(fmt.Errorf("overwrite before it is removed: %w", err))
			}
		}
		s.leave(os.Remove(s.Path(name)))
		return nil
	})
}

// leave logs what a reset could not do, if err is not nil.
func (s *Store) leave(err error) {
	if err != nil {
		s.opts.Log.Warn("the reset did not erase all", slog.Any("error", err))
	}
}

// blank writes zeros over a file, unless it is larger than any file that can hold a key: packages of
// firmware would wear out flash for nothing.
func (s *Store) blank(name string) error {
	f, err := os.OpenFile(s.Path(name), os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() <= maxDatabase {
		err = zero(f)
	}
	return errors.Join(err, f.Close())
}

func (s *Store) syncFolder(name string) error {
	d, err := os.Open(s.Path(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

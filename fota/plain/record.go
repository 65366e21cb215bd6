package plain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// recordFile says what was written to each slot.
const recordFile = "slots.json"

// records reads what was written to the slots. What cannot be read is unknown.
func (b *Backend) records() map[string]fota.Image {
	r := make(map[string]fota.Image)
	if text, err := os.ReadFile(filepath.Join(b.opts.Dir, recordFile)); err == nil {
		if json.Unmarshal(text, &r) != nil {
			return make(map[string]fota.Image)
		}
	}
	return r
}

// record notes what a slot holds; the zero Image is that nobody knows.
func (b *Backend) record(slot string, i fota.Image) error {
	r := b.records()
	if r[slot] == i {
		return nil
	}
	r[slot] = i
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("note what the slot holds: %w", err)
	}
	if err := Replace(filepath.Join(b.opts.Dir, recordFile), text, 0o600); err != nil {
		return fmt.Errorf("note what the slot holds: %w", err)
	}
	return nil
}

// Replace replaces a file, which is on disk when it returns and is either the old or
// the new one after a cut. Where the file system can rename, which vfat can.
func Replace(name string, content []byte, mode os.FileMode) error {
	dir, next := filepath.Dir(name), name+".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

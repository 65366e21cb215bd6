package plain

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"lwm2m-agent/fota"
)

// recordFile says what was written to each slot.
const recordFile = "slots.json"

// records reads what was written to the slots. What cannot be read is unknown.
func (b *Backend) records() map[string]fota.Image {
	r := make(map[string]fota.Image)
	if b.opts.Dir == "" {
		return r
	}
	if text, err := os.ReadFile(filepath.Join(b.opts.Dir, recordFile)); err == nil {
		if json.Unmarshal(text, &r) != nil {
			return make(map[string]fota.Image)
		}
	}
	return r
}

// record notes what a slot holds; the zero Image is that it is being written.
func (b *Backend) record(slot string, i fota.Image) error {
	r := b.records()
	if before, noted := r[slot]; noted && before == i {
		return nil
	}
	r[slot] = i
	return b.keep(r)
}

// putBack notes again what was noted of a slot before it was to be written.
func (b *Backend) putBack(slot string, before fota.Image, noted bool) error {
	if noted {
		return b.record(slot, before)
	}
	r := b.records()
	delete(r, slot)
	return b.keep(r)
}

func (b *Backend) keep(r map[string]fota.Image) error {
	if b.opts.Dir == "" {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("note what the slot holds: %w", err)
	}
	if err := fota.Replace(filepath.Join(b.opts.Dir, recordFile), text, 0o600); err != nil {
		return fmt.Errorf("note what the slot holds: %w", err)
	}
	return nil
}

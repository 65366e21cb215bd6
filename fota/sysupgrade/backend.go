package sysupgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lwm2m-agent/fota"
)

// DefaultMarker is outside of what keep lists of OpenWrt and of the agent name.
const DefaultMarker = "/usr/share/lwm2m-agent/system-before"

// Options are what a Backend stands on. Dir is required.
type Options struct {
	Dir     string        // of the note; sysupgrade must keep it
	Marker  string        // file that sysupgrade does not keep; DefaultMarker
	Release string        // what the running system says of itself; "/etc/openwrt_release"
	Ending  time.Duration // how long the running system may take to end once it is being replaced; 15 min
}

// Backend is OpenWrt's sysupgrade. The programs are looked for in PATH.
type Backend struct {
	opts Options
	mu   sync.Mutex // of note and marker
}

var _ fota.Backend = (*Backend)(nil)

// New returns a Backend.
func New(o Options) *Backend {
	if o.Marker == "" {
		o.Marker = DefaultMarker
	}
	if o.Release == "" {
		o.Release = "/etc/openwrt_release"
	}
	if o.Ending == 0 {
		o.Ending = 15 * time.Minute
	}
	return &Backend{opts: o}
}

// note is what must survive sysupgrade.
type note struct {
	Generation int    `json:"generation"`      // of the system that ran when it was written
	Waits      bool   `json:"waits,omitempty"` // for Image to take its place
	Image      string `json:"image,omitempty"`
}

// NoteFile is the note's name in Options.Dir.
const NoteFile = "sysupgrade.json"

func (b *Backend) path() string { return filepath.Join(b.opts.Dir, NoteFile) }

func (b *Backend) load() (note, error) {
	var n note
	text, err := os.ReadFile(b.path())
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return n, fmt.Errorf("read the note of sysupgrade: %w", err)
	}
	return n, nil
}

func (b *Backend) save(n note) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("note of sysupgrade: %w", err)
	}
	if err := fota.Replace(b.path(), text, 0o600); err != nil {
		return fmt.Errorf("note of sysupgrade: %w", err)
	}
	return nil
}

// running returns the generation of the system that runs, with the note.
func (b *Backend) running() (int, note, error) {
	n, err := b.load()
	if err != nil || !n.Waits {
		return n.Generation, n, err
	}
	_, err = os.Lstat(b.opts.Marker)
	if errors.Is(err, fs.ErrNotExist) {
		return n.Generation + 1, n, nil
	}
	return n.Generation, n, err
}

func slotName(generation int) string { return fmt.Sprintf("system %d", generation) }

// Slots implements fota.Backend: the system that runs, and the one in its place. On
// trial it is the one that was before, too.
func (b *Backend) Slots(context.Context) (fota.Slots, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, n, err := b.running()
	if err != nil {
		return fota.Slots{}, err
	}
	image := fota.Image{Version: release(b.opts.Release)}
	out := fota.Slots{Booted: slotName(now), Single: true}
	if now == n.Generation {
		out.All = []fota.Slot{{Name: slotName(now), Good: true, Image: image}, {Name: slotName(now + 1)}}
	} else {
		out.All = []fota.Slot{{Name: slotName(now - 1)}, {Name: slotName(now), Image: image}}
	}
	return out, nil
}

// Inspect implements fota.Backend.
func (b *Backend) Inspect(ctx context.Context, file string) (fota.Package, error) {
	if err := b.test(ctx, file); err != nil {
		return fota.Package{}, err
	}
	return b.describe(ctx, file)
}

// Install implements fota.Backend. Nothing is written to the flash yet.
func (b *Backend) Install(ctx context.Context, file, name string) (fota.Image, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, n, err := b.running()
	if err != nil {
		return fota.Image{}, err
	}
	if name != slotName(n.Generation+1) || now != n.Generation {
		return fota.Image{}, fmt.Errorf("slot %q is none to write to", name)
	}
	if err := b.test(ctx, file); err != nil {
		return fota.Image{}, err
	}
	p, err := b.describe(ctx, file)
	if err != nil {
		return fota.Image{}, err
	}
	if err := os.MkdirAll(filepath.Dir(b.opts.Marker), 0o755); err != nil { //nolint:gosec // a system folder like others
		return fota.Image{}, fmt.Errorf("marker of the running system: %w", err)
	}
	if err := fota.Replace(b.opts.Marker, []byte(slotName(now)+"\n"), 0o600); err != nil { // before the note, which counts with it
		return fota.Image{}, fmt.Errorf("marker of the running system: %w", err)
	}
	return fota.Image{Version: p.Version}, b.save(note{Generation: now, Waits: true, Image: file})
}

// Activate implements fota.Backend. It has the next system written, and does not
// return nil then: the machine goes down meanwhile.
func (b *Backend) Activate(ctx context.Context, name string) error {
	image, err := b.choose(name)
	if err != nil || image == "" {
		return err
	}
	return b.replace(ctx, image)
}

// choose makes a slot the one that is wanted and returns the image to be written for
// that, if there is one.
func (b *Backend) choose(name string) (image string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, n, err := b.running()
	switch {
	case err != nil:
		return "", err
	case name == slotName(n.Generation): // what is not written will not be; what is written cannot be left
		return "", b.save(note{Generation: n.Generation})
	case name != slotName(n.Generation+1):
		return "", fmt.Errorf("there is no slot %q", name)
	case now != n.Generation:
		return "", nil // it runs
	case !n.Waits:
		return "", errors.New("no image waits to be written")
	}
	return n.Image, nil
}

// Mark implements fota.Backend. The one system cannot be forbidden.
func (b *Backend) Mark(_ context.Context, name string, good bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, n, err := b.running()
	if err == nil && good && now != n.Generation && name == slotName(now) {
		return b.save(note{Generation: now})
	}
	return err
}

package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// Options are what a Backend stands on. Dir is required.
type Options struct {
	Dir        string // is made if it is not there
	BootID     string // of the machine: another one than before means that it has booted since
	Version    string // of the system that a new folder has in slot A
	Compatible string // name of this board; "": packages for any board are taken
}

// Backend is two slots in a folder.
type Backend struct {
	opts Options

	mu  sync.Mutex
	env environment
}

var _ fota.StreamInspector = (*Backend)(nil)

const bootFile = "boot.json"

// attempts is how often a slot is tried that is not marked good.
const attempts = 3

// environment is the boot environment.
type environment struct {
	Primary string           `json:"primary"`
	Slots   map[string]*slot `json:"slots"`
	Booted  string           `json:"booted"`
	BootID  string           `json:"boot_id"`
}

type slot struct {
	Version string `json:"version,omitempty"`
	Hash    string `json:"hash,omitempty"`
	Left    int    `json:"left"` // attempts to boot
	Bad     bool   `json:"bad,omitempty"`
	Broken  bool   `json:"broken,omitempty"` // does not start
	Ill     bool   `json:"ill,omitempty"`    // starts, and Check fails
}

var names = []string{"A", "B"}

// Open opens the folder and boots if the machine has booted since it was last
// open.
func Open(opts Options) (*Backend, error) {
	b := &Backend{opts: opts}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("firmware slots: %w", err)
	}
	text, err := os.ReadFile(b.path(bootFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.env = environment{Primary: "A", Booted: "A", Slots: map[string]*slot{
			"A": {Version: opts.Version, Left: attempts}, "B": {Bad: true},
		}}
	case err == nil:
		err = json.Unmarshal(text, &b.env)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("firmware slots: read %s: %w", b.path(bootFile), err)
	}
	for _, name := range names {
		if b.env.Slots[name] == nil {
			return nil, fmt.Errorf("firmware slots: %s has no slot %s", b.path(bootFile), name)
		}
	}
	if b.env.BootID != opts.BootID || opts.BootID == "" {
		b.boot()
	}
	return b, b.save()
}

// boot is the boot loader: the primary slot, while it is not bad and has attempts
// left, else the other one.
func (b *Backend) boot() {
	b.env.BootID = b.opts.BootID
	order := []string{b.env.Primary, other(b.env.Primary)}
	for _, name := range order {
		s := b.env.Slots[name]
		if s.Broken {
			s.Left = 0 // it was tried that often
		}
		if !s.Bad && s.Left > 0 {
			s.Left--
			b.env.Booted = name
			return
		}
	}
	for _, name := range order { // as boot scripts do: begin anew
		if s := b.env.Slots[name]; !s.Bad && !s.Broken {
			s.Left, b.env.Booted = attempts-1, name
			return
		}
	}
}

func other(name string) string {
	if name == "A" {
		return "B"
	}
	return "A"
}

func (b *Backend) path(name string) string { return filepath.Join(b.opts.Dir, name) }

// save writes the boot environment beside, and puts it in place.
func (b *Backend) save() error {
	text, err := json.Marshal(b.env)
	if err != nil {
		return err
	}
	if err := fota.Replace(b.path(bootFile), text, 0o600); err != nil {
		return fmt.Errorf("firmware slots: %w", err)
	}
	return nil
}

// place renames a file, for good.
func (b *Backend) place(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("firmware slots: %w", err)
	}
	d, err := os.Open(b.opts.Dir)
	if err != nil {
		return fmt.Errorf("firmware slots: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Slots implements fota.Backend.
func (b *Backend) Slots(context.Context) (fota.Slots, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := fota.Slots{Booted: b.env.Booted}
	for _, name := range names {
		s := b.env.Slots[name]
		out.All = append(out.All, fota.Slot{
			Name: name, Good: !s.Bad && s.Left == attempts, Empty: s.Bad && s.Hash == "", Image: fota.Image{Version: s.Version, Hash: s.Hash},
		})
	}
	return out, nil
}

// Inspect implements fota.Backend.
func (b *Backend) Inspect(_ context.Context, file string) (fota.Package, error) {
	return b.judge(readFile(file))
}

// InspectStream implements fota.StreamInspector.
func (b *Backend) InspectStream(_ context.Context, r io.Reader) (fota.Package, error) {
	return b.judge(read(r))
}

// judge refuses an image that is for another board.
func (b *Backend) judge(i image, err error) (fota.Package, error) {
	if err != nil {
		return fota.Package{}, err
	}
	if i.compatible != "" && b.opts.Compatible != "" && i.compatible != b.opts.Compatible {
		return fota.Package{}, fota.Failf(fota.UnsupportedPackage, "the package is for %.60q, this board is %.60q", i.compatible, b.opts.Compatible)
	}
	return fota.Package{Name: i.name, Version: i.version}, nil
}

// Install implements fota.Backend.
func (b *Backend) Install(ctx context.Context, file, name string) (fota.Image, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.env.Slots[name]
	if s == nil || name == b.env.Booted || !s.Bad {
		return fota.Image{}, fmt.Errorf("slot %q is none to write to", name)
	}
	if err := b.copy(ctx, file, name); err != nil {
		return fota.Image{}, err
	}
	i, err := readFile(b.path(name))
	if err != nil {
		return fota.Image{}, err
	}
	*s = slot{Version: i.version, Hash: i.hash, Bad: true, Broken: !i.boots, Ill: !i.healthy}
	return fota.Image{Version: i.version, Hash: i.hash}, b.save()
}

// copy writes a slot.
func (b *Backend) copy(ctx context.Context, file, name string) error {
	from, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("write slot %s: %w", name, err)
	}
	defer from.Close() //nolint:errcheck // only read
	next := b.path(name + ".new")
	to, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("write slot %s: %w", name, err)
	}
	_, err = io.Copy(to, until{ctx, from})
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		result := fota.UpdateFailed
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			result = fota.NoStorage
		}
		return fota.Failf(result, "write slot %s: %v", name, errors.Join(err, os.Remove(next)))
	}
	return b.place(next, b.path(name))
}

// until reads until a context ends.
type until struct {
	ctx context.Context //nolint:containedctx // of the call that it is made for
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// Activate implements fota.Backend.
func (b *Backend) Activate(_ context.Context, name string) error {
	return b.change(name, func(s *slot) { b.env.Primary, s.Left, s.Bad = name, attempts, false })
}

// Mark implements fota.Backend.
func (b *Backend) Mark(_ context.Context, name string, good bool) error {
	return b.change(name, func(s *slot) {
		if s.Bad = !good; good {
			s.Left = attempts
		}
	})
}

func (b *Backend) change(name string, f func(*slot)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.env.Slots[name]
	if s == nil {
		return fmt.Errorf("there is no slot %q", name)
	}
	f(s)
	return b.save()
}

// Check fails when the image that runs says that it is ill.
func (b *Backend) Check(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.env.Slots[b.env.Booted].Ill {
		return errors.New(`its package says healthy = no`)
	}
	return nil
}

package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// Standing is how a boot loader stands to a slot.
type Standing uint8

// The standings.
const (
	Forbidden Standing = iota // is not booted
	OnTrial                   // is booted, and has had attempts, or has them counted
	Good                      // is booted, and has all its attempts
)

// String returns the standing in words.
func (s Standing) String() string {
	return [...]string{"forbidden", "on trial", "good"}[s]
}

// Loader is a boot loader. What it does is harmless a second time, and each change
// is there as a whole or not at all after a cut.
type Loader interface {
	// Standings returns how it stands to each slot.
	Standings(ctx context.Context) (map[string]Standing, error)
	// Activate makes a slot the one that boots next, on trial, with all its attempts;
	// the others follow, those excepted that are forbidden.
	Activate(ctx context.Context, slot string) error
	// Mark makes a slot good, or forbids it.
	Mark(ctx context.Context, slot string, good bool) error
}

// Slot is a place for a system.
type Slot struct {
	Name  string
	Parts []Part
}

// Part is a device of a slot. An image of its name is written to it.
type Part struct{ Name, Device string }

// Options are what a Backend stands on. All but Booted and Trust.Running is required.
type Options struct {
	Loader Loader
	Slots  []Slot // two, with different devices and the same names of parts
	Trust  Trust
	Dir    string                 // a folder for what was written to the slots, made when it is needed; "": it is not noted
	Booted func() (string, error) // the slot that runs; nil: Booted("/", Slots)
}

// Backend writes images to slots; a Loader boots them.
type Backend struct{ opts Options }

var (
	_ fota.Rebooter        = (*Backend)(nil)
	_ fota.StreamInspector = (*Backend)(nil)
)

// New makes a back end. A Loader that is a Remote does all that takes rights.
func New(o Options) (*Backend, error) {
	if len(o.Slots) != 2 || len(o.Trust.Keys) == 0 || o.Trust.Compatible == "" {
		return nil, errors.New("firmware slots: two slots, a key and the name of this board are needed")
	}
	if o.Booted == nil {
		o.Booted = func() (string, error) { return Booted("/", o.Slots) }
	}
	return &Backend{o}, nil
}

// Prober is a Loader that can tell whether a machine can be updated by it.
type Prober interface {
	// Probe changes nothing. The error says what to do.
	Probe(ctx context.Context, booted string) error
}

// Probe looks whether this machine can be updated: which slot runs, how the boot
// loader stands to the slots, whether their devices are there, and whether the
// running system has a version. It changes nothing. The text is for people; the
// error says what to do.
func (b *Backend) Probe(ctx context.Context) (string, error) {
	if r, ok := b.opts.Loader.(Remote); ok {
		return r.Probe(ctx)
	}
	booted, err := b.opts.Booted()
	if err != nil {
		return "", err
	}
	if p, ok := b.opts.Loader.(Prober); ok {
		if err := p.Probe(ctx, booted); err != nil {
			return "", err
		}
	}
	standings, err := b.opts.Loader.Standings(ctx)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "slot %s runs", booted)
	for _, s := range b.opts.Slots {
		fmt.Fprintf(&text, "; %s is %s", s.Name, standings[s.Name])
		for _, p := range s.Parts {
			size, err := room(p.Device)
			if err != nil {
				return "", fmt.Errorf("slot %s: %w; compare its device in [firmware] with what lsblk shows", s.Name, err)
			}
			fmt.Fprintf(&text, ", %s of %d MiB", p.Device, size>>20)
		}
	}
	if b.opts.Trust.Running == "" && !b.opts.Trust.Downgrade {
		return "", errors.New("the running system says no version (IMAGE_VERSION or VERSION_ID in /etc/os-release): a downgrade is not noticed, nor whether a new system is the one that was installed; give the system one")
	}
	return text.String(), nil
}

// Slots implements fota.Backend. The version of the slot that runs is what its
// system says; that of the other one, what was written to it. One that must not boot,
// and whose writing has begun and not ended, is empty.
func (b *Backend) Slots(ctx context.Context) (fota.Slots, error) {
	booted, err := b.opts.Booted()
	if err != nil {
		return fota.Slots{}, err
	}
	standings, err := b.opts.Loader.Standings(ctx)
	if err != nil {
		return fota.Slots{}, err
	}
	written := b.records()
	out := fota.Slots{Booted: booted}
	for _, s := range b.opts.Slots {
		image, noted := written[s.Name]
		if running := b.opts.Trust.Running; s.Name == booted && running != "" && image.Version != running {
			image = fota.Image{Version: running}
		}
		out.All = append(out.All, fota.Slot{
			Name: s.Name, Good: standings[s.Name] == Good, Image: image,
			Empty: s.Name != booted && standings[s.Name] == Forbidden && noted && image == (fota.Image{}),
		})
	}
	return out, nil
}

// Inspect implements fota.Backend: all of the package is read, and its images must
// fit into each slot that does not run.
func (b *Backend) Inspect(ctx context.Context, file string) (fota.Package, error) {
	f, err := openPackage(file)
	if err != nil {
		return fota.Package{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	return b.InspectStream(ctx, f)
}

// InspectStream implements fota.StreamInspector.
func (b *Backend) InspectStream(ctx context.Context, r io.Reader) (fota.Package, error) {
	booted, err := b.opts.Booted()
	if err != nil { // which says nothing of the package
		return fota.Package{}, fota.Failf(fota.UpdateFailed, "%v", err)
	}
	p, err := b.opts.Trust.Open(ctx, r)
	if err != nil {
		return fota.Package{}, err
	}
	if err := b.fits(ctx, p, func(slot string) bool { return slot != booted }); err != nil {
		return fota.Package{}, err
	}
	for {
		_, r, err := p.Next()
		if errors.Is(err, io.EOF) {
			return fota.Package{Name: p.Name, Version: p.Version}, nil
		}
		if err == nil {
			_, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, make([]byte, block))
		}
		if err != nil {
			return fota.Package{}, err
		}
	}
}

func openPackage(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("read the package: %w", err)
	}
	return f, nil
}

// place returns where an image goes in a slot; nil: it is for another one.
func place(m *Manifest, i *Image, s *Slot) *Part {
	for at := range s.Parts {
		part := &s.Parts[at]
		if own := part.Name + "." + s.Name; i.Name == own || i.Name == part.Name && m.image(own) == nil {
			return part
		}
	}
	return nil
}

// fits refuses a package that does not fit into some of the slots.
func (b *Backend) fits(ctx context.Context, p *Package, concerned func(slot string) bool) error {
	room, err := b.rooms(ctx)
	if err != nil {
		return fota.Failf(fota.UpdateFailed, "the devices of the slots: %v", err)
	}
	for i := range b.opts.Slots {
		if s := &b.opts.Slots[i]; concerned(s.Name) {
			if err := fits(&p.Manifest, s, room); err != nil {
				return err
			}
		}
	}
	return nil
}

// fits refuses a package that does not have one image for each part of a slot, or
// one that is too large.
func fits(m *Manifest, s *Slot, room func(device string) (int64, error)) error {
	filled := make(map[string]bool)
	for i := range m.Images {
		part := place(m, &m.Images[i], s)
		if part == nil {
			continue
		}
		filled[part.Name] = true
		size, err := room(part.Device)
		if err != nil {
			return fota.Failf(fota.UpdateFailed, "the device of slot %s: %v", s.Name, err)
		}
		if m.Images[i].Size > size {
			return fota.Failf(fota.NoStorage, "the image %s has %d bytes, %s has %d", m.Images[i].Name, m.Images[i].Size, part.Device, size)
		}
	}
	for _, part := range s.Parts {
		if !filled[part.Name] {
			return fota.Failf(fota.UnsupportedPackage, "the package has no image for %s of slot %s", part.Name, s.Name)
		}
	}
	return nil
}

// Untouched is an error of an installation that has written nothing: the slot holds what it held.
type Untouched struct{ Err error } //nolint:errname // it says what became of the slot first

// Error implements error.
func (u *Untouched) Error() string { return u.Err.Error() }

// Unwrap returns the error.
func (u *Untouched) Unwrap() error { return u.Err }

// Install implements fota.Backend.
func (b *Backend) Install(ctx context.Context, file, name string) (fota.Image, error) {
	f, err := openPackage(file)
	if err != nil {
		return fota.Image{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	r, ok := b.opts.Loader.(Remote)
	if !ok {
		return b.InstallFrom(ctx, f, name)
	}
	before, noted := b.records()[name]
	if err := b.record(name, fota.Image{}); err != nil { // first: a cut must not leave it unsaid
		return fota.Image{}, err
	}
	image, err := r.Install(ctx, f, name)
	if _, untouched := errors.AsType[*Untouched](err); untouched {
		_ = b.putBack(name, before, noted) // or it counts as half written
	}
	if err != nil {
		return fota.Image{}, err
	}
	return image, b.record(name, image)
}

// InstallFrom is Install for a package that is read, once, from its beginning. The error may be an Untouched.
func (b *Backend) InstallFrom(ctx context.Context, r io.Reader, name string) (fota.Image, error) {
	p, s, to, err := b.prepare(ctx, r, name)
	if err != nil {
		return fota.Image{}, &Untouched{err}
	}
	defer to.close()
	if err := b.record(name, fota.Image{}); err != nil {
		return fota.Image{}, &Untouched{err}
	}
	for {
		i, r, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if part := place(&p.Manifest, &i, s); err == nil && part != nil {
			err = to[part.Name].write(ctx, i, r)
		}
		if err != nil {
			return fota.Image{}, err
		}
	}
	image := fota.Image{Version: p.Version, Hash: p.Digest}
	return image, b.record(name, image)
}

// prepare is what can be refused before a byte is written: it opens the package, and all devices of the slot.
func (b *Backend) prepare(ctx context.Context, r io.Reader, name string) (*Package, *Slot, targets, error) {
	s, err := b.idle(ctx, name)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := b.opts.Trust.Open(ctx, r)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := b.fits(ctx, p, func(slot string) bool { return slot == name }); err != nil {
		return nil, nil, nil, err
	}
	to, err := openTargets(s)
	return p, s, to, err
}

// idle returns a slot if it may be written to: it does not run, is not booted
// whatever happens. That slots share no device is the affair of the configuration.
func (b *Backend) idle(ctx context.Context, name string) (*Slot, error) {
	booted, err := b.opts.Booted()
	if err != nil {
		return nil, err
	}
	standings, err := b.opts.Loader.Standings(ctx)
	if err != nil {
		return nil, err
	}
	for i := range b.opts.Slots {
		s := &b.opts.Slots[i]
		switch {
		case s.Name != name:
			continue
		case name == booted:
			return nil, fmt.Errorf("slot %q runs: it is not written to", name)
		case standings[name] != Forbidden:
			return nil, fmt.Errorf("slot %q may be booted: it is not written to", name)
		}
		return s, nil
	}
	return nil, fmt.Errorf("there is no slot %q", name)
}

// Activate implements fota.Backend.
func (b *Backend) Activate(ctx context.Context, slot string) error {
	return b.opts.Loader.Activate(ctx, slot)
}

// Mark implements fota.Backend.
func (b *Backend) Mark(ctx context.Context, slot string, good bool) error {
	return b.opts.Loader.Mark(ctx, slot, good)
}

// RebootArgument implements fota.Rebooter.
func (b *Backend) RebootArgument() (string, error) {
	if r, ok := b.opts.Loader.(interface{ RebootArgument() (string, error) }); ok {
		return r.RebootArgument()
	}
	return "", nil
}

package rauc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/fota"
)

// Options are what a Backend stands on. The zero value of a field is its default.
type Options struct {
	Dial   func(ctx context.Context) (*dbus.Conn, error) // to the system bus
	Config string                                        // RAUC's system.conf; "": where RAUC looks for it
	Log    *slog.Logger                                  // of the progress; nil discards
}

// Backend is RAUC.
type Backend struct {
	opts Options

	mu      sync.Mutex
	working bool       // RAUC installs for us
	last    fota.Slots // as they were before
	good    string     // slot that this process has marked good
}

var _ fota.Backend = (*Backend)(nil)

// New returns a Backend. RAUC is looked for with the first question.
func New(o Options) *Backend {
	if o.Dial == nil {
		o.Dial = func(ctx context.Context) (*dbus.Conn, error) { return dbus.ConnectSystemBus(dbus.WithContext(ctx)) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Backend{opts: o}
}

// slot is an element of what GetSlotStatus returns (RAUC, "D-Bus API").
type slot struct {
	Name   string
	Status map[string]dbus.Variant
}

func (s *slot) text(key string) string {
	text, _ := s.Status[key].Value().(string)
	return text
}

// installed counts the installations of a slot.
func (s *slot) installed() uint32 {
	n, _ := s.Status["installed.count"].Value().(uint32)
	return n
}

func (s *slot) image() fota.Image {
	return fota.Image{Version: s.text("bundle.version"), Hash: s.text("sha256")}
}

// Slots implements fota.Backend: the slots that boot and are of the class of the
// one that runs. While a bundle is installed, they are as before.
func (b *Backend) Slots(ctx context.Context) (fota.Slots, error) {
	b.mu.Lock()
	working, last := b.working, b.last
	b.mu.Unlock()
	if working {
		return last, nil
	}
	s, err := b.open(ctx)
	if err != nil {
		return fota.Slots{}, err
	}
	defer s.close()
	return b.slots(ctx, s)
}

func (b *Backend) slots(ctx context.Context, s *session) (fota.Slots, error) {
	status, err := s.slots(ctx)
	if err != nil {
		return fota.Slots{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out, err := slotsOf(status, b.good)
	if err == nil {
		b.last = out
	}
	return out, err
}

func (s *session) slots(ctx context.Context) ([]slot, error) {
	var status []slot
	err := s.call(ctx, "GetSlotStatus", []any{&status})
	slices.SortFunc(status, func(a, b slot) int { return strings.Compare(a.Name, b.Name) })
	return status, err
}

// maxSlots is how many slots of a class there may be: RAUC chooses the one to write
// itself, which is sure only where there is one beside the one that runs.
const maxSlots = 2

func slotsOf(status []slot, good string) (fota.Slots, error) {
	class := ""
	var out fota.Slots
	for i := range status {
		if s := &status[i]; s.text("state") == "booted" && s.text("bootname") != "" {
			out.Booted, class = s.Name, s.text("class")
		}
	}
	if out.Booted == "" {
		return out, errors.New(`RAUC does not know which slot runs; look at "rauc status", and at bootname and device in its system.conf`)
	}
	for i := range status {
		s := &status[i]
		if s.text("class") != class || s.text("bootname") == "" {
			continue
		}
		ok := s.text("boot-status") == "good"
		if s.Name == out.Booted {
			ok = ok && good == s.Name
		}
		out.All = append(out.All, fota.Slot{Name: s.Name, Good: ok, Image: s.image()})
	}
	if len(out.All) > maxSlots {
		return out, fmt.Errorf("RAUC has %d slots of class %q that boot; updates are for %d", len(out.All), class, maxSlots)
	}
	return out, nil
}

// Inspect implements fota.Backend.
func (b *Backend) Inspect(ctx context.Context, file string) (fota.Package, error) {
	known := recognize(file)
	var p fota.Package
	err := b.ask(ctx, func(s *session) error {
		ours, err := s.text(ctx, "Compatible")
		if err != nil {
			return err
		}
		if p, err = s.inspect(ctx, file); err != nil {
			return verdict(err, known, fota.IntegrityFailure)
		}
		if p.Name != ours {
			return fota.Failf(fota.UnsupportedPackage, "the bundle is for %.60q, this board is %.60q", p.Name, ours)
		}
		return nil
	})
	if _, ok := errors.AsType[*fota.Failure](err); err != nil && !ok {
		err = fota.Failf(fota.UpdateFailed, "%v", err) // nothing is said about the bundle
	}
	return p, err
}

// inspect asks for the compatible string and the version of a bundle, after its
// signature was verified: InspectBundle of RAUC 1.9 and newer, else Info.
func (s *session) inspect(ctx context.Context, file string) (fota.Package, error) {
	var info map[string]dbus.Variant
	err := s.call(ctx, "InspectBundle", []any{&info}, file, map[string]dbus.Variant{})
	if errors.Is(err, errMethod) {
		var p fota.Package
		err = s.call(ctx, "Info", []any{&p.Name, &p.Version}, file)
		return p, err
	}
	update, _ := info["update"].Value().(map[string]dbus.Variant)
	compatible, _ := update["compatible"].Value().(string)
	version, _ := update["version"].Value().(string)
	return fota.Package{Name: compatible, Version: version}, err
}

// Activate implements fota.Backend.
func (b *Backend) Activate(ctx context.Context, name string) error {
	b.forget(name)
	return b.ask(ctx, func(s *session) error { return s.mark(ctx, "active", name) })
}

// Mark implements fota.Backend.
func (b *Backend) Mark(ctx context.Context, name string, good bool) error {
	b.forget(name)
	state := "bad"
	if good {
		state = "good"
	}
	if err := b.ask(ctx, func(s *session) error { return s.mark(ctx, state, name) }); err != nil || !good {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.good = name
	return nil
}

// forget forgets that a slot was marked good.
func (b *Backend) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.good == name {
		b.good = ""
	}
}

func (s *session) mark(ctx context.Context, state, name string) error {
	var marked, words string
	if err := s.call(ctx, "Mark", []any{&marked, &words}, state, name); err != nil {
		return err
	}
	if marked != name {
		return fmt.Errorf("RAUC has marked slot %q in place of %q", marked, name)
	}
	return nil
}

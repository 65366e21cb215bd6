package fota

import "context"

// Backend answers for the slots of one component. Its methods are called one at a
// time. Each may be cut at any instant and is called again then: what it does must
// be harmless a second time. Errors may wrap a [Failure].
type Backend interface {
	// Slots says which slots there are and which of them runs.
	Slots(ctx context.Context) (Slots, error)
	// Inspect reads name and version from the package in a file, and refuses it with
	// a Failure if it is not one, is damaged, is not signed by whom it must, or is
	// made for another board. It writes nothing.
	Inspect(ctx context.Context, file string) (Package, error)
	// Install writes the package to a slot, which does not run and is not booted
	// whatever happens, and makes sure that it is there. It does not make it bootable.
	// The image says what the slot will show when it has booted.
	Install(ctx context.Context, file, slot string) (Image, error)
	// Activate makes a slot the one that boots next and gives it all its attempts to
	// boot: if it does not mark itself good, the other one follows.
	Activate(ctx context.Context, slot string) error
	// Mark says that a slot is good, so that it boots from now on, or bad, so that it
	// is not booted.
	Mark(ctx context.Context, slot string, good bool) error
}

// Rebooter is a Backend whose next slot is booted by a reboot of its own kind.
type Rebooter interface {
	Backend
	// RebootArgument returns what the firmware has to be told with the reboot that is
	// due (reboot(2)); "": nothing.
	RebootArgument() (string, error)
}

// Slots are the slots of a component.
type Slots struct {
	Booted string // name of the one that runs
	All    []Slot
	Single bool // there is but one in truth: what is replaced is gone
}

// Slot is one slot.
type Slot struct {
	Name  string
	Good  bool // marked good, all its attempts to boot are there
	Empty bool // known to hold no system
	Image Image
}

// Image is what a slot holds, as far as the back end can tell; "" is unknown.
type Image struct {
	Version string `json:"version,omitempty"`
	Hash    string `json:"hash,omitempty"`
}

// differs reports whether an image is known to be another one.
func (i Image) differs(o Image) bool {
	other := func(a, b string) bool { return a != "" && b != "" && a != b }
	return other(i.Version, o.Version) || other(i.Hash, o.Hash)
}

// Package is what a package says of itself.
type Package struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

// slot returns the slot with a name.
func (s *Slots) slot(name string) (Slot, bool) {
	for _, slot := range s.All {
		if slot.Name == name {
			return slot, true
		}
	}
	return Slot{}, false
}

// other returns the name of the slot to install into: one that does not run.
func (s *Slots) other() (string, bool) {
	for _, slot := range s.All {
		if slot.Name != s.Booted {
			return slot.Name, true
		}
	}
	return "", false
}

package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// The verbs of firmware. Which slots there are, what they are called, their devices, and
// the keys that packages are signed with, is said by root's configuration alone.
const (
	VerbSlots    = "slots"         // how the boot loader stands to the slots
	VerbProbe    = "probe-slots"   // whether they could be updated
	VerbInstall  = "install-slot"  // verifies a package and writes it to a slot that does not run and is not booted
	VerbActivate = "activate-slot" // has the boot loader boot a slot next, on trial
	VerbMark     = "mark-slot"     // tells the boot loader that a slot is good, or bad
)

// Slot is what is asked for.
type Slot struct {
	Name string `json:"name"`
	Good bool   `json:"good,omitempty"` // of VerbMark
}

// Slots are the slots of the machine's firmware.
type Slots struct {
	Standings map[string]string `json:"standings"`          // of the boot loader to each slot, in its words
	Rooms     map[string]int64  `json:"rooms,omitempty"`    // of each device of a slot, in bytes
	Argument  string            `json:"argument,omitempty"` // that the firmware has to be told with the reboot that is due
}

// Image is what was written to a slot.
type Image struct {
	Version string `json:"version,omitempty"`
	Hash    string `json:"hash,omitempty"`
}

// Firmware writes slots and rules what boots. It checks itself whether it may.
type Firmware interface {
	Slots(ctx context.Context) (Slots, error)
	Probe(ctx context.Context) (string, error)
	// Install reads a package, whose content may change meanwhile: what matters of it is
	// looked at once. The error may be a Verdict, and an Untouched.
	Install(ctx context.Context, r io.Reader, slot string) (Image, error)
	Activate(ctx context.Context, slot string) error
	Mark(ctx context.Context, slot string, good bool) error
}

// Verdict is an error with a number that says what it means for the update.
type Verdict struct { //nolint:errname // it is a verdict first
	Result int
	Text   string
}

func (v *Verdict) Error() string { return v.Text }

// Untouched is an error of an installation that has written nothing to the slot.
type Untouched struct{ Err error } //nolint:errname // it says what became of the slot first

// Error implements error.
func (u *Untouched) Error() string { return u.Err.Error() }

// Unwrap returns the error.
func (u *Untouched) Unwrap() error { return u.Err }

// slotName returns the name of the slot that is asked for.
func (c *call) slotName() (string, error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	if c.request.Slot == nil || c.request.Slot.Name == "" || len(c.request.Slot.Name) > 32 || strings.Trim(c.request.Slot.Name, letters) != "" {
		return "", errors.New("the name of a slot is needed")
	}
	return c.request.Slot.Name, nil
}

// firmware returns what the configuration says now.
func (c *call) firmware() (Firmware, error) {
	if c.Firmware == nil {
		return nil, errors.New("there are no slots")
	}
	return c.Firmware()
}

func showSlots(ctx context.Context, c *call) error {
	f, err := c.firmware()
	if err != nil {
		return err
	}
	slots, err := f.Slots(ctx)
	c.answer.Slots = &slots
	return err
}

func probeSlots(ctx context.Context, c *call) error {
	f, err := c.firmware()
	if err != nil {
		return err
	}
	c.answer.Text, err = f.Probe(ctx)
	return err
}

// change makes a change to slots, one at a time.
func (c *call) change(ctx context.Context, do func(f Firmware, slot string) error) error {
	name, err := c.slotName()
	if err != nil {
		return err
	}
	select {
	case c.changing <- struct{}{}:
		defer func() { <-c.changing }()
	case <-ctx.Done():
		return fmt.Errorf("another change is not over: %w", ctx.Err())
	}
	f, err := c.firmware()
	if err != nil {
		return err
	}
	c.changes = true
	if err := do(f, name); err != nil {
		return err
	}
	attrs := []any{slog.String("verb", c.request.Verb), slog.String("slot", name)}
	if c.request.Verb == VerbMark {
		attrs = append(attrs, slog.Bool("good", c.request.Slot.Good))
	}
	c.Log.Info("done", attrs...)
	return nil
}

func installSlot(ctx context.Context, c *call) error {
	if c.file == nil {
		return errors.New("there is no package: an open file belongs to the request")
	}
	info, err := c.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return errors.New("the package is no file")
	}
	return c.change(ctx, func(f Firmware, slot string) error {
		image, err := f.Install(ctx, io.NewSectionReader(c.file, 0, info.Size()), slot)
		c.answer.Image = &image
		return err
	})
}

func activateSlot(ctx context.Context, c *call) error {
	return c.change(ctx, func(f Firmware, slot string) error { return f.Activate(ctx, slot) })
}

func markSlot(ctx context.Context, c *call) error {
	return c.change(ctx, func(f Firmware, slot string) error { return f.Mark(ctx, slot, c.request.Slot.Good) })
}

// Slots asks how the boot loader stands to the slots.
func (c Client) Slots(ctx context.Context) (Slots, error) {
	a, err := c.askWithin(ctx, slotTime, Request{Verb: VerbSlots}, nil)
	if err != nil || a.Slots == nil {
		return Slots{}, errors.Join(err, unless(a.Slots != nil || err != nil, "it says nothing of slots"))
	}
	return *a.Slots, nil
}

// ProbeSlots asks whether the slots could be updated: the text is for people.
func (c Client) ProbeSlots(ctx context.Context) (string, error) {
	a, err := c.askWithin(ctx, slotTime, Request{Verb: VerbProbe}, nil)
	return a.Text, err
}

// InstallSlot has a package written to a slot. The error may be a Verdict, and an Untouched.
func (c Client) InstallSlot(ctx context.Context, file *os.File, slot string) (Image, error) {
	a, err := c.askWithin(ctx, 0, Request{Verb: VerbInstall, Slot: &Slot{Name: slot}}, file)
	if err != nil || a.Image == nil {
		return Image{}, errors.Join(err, unless(a.Image != nil || err != nil, "it says nothing of an image"))
	}
	return *a.Image, nil
}

// ActivateSlot has a slot boot next.
func (c Client) ActivateSlot(ctx context.Context, slot string) error {
	_, err := c.askWithin(ctx, slotTime, Request{Verb: VerbActivate, Slot: &Slot{Name: slot}}, nil)
	return err
}

// MarkSlot says that a slot is good, or bad.
func (c Client) MarkSlot(ctx context.Context, slot string, good bool) error {
	_, err := c.askWithin(ctx, slotTime, Request{Verb: VerbMark, Slot: &Slot{slot, good}}, nil)
	return err
}

// unless returns an error if something does not hold.
func unless(holds bool, text string) error {
	if holds {
		return nil
	}
	return errors.New("the helper: " + text)
}

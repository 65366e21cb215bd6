package grub

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"lwm2m-agent/fota/plain"
)

// Loader is GRUB with an environment block. It satisfies plain.Loader.
type Loader struct {
	block block
	slots []string
}

var (
	_ plain.Loader = (*Loader)(nil)
	_ plain.Prober = (*Loader)(nil)
)

// Options are what a Loader stands on. Slots are required.
type Options struct {
	File  string   // environment block; "": /boot/grub/grubenv
	Slots []string // names, as in ORDER
	Tool  Tool     // nil: the program grub-editenv or, as some systems call it, grub2-editenv
}

// New makes a Loader. Nothing is read or written.
func New(o Options) (*Loader, error) {
	for _, name := range o.Slots {
		if !plainName(name) {
			return nil, fmt.Errorf("the slot name %q cannot be part of a GRUB variable: take letters, digits and _", name)
		}
	}
	l := &Loader{block{cmp.Or(o.File, "/boot/grub/grubenv"), o.Tool}, o.Slots}
	if l.block.edit == nil {
		l.block.edit = run
	}
	return l, nil
}

// plainName reports whether a name can be part of a variable of GRUB.
func plainName(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// The variables.
const (
	order = "ORDER"
	ok    = "_OK"
	tries = "_TRY"
)

// Standings implements plain.Loader.
func (l *Loader) Standings(ctx context.Context) (map[string]plain.Standing, error) {
	vars, err := l.block.read(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]plain.Standing, len(l.slots))
	first := strings.Fields(vars[order])
	for _, name := range l.slots {
		switch {
		case vars[name+ok] != "1" || !slices.Contains(first, name):
			out[name] = plain.Forbidden
		case vars[name+tries] == "0":
			out[name] = plain.Good
		default:
			out[name] = plain.OnTrial
		}
	}
	return out, nil
}

// Activate implements plain.Loader.
func (l *Loader) Activate(ctx context.Context, slot string) error {
	return l.change(ctx, slot, func(set map[string]string, vars map[string]string) {
		set[slot+ok], set[slot+tries] = "1", "0"
		set[order] = l.ordered(slot, strings.Fields(vars[order]))
	})
}

// ordered returns all slots with one at the front, the others as they were.
func (l *Loader) ordered(front string, before []string) string {
	names := []string{front}
	for _, name := range slices.Concat(before, l.slots) {
		if slices.Contains(l.slots, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// Mark implements plain.Loader.
func (l *Loader) Mark(ctx context.Context, slot string, good bool) error {
	return l.change(ctx, slot, func(set map[string]string, vars map[string]string) {
		set[slot+ok], set[slot+tries] = "1", "0"
		if !good {
			set[slot+ok] = "0"
		}
		if !slices.Contains(strings.Fields(vars[order]), slot) { // nobody has set the order yet
			set[order] = strings.Join(l.slots, " ")
		}
	})
}

// Probe implements plain.Prober.
func (l *Loader) Probe(ctx context.Context, _ string) error {
	vars, err := l.block.read(ctx)
	if err != nil {
		return err
	}
	names := strings.Fields(vars[order])
	set := make(map[string]string)
	for _, name := range l.slots {
		if !slices.Contains(names, name) || vars[name+ok] == "" || vars[name+tries] == "" {
			return fmt.Errorf("the GRUB environment block %s does not have slot %s in ORDER, %s%s and %s%s: set them with grub-editenv, as docs/firmware-update.md says, and have grub.cfg read packaging/grub/ab.cfg",
				l.block.file, name, name, ok, name, tries)
		}
		set[name+ok], set[name+tries] = "x", "x"
	}
	slices.Reverse(names)
	set[order] = strings.Join(names, " ")
	before, err := l.block.content()
	if err != nil {
		return err
	}
	after, err := l.block.edited(ctx, before, set)
	if err == nil {
		_, _, err = l.block.change(before, after)
	}
	if err != nil {
		return fmt.Errorf("the GRUB environment block %s: %w", l.block.file, err)
	}
	f, err := l.block.open()
	if err != nil {
		return fmt.Errorf("the GRUB environment block cannot be written: %w", err)
	}
	return f.Close()
}

// change sets variables, if they are not so.
func (l *Loader) change(ctx context.Context, slot string, f func(set, vars map[string]string)) error {
	if !slices.Contains(l.slots, slot) {
		return fmt.Errorf("there is no slot %q", slot)
	}
	vars, err := l.block.read(ctx)
	if err != nil {
		return err
	}
	set := make(map[string]string)
	f(set, vars)
	for name, value := range set {
		if vars[name] == value {
			delete(set, name)
		}
	}
	if len(set) == 0 {
		return nil
	}
	return l.block.set(ctx, set)
}

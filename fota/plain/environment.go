package plain

import (
	"context"
	"fmt"
	"strings"

	"lwm2m-agent/fota"
)

// Environment is a boot loader beside something else that writes the slots: what
// fota.Backend says of its methods holds. All but Running is required.
type Environment struct {
	Loader
	Names   []string               // of the slots
	Booted  func() (string, error) // the slot that runs
	Running string                 // version of the system that runs; "": unknown
}

// Slots returns the slots. The version of the one that runs is what its system says;
// what the other one holds is not known.
func (e *Environment) Slots(ctx context.Context) (fota.Slots, error) {
	booted, err := e.Booted()
	if err != nil {
		return fota.Slots{}, err
	}
	standings, err := e.Standings(ctx)
	if err != nil {
		return fota.Slots{}, err
	}
	out := fota.Slots{Booted: booted}
	for _, name := range e.Names {
		slot := fota.Slot{Name: name, Good: standings[name] == Good}
		if name == booted {
			slot.Image.Version = e.Running
		}
		out.All = append(out.All, slot)
	}
	return out, nil
}

// Probe looks which slot runs, whether the boot loader can be ruled and how it stands
// to the slots. It changes nothing. The text is for people; an error says what to do.
func (e *Environment) Probe(ctx context.Context) (string, error) {
	if r, ok := e.Loader.(Remote); ok {
		return r.Probe(ctx)
	}
	booted, err := e.Booted()
	if err != nil {
		return "", err
	}
	if p, ok := e.Loader.(Prober); ok {
		if err := p.Probe(ctx, booted); err != nil {
			return "", err
		}
	}
	standings, err := e.Standings(ctx)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "slot %s runs", booted)
	for _, name := range e.Names {
		fmt.Fprintf(&text, "; %s is %s", name, standings[name])
	}
	return text.String(), nil
}

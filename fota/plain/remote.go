package plain

import (
	"context"
	"fmt"
	"os"

	"lwm2m-agent/fota"
)

// Remote is another process, which may do more than this one: a Loader that has the
// devices of the slots, too. What it is told it checks itself.
type Remote interface {
	Loader
	// Rooms returns how many bytes each device has.
	Rooms(ctx context.Context) (map[string]int64, error)
	// Install is that of a Backend, for a package in an open file. The error may be an Untouched.
	Install(ctx context.Context, file *os.File, slot string) (fota.Image, error)
	// Probe is that of a Backend.
	Probe(ctx context.Context) (string, error)
	// RebootArgument is that of a Backend.
	RebootArgument() (string, error)
}

// rooms returns what tells how many bytes a device has: this process, or the remote one.
func (b *Backend) rooms(ctx context.Context) (func(device string) (int64, error), error) {
	r, ok := b.opts.Loader.(Remote)
	if !ok {
		return room, nil
	}
	all, err := r.Rooms(ctx)
	return func(device string) (int64, error) {
		if size, known := all[device]; known {
			return size, nil
		}
		return 0, fmt.Errorf("%s is not there, or is no device of a slot in the files of /etc, by which the agent's helper goes", device)
	}, err
}

// Rooms returns how many bytes the devices of the slots have, as far as they are there.
func (b *Backend) Rooms() map[string]int64 {
	out := make(map[string]int64)
	for _, s := range b.opts.Slots {
		for _, p := range s.Parts {
			if size, err := room(p.Device); err == nil {
				out[p.Device] = size
			}
		}
	}
	return out
}

// Loader returns the boot loader.
func (b *Backend) Loader() Loader { return b.opts.Loader }

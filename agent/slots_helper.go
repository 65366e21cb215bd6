package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/helper"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/plain"
)

// helperSlots are the slots in the hands of the root helper.
type helperSlots struct{ client helper.Client }

var _ plain.Remote = helperSlots{}

// remoteSlots returns the helper where this process does not run as root; nil: it
// needs none.
func remoteSlots() plain.Remote {
	if os.Geteuid() == 0 {
		return nil
	}
	return helperSlots{helper.Client{Path: helper.DefaultSocket}}
}

// Standings implements plain.Remote.
func (h helperSlots) Standings(ctx context.Context) (map[string]plain.Standing, error) {
	slots, err := h.client.Slots(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]plain.Standing)
	for name, word := range slots.Standings {
		for s := plain.Forbidden; s <= plain.Good; s++ {
			if s.String() == word {
				out[name] = s
			}
		}
	}
	return out, nil
}

// Rooms implements plain.Remote.
func (h helperSlots) Rooms(ctx context.Context) (map[string]int64, error) {
	slots, err := h.client.Slots(ctx)
	return slots.Rooms, err
}

// Install implements plain.Remote.
func (h helperSlots) Install(ctx context.Context, file *os.File, slot string) (fota.Image, error) {
	image, err := h.client.InstallSlot(ctx, file, slot)
	lost := 0
	for ; lostHelper(err) && lost < maxHelpersLost; lost++ {
		image, err = h.client.InstallSlot(ctx, file, slot)
	}
	_, untouched := errors.AsType[*helper.Untouched](err)
	if v, ok := errors.AsType[*helper.Verdict](err); ok {
		err = fota.Failf(fota.Result(v.Result), "%s", v.Text) //nolint:gosec // it was one
	}
	if untouched && lost == 0 { // one that was lost may have written
		err = &plain.Untouched{Err: err}
	}
	return fota.Image(image), err
}

// maxHelpersLost is how often an installation is begun anew because the helper has gone in the middle, as when the kernel kills it for memory.
const maxHelpersLost = 2

// lostHelper reports whether a helper has ended without an answer.
func lostHelper(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Activate implements plain.Remote.
func (h helperSlots) Activate(ctx context.Context, slot string) error {
	return h.client.ActivateSlot(ctx, slot)
}

// Mark implements plain.Remote.
func (h helperSlots) Mark(ctx context.Context, slot string, good bool) error {
	return h.client.MarkSlot(ctx, slot, good)
}

// Probe implements plain.Remote.
func (h helperSlots) Probe(ctx context.Context) (string, error) { return h.client.ProbeSlots(ctx) }

// RebootArgument implements plain.Remote.
func (h helperSlots) RebootArgument() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTime) //nolint:forbidigo // it asks one question
	defer cancel()
	slots, err := h.client.Slots(ctx)
	return slots.Argument, err
}

// rootSlots are the slots in the hands of root, as helper.Firmware.
type rootSlots struct {
	images *plain.Backend // nil: something else writes the slots
	plain.Loader
	probe func(ctx context.Context) (string, error)
}

var _ helper.Firmware = (*rootSlots)(nil)

// openRootSlots opens what root's configuration says now. dir is a folder of the helper's
// own; root has the files of the system. Nothing is believed that anybody but root could
// have written.
func openRootSlots(path, dir string, root fs.FS) (*rootSlots, error) {
	cfg, err := config.LoadFirmware(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	f := cfg.Firmware
	if f == nil {
		return nil, fmt.Errorf("there is no [firmware] in %s", filepath.Dir(path))
	}
	for _, file := range decisive(cfg) {
		if err := helper.Owned(file); err != nil && !errors.Is(err, fs.ErrNotExist) { // who needs it says so
			return nil, fmt.Errorf("the configuration: %w", err)
		}
	}
	switch f.Backend { //nolint:exhaustive // the others need no helper
	case config.FirmwareUBoot, config.FirmwareGRUB, config.FirmwareTryboot:
		b, err := imagesOf(cfg, root, dir, nil)
		if err != nil {
			return nil, err
		}
		return &rootSlots{b, b.Loader(), b.Probe}, nil
	case config.FirmwareSWUpdate:
		slots, names := imageSlotsOf(&f.Images)
		b, err := bootOf(f, root, slots, names, nil)
		if err != nil {
			return nil, err
		}
		if e, ok := b.(*plain.Environment); ok {
			return &rootSlots{nil, e.Loader, e.Probe}, nil
		}
	}
	return nil, fmt.Errorf("the helper does nothing for [firmware] with backend %q", f.Backend)
}

// decisive returns the files that say what is written where, and by whom packages are
// signed, and the folders in which slots and the boot environment are found.
func decisive(cfg *config.Config) []string {
	images := &cfg.Firmware.Images
	files := slices.Concat(cfg.Files, images.Keys)
	usual := map[config.FirmwareBackend]string{config.FirmwareUBoot: "/etc/fw_env.config", config.FirmwareGRUB: "/boot/grub/grubenv"}
	if environment := cmp.Or(images.Environment, usual[cfg.Firmware.Backend], usual[cfg.Firmware.Boot]); environment != "" {
		files = append(files, environment)
	}
	for _, s := range images.Slots {
		for _, device := range s.Devices {
			files = append(files, device)
		}
	}
	return files
}

// Slots implements helper.Firmware.
func (r *rootSlots) Slots(ctx context.Context) (helper.Slots, error) {
	standings, err := r.Standings(ctx)
	if err != nil {
		return helper.Slots{}, err
	}
	out := helper.Slots{Standings: make(map[string]string)}
	for name, s := range standings {
		out.Standings[name] = s.String()
	}
	if r.images != nil {
		out.Rooms = r.images.Rooms()
		out.Argument, err = r.images.RebootArgument()
	}
	return out, err
}

// Probe implements helper.Firmware.
func (r *rootSlots) Probe(ctx context.Context) (string, error) { return r.probe(ctx) }

// Install implements helper.Firmware.
func (r *rootSlots) Install(ctx context.Context, from io.Reader, slot string) (helper.Image, error) {
	if r.images == nil {
		return helper.Image{}, errors.New("slots are not written by the helper here")
	}
	image, err := r.images.InstallFrom(ctx, from, slot)
	_, untouched := errors.AsType[*plain.Untouched](err)
	if f, ok := errors.AsType[*fota.Failure](err); ok {
		err = &helper.Verdict{Result: int(f.Result), Text: err.Error()}
	}
	if untouched {
		err = &helper.Untouched{Err: err}
	}
	return helper.Image(image), err
}

package agent

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/command"
	"lwm2m-agent/fota/file"
	"lwm2m-agent/fota/grub"
	"lwm2m-agent/fota/plain"
	"lwm2m-agent/fota/signify"
	"lwm2m-agent/fota/sysupgrade"
	"lwm2m-agent/fota/tryboot"
	"lwm2m-agent/fota/uboot"
	"lwm2m-agent/host"
)

// slotsFolder is the folder of a back end in the state directory.
const slotsFolder = "firmware/slots"

// openSlots opens the back end of the machine's own firmware.
func (a *Agent) openSlots(cfg *config.Firmware, bootID string) (fota.Backend, error) {
	if cfg.Backend == config.FirmwareFile {
		return file.Open(file.Options{
			Dir: a.store.Path(slotsFolder), BootID: bootID, Version: a.facts.Firmware, Compatible: a.facts.Model,
		})
	}
	return machineSlots(a.opts.Config, a.opts.Root, a.store.Path(slotsFolder), remoteSlots(), a.log)
}

// machineSlots opens a back end that is not simulated, with a folder of its own. What
// takes root is done by remote; nil: by this process. It changes nothing.
func machineSlots(c *config.Config, root fs.FS, dir string, remote plain.Remote, log *slog.Logger) (fota.Backend, error) {
	cfg := c.Firmware
	switch cfg.Backend { //nolint:exhaustive // the others write images
	case config.FirmwareCommand:
		return command.New(cfg.Programs), nil
	case config.FirmwareSysupgrade:
		return sysupgrade.New(sysupgrade.Options{Dir: dir}), nil
	case config.FirmwareRAUC:
		return raucSlots(cfg, log)
	}
	if cfg.Backend == config.FirmwareSWUpdate {
		slots, names := imageSlotsOf(&cfg.Images)
		b, err := bootOf(cfg, root, slots, names, remote)
		if err != nil {
			return nil, err
		}
		return swupdateSlots(cfg, b)
	}
	return imagesOf(c, root, dir, remote)
}

// imagesOf opens a back end that writes images.
func imagesOf(c *config.Config, root fs.FS, dir string, remote plain.Remote) (*plain.Backend, error) {
	images := &c.Firmware.Images
	slots, names := imageSlotsOf(images)
	keys, err := signify.ReadKeys(images.Keys)
	if err != nil {
		return nil, fmt.Errorf("keys of firmware packages: %w; correct keys in [firmware], or what it names, and restart the agent", err)
	}
	options := plain.Options{
		Slots: slots, Dir: dir, Booted: booted(root, slots),
		Trust: plain.Trust{
			Keys: keys, Compatible: cmp.Or(images.Compatible, c.Device.Model, host.ReadIdentity(root).Model),
			Running: host.ReadRelease(root).Version, Downgrade: images.Downgrade,
		},
	}
	if c.Firmware.Backend == config.FirmwareTryboot {
		partitions := make(map[string]int)
		for _, s := range images.Slots {
			partitions[s.Name] = s.Partition
		}
		l := tryboot.New(tryboot.Options{Partitions: partitions, File: images.Environment, Dir: dir})
		options.Loader, options.Booted = l, func() (string, error) { return l.Booted(root) }
	} else if options.Loader, err = loader(c.Firmware.Backend, images, names); err != nil {
		return nil, err
	}
	if remote != nil {
		options.Loader = remote
	}
	return plain.New(options)
}

func imageSlotsOf(images *config.ImageSlots) (slots []plain.Slot, names []string) {
	for _, s := range images.Slots {
		slot := plain.Slot{Name: s.Name}
		for _, image := range slices.Sorted(maps.Keys(s.Devices)) {
			slot.Parts = append(slot.Parts, plain.Part{Name: image, Device: s.Devices[image]})
		}
		slots, names = append(slots, slot), append(names, s.Name)
	}
	return slots, names
}

// loader returns the boot loader of a back end, or of boot.
func loader(kind config.FirmwareBackend, images *config.ImageSlots, names []string) (plain.Loader, error) {
	switch kind { //nolint:exhaustive // the others have none
	case config.FirmwareUBoot:
		return uboot.New(uboot.Options{
			Slots: names, Bootcount: images.Bootcount, Attempts: images.Attempts, Config: images.Environment,
		}), nil
	case config.FirmwareGRUB:
		return grub.New(grub.Options{Slots: names, File: images.Environment})
	}
	return nil, fmt.Errorf("%q is no boot loader", kind)
}

// boot is what boots slots that are written by something else.
type boot interface {
	Slots(ctx context.Context) (fota.Slots, error)
	Activate(ctx context.Context, slot string) error
	Mark(ctx context.Context, slot string, good bool) error
	prober
}

// bootOf returns what the key boot names, in the hands of remote if that is not nil.
func bootOf(cfg *config.Firmware, root fs.FS, slots []plain.Slot, names []string, remote plain.Remote) (boot, error) {
	if cfg.Boot == config.FirmwareCommand {
		return command.New(cfg.Programs), nil
	}
	l, err := loader(cfg.Boot, &cfg.Images, names)
	if err != nil {
		return nil, err
	}
	if remote != nil {
		l = remote
	}
	return &plain.Environment{Loader: l, Names: names, Booted: booted(root, slots), Running: host.ReadRelease(root).Version}, nil
}

// booted returns what tells which slot runs: what a system's files say, or the devices of
// this machine.
func booted(root fs.FS, slots []plain.Slot) func() (string, error) {
	return func() (string, error) {
		if name, err := plain.Named(root, slots); name != "" || err != nil {
			return name, err
		}
		return plain.Booted("/", slots)
	}
}

// prober is a back end that can tell whether it could do an update.
type prober interface {
	// Probe changes nothing. The text is for people; an error says what to do.
	Probe(ctx context.Context) (string, error)
}

// checkFirmware asks the back end; no row for one that cannot tell.
func checkFirmware(ctx context.Context, cfg *config.Config) []CheckRow {
	return checkFirmwareOf(ctx, cfg, host.Root(), remoteSlots())
}

// checkFirmwareOf is checkFirmware for a system with other files.
func checkFirmwareOf(ctx context.Context, cfg *config.Config, root fs.FS, remote plain.Remote) []CheckRow {
	if cfg.Firmware == nil || cfg.Firmware.Backend == config.FirmwareFile {
		return nil
	}
	row := CheckRow{Part: "firmware", Name: string(cfg.Firmware.Backend)}
	slots, err := machineSlots(cfg, root, "", remote, nil)
	if err == nil {
		p, ok := slots.(prober)
		if !ok {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		row.Detail, err = p.Probe(ctx)
	}
	switch row.OK = err == nil; {
	case err != nil:
		row.Detail = err.Error()
	case len(cfg.Firmware.Check) == 0:
		row.Detail += "; there is no check: an outage of the server is taken for a failure of the new system"
	}
	return []CheckRow{row}
}

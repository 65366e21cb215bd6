package rauc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/fota"
)

// Install implements fota.Backend. RAUC chooses the slot itself, and it is looked
// at which one it was.
func (b *Backend) Install(ctx context.Context, file, name string) (fota.Image, error) {
	known := recognize(file)
	var image fota.Image
	err := b.ask(ctx, func(s *session) error {
		before, err := s.slots(ctx)
		if err != nil {
			return err
		}
		if err := b.target(before, name); err != nil {
			return err
		}
		b.work(true)
		err = b.run(ctx, s, file)
		b.work(false)
		if err != nil {
			return verdict(err, known, fota.UpdateFailed)
		}
		if image, err = s.written(ctx, before, name); err != nil {
			return err
		}
		return b.deactivate(ctx, s, name)
	})
	return image, err
}

// target refuses a slot that RAUC would not write.
func (b *Backend) target(status []slot, name string) error {
	slots, err := slotsOf(status, "")
	if err != nil {
		return err
	}
	for _, s := range slots.All {
		if s.Name == name && name != slots.Booted {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.last = slots
			return nil
		}
	}
	return fmt.Errorf("slot %q is none to write to", name)
}

func (b *Backend) work(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.working = on
}

// run has RAUC install a bundle and waits for the end.
func (b *Backend) run(ctx context.Context, s *session, file string) error {
	if err := s.call(ctx, "InstallBundle", nil, file, map[string]dbus.Variant{}); err != nil {
		return err
	}
	for {
		signal, err := s.next(ctx)
		if err != nil {
			return err
		}
		switch signal.Name {
		case properties + ".PropertiesChanged":
			b.progress(ctx, signal)
		case installer + ".Completed":
			var result int32
			if err := dbus.Store(signal.Body, &result); err != nil {
				return fmt.Errorf("RAUC, Completed: %w", err)
			}
			if result == 0 {
				return nil
			}
			last, err := s.text(ctx, "LastError")
			if err != nil {
				return err
			}
			return fmt.Errorf("RAUC: %w", words(last))
		}
	}
}

// progress logs what RAUC does.
func (b *Backend) progress(ctx context.Context, signal *dbus.Signal) {
	var iface string
	var changed map[string]dbus.Variant
	var gone []string
	if dbus.Store(signal.Body, &iface, &changed, &gone) != nil || iface != installer {
		return
	}
	var p struct {
		Percent int32
		Step    string
		Depth   int32
	}
	if v, ok := changed["Progress"]; ok && v.Store(&p) == nil {
		b.opts.Log.LogAttrs(ctx, slog.LevelDebug, "RAUC installs", slog.Int("percent", int(p.Percent)), slog.String("step", p.Step))
	}
}

// written says what is in a slot now, if it was written since before: RAUC leaves
// out what it takes to be there already where its configuration lets it.
func (s *session) written(ctx context.Context, before []slot, name string) (fota.Image, error) {
	after, err := s.slots(ctx)
	if err != nil {
		return fota.Image{}, err
	}
	find := func(all []slot) *slot {
		for i := range all {
			if all[i].Name == name {
				return &all[i]
			}
		}
		return &slot{}
	}
	was, is := find(before), find(after)
	if status := is.text("status"); status != "" && status != "ok" {
		return fota.Image{}, fota.Failf(fota.UpdateFailed, "RAUC says that slot %q is %.40q after the installation", name, status)
	}
	if is.installed() == was.installed() && is.installed() > 0 {
		return fota.Image{}, fota.Failf(fota.UpdateFailed, "RAUC has not written slot %q; look at install-same in the bundle's manifest", name)
	}
	return is.image(), nil
}

// deactivate takes back that RAUC has made the new slot boot next, which it does
// without activate-installed=false.
func (b *Backend) deactivate(ctx context.Context, s *session, name string) error {
	var primary string
	if err := s.call(ctx, "GetPrimary", []any{&primary}); err != nil {
		return err
	}
	if primary != name {
		return nil
	}
	b.opts.Log.Warn("RAUC has activated the new slot by itself, which is taken back; set activate-installed=false in its system.conf")
	b.mu.Lock()
	booted := b.last.Booted
	b.mu.Unlock()
	if err := s.mark(ctx, "active", booted); err != nil {
		return err
	}
	return s.mark(ctx, "bad", name)
}

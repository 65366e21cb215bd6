//go:build !small

package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/fota"
)

// TestUnusableBackend: where nothing could be installed, health says so, with what is missing, before anybody tries, until
// that is mended; and the agent serves all else meanwhile.
func TestUnusableBackend(t *testing.T) {
	folder := t.TempDir()
	u := newUpdating(t, func(cfg *config.Config) {
		cfg.Firmware.Backend, cfg.Firmware.Programs = config.FirmwareCommand, folder
	})
	if trouble := u.agent.await(t, health.FirmwareUnusable, true); !strings.Contains(trouble.Detail, "no such file or directory; programs in [firmware] names the folder") {
		t.Errorf("health says %q", trouble.Detail)
	}
	if f, err := u.agent.updates().Firmware(t.Context()); err != nil || f.Phase != "idle" || len(f.Slots) > 0 || !strings.Contains(f.Unknown, "no such file") {
		t.Errorf("%+v, %v", f, err)
	}
	for _, name := range []string{"slots", "inspect", "install", "activate", "mark"} {
		script := "#!/bin/sh\nprintf 'booted = A\\nslot = A good\\nslot = B bad\\n'\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := u.agent.updates().Firmware(t.Context()); err != nil || len(f.Slots) != 2 || f.Unknown != "" { // which has it looked at again
		t.Errorf("%+v, %v", f, err)
	}
	u.agent.await(t, health.FirmwareUnusable, false)
	if err := os.Remove(filepath.Join(folder, "mark")); err != nil {
		t.Fatal(err)
	}
	if err := u.agent.updates().Act(t.Context(), control.FirmwareMarkGood); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a slot is marked by a program that is not there: %v", err)
	}
	if err := u.agent.updater().Fetch(t.Context(), "nothing"); err != nil { // an update that is over at once
		t.Error(err)
	}
	u.agent.await(t, health.FirmwareUnusable, true)
}

// TestNoPlaceForPackages: a folder for packages in which none can lie is told at the start, until one can. That a
// read-only one is, TestInstalled shows.
func TestNoPlaceForPackages(t *testing.T) {
	disk := t.TempDir()
	file := filepath.Join(disk, "firmware") // that is no folder
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u := newUpdating(t, func(cfg *config.Config) { cfg.Firmware.Download = file })
	want := "no package can be put into " + file + ", which download in [firmware] names: "
	if trouble := u.agent.await(t, health.FirmwareUnusable, true); !strings.HasPrefix(trouble.Detail, want) || !strings.Contains(trouble.Detail, "ReadWritePaths=") {
		t.Errorf("health says %q", trouble.Detail)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := u.agent.updates().Firmware(t.Context()); err != nil { // has it looked at again
		t.Error(err)
	}
	u.agent.await(t, health.FirmwareUnusable, false)
}

// updater is the agent's.
func (a *Agent) updater() *fota.Updater { return a.firmware.now.Load() }

// TestKeysThatAreMissing: the agent starts without the keys of packages, and takes none.
func TestKeysThatAreMissing(t *testing.T) {
	u := newUpdating(t, func(cfg *config.Config) {
		slots := imageSlots(t, config.FirmwareGRUB).Firmware
		slots.Images.Keys = []string{filepath.Join(t.TempDir(), "none.pub")}
		slots.Confirm, slots.Limit, slots.MaxSize = cfg.Firmware.Confirm, cfg.Firmware.Limit, cfg.Firmware.MaxSize
		cfg.Firmware = slots
	})
	if trouble := u.agent.await(t, health.FirmwareUnusable, true); !strings.Contains(trouble.Detail, "none.pub") || !strings.HasSuffix(trouble.Detail, "and restart the agent") {
		t.Errorf("health says %q", trouble.Detail)
	}
	if err := u.agent.updates().Install(t.Context(), 9, strings.NewReader("a package")); err != nil {
		t.Fatal(err)
	}
	u.until(fota.Idle, fota.UpdateFailed)
	if reason := u.agent.updater().Status().Reason; !strings.Contains(reason, "keys of firmware packages") {
		t.Errorf("the reason is %q", reason)
	}
	for _, err := range []error{
		noSlots{os.ErrNotExist}.Activate(t.Context(), "A"), noSlots{os.ErrNotExist}.Mark(t.Context(), "A", true),
	} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

//go:build !small

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/plain/plaintest"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m/model"
)

// imageSlots is a machine whose slots are files.
func imageSlots(t *testing.T, backend config.FirmwareBackend) *config.Config {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	f := &config.Firmware{Backend: backend, Programs: dir, Images: config.ImageSlots{
		Keys: []string{put("vendor.pub", plaintest.NewSigner("vendor01").PublicKey())}, Compatible: "lab",
		Environment: put("autoboot.txt", []byte("[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n")),
	}}
	for i, name := range []string{"A", "B"} {
		f.Images.Slots = append(f.Images.Slots, config.ImageSlot{
			Name: name, Devices: map[string]string{"rootfs": put("rootfs"+name, make([]byte, 4096))}, Partition: 2 + i,
		})
	}
	return &config.Config{Firmware: f}
}

// TestCheckFirmware looks at what "check" says of back ends on a machine that has no
// slots.
func TestCheckFirmware(t *testing.T) {
	for backend, want := range map[config.FirmwareBackend]string{
		config.FirmwareUBoot: "lwm2m.slot=", config.FirmwareGRUB: "lwm2m.slot=", config.FirmwareTryboot: "is this a Raspberry Pi", config.FirmwareCommand: "no such file",
	} {
		rows := checkFirmwareOf(t.Context(), imageSlots(t, backend), host.Root(), nil)
		if len(rows) != 1 || rows[0].OK || rows[0].Part != "firmware" || !strings.Contains(rows[0].Detail, want) {
			t.Errorf("%s: got %+v, want %q", backend, rows, want)
		}
	}
	cfg := imageSlots(t, config.FirmwareUBoot)
	cfg.Firmware.Images.Keys[0] += ".none"
	if rows := checkFirmwareOf(t.Context(), cfg, host.Root(), nil); len(rows) != 1 || rows[0].OK || !strings.Contains(rows[0].Detail, "keys of firmware packages") {
		t.Errorf("no key: got %+v", rows)
	}
	if rows := checkFirmware(t.Context(), &config.Config{}); len(rows) != 0 {
		t.Errorf("no updates: got %+v", rows)
	}
}

// TestPackagesForThisMachine looks that the rules of the configuration reach the
// back end.
func TestPackagesForThisMachine(t *testing.T) {
	cfg := imageSlots(t, config.FirmwareTryboot)
	b, err := machineSlots(cfg, host.Root(), t.TempDir(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if argument, err := b.(fota.Rebooter).RebootArgument(); argument != "" || err != nil {
		t.Errorf("got %q, %v", argument, err)
	}
	if err := b.Activate(t.Context(), "B"); err != nil {
		t.Fatal(err)
	}
	told := &firmware{agent: &Agent{}, slots: b}
	for _, c := range []struct {
		control host.Control
		want    string
	}{{&withArgument{}, "0 tryboot"}, {&demo.Machine{Say: func(string) {}}, host.ErrNotSupported.Error()}} {
		told.agent.opts.Control = c.control
		if err := told.rebootMachine(t.Context()); err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	if err := os.Remove(cfg.Firmware.Images.Environment); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // a new system that lacks it leaves all to the boot loader
		told.agent.opts.Control = &demo.Machine{Say: func(string) {}}
		if err := told.restart(t.Context()); err == nil {
			t.Error("it is not known what the firmware has to be told, and the machine reboots")
		}
		if err := told.fallBack(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestRebootIsRefused: a server is told what the operating system says, once.
func TestRebootIsRefused(t *testing.T) {
	a := &Agent{opts: Options{Control: &withoutInit{}}}
	err := a.deviceHooks().Reboot(t.Context(), model.FromLocal())
	if want := "reboot: " + host.ErrNotSupported.Error(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// withoutInit is a machine that cannot be rebooted.
type withoutInit struct{ demo.Machine }

func (*withoutInit) CanReboot(context.Context) error {
	return fmt.Errorf("reboot: %w", host.ErrNotSupported)
}

// withArgument gives back what it is told.
type withArgument struct{ demo.Machine }

func (*withArgument) RebootWith(_ context.Context, argument string) error {
	return errors.New(argument)
}

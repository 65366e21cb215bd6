package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFirmware(t *testing.T) {
	cfg, err := build(sources("[firmware]\nbackend='file'\n"), Options{}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	want := &Firmware{Backend: FirmwareFile, Confirm: DefaultConfirm, Limit: DefaultConfirmLimit, MaxSize: DefaultMaxSize, Patience: DefaultPatience, Images: ImageSlots{Attempts: DefaultAttempts}}
	if d := cmp.Diff(want, cfg.Firmware, cmpopts.IgnoreFields(Firmware{}, "Section")); d != "" {
		t.Error(d)
	}
	cfg, err = build(sources("[firmware]\nbackend='file'\nconfirm='30s'\ncheck=['/bin/true', '-x']\nconsent=true\nca_file='ca.pem'\n"+
		"max_rate=20000\ndownload_hours='22:00-05:00'\nreboot_hours='03:00-04:30'\ndata_budget='200MB/month'\ndata_budget_for='cellular'\n"), Options{}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	f := cfg.Firmware
	if f.Confirm != 30*time.Second || !cmp.Equal(f.Check, []string{"/bin/true", "-x"}) || !f.Consent || filepath.Base(f.CAFile) != "ca.pem" {
		t.Errorf("%+v", f)
	}
	night, late := Hours{22 * time.Hour, 5 * time.Hour}, Hours{3 * time.Hour, 4*time.Hour + 30*time.Minute}
	if f.MaxRate != 20_000 || f.DownloadHours != night || f.RebootHours != late {
		t.Errorf("%+v", f)
	}
	if want := (DataBudget{200_000_000, true}); f.Budget != want || !f.Cellular {
		t.Errorf("%+v", f)
	}
	both := "[[firmware.slot]]\nname='A'\nselect='stable,copy1'\n[[firmware.slot]]\nname='B'\nselect='stable,copy2'\n"
	cfg, err = build(sources("[firmware]\nbackend='swupdate'\nboot='grub'\nsocket='/run/s'\n"+both), Options{}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	if f = cfg.Firmware; f.Boot != FirmwareGRUB || f.Socket != "/run/s" || f.Images.Slots[1].Select != "stable,copy2" {
		t.Errorf("%+v", f)
	}
	for text, want := range map[string]string{
		"backend='rauc'":                                             "",
		"backend='sysupgrade'\nsingle_slot=true":                     SysupgradeDownload,
		"backend='sysupgrade'\nsingle_slot=true\ndownload='/mnt/fw'": "/mnt/fw",
	} {
		if cfg, err = build(sources("[firmware]\n"+text), Options{}, noKeys); err != nil || cfg.Firmware.Download != want {
			t.Errorf("%s: %v, %+v", text, err, cfg)
		}
	}
	if cfg, err = build(sources("endpoint='x'"), Options{}, noKeys); err != nil || cfg.Firmware != nil {
		t.Errorf("%+v, %v", cfg.Firmware, err)
	}
}

func TestFirmwareRefusals(t *testing.T) {
	head := "[firmware]\nbackend='file'\n"
	for _, tt := range []struct{ text, want string }{
		{"[firmware]\nconfirm='1m'", "firmware: backend: missing"},
		{"[firmware]\nbackend='floppy'", "backend: \"floppy\" is not valid"},
		{head + "check=['true']", "check: this is not valid; allowed: a list of texts: the absolute path of a program, and its arguments"},
		{head + "check=[]", "check: this is not valid"},
		{head + "check=['/bin/x', 3]", "check: this is not valid"},
		{head + "check='/bin/x'", "check: \"/bin/x\" is not valid"},
		{head + "confirm='0s'", "confirm: \"0s\" is not valid"},
		{head + "confirm='10m'\nconfirm_limit='5m'", "confirm_limit: 5m is less than confirm, 10m"},
		{"[firmware]\nbackend='sysupgrade'", "backend: sysupgrade replaces the one system that there is, and a bad one stays; if that is meant, say single_slot = true"},
		{"[firmware]\nbackend='swupdate'\n" + twoSlots, "boot: missing; swupdate needs"},
		{"[firmware]\nbackend='swupdate'\nboot='rauc'", "boot: \"rauc\" is not valid"},
		{"[firmware]\nbackend='swupdate'\nboot='command'", "programs: missing; \"command\" needs it"},
		{"[firmware]\nbackend='swupdate'\nboot='grub'", "there are 0; swupdate needs two"},
		{"[firmware]\nbackend='swupdate'\nboot='grub'\n" + twoSlots, "each slot needs its own select"},
		{"[firmware]\nbackend='swupdate'\nboot='grub'\n" + strings.ReplaceAll(twoSlots, "devices", "select='a,b'\ndevices"), "each slot needs its own select"},
		{"[firmware]\nbackend='swupdate'\nboot='grub'\n[[firmware.slot]]\nname='A'\nselect='a'\n", "select: \"a\" is not valid"},
		{"[firmware]\nbackend='uboot'\nkeys=['k']\n[[firmware.slot]]\nname='A'\n", "\"A\" has no devices; uboot needs them"},
		{head + "single_slot=true", "single_slot: backend \"file\" has two slots"},
		{head + "max_size=0", "max_size: 0 is not valid"},
		{head + "max_rate=999", "max_rate: 999 is not valid"},
		{head + "data_budget='200MB'", `data_budget: "200MB" is not valid; allowed: a number of kB, MB or GB, 100kB to 1000GB, and "/day" or "/month", such as "200MB/month"`},
		{head + "data_budget='99kB/day'", "is not valid"},
		{head + "data_budget='1001GB/day'", "is not valid"},
		{head + "data_budget='2147483647GB/day'", "is not valid"},
		{head + "data_budget='-1MB/day'", "is not valid"},
		{head + "data_budget='1.5MB/day'", "is not valid"},
		{head + "data_budget='1MiB/day'", "is not valid"},
		{head + "data_budget='MB/day'", "is not valid"},
		{head + "data_budget=200", "data_budget: 200 is not valid"},
		{head + "data_budget_for='cellular'", "data_budget_for: there is no data_budget; give one, or leave this out"},
		{head + "data_budget='1MB/day'\ndata_budget_for='wlan'", `data_budget_for: "wlan" is not valid; allowed: "all", "cellular"`},
		{head + "download_hours='22-5'", "download_hours: \"22-5\" is not valid; allowed: \"HH:MM-HH:MM\" in local time"},
		{head + "download_hours='24:00-05:00'", "is not valid"},
		{head + "reboot_hours='02:00-02:00'", "is not valid"},
		{head + "reboot_hours=3", "reboot_hours: 3 is not valid"},
	} {
		_, err := build(sources(tt.text), Options{}, noKeys)
		if err == nil || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v; want %s", tt.text, err, tt.want)
		}
	}
}

const twoSlots = "[[firmware.slot]]\nname='A'\ndevices=['boot=/dev/x1', 'rootfs=/dev/x2']\n" +
	"[[firmware.slot]]\nname='B'\ndevices=['boot=/dev/x3', 'rootfs=/dev/x4']\n"

func TestImageSlots(t *testing.T) {
	cfg, err := build(sources("[firmware]\nbackend='uboot'\nkeys=['a.pub', '/etc/b.pub']\ncompatible='lab'\nallow_downgrade=true\n"+
		"environment='/etc/x.config'\nboot_variable='slot'\nboot_attempts=5\n"+twoSlots), Options{}, noKeys)
	if err != nil {
		t.Fatal(err)
	}
	i := cfg.Firmware.Images
	i.Keys[0] = filepath.Base(i.Keys[0])
	want := ImageSlots{
		Slots: []ImageSlot{{Name: "A", Devices: map[string]string{"boot": "/dev/x1", "rootfs": "/dev/x2"}}, {Name: "B", Devices: map[string]string{"boot": "/dev/x3", "rootfs": "/dev/x4"}}},
		Keys:  []string{"a.pub", "/etc/b.pub"}, Compatible: "lab", Downgrade: true, Environment: "/etc/x.config", Bootcount: "slot", Attempts: 5,
	}
	if d := cmp.Diff(want, i); d != "" {
		t.Error(d)
	}
}

func TestImageSlotRefusals(t *testing.T) {
	head := "[firmware]\nbackend='uboot'\nkeys=['a.pub']\n"
	for _, tt := range []struct{ text, want string }{
		{"[firmware]\nbackend='uboot'\n" + twoSlots, "keys: missing; uboot takes no package without a signature"},
		{"[firmware]\nbackend='uboot'\nkeys=[]\n" + twoSlots, "keys: this is not valid"},
		{head, "slot: there are 0; uboot needs two"},
		{head + twoSlots + "[[firmware.slot]]\nname='C'\ndevices=['boot=/dev/x5', 'rootfs=/dev/x6']\n", "slot: there are 3"},
		{head + strings.Replace(twoSlots, "x4", "x2", 1), "the device /dev/x2 is there twice"},
		{head + strings.Replace(twoSlots, "boot=", "kernel=", 1), "different images"},
		{head + strings.Replace(twoSlots, "boot=", "rootfs=", 1), "devices: this is not valid"},
		{head + strings.Replace(twoSlots, "boot=/dev", "boot=dev", 1), "devices: this is not valid"},
		{head + strings.Replace(twoSlots, "'A'", "'A B'", 1), "name: \"A B\" is not valid"},
		{head + "boot_variable='a-b'\n" + twoSlots, "boot_variable: \"a-b\" is not valid"},
		{"[firmware]\nbackend='command'\n", "programs: missing"},
		{strings.Replace(head, "uboot", "tryboot", 1) + twoSlots, "environment: missing; tryboot needs"},
		{strings.Replace(head, "uboot", "tryboot", 1) + "environment='/x'\n" + strings.ReplaceAll(twoSlots, "devices", "boot_partition=2\ndevices"), "its own boot_partition"},
		{strings.Replace(head, "uboot", "tryboot", 1) + "environment='/x'\n" + strings.Replace(twoSlots, "devices", "boot_partition=2\ndevices", 1), "its own boot_partition"},
		{strings.Replace(head, "uboot", "grub", 1), "slot: there are 0; grub needs two"},
		{head + "boot_attempts=10\n" + twoSlots, "boot_attempts: 10 is not valid"},
	} {
		_, err := build(sources(tt.text), Options{}, noKeys)
		if err == nil || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v; want %s", tt.text, err, tt.want)
		}
	}
}

package host

import (
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// files makes a file system of texts by name; "-> target" is a symbolic link.
func files(texts map[string]string) fs.FS {
	out := make(fstest.MapFS)
	for name, text := range texts {
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			out[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
			continue
		}
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestReadIdentity(t *testing.T) {
	for _, c := range []struct {
		what  string
		files map[string]string
		want  Identity
	}{
		{"nothing", nil, Identity{}},
		{
			"a PC",
			map[string]string{
				"sys/class/dmi/id/sys_vendor": "Dell Inc.\n", "sys/class/dmi/id/product_name": "Edge Gateway 3001\n",
				"sys/class/dmi/id/product_serial": "5XYZ\n", "sys/class/dmi/id/product_version": "01\n",
			},
			Identity{"Dell Inc.", "Edge Gateway 3001", "5XYZ", "01"},
		},
		{
			"a board whose maker filled in nothing",
			map[string]string{
				"sys/class/dmi/id/sys_vendor": "To Be Filled By O.E.M.\n", "sys/class/dmi/id/board_vendor": "ASRock\n",
				"sys/class/dmi/id/product_name": "System Product Name\n", "sys/class/dmi/id/board_name": "J4125\n",
				"sys/class/dmi/id/product_serial": "00000000\n", "sys/class/dmi/id/board_serial": "Default string\n",
				"sys/class/dmi/id/product_version": "  \n",
			},
			Identity{Manufacturer: "ASRock", Model: "J4125"},
		},
		{
			"a board with a device tree",
			map[string]string{
				"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.2\x00", "proc/device-tree/serial-number": "100000001234abcd\x00",
				"proc/device-tree/compatible": "raspberrypi,4-model-b\x00brcm,bcm2711\x00",
			},
			Identity{"raspberrypi", "Raspberry Pi 4 Model B Rev 1.2", "100000001234abcd", "1.2"},
		},
		{"a router", map[string]string{"tmp/sysinfo/model": "GL.iNet GL-AR300M\n"}, Identity{Model: "GL.iNet GL-AR300M"}},
	} {
		diff(t, c.what, c.want, ReadIdentity(files(c.files)))
	}
}

func TestReadRelease(t *testing.T) {
	for _, c := range []struct {
		what  string
		files map[string]string
		want  Release
	}{
		{"nothing", nil, Release{}},
		{
			"Debian",
			map[string]string{
				"etc/os-release":            "-> ../usr/lib/os-release",
				"usr/lib/os-release":        "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\nID=debian\n# ID=no\n",
				"proc/sys/kernel/osrelease": "6.12.41+deb13-amd64\n",
			},
			Release{ID: "debian", Name: "Debian GNU/Linux", Version: "13", Build: "trixie", Kernel: "6.12.41+deb13-amd64"},
		},
		{
			"no file in etc",
			map[string]string{"usr/lib/os-release": "ID='yocto'\nNAME=Poky\\ x\nVERSION=\"5.0 \\\"a\\\"\"\nBUILD_ID=7\n"},
			Release{ID: "yocto", Name: "Poky\\ x", Version: `5.0 "a"`, Build: "7"},
		},
		{
			"an image",
			map[string]string{"etc/os-release": "ID=acme\nVERSION_ID=5.0\nIMAGE_ID=gateway\nIMAGE_VERSION=2026.4\n"},
			Release{ID: "acme", Version: "2026.4"},
		},
		{
			"OpenWrt",
			map[string]string{
				"etc/os-release":      "NAME=\"OpenWrt\"\nVERSION=\"23.05.3\"\nID=\"openwrt\"\nVERSION_ID=\"23.05.3\"\nBUILD_ID=\"r23809-234f1a2efa\"\n",
				"etc/openwrt_release": "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='23.05.3'\nDISTRIB_REVISION='r23809-234f1a2efa'\nDISTRIB_TARGET='ath79/generic'\n",
			},
			Release{ID: "openwrt", Name: "OpenWrt", Version: "23.05.3", Build: "r23809-234f1a2efa", Board: "ath79/generic"},
		},
	} {
		diff(t, c.what, c.want, ReadRelease(files(c.files)))
	}
}

// TestMachineID compares with what systemd-id128(1) --app-specific prints.
func TestMachineID(t *testing.T) {
	application := [16]byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	const want = "4e7a918525b94da8ad4b4f264a130726"
	for _, name := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		got, err := MachineID(files(map[string]string{name: "0123456789abcdef0123456789abcdef\n"}), application)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
	}
	for _, text := range []string{"", "uninitialized\n", "0123456789abcdef", "0123456789abcdef0123456789abcdeg"} {
		if id, err := MachineID(files(map[string]string{"etc/machine-id": text}), application); !errors.Is(err, ErrNoMachineID) {
			t.Errorf("%q: %s, %v", text, id, err)
		}
	}
}

func TestReadMemory(t *testing.T) {
	for _, c := range []struct {
		text string
		want Memory // zero: an error
	}{
		{"MemTotal:        4026532 kB\nMemFree:          100000 kB\nMemAvailable:    1000000 kB\n", Memory{4123168, 1024000}},
		{"MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 10 kB\nCached: 15 kB\n", Memory{1024, 128}},
		{"MemFree: 100 kB\n", Memory{}},
		{"", Memory{}},
	} {
		got, err := ReadMemory(files(map[string]string{"proc/meminfo": c.text}))
		if got != c.want || (err == nil) != (c.want != Memory{}) {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
	if _, err := ReadMemory(files(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without /proc: %v", err)
	}
}

func TestReadStorage(t *testing.T) {
	got, err := ReadStorage(t.TempDir())
	if err != nil || got.Total <= 0 || got.Free < 0 || got.Free > got.Total {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ReadStorage(t.TempDir() + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestReadPower(t *testing.T) {
	got := ReadPower(files(map[string]string{
		"sys/class/power_supply/AC/type": "Mains\n", "sys/class/power_supply/AC/online": "0\n",
		"sys/class/power_supply/BAT0/type": "Battery\n", "sys/class/power_supply/BAT0/present": "1\n",
		"sys/class/power_supply/BAT0/voltage_now": "12345678\n", "sys/class/power_supply/BAT0/current_now": "-1500000\n",
		"sys/class/power_supply/BAT0/capacity": "83\n", "sys/class/power_supply/BAT0/status": "Discharging\n",
		"sys/class/power_supply/BAT0/capacity_level": "Normal\n", "sys/class/power_supply/BAT0/health": "Good\n",
		"sys/class/power_supply/BAT1/type": "Battery\n", "sys/class/power_supply/BAT1/present": "0\n",
		"sys/class/power_supply/hid/type": "Battery\n", "sys/class/power_supply/hid/scope": "Device\n",
		"sys/class/power_supply/ups/type": "UPS\n", "sys/class/power_supply/ups/voltage_now": "12000000\n",
		"sys/class/power_supply/ups/power_now": "6000000\n",
		"sys/class/power_supply/usb/type":      "USB\n", "sys/class/power_supply/usb/online": "2\n", "sys/class/power_supply/usb/voltage_now": "x\n",
	}))
	want := []Supply{
		{Name: "AC", Kind: SupplyMains},
		{
			Name: "BAT0", Kind: SupplyBattery, Online: true, Voltage: new(int64(12345)), Current: new(int64(-1500)), Capacity: new(int64(83)),
			Status: "Discharging", Level: "Normal", Health: "Good",
		},
		{Name: "BAT1", Kind: SupplyBattery},
		{Name: "hid", Kind: SupplyBattery, Online: true, Device: true},
		{Name: "ups", Kind: SupplyUPS, Online: true, Voltage: new(int64(12000)), Current: new(int64(500))},
		{Name: "usb", Kind: SupplyUSB, Online: true},
	}
	diff(t, "supplies", want, got)
	diff(t, "a board without", []Supply{}, ReadPower(files(nil)))
}

func TestOfPower(t *testing.T) {
	for event, want := range map[string]bool{
		"change@/devices/x/power_supply/BAT0\x00ACTION=change\x00SUBSYSTEM=power_supply\x00SEQNUM=1\x00": true,
		"add@/devices/x\x00ACTION=add\x00SUBSYSTEM=usb\x00":                                              false,
		"": false,
	} {
		if got := ofPower([]byte(event)); got != want {
			t.Errorf("%q: %v", event, got)
		}
	}
	if !ofPower(nil) {
		t.Error("lost events are nothing")
	}
}

func TestReadBoot(t *testing.T) {
	base := map[string]string{"proc/uptime": "12345.67 45678.90\n", "proc/sys/kernel/random/boot_id": "b0076a7d-0000-4000-8000-000000000000\n"}
	wd, pstore, soc := "sys/class/watchdog/watchdog0/bootstatus", "sys/fs/pstore/dmesg-ramoops-0", "sys/bus/platform/devices/fffffe00.rstc/power_on_reason"
	for _, c := range []struct {
		what   string
		files  map[string]string
		reason ResetReason
		source string
	}{
		{"nothing is told", nil, ResetUnknown, ""},
		{"the watchdog did not", map[string]string{wd: "0\n"}, ResetUnknown, ""},
		{"the watchdog did", map[string]string{wd: "32\n"}, ResetWatchdog, "watchdog0"},
		{"too hot", map[string]string{wd: "1\n"}, ResetThermal, "watchdog0"},
		{"power too low", map[string]string{wd: "16\n"}, ResetPower, "watchdog0"},
		{"reset line", map[string]string{wd: "4\n"}, ResetExternal, "watchdog0"},
		{"watchdog says nothing readable", map[string]string{wd: "?\n"}, ResetUnknown, ""},
		{"the second watchdog", map[string]string{wd: "0\n", "sys/class/watchdog/watchdog1/bootstatus": "32\n"}, ResetWatchdog, "watchdog1"},
		{"reset controller", map[string]string{soc: "software reset\n", wd: "0\n"}, ResetSoftware, "fffffe00.rstc"},
		{"reset controller does not know", map[string]string{soc: "unknown reason\n", wd: "32\n"}, ResetWatchdog, "watchdog0"},
		{"the kernel crashed", map[string]string{pstore: "Panic#1", wd: "32\n"}, ResetPanic, "pstore"},
		{"something else was kept", map[string]string{"sys/fs/pstore/console-ramoops-0": "x"}, ResetUnknown, ""},
	} {
		all := maps.Clone(base)
		maps.Copy(all, c.files)
		got, err := ReadBoot(files(all))
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		want := Boot{ID: "b0076a7d-0000-4000-8000-000000000000", Uptime: 12345670 * time.Millisecond, Reason: c.reason, Source: c.source}
		diff(t, c.what, want, got)
	}
	if _, err := ReadBoot(files(nil)); err == nil {
		t.Error("no error without /proc")
	}
}

// TestThisMachine holds that the real files are where they are looked for.
func TestThisMachine(t *testing.T) {
	root := Root()
	if _, err := ReadMemory(root); err != nil {
		t.Error(err)
	}
	if b, err := ReadBoot(root); err != nil || b.ID == "" || b.Uptime <= 0 {
		t.Errorf("%+v, %v", b, err)
	}
	if r := ReadRelease(root); r.Kernel == "" {
		t.Errorf("%+v", r)
	}
	n, err := ReadNetwork(root)
	if err != nil {
		t.Fatal(err)
	}
	if lo := n.Interface("lo"); lo == nil || lo.Kind != LinkLoopback || lo.Index == 0 {
		t.Errorf("loopback is %+v", lo)
	}
	if lo := n.Interface("lo"); lo != nil && lo.Up && !slices.Contains(lo.Addresses, netip.MustParsePrefix("127.0.0.1/8")) {
		t.Errorf("addresses of loopback are %v", lo.Addresses)
	}
}

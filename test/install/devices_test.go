//go:build install

package install

import (
	"bytes"
	_ "embed"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/hw/playback"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/rig"
	"lwm2m-agent/test/workspace"
)

//go:embed disk.sh
var disk []byte

// devicesToml are a part and lines that the kernel simulates, and a modem on USB, which the emulator does.
const devicesToml = `
[[sensor]]
name     = "cabinet"
driver   = "lm75"
bus      = "/dev/i2c-1"
address  = 0x4a
interval = "1s"

[[sensor]]
name   = "door"
driver = "gpio-in"
line   = "DOOR"
bias   = "pull-down"

[[actuator]]
name   = "relay"
driver = "gpio-out"
line   = "RELAY"

[[actuator]]
name   = "late"
driver = "gpio-out"
line   = "LATE"

[[modem]]
name   = "wwan"
driver = "at"
port   = "/dev/ttyUSB0"
`

// emulated is how long something may take on the emulated PC, while this machine is busy.
const emulated = 5 * time.Minute

// installed is the installed service on an emulated PC.
type installed struct{ *rig.Debian }

// TestDevices installs the package on an emulated PC, whose own kernel has devices and refuses some: a container has those of this machine's
// kernel, and may not refuse any. The unit, its user and the rules of udev let the agent have what is its own, and nothing else.
func TestDevices(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("needs an x86-64 machine")
	}
	_, terminal, unplug, err := attest.PlugIn(filepath.Join(workspace.Root(t), "modem/at/testdata/module/bg95.at"))
	if err != nil {
		t.Fatal(err)
	}
	defer unplug()
	d := installed{rig.StartDebian(t, image(t), terminal)}
	d.AddRegisters(t, map[uint16]*playback.File{0x4a: recording(t, "lm75")})
	d.AddLines(t, "cabinet", "DOOR", "RELAY")
	d.Run(t, "! grep -E 'ttyUSB|ttyACM|iio' /proc/devices")
	d.Run(t, fmt.Sprintf("f=/etc/lwm2m-agent/agent.d/60-devices.toml; cat >$f <<'TOML'\n%sTOML\nchgrp lwm2m-agent-service $f; systemctl start lwm2m-agent", devicesToml))
	d.Run(t, "modprobe ftdi_sio") // as when the modem is plugged in
	t.Run("names", d.names)
	t.Run("use", d.use)
	t.Run("late", d.late)
	t.Run("others", d.others)
	t.Run("kept", d.kept)
	t.Run("governed", d.governed)
}

// image writes the disk of the PC.
func image(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if out, err := asRoot(t, disk, debian(t, "bookworm"), packaged(t, "amd64", "1.0", "*.deb"), path).CombinedOutput(); err != nil {
		t.Fatalf("make the disk: %v\n%s", err, out)
	}
	return path
}

func recording(t *testing.T, driver string) *playback.File {
	t.Helper()
	f, err := playback.Parse(bytes.NewReader(read(t, filepath.Join(workspace.Root(t), "hw/testdata/playback", driver+".txt"))))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// soon repeats a command until its output matches.
func (d installed) soon(t *testing.T, command, match string) {
	t.Helper()
	for end := time.Now().Add(emulated); ; {
		out, _ := d.Try(t, command)
		if ok, err := regexp.MatchString("(?m)"+match, out); err != nil || ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %s\n%s", command, out, d.Run(t, "lwm2m-agent status; journalctl -q -n 40 -u lwm2m-agent"))
		}
	}
}

// builtIn are classes of devices that a kernel has from its start: gpiolib is no module, and a port that may be the console is of none.
var builtIn = []string{"gpiochip", "ttyS", "ttyAMA", "ttymxc", "ttyLP", "ttySTM", "ttyPS", "ttyMSM"}

// modules are those that make the other classes, which can be plugged in, or are found, when the service runs.
var modules = map[string]string{
	"i2c": "i2c_dev", "spi": "spidev", "iio": "industrialio", "tpm": "tpm",
	"ttyUSB": "usbserial", "ttyACM": "cdc_acm", "ttySC": "sc16is7xx", "ttyMAX": "max310x",
}

// allowed matches the lines of the unit for classes of devices.
var allowed = regexp.MustCompile(`(?m)^DeviceAllow=char-(\S+) rw$`)

// TestModulesAreLoaded: of each class of devices the module is loaded before the service starts: systemd looks for classes only then
// (systemd.resource-control(5), DeviceAllow=).
func TestModulesAreLoaded(t *testing.T) {
	unit := string(read(t, filepath.Join(workspace.Root(t), "systemd/lwm2m-agent.service")))
	classes := allowed.FindAllStringSubmatch(unit, -1)
	if len(classes) < len(modules)+1 {
		t.Errorf("the unit allows only %q", classes)
	}
	for _, class := range classes {
		module := modules[class[1]]
		if module == "" && !slices.Contains(builtIn, class[1]) {
			t.Errorf("which module has the devices %s?", class[1])
		}
		for _, directive := range []string{"Wants", "After"} {
			if module != "" && !regexp.MustCompile(`(?m)^`+directive+`=.*\bmodprobe@`+module+`\.service\b`).MatchString(unit) {
				t.Errorf("no %s=modprobe@%s.service for the devices %s", directive, module, class[1])
			}
		}
	}
}

// elsewhere are serial ports that a PC does not have: the names of Linux's drivers (dev_name of a uart_driver).
var elsewhere = []string{"ttyAMA", "ttymxc", "ttyLP", "ttySTM", "ttyPS", "ttyMSM", "ttySC", "ttyMAX"}

// names looks for each class of devices of the unit among those that the kernel has: systemd takes a wrong name without a word.
func (d installed) names(t *testing.T) {
	unit := string(read(t, filepath.Join(workspace.Root(t), "systemd/lwm2m-agent.service")))
	known := d.Run(t, "cat /proc/devices")
	for _, class := range allowed.FindAllStringSubmatch(unit, -1) {
		if slices.Contains(elsewhere, class[1]) {
			continue
		}
		if !regexp.MustCompile(`(?m)^ *[0-9]+ ` + regexp.QuoteMeta(class[1]) + `$`).MatchString(known) {
			t.Errorf("the kernel has no devices %q, but\n%s", class[1], known)
		}
	}
}

// use has the agent use what was there when it started.
func (d installed) use(t *testing.T) {
	d.soon(t, "lwm2m-agent read /3303/0/5700", `21\.5`)
	d.soon(t, "lwm2m-agent status", `modem wwan, ready: Quectel BG95`)
	d.Drive(t, 0, 1, true)
	d.soon(t, "lwm2m-agent read /3200/0/5500", "true")
	d.Run(t, "lwm2m-agent write /3306/0/5850 true")
	if !d.Level(t, 1) {
		t.Error("the relay is off")
	}
}

// late adds a chip while the service runs.
func (d installed) late(t *testing.T) {
	d.soon(t, "lwm2m-agent status", "actuator-failing")
	d.AddLines(t, "late", "LATE")
	d.soon(t, "getfacl -p /dev/gpiochip1", "user:lwm2m-agent:rw-")
	d.soon(t, "lwm2m-agent write /3306/1/5850 true && lwm2m-agent read /3306/1/5850", "true")
}

// kept has the agent crash: until systemd starts it anew, systemd holds the line of its output.
func (d installed) kept(t *testing.T) {
	d.Run(t, "lwm2m-agent write /3306/0/5850 true")
	if stored := d.Run(t, "systemctl show -P NFileDescriptorStore lwm2m-agent"); stored != "2" {
		t.Errorf("systemd holds %s descriptors, want those of two lines", stored)
	}
	d.Run(t, `f=/run/systemd/system/lwm2m-agent.service.d/later.conf; mkdir -p ${f%/*}; printf '[Service]\nRestartSec=1h\n' >$f; systemctl daemon-reload
		kill -KILL $(systemctl show -P MainPID lwm2m-agent)`)
	d.soon(t, "systemctl show -P SubState lwm2m-agent", "^auto-restart$")
	if !d.Level(t, 1) {
		t.Error("the relay has dropped out")
	}
	d.Run(t, "systemctl restart lwm2m-agent")
	d.soon(t, "lwm2m-agent read /3306/0/5850", "true")
	d.Run(t, "systemctl stop lwm2m-agent")
	if d.Level(t, 1) {
		t.Error("the relay is on after an orderly end")
	}
	d.Run(t, "systemctl start lwm2m-agent")
}

// governed has the agent set the clock, by timedated, and reboot the machine, by logind: both are real here, and nobody else's.
func (d installed) governed(t *testing.T) {
	d.soon(t, "lwm2m-agent write /3/0/13 1927854245 && date -u +%F", "^2031-02-03$")
	d.Run(t, "lwm2m-agent execute /3/0/4")
	d.AwaitEnd(t, emulated)
}

// opens opens a device as a user, in the service's control group or outside, and returns what comes of it.
func (d installed) opens(t *testing.T, device, user string, within bool) string {
	t.Helper()
	command := "exec 2>&1; "
	if within {
		command += "echo $$ >/sys/fs/cgroup/system.slice/lwm2m-agent.service/cgroup.procs; "
	}
	groups := "--clear-groups"
	if user == "lwm2m-agent" {
		groups = "--groups lwm2m-agent-service,dialout,systemd-journal" // SupplementaryGroups=
	}
	if user == "reader" {
		groups = "--groups lwm2m-agent"
	}
	out, _ := d.Try(t, fmt.Sprintf("sh -c '%sLC_ALL=C exec setpriv --reuid %s --regid %[2]s %s dd count=0 status=none if=%s'", command, user, groups, device))
	_, reason, failed := strings.Cut(strings.TrimSpace(out), "': ")
	if !failed {
		return strings.TrimSpace(out)
	}
	return reason
}

// others opens devices from where the agent is, and from where it is not.
func (d installed) others(t *testing.T) {
	const (
		opened   = ""
		refused  = "Permission denied"         // by the node's owner, mode or list
		held     = "Device or resource busy"   // by the agent, and for nobody else
		filtered = "Operation not permitted"   // by the unit: root is refused, too
		reached  = "No such device or address" // by the driver, which has no such device
	)
	d.Run(t, `useradd stranger; useradd reader; number() { sed -n "s/^ *\([0-9]*\) $1\$/\1/p" /proc/devices; }
		mknod /dev/spidev9.0 c $(number spi) 9; mknod /dev/iio:device9 c $(number iio) 9; chmod 666 /dev/spidev9.0 /dev/iio:device9`)
	// Former versions opened devices to the group of those who may read: an upgrade takes that back.
	d.Run(t, "setfacl -m g:lwm2m-agent:rw /dev/i2c-1 && DPKG_MAINTSCRIPT_PACKAGE=lwm2m-agent /var/lib/dpkg/info/lwm2m-agent.postinst configure 1.0")
	for _, c := range []struct {
		device, user string
		within       bool
		want         string
	}{
		{"/dev/i2c-1", "lwm2m-agent", true, opened},
		{"/dev/gpiochip0", "lwm2m-agent", true, opened},
		{"/dev/ttyUSB0", "lwm2m-agent", true, held},
		{"/dev/null", "lwm2m-agent", true, opened},
		{"/dev/spidev9.0", "lwm2m-agent", true, reached}, // this PC has no SPI
		{"/dev/iio:device9", "lwm2m-agent", true, reached},
		{"/dev/vda", "lwm2m-agent", false, refused},
		{"/dev/vda", "root", false, opened},
		{"/dev/vda", "root", true, filtered},
		{"/dev/mem", "root", true, filtered},
		{"/dev/kmsg", "root", true, filtered},
		{"/dev/i2c-1", "stranger", false, refused},
		{"/dev/gpiochip0", "stranger", false, refused},
		{"/dev/ttyUSB0", "stranger", false, refused},
		{"/dev/i2c-1", "reader", false, refused},
		{"/dev/gpiochip0", "reader", false, refused},
	} {
		if got := d.opens(t, c.device, c.user, c.within); got != c.want {
			t.Errorf("%s as %s, in the service: %v: %q, want %q", c.device, c.user, c.within, got, c.want)
		}
	}
}

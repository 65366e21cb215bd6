package modemmanager

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/workspace"
)

// bus is the part of /sys and /dev that ModemManager sees of a USB of its own, in a mount namespace: /sys/class/tty, and all
// of /dev. What stands in it is found when ModemManager is told of a port (ReportKernelEvent).
type bus struct{ sys, dev string }

// mounts has what follows it run where "$1" is /sys/class/tty and "$2" is /dev.
const mounts = `set -e
for f in null urandom; do mount --bind /dev/$f "$2/$f"; done
mount --bind /dev/pts "$2/pts"
mount --bind "$1" /sys/class/tty
mount --rbind "$2" /dev
shift 2
exec "$@"`

// StartUSB is Start of a ModemManager that takes a modem that PlugUSB brings. A machine that has no mount namespaces for it skips the test.
func StartUSB(t interface {
	workspace.T
	Skipf(format string, args ...any)
},
) *ModemManager {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt").CombinedOutput(); err != nil {
		t.Skipf("no mount namespace: %v: %s", err, out)
	}
	folder := t.TempDir()
	b := &bus{filepath.Join(folder, "sys"), filepath.Join(folder, "dev")}
	for _, d := range []string{b.sys, filepath.Join(b.dev, "pts"), filepath.Join(b.sys, "usb"), filepath.Join(b.sys, "tty"), filepath.Join(b.sys, "option1")} {
		b.must(t, os.MkdirAll(d, 0o755))
	}
	for _, f := range []string{"null", "urandom"} {
		b.must(t, os.WriteFile(filepath.Join(b.dev, f), nil, 0o600))
	}
	return start(t, b)
}

func (b *bus) must(t workspace.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("make a USB: %v", err)
	}
}

// wrap has a command run with this USB.
func (b *bus) wrap(cmd []string) []string {
	if b == nil {
		return cmd
	}
	return append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, "sh", b.sys, b.dev}, cmd...)
}

// attach makes the port of an interface of a USB device: what it is in /sys, and its name in /dev.
func (b *bus) attach(t workspace.T, number int, path string) (name string) {
	t.Helper()
	name = fmt.Sprintf("ttyUSB%d", number)
	device := filepath.Join(b.sys, "1-1")
	intf := filepath.Join(device, fmt.Sprintf("1-1:1.%d", number))
	port := filepath.Join(intf, name)
	b.must(t, os.MkdirAll(port, 0o755))
	for file, text := range map[string]string{
		"idVendor": "2c7c", "idProduct": "0125", "bcdDevice": "0318", "manufacturer": "Quectel", "product": "EC25-EU",
		filepath.Base(intf) + "/bInterfaceClass": "ff", filepath.Base(intf) + "/bInterfaceSubClass": "00", filepath.Base(intf) + "/bInterfaceProtocol": "00",
		filepath.Base(intf) + "/bInterfaceNumber": fmt.Sprintf("%02x", number),
	} {
		b.must(t, os.WriteFile(filepath.Join(device, file), []byte(text+"\n"), 0o600))
	}
	for link, to := range map[string]string{
		filepath.Join(device, "subsystem"): "../usb", filepath.Join(intf, "subsystem"): "../../usb", filepath.Join(intf, "driver"): "../../option1",
		filepath.Join(port, "subsystem"): "../../../tty",
		filepath.Join(b.sys, name):       "1-1/" + filepath.Base(intf) + "/" + name, filepath.Join(b.dev, name): path,
	} {
		_ = os.Remove(link)
		b.must(t, os.Symlink(to, link))
	}
	return name
}

// PlugUSB brings a modem as EC25 is one: four ports on USB, of which nmea, the path of a terminal, is where its receiver speaks, and
// two take commands. It waits until ModemManager has it, by its plugin for Quectel.
func (m *ModemManager) PlugUSB(t workspace.T, nmea string) {
	t.Helper()
	m.simulate(t)
	m.asEC25()
	for number := 1; number <= 3; number++ {
		path := nmea
		if number > 1 {
			path = m.terminal(t)
		}
		name := m.bus.attach(t, number, path)
		m.tell(t, "add", name)
	}
	m.await(t, "the modem is there", func() bool { return m.path() != "" })
}

// terminal is a port of the simulated modem.
func (m *ModemManager) terminal(t workspace.T) (path string) {
	t.Helper()
	master, path, err := attest.OpenPTY()
	m.bus.must(t, err)
	hold, err := os.OpenFile(path, os.O_RDWR, 0) // it is there when nobody listens
	m.bus.must(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		m.Modem.Serve(master)
	}()
	t.Cleanup(func() {
		hold.Close()
		master.Close()
		<-served
	})
	return path
}

// asEC25 has the modem say that it is one, and that it has a receiver (Quectel EC25 & EC21 GNSS AT Commands Manual).
func (m *ModemManager) asEC25() {
	m.Modem.Set("ATI", "Quectel", "EC25", "Revision: EC25EFAR06A03M4G", "OK")
	m.Modem.Set("AT+CGMM", "EC25", "OK")
	m.Modem.Set("AT+CGMR", "EC25EFAR06A03M4G", "OK")
	m.Modem.Set("AT+QGPS=?", "+QGPS: (1-4),(1-255),(0-1000),(0-3),(1-65535)", "OK")
	for _, command := range []string{`AT+QGPSCFG="outport","usbnmea"`, "AT+QGPS=1", "AT+QGPSXTRA=1", "AT+QGPSEND"} {
		m.Modem.Set(command, "OK")
	}
}

// Unplug takes it away again.
func (m *ModemManager) Unplug(t workspace.T) {
	t.Helper()
	for number := 1; number <= 3; number++ {
		m.tell(t, "remove", fmt.Sprintf("ttyUSB%d", number))
	}
}

// SIM puts the SIM in, or takes it out, of a modem that PlugUSB has brought, which tells either in the same way.
func (m *ModemManager) SIM(t workspace.T, in bool) {
	t.Helper()
	m.Modem.Set("AT+CPIN?", "+CPIN: READY", "OK")
	m.Modem.Set("AT+CIMI", "262011234567890", "OK")
	m.Modem.Set(readICCID, `+CRSM: 144,0,"98942000002143658709"`, "OK")
	for _, command := range []string{"AT+CPIN?", "AT+CIMI", readICCID} {
		if !in {
			m.Modem.Set(command, "+CME ERROR: 10") // 3GPP TS 27.007, clause 9.2.1: SIM not inserted
		}
	}
	if err := m.Modem.Say("+QUSIM: 1"); err != nil {
		t.Fatalf("the modem cannot tell: %v", err)
	}
}

// readICCID reads the file that has it (3GPP TS 31.102, clause 4.2.1).
const readICCID = "AT+CRSM=176,12258,0,0,10"

// tell tells of a port, as udev does.
func (m *ModemManager) tell(t workspace.T, action, name string) {
	t.Helper()
	m.call(t, root, service+".ReportKernelEvent", map[string]dbus.Variant{
		"action": dbus.MakeVariant(action), "subsystem": dbus.MakeVariant("tty"), "name": dbus.MakeVariant(name),
	})
}

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

// bus is the part of /sys and /dev that ModemManager sees of a USB of its own, in a mount namespace: /sys/class/tty, /sys/class/net, and
// all of /dev. What stands in it is found when ModemManager is told of a port (ReportKernelEvent).
type bus struct{ sys, net, dev string }

// mounts has what follows it run where "$1" is /sys/class/tty, "$2" is /sys/class/net and "$3" is /dev.
const mounts = `set -e
for f in null urandom; do mount --bind /dev/$f "$3/$f"; done
mount --bind /dev/pts "$3/pts"
mount --bind "$1" /sys/class/tty
mount --bind "$2" /sys/class/net
mount --rbind "$3" /dev
shift 3
exec "$@"`

// product is what a device on USB says that it is, and the driver of its ports.
type product struct{ place, vendor, id, maker, name, driver string }

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
	b := &bus{filepath.Join(folder, "sys"), filepath.Join(folder, "net"), filepath.Join(folder, "dev")}
	for _, d := range []string{b.net, filepath.Join(b.dev, "pts"), filepath.Join(b.sys, "usb"), filepath.Join(b.sys, "tty"), filepath.Join(b.sys, "net")} {
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
	return append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, "sh", b.sys, b.net, b.dev}, cmd...)
}

// attach makes what an interface of a device is in /sys: a port, of a subsystem and by a name.
func (b *bus) attach(t workspace.T, p *product, number int, subsystem, name string) {
	t.Helper()
	device := filepath.Join(b.sys, p.place)
	intf := fmt.Sprintf("%s:1.%d", p.place, number)
	port := filepath.Join(device, intf, name)
	b.must(t, os.MkdirAll(port, 0o755))
	b.must(t, os.MkdirAll(filepath.Join(b.sys, p.driver), 0o755))
	for file, text := range map[string]string{
		"idVendor": p.vendor, "idProduct": p.id, "bcdDevice": "0318", "manufacturer": p.maker, "product": p.name,
		intf + "/bInterfaceClass": "ff", intf + "/bInterfaceSubClass": "00", intf + "/bInterfaceProtocol": "00",
		intf + "/bInterfaceNumber": fmt.Sprintf("%02x", number),
	} {
		b.must(t, os.WriteFile(filepath.Join(device, file), []byte(text+"\n"), 0o600))
	}
	b.link(t, "../usb", filepath.Join(device, "subsystem"))
	b.link(t, "../../usb", filepath.Join(device, intf, "subsystem"))
	b.link(t, "../../"+p.driver, filepath.Join(device, intf, "driver"))
	b.link(t, "../../../"+subsystem, filepath.Join(port, "subsystem"))
	inside := filepath.Join(p.place, intf, name)
	if subsystem == "net" {
		b.link(t, filepath.Join("../tty", inside), filepath.Join(b.net, name)) // one device has both
		return
	}
	b.link(t, inside, filepath.Join(b.sys, name))
}

func (b *bus) link(t workspace.T, to, link string) {
	t.Helper()
	_ = os.Remove(link)
	b.must(t, os.Symlink(to, link))
}

// plug brings a port of a device; path is its terminal, "" for a network card, which no program opens.
func (m *ModemManager) plug(t workspace.T, p *product, number int, name, path string) {
	t.Helper()
	subsystem := "tty"
	if path == "" {
		subsystem = "net"
	}
	m.bus.attach(t, p, number, subsystem, name)
	if path != "" {
		m.bus.link(t, path, filepath.Join(m.bus.dev, name))
	}
	m.plugged = append(m.plugged, [2]string{subsystem, name})
	m.tell(t, "add", subsystem, name)
}

// PlugUSB brings a modem as EC25 is one: four ports on USB, of which nmea, the path of a terminal, is where its receiver speaks, and
// two take commands. It waits until ModemManager has it, by its plugin for Quectel.
func (m *ModemManager) PlugUSB(t workspace.T, nmea string) {
	t.Helper()
	m.simulate(t)
	m.asEC25()
	ec25 := &product{"1-1", "2c7c", "0125", "Quectel", "EC25-EU", "option1"}
	for number, path := range []string{nmea, m.terminal(t), m.terminal(t)} {
		m.plug(t, ec25, number+1, fmt.Sprintf("ttyUSB%d", number+1), path)
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

// PlugHuawei brings one that speaks as Huawei's do, and waits until ModemManager has it by the plugin for those. It tells SINR as
// well, 13 dB (Huawei ME909s AT Command Interface Specification, ^HCSQ).
func (m *ModemManager) PlugHuawei(t workspace.T) {
	t.Helper()
	m.simulate(t)
	m.Modem.Handle("AT^HCSQ?", func(string) string {
		m.network.mu.Lock()
		defer m.network.mu.Unlock()
		return fmt.Sprintf("^HCSQ: \"LTE\",50,%d,166,%d\nOK", m.network.rsrp+141, (m.network.rsrq+20)*2)
	})
	m.Modem.Set("AT^SYSINFOEX", `^SYSINFOEX: 2,3,0,1,,6,"LTE",101,"LTE"`, "OK")
	huawei := &product{"1-3", "12d1", "1573", "Huawei", "ME909s-120", "option1"}
	for number, path := range []string{m.terminal(t), m.terminal(t)} {
		m.plug(t, huawei, number, fmt.Sprintf("ttyUSB%d", number+4), path)
	}
	m.await(t, "the modem is there", func() bool { return m.path() != "" })
}

// Unplug takes it away again.
func (m *ModemManager) Unplug(t workspace.T) {
	t.Helper()
	for _, port := range m.plugged {
		m.tell(t, "remove", port[0], port[1])
	}
	m.plugged = nil
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
	m.say(t, "+QUSIM: 1")
}

// readICCID reads the file that has it (3GPP TS 31.102, clause 4.2.1).
const readICCID = "AT+CRSM=176,12258,0,0,10"

// tell tells of a port, as udev does.
func (m *ModemManager) tell(t workspace.T, action, subsystem, name string) {
	t.Helper()
	m.call(t, root, service+".ReportKernelEvent", map[string]dbus.Variant{
		"action": dbus.MakeVariant(action), "subsystem": dbus.MakeVariant(subsystem), "name": dbus.MakeVariant(name),
	})
}

// Package modemmanager runs the real ModemManager beside a test: on a system bus of its own, where everything is allowed, with a simulated
// modem behind sockets. It knows these programs, and nothing of who follows the modem.
package modemmanager

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// ModemManager is a running one.
type ModemManager struct {
	Bus   string        // the address of its bus, for DBUS_SYSTEM_BUS_ADDRESS
	Modem *attest.Modem // the simulated one

	conn    *dbus.Conn
	manager *process.Process
	folder  string
	sockets []*socket
	bus     *bus        // nil: only Plug brings a modem
	plugged [][2]string // the ports on USB: subsystem and name
	network network

	messages *attest.Messages
}

// limit is how long a program or modem may take to be there.
const limit = time.Minute

const (
	service = "org.freedesktop.ModemManager1"
	root    = dbus.ObjectPath("/org/freedesktop/ModemManager1")
)

// busConfig is that of a bus on which everybody may do everything.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
`

// Start starts bus and ModemManager. There is no modem until Plug.
func Start(t workspace.T) *ModemManager {
	t.Helper()
	return start(t, nil)
}

func start(t workspace.T, b *bus) *ModemManager {
	t.Helper()
	m := &ModemManager{folder: t.TempDir(), bus: b}
	socket := filepath.Join(m.folder, "bus")
	m.Bus = "unix:path=" + socket
	config := filepath.Join(m.folder, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		t.Fatalf("configure a bus: %v", err)
	}
	daemon := process.Start(t, exec.CommandContext(t.Context(), "dbus-daemon", "--config-file="+config, "--nofork", "--print-address"), workspace.Artifact(t, "dbus.log"))
	daemon.WaitLine(t, limit, "address", func(line string) bool { return strings.HasPrefix(line, "unix:path=") })
	var err error
	if m.conn, err = dbus.Connect(m.Bus); err != nil {
		t.Fatalf("connect with the bus: %v", err)
	}
	t.Cleanup(func() { m.conn.Close() })
	m.allow(t)
	m.Restart(t)
	return m
}

// Restart starts ModemManager, which must not run, and waits until it answers.
func (m *ModemManager) Restart(t workspace.T) {
	t.Helper()
	program := "ModemManager"
	if path := "/usr/sbin/" + program; exec.Command(path, "--version").Run() == nil {
		program = path // where sbin is not on the PATH
	}
	command := m.bus.wrap([]string{program, "--test-no-suspend-resume", "--test-no-udev", "--test-enable", "--debug"})
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+m.Bus)
	m.manager = process.Start(t, cmd, workspace.Artifact(t, "ModemManager.log"))
	m.manager.WaitLine(t, limit, "its name", func(line string) bool { return strings.Contains(line, "'"+service+"' was acquired") })
}

// Stop ends ModemManager.
func (m *ModemManager) Stop(t workspace.T) {
	t.Helper()
	m.manager.Stop(t)
}

// authority stands in for polkit, and lets everybody do everything.
type authority struct{}

type subject struct {
	Kind    string
	Details map[string]dbus.Variant
}

type verdict struct {
	Allowed, Challenge bool
	Details            map[string]string
}

// CheckAuthorization is that of org.freedesktop.PolicyKit1.Authority.
func (authority) CheckAuthorization(subject, string, map[string]string, uint32, string) (verdict, *dbus.Error) {
	return verdict{Allowed: true, Details: map[string]string{}}, nil
}

// GetAll is that of org.freedesktop.DBus.Properties.
func (authority) GetAll(string) (map[string]dbus.Variant, *dbus.Error) {
	return map[string]dbus.Variant{}, nil
}

func (m *ModemManager) allow(t workspace.T) {
	t.Helper()
	const path = "/org/freedesktop/PolicyKit1/Authority"
	for _, iface := range []string{"org.freedesktop.PolicyKit1.Authority", "org.freedesktop.DBus.Properties"} {
		if err := m.conn.Export(authority{}, path, iface); err != nil {
			t.Fatalf("stand in for polkit: %v", err)
		}
	}
	if _, err := m.conn.RequestName("org.freedesktop.PolicyKit1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatalf("stand in for polkit: %v", err)
	}
}

// socket is a port of the simulated modem.
type socket struct {
	name     string
	listener net.Listener
	served   sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

// Serve has a modem answer at a socket in the abstract namespace under the name that ModemManager makes of "abstract:NAME", until end.
func Serve(name string, modem *attest.Modem) (end func(), err error) {
	s, err := listen(name, modem)
	if err != nil {
		return nil, err
	}
	return s.close, nil
}

func listen(name string, modem *attest.Modem) (*socket, error) {
	l, err := net.Listen("unix", "@abstract:"+name)
	if err != nil {
		return nil, fmt.Errorf("open a modem's port: %w", err)
	}
	s := &socket{name: name, listener: l}
	s.served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.served.Go(func() { modem.Serve(conn) })
		}
	})
	return s, nil
}

func (s *socket) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.served.Wait()
}

// Simulate makes the modem of a transcript, which is registered at home, for whoever runs a ModemManager by himself.
func Simulate(transcript string) (*attest.Modem, error) { return new(network).simulate(transcript) }

func (n *network) simulate(transcript string) (*attest.Modem, error) {
	m, err := attest.Open(transcript)
	if err != nil {
		return nil, err
	}
	n.of(m)
	return m, nil
}

// simulate makes the modem of the transcript, which is registered at home.
func (m *ModemManager) simulate(t workspace.T) {
	t.Helper()
	var err error
	if m.Modem, err = m.network.simulate(filepath.Join(workspace.Root(t), "test", "modemmanager", "testdata", "modem.at")); err != nil {
		t.Fatalf("simulate a modem: %v", err)
	}
	m.messages = m.Modem.Keep(20)
}

// Plug brings the modem, by the plugin "generic", and waits until ModemManager has it.
func (m *ModemManager) Plug(t workspace.T) {
	t.Helper()
	m.simulate(t)
	names := make([]string, 0, 2)
	for i := range 2 { // a port for the data, and one for commands meanwhile
		name := fmt.Sprintf("%s-%d-%d", filepath.Base(filepath.Dir(m.folder)), os.Getpid(), i)
		s, err := listen(name, m.Modem)
		if err != nil {
			t.Fatalf("plug a modem in: %v", err)
		}
		m.sockets = append(m.sockets, s)
		names = append(names, "abstract:"+name)
	}
	t.Cleanup(m.unplug)
	m.call(t, root, service+".Test.SetProfile", device, "generic", names)
	m.await(t, "the modem is there", func() bool { return m.path() != "" })
}

// unplug closes the modem's ports.
func (m *ModemManager) unplug() {
	for _, s := range m.sockets {
		s.close()
	}
	m.sockets = nil
}

// device is what the modem is plugged into.
const device = "lab"

// Inhibit has ModemManager take the modem for pulled out, or put in again.
func (m *ModemManager) Inhibit(t workspace.T, on bool) {
	t.Helper()
	m.call(t, root, service+".InhibitDevice", "/virtual/"+device, on)
}

// Enable switches the modem on, as NetworkManager does.
func (m *ModemManager) Enable(t workspace.T) {
	t.Helper()
	m.await(t, "the modem can be enabled", func() bool { return m.property("State") == int32(3) })
	m.call(t, m.path(), service+".Modem.Enable", true)
}

// TellPosition has ModemManager tell a position of satellites each so many seconds.
func (m *ModemManager) TellPosition(t workspace.T, seconds uint32) {
	t.Helper()
	m.call(t, m.path(), service+".Modem.Location.SetGpsRefreshRate", seconds)
}

// Connect has ModemManager make a connection with an APN, as NetworkManager does, and returns its bearer.
func (m *ModemManager) Connect(t workspace.T, apn string) dbus.ObjectPath {
	t.Helper()
	return m.connect(t, map[string]dbus.Variant{"apn": dbus.MakeVariant(apn)})
}

// ConnectBy is Connect by a profile in the modem.
func (m *ModemManager) ConnectBy(t workspace.T, profile int32) dbus.ObjectPath {
	t.Helper()
	return m.connect(t, map[string]dbus.Variant{"profile-id": dbus.MakeVariant(profile)})
}

func (m *ModemManager) connect(t workspace.T, settings map[string]dbus.Variant) dbus.ObjectPath {
	t.Helper()
	var bearer dbus.ObjectPath
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := m.conn.Object(service, m.path()).CallWithContext(ctx, service+".Modem.Simple.Connect", 0, settings).Store(&bearer); err != nil {
		t.Fatalf("connect: %v", err)
	}
	return bearer
}

// Disconnect takes a connection down.
func (m *ModemManager) Disconnect(t workspace.T, bearer dbus.ObjectPath) {
	t.Helper()
	m.call(t, m.path(), service+".Modem.Simple.Disconnect", bearer)
}

// Remove takes a connection down and its bearer away, as NetworkManager does.
func (m *ModemManager) Remove(t workspace.T, bearer string) {
	t.Helper()
	m.call(t, m.path(), service+".Modem.DeleteBearer", dbus.ObjectPath(bearer))
}

func (m *ModemManager) call(t workspace.T, path dbus.ObjectPath, method string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := m.conn.Object(service, path).CallWithContext(ctx, method, 0, args...).Err; err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

// path returns the modem's, "" while there is none.
func (m *ModemManager) path() dbus.ObjectPath {
	var all map[dbus.ObjectPath]map[string]map[string]dbus.Variant
	if m.conn.Object(service, root).Call("org.freedesktop.DBus.ObjectManager.GetManagedObjects", 0).Store(&all) != nil {
		return ""
	}
	for p := range all {
		return p
	}
	return ""
}

func (m *ModemManager) property(name string) any {
	v, err := m.conn.Object(service, m.path()).GetProperty(service + ".Modem." + name)
	if err != nil {
		return nil
	}
	return v.Value()
}

func (m *ModemManager) await(t workspace.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !is(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v for: %s", limit, what)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("%v", t.Context().Err())
		}
	}
}

// Receives has a short message come to the modem (3GPP TS 27.005, clause 3.4.1), in hexadecimal with the number of its centre.
func (m *ModemManager) Receives(t workspace.T, pdu string) {
	t.Helper()
	if err := m.messages.Receive(pdu); err != nil {
		t.Fatalf("the modem cannot tell: %v", err)
	}
}

// Keeps waits until the modem keeps so many short messages.
func (m *ModemManager) Keeps(t workspace.T, n int) {
	t.Helper()
	m.await(t, fmt.Sprintf("%d messages are kept", n), func() bool { return len(m.messages.Kept()) == n })
}

// Commanded waits until the modem has got a command, beyond those it had got before.
func (m *ModemManager) Commanded(t workspace.T, before int, command string) {
	t.Helper()
	m.await(t, command, func() bool { return slices.Contains(m.Modem.Commands()[before:], command) })
}

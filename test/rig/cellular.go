package rig

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"sync"

	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/workspace"
)

// The other end of PPP, and what netifd does for it on OpenWrt.
var (
	//go:embed guest/network.sh
	networkScript string
	//go:embed guest/ubus.sh
	ubusScript string
	//go:embed guest/chat
	chatScript string
)

// cellularModules are what a PC loads that speaks PPP over a serial port, and has the network on its other end.
var cellularModules = []string{"virtio_pci", "virtio_net", "ppp_async"}

// What a CellularPC has of its modem.
const (
	CommandPort = "/dev/ttyS2" // for AT commands
	DataPort    = "/dev/ttyS3" // for pppd
)

// FirstBearer is the last byte of the address that the network gives to the first connection, 10.0.2.77; the next one has the next.
const FirstBearer = 77

// CellularPC is an x86 machine whose only way out is a modem at two serial ports. What is behind the modem is in the machine too, in a
// network namespace of its own: a pppd, and the interface to QEMU's user network. On the path is a program "ubus", by which the interface "wwan"
// goes up and down as netifd does it on OpenWrt.
type CellularPC struct {
	*guest
	modem *attest.Modem
	calls net.Listener // by pppd behind the modem

	mu   sync.Mutex
	line *line // the connection there is
	made int   // connections
}

// line is a PPP connection, as the modem sees it.
type line struct {
	net.Conn
	of *CellularPC
}

// cellularSystem returns a folder with the kernel and the initramfs without a payload.
func cellularSystem(t workspace.T) string {
	t.Helper()
	inputs := append([]string{fetchScript, guestInit}, cellularModules...)
	return workspace.Cached(t, "rig-cellular", inputs, func(dir string) error {
		packages, tree := t.TempDir(), t.TempDir()
		if err := fetch(t, packages, "amd64", "linux-image-amd64", "ppp"); err != nil {
			return err
		}
		const loader = "ld-linux-x86-64.so.2"
		return errors.Join(
			putPrograms(tree, packages, []string{"pppd", "chat"}),
			put(tree, "/lib64/"+loader, filepath.Join(tree, "lib", loader)),
			take(packages, "vmlinuz-*", filepath.Join(dir, kernelFile)),
			makeSystem(t, packages, map[string][]string{"order": cellularModules}, filepath.Join(dir, systemFile), tree),
		)
	})
}

// StartCellularPC boots the PC, which is taken away with the test. The modem answers as it is told; its first context is active while it has a PPP
// connection.
func StartCellularPC(t workspace.T, c Config, modem *attest.Modem) *CellularPC {
	t.Helper()
	calls, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start a cellular PC: %v", err)
	}
	p := &CellularPC{modem: modem, calls: calls}
	modem.HandleBytes("ATD*99#", p.dial)
	modem.Handle("AT+CGACT?", p.active)
	modem.Handle("AT+CGPADDR=1", p.address)
	files := map[string][]byte{
		"/usr/bin/ubus": []byte(ubusScript), "/usr/bin/network": []byte(networkScript), "/etc/ppp/chat": []byte(chatScript), "/etc/ppp/options": nil,
	}
	maps.Copy(files, c.Files)
	c.Files = files
	folder, sockets, ports := cellularSystem(t), socketFolder(t), []string{"command", "data"}
	socket := func(name string) string {
		return fmt.Sprintf("socket,id=%s,path=%s,server=on,wait=off", name, filepath.Join(sockets, name))
	}
	p.guest = boot(t, hardware{
		qemu: []string{
			"qemu-system-x86_64", "-M", "q35", "-m", "256", "-nic", "user,model=virtio-net-pci",
			"-chardev", socket(ports[0]), "-chardev", socket(ports[1]), "-device", "pci-serial-2x,chardev1=" + ports[0] + ",chardev2=" + ports[1],
		},
		system: folder, arguments: "console=ttyS1 rig.shell=ttyS0 iomem=relaxed", sockets: sockets, // the latter for Pass
	}, c)
	var serving sync.WaitGroup
	t.Cleanup(func() {
		calls.Close()
		p.Drop()
		serving.Wait()
	})
	for _, name := range ports {
		port := dial(t, p.process, filepath.Join(sockets, name))
		serving.Go(func() { modem.Serve(port) })
	}
	p.WaitConsole(t, startTime, "RIG UP")
	_, number, _ := net.SplitHostPort(calls.Addr().String())
	p.Spawn(t, fmt.Sprintf("unshare -n network %s %s %d", Host, number, FirstBearer))
	p.WaitConsole(t, startTime, "NETWORK UP")
	return p
}

// dial answers ATD*99# (3GPP TS 27.007, clause 10.2.1.1) with a line to the pppd behind the modem, for which it waits.
func (p *CellularPC) dial(string) attest.Reply {
	conn, err := p.calls.Accept()
	if err != nil {
		return attest.Reply{Chunks: []string{"\r\nNO CARRIER\r\n"}}
	}
	l := &line{conn, p}
	p.mu.Lock()
	p.line = l
	p.made++
	p.mu.Unlock()
	_ = p.modem.Say("+CGEV: ME PDN ACT 1") // clause 10.1.19
	return attest.Reply{Chunks: []string{"\r\nCONNECT 115200\r\n"}, Online: l}
}

// active answers AT+CGACT? (clause 10.1.10).
func (p *CellularPC) active(string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line == nil {
		return "+CGACT: 1,0\nOK"
	}
	return "+CGACT: 1,1\nOK"
}

// address answers AT+CGPADDR=1 (clause 10.1.14).
func (p *CellularPC) address(string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("+CGPADDR: 1,\"10.0.2.%d\"\nOK", FirstBearer+p.made-1)
}

// Drop has the network take the PPP connection back, if there is one. The pppd before the modem is not told.
func (p *CellularPC) Drop() {
	p.mu.Lock()
	l := p.line
	p.mu.Unlock()
	if l != nil {
		l.Close()
	}
}

// Read notes the end of the connection, from whichever side.
func (l *line) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err != nil {
		l.of.mu.Lock()
		l.of.line = nil
		l.of.mu.Unlock()
		_ = l.of.modem.Say("+CGEV: NW PDN DEACT 1")
	}
	return n, err
}

//go:build interop

package modbus

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// python is the one that Debian's packages are for.
const python = "/usr/bin/python3"

// peer is a server of pymodbus with two devices: input registers from 0 hold
// 230.5 as float32 and -2, holding registers and coils 100 zeros. It says "ready".
const peer = `
import asyncio, sys
from pymodbus.datastore import ModbusSequentialDataBlock as Block, ModbusSlaveContext, ModbusServerContext
from pymodbus.server import StartAsyncTcpServer, StartAsyncSerialServer
from pymodbus.transaction import ModbusRtuFramer

def device(last):
    return ModbusSlaveContext(di=Block(0, [1, 0] * 50), co=Block(0, [0] * 100), hr=Block(0, [0] * 100), ir=Block(0, [0x4366, 0x8000, 0xFFFE, last]), zero_mode=True)

context = ModbusServerContext(slaves={1: device(11), 2: device(22)}, single=False)

async def main():
    if sys.argv[1] == "tcp":
        server = StartAsyncTcpServer(context=context, address=("127.0.0.1", int(sys.argv[2])))
    else:
        server = StartAsyncSerialServer(context=context, framer=ModbusRtuFramer, port=sys.argv[2], baudrate=19200)
    task = asyncio.ensure_future(server)
    await asyncio.sleep(0.2)
    print("ready", flush=True)
    await task

asyncio.run(main())
`

// startPeer runs the server until the test ends.
func startPeer(t *testing.T, args ...string) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), python, "-c", "import pymodbus.server").Run(); err != nil {
		t.Fatalf("pymodbus: %v; ./dev test interop installs it", err)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", peer}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		t.Fatalf("pymodbus says %q, %v", line, err)
	}
}

// converse makes each kind of request.
func converse(t *testing.T, c *Client) {
	t.Helper()
	const limit = 30 * time.Second
	wants := func(what string, got []uint16, err error, want ...uint16) {
		t.Helper()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %#x, %v; want %#x", what, got, err, want)
		}
	}
	got, err := c.Read(1, Inputs, 0, 4, limit)
	wants("inputs of 1", got, err, 0x4366, 0x8000, 0xfffe, 11)
	got, err = c.Read(2, Inputs, 3, 1, limit)
	wants("input of 2", got, err, 22)
	got, err = c.Read(1, Discretes, 0, 11, limit)
	wants("discretes", got, err, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1)
	for _, err := range []error{
		c.Write(2, Coils, 9, []uint16{1}, limit), c.Write(2, Holdings, 5, []uint16{7}, limit), c.Write(2, Holdings, 6, []uint16{8, 9}, limit),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	got, err = c.Read(2, Coils, 8, 3, limit)
	wants("coils", got, err, 0, 1, 0)
	got, err = c.Read(2, Holdings, 5, 3, limit)
	wants("holdings", got, err, 7, 8, 9)
	if _, err := c.Read(1, Inputs, 1000, 1, limit); err == nil || !strings.Contains(err.Error(), "illegal data address") {
		t.Errorf("a register that is not there: %v", err)
	}
}

func TestPymodbusTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	startPeer(t, "tcp", port)
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c := NewTCP(conn)
	defer func() { _ = c.Close() }()
	converse(t, c)
}

// TestPymodbusRTU has two devices on one line, a PTY of whose ends pymodbus has
// the slave and this the master.
func TestPymodbusRTU(t *testing.T) {
	master, path := ptys(t)
	startPeer(t, "rtu", path)
	converse(t, NewRTU(master, 19200))
}

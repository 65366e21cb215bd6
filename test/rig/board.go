package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// Host is the address under which the guest reaches this machine's loopback, over UDP and TCP.
const Host = "10.0.2.2"

// The bus addresses of the sensors on /dev/i2c-0.
const (
	TMP105  = 0x48
	DPS310  = 0x76
	TMP421  = 0x4c
	EMC1413 = 0x5c
	DS1338  = 0x68
)

// startTime is how long the guest may take to boot.
const startTime = 3 * time.Minute

// Config is what a board is started with.
type Config struct {
	Programs map[string]string // executables, by absolute path in the guest: paths here; see Build
	Files    map[string][]byte // by absolute path in the guest
}

// Board is a running board.
type Board struct {
	process *process.Process
	monitor *monitor // QMP
	tester  *tester  // qtest
	shell   *shell
}

// kernelArguments keeps the DMA engine away, which QEMU lacks and through which the kernel would read the first serial port.
const kernelArguments = "console=ttymxc1,115200 quiet panic=-1 initcall_blacklist=sdma_driver_init rig.time=%d"

// boards numbers the boards of this test process, for the names of their logs.
var boards atomic.Int32

// Start boots a board, which is taken away with the test. Its console is an artifact of the test.
func Start(t workspace.T, c Config) *Board {
	t.Helper()
	folder := system(t)
	// Not the test's own folder: the path of a socket has at most 107 bytes.
	sockets, err := os.MkdirTemp("", "rig")
	if err != nil {
		t.Fatalf("start the board: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	initramfs := filepath.Join(t.TempDir(), "initramfs")
	if err := writeInitramfs(initramfs, filepath.Join(folder, systemFile), c); err != nil {
		t.Fatalf("start the board: %v", err)
	}
	at := func(name string) string { return filepath.Join(sockets, name) }
	cmd := exec.CommandContext(t.Context(), "qemu-system-arm",
		"-M", "sabrelite", "-m", "512", "-accel", "tcg", "-display", "none", "-monitor", "none", "-no-reboot",
		"-kernel", filepath.Join(folder, kernelFile), "-dtb", filepath.Join(folder, treeFile), "-initrd", initramfs,
		"-append", fmt.Sprintf(kernelArguments, time.Now().Unix()),
		"-serial", "unix:"+at("shell")+",server=on,wait=off", "-serial", "stdio",
		"-netdev", "user,id=net", "-net", "nic,model=imx.enet,netdev=net",
		"-device", fmt.Sprintf("tmp105,id=tmp105,bus=i2c-bus.0,address=%#x", TMP105),
		"-device", fmt.Sprintf("dps310,id=dps310,bus=i2c-bus.0,address=%#x", DPS310),
		"-device", fmt.Sprintf("tmp421,id=tmp421,bus=i2c-bus.0,address=%#x", TMP421),
		"-device", fmt.Sprintf("emc1413,id=emc1413,bus=i2c-bus.0,address=%#x", EMC1413),
		"-device", fmt.Sprintf("ds1338,bus=i2c-bus.0,address=%#x", DS1338),
		"-qmp", "unix:"+at("qmp")+",server=on,wait=off",
		"-qtest", "unix:"+at("qtest")+",server=on,wait=off", "-qtest-log", "/dev/null")
	p := process.Start(t, cmd, workspace.Artifact(t, fmt.Sprintf("console-%d.log", boards.Add(1))))
	b := &Board{process: p, monitor: dialMonitor(t, p, at("qmp")), tester: dialTester(t, p, at("qtest")), shell: dialShell(t, p, at("shell"))}
	p.WaitPrefix(t, startTime, "RIG UP")
	return b
}

// writeInitramfs puts the system and the payload one behind the other.
func writeInitramfs(to, system string, c Config) error {
	content, err := os.ReadFile(system)
	if err != nil {
		return err
	}
	var a archive
	for guest, here := range c.Programs {
		program, err := os.ReadFile(here)
		if err != nil {
			return err
		}
		a.add(guest, program)
	}
	for guest, file := range c.Files {
		a.add(guest, file)
	}
	return os.WriteFile(to, append(content, a.finish()...), 0o600)
}

// Build compiles a package of this module for the board and returns the program's path.
func Build(t workspace.T, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, pkg)
	cmd.Dir = workspace.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=6")
	if err := run(cmd); err != nil {
		t.Fatalf("build %s for the board: %v", pkg, err)
	}
	return program
}

// Console returns the lines that the kernel and spawned programs printed so far.
func (b *Board) Console() []string { return b.process.Output() }

// WaitConsole waits for a line of the console that begins with prefix and returns the rest of it.
func (b *Board) WaitConsole(t workspace.T, timeout time.Duration, prefix string) string {
	t.Helper()
	return b.process.WaitPrefix(t, timeout, prefix)
}

// PowerOff takes the power away, at once.
func (b *Board) PowerOff(t workspace.T) {
	t.Helper()
	b.process.Kill(t)
}

// Network plugs the board's network cable in or pulls it out.
func (b *Board) Network(t workspace.T, connected bool) {
	t.Helper()
	b.monitor.execute(t, "set_link", map[string]any{"name": "net", "up": connected})
}

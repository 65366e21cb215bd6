package rig

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// startTime is how long a guest may take to boot.
const startTime = 3 * time.Minute

// Config is what a board or an industrial PC is started with.
type Config struct {
	Programs map[string]string // executables, by absolute path in the guest: paths here; see Build
	Files    map[string][]byte // by absolute path in the guest

	// Leaps has time leap to the next timer while no program of the guest runs: a day that it waits for takes minutes. What comes from outside
	// then comes at no time that means anything.
	Leaps bool
}

// guest is a machine that runs guest/init.sh: a shell on its first serial port, the console on the second.
type guest struct {
	process *process.Process
	monitor *monitor // QMP
	shell   *shell
}

// guests numbers the guests of this test process, for the names of their logs.
var guests atomic.Int32

// hardware is an emulated machine, without what all guests have.
type hardware struct {
	qemu      []string // program and arguments
	system    string   // folder with its kernel and its initramfs without a payload
	arguments string   // of the kernel
	sockets   string   // folder
}

// socketFolder is not the test's own: the path of a socket has at most 107 bytes.
func socketFolder(t workspace.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rig")
	if err != nil {
		t.Fatalf("start a guest: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// boot boots a guest, which is taken away with the test. Its console is an artifact of the test. It is up when its console says "RIG UP".
func boot(t workspace.T, h hardware, c Config) *guest {
	t.Helper()
	initramfs := filepath.Join(t.TempDir(), "initramfs")
	if err := writeInitramfs(initramfs, filepath.Join(h.system, systemFile), c); err != nil {
		t.Fatalf("start a guest: %v", err)
	}
	at := func(name string) string { return filepath.Join(h.sockets, name) }
	cmd := exec.CommandContext(t.Context(), h.qemu[0], append(h.qemu[1:],
		"-accel", "tcg", "-display", "none", "-monitor", "none", "-no-reboot",
		"-kernel", filepath.Join(h.system, kernelFile), "-initrd", initramfs,
		"-append", fmt.Sprintf("%s quiet panic=-1 rig.time=%d", h.arguments, time.Now().Unix()),
		"-serial", "unix:"+at("shell")+",server=on,wait=off", "-serial", "stdio",
		"-qmp", "unix:"+at("qmp")+",server=on,wait=off")...)
	if c.Leaps {
		cmd.Args = append(cmd.Args, "-icount", "shift=3,sleep=off", "-rtc", "clock=vm")
	}
	p := process.Start(t, cmd, workspace.Artifact(t, fmt.Sprintf("console-%d.log", guests.Add(1))))
	return &guest{process: p, monitor: dialMonitor(t, p, at("qmp")), shell: dialShell(t, p, at("shell"))}
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

// Try runs a shell command in the guest as root and returns its output and exit status.
func (g *guest) Try(t workspace.T, command string) (output string, status int) {
	t.Helper()
	output, status, err := g.shell.run(command)
	if err != nil {
		t.Fatalf("run %q in the guest: %v", command, err)
	}
	return output, status
}

// Run is Try for a command that must succeed. It returns the output without the last line's end.
func (g *guest) Run(t workspace.T, command string) string {
	t.Helper()
	output, status := g.Try(t, command)
	if status != 0 {
		t.Fatalf("run %q in the guest: status %d: %s", command, status, output)
	}
	return strings.TrimRight(output, "\n")
}

// Spawn starts a program, with its arguments, in the guest's background. What it prints appears on the console. It returns the program's
// process number in the guest.
func (g *guest) Spawn(t workspace.T, command string) (pid string) {
	t.Helper()
	return g.Run(t, command+" </dev/null >/dev/console 2>&1 & echo $!")
}

// Console returns the lines that the kernel and spawned programs printed so far.
func (g *guest) Console() []string { return g.process.Output() }

// WaitConsole waits for a line of the console that begins with prefix and returns the rest of it.
func (g *guest) WaitConsole(t workspace.T, timeout time.Duration, prefix string) string {
	t.Helper()
	return g.process.WaitPrefix(t, timeout, prefix)
}

// PowerOff takes the power away, at once.
func (g *guest) PowerOff(t workspace.T) {
	t.Helper()
	g.process.Kill(t)
}

// AwaitEnd waits until the guest reboots, or powers off, by itself: the emulator ends with either.
func (g *guest) AwaitEnd(t workspace.T, limit time.Duration) {
	t.Helper()
	if status := g.process.Wait(t, limit); status != 0 {
		t.Errorf("the emulator ended with status %d", status)
	}
}

// SetPart sets what an emulated part measures, which QEMU counts in thousandths: "temperature" of the tmp105, "temperature0" to "temperature2"
// of the tmp421 and the emc1413, in °C.
func (g *guest) SetPart(t workspace.T, part, property string, value float64) {
	t.Helper()
	g.monitor.execute(t, "qom-set", map[string]any{
		"path": "/machine/peripheral/" + part, "property": property, "value": int(math.Round(value * 1000)),
	})
}

package rig

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

//go:embed guest/slot-initrd.sh
var slotInitrd string

// Platform is what a machine with two slots is built on: an emulator, Debian's kernel for it, and a boot loader that starts one of the slots.
type Platform struct {
	Name string
	Go   []string // settings of a Go build for it

	architecture, kernel string            // Debian's
	modules              []string          // what a slot's initramfs loads: the disk, its file system and the network
	packages             []string          // Debian's, with
	programs             []string          // what writes the boot environment from a slot
	local                []string          // the same, of this machine
	files                map[string][]byte // and its configuration in the slot
	// install writes the boot loader, the table of partitions and the boot environment onto the disk, and what else it needs into the folder.
	install func(t workspace.T, dir string, disk *os.File) error
	// emulator is the command that runs a machine with what lies in the folder.
	emulator func(dir string) []string
}

// Machine is one with a disk and two slots. Its power can be taken away and given back. Each reboot is another process of the emulator: in one
// that has run a kernel, the next one's start takes more than twice the time, since what is written over translated code is written slowly.
type Machine struct {
	platform *Platform
	dir      string           // of its disk
	process  *process.Process // nil: it is off
	boots    int
	name     string
}

// system returns a folder with what all slots have of Debian, as it lies in a slot.
func (p *Platform) system(t workspace.T) string {
	t.Helper()
	inputs := append([]string{fetchScript, slotInitrd, p.architecture, p.kernel}, p.modules...)
	inputs = append(append(inputs, p.packages...), p.programs...)
	return workspace.Cached(t, "rig-"+p.Name, inputs, func(dir string) error {
		packages := t.TempDir()
		if err := fetch(t, packages, p.architecture, p.kernel, p.packages...); err != nil {
			return err
		}
		var a archive
		if err := addModules(t, &a, packages, "order", p.modules); err != nil {
			return err
		}
		busybox, err := find(packages, "busybox")
		if err != nil {
			return err
		}
		kernel, err := find(packages, "vmlinuz-*")
		if err != nil {
			return err
		}
		return errors.Join(
			put(dir, kernelPath, kernel), put(dir, "/bin/busybox", busybox),
			writeSlotInitrd(&a, busybox, filepath.Join(dir, initrdPath)),
			putPrograms(dir, packages, p.programs),
		)
	})
}

// NewMachine returns a machine that is off, with a system in slot A.
func NewMachine(t workspace.T, p *Platform, name, slotA string) *Machine {
	t.Helper()
	m := &Machine{platform: p, name: name, dir: t.TempDir()}
	if err := makeDisk(t, p, m.dir, slotA); err != nil {
		t.Fatalf("make the disk: %v", err)
	}
	return m
}

// On gives it power.
func (m *Machine) On(t workspace.T) {
	t.Helper()
	m.boots++
	command := append(m.platform.emulator(m.dir), "-accel", "tcg", "-m", "320", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio",
		"-drive", "if=none,id=disk,format=raw,file="+filepath.Join(m.dir, diskFile), "-netdev", "user,id=net")
	emulator := func() *exec.Cmd { return exec.CommandContext(t.Context(), command[0], command[1:]...) }
	m.process = process.StartAgain(t, emulator, workspace.Artifact(t, fmt.Sprintf("console-%s-%d.log", m.name, m.boots)))
}

// Cut takes the power away, at once.
func (m *Machine) Cut(t workspace.T) {
	t.Helper()
	m.process.Kill(t)
}

// Await waits for a line of the console that contains some text, since the power came. It may be there already.
func (m *Machine) Await(t workspace.T, timeout time.Duration, text string) {
	t.Helper()
	m.process.WaitLine(t, timeout, text, func(line string) bool { return strings.Contains(line, text) })
}

// Console returns the lines of the console since the power came.
func (m *Machine) Console() []string { return m.process.Output() }

package rig

import (
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

//go:embed guest/slot-initrd.sh
var slotInitrd string

// slotModules are what a slot's initramfs loads: the disk and the network.
var slotModules = []string{"virtio_pci", "virtio_blk", "virtio_net"}

const initrdFile = "initrd"

// PC is an x86 machine with a BIOS, a disk, and GRUB on it that starts one of two slots. Its power can be taken away and given back.
type PC struct {
	disk    string
	process *process.Process // nil: it is off
	boots   int
	name    string
}

// slotSystem returns a folder with a kernel, busybox, and the initramfs of a slot.
func slotSystem(t workspace.T) string {
	t.Helper()
	const architecture, kernel = "amd64", "linux-image-cloud-amd64"
	inputs := append([]string{fetchScript, slotInitrd, architecture, kernel}, slotModules...)
	return workspace.Cached(t, "rig-pc", inputs, func(dir string) error {
		packages := t.TempDir()
		if err := fetch(t, packages, architecture, kernel); err != nil {
			return err
		}
		var a archive
		if err := addModules(t, &a, packages, "order", slotModules); err != nil {
			return err
		}
		busybox, err := find(packages, "busybox")
		if err != nil {
			return err
		}
		return errors.Join(
			take(packages, "vmlinuz-*", filepath.Join(dir, kernelFile)),
			take(packages, "busybox", filepath.Join(dir, "busybox")),
			writeSlotInitrd(&a, busybox, filepath.Join(dir, initrdFile)),
		)
	})
}

// NewPC returns a PC that is off.
func NewPC(t workspace.T, name, disk string) *PC {
	t.Helper()
	return &PC{disk: disk, name: name}
}

// On gives it power.
func (p *PC) On(t workspace.T) {
	t.Helper()
	p.boots++
	cmd := exec.CommandContext(t.Context(), "qemu-system-x86_64",
		"-M", "q35", "-accel", "tcg", "-m", "320", "-display", "none", "-monitor", "none", "-serial", "stdio",
		"-drive", "if=none,id=disk,format=raw,file="+p.disk, "-device", "virtio-blk-pci,drive=disk",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=")
	p.process = process.Start(t, cmd, workspace.Artifact(t, fmt.Sprintf("console-%s-%d.log", p.name, p.boots)))
}

// Cut takes the power away, at once.
func (p *PC) Cut(t workspace.T) {
	t.Helper()
	p.process.Kill(t)
}

// Await waits for a line of the console that contains some text, since the power came. It may be there already.
func (p *PC) Await(t workspace.T, timeout time.Duration, text string) {
	t.Helper()
	p.process.WaitLine(t, timeout, text, func(line string) bool { return strings.Contains(line, text) })
}

// Console returns the lines of the console since the power came.
func (p *PC) Console() []string { return p.process.Output() }

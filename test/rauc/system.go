// Package rauc runs a real RAUC beside a test: on a bus of its own, with two slots
// on loop devices, and a boot loader whose environment is real and whose choice is
// played. It knows RAUC and boot environments, and nothing of what is done with
// them. Loop devices and mounting take root.
package rauc

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// Compatible is the board that the system says it is.
const Compatible = "lab-gw"

// SlotSize is how much a slot holds, in bytes.
const SlotSize = 1 << 20

// Options are what a System differs in. The zero value is what updates need.
type Options struct {
	Loader   string // "custom" (the default), "grub", "uboot"
	Activate bool   // RAUC activates what it has installed
	Hold     bool   // each installation waits for Release
	Policy   string // elements of a bus configuration; "": everybody may do everything
}

// System is a RAUC with slots A (rootfs.0) and B (rootfs.1).
type System struct {
	*process.Process // RAUC, as of the last boot
	Bus              string
	Config           string // system.conf

	dir    string
	env    []string
	loader loader
	loops  [2]string
}

// Names are the slots as RAUC names them, by boot name.
var Names = map[string]string{"A": "rootfs.0", "B": "rootfs.1"}

// Start makes a system and boots it.
func Start(t workspace.T, o Options) *System {
	t.Helper()
	s := &System{dir: t.TempDir()}
	if err := os.Chmod(filepath.Dir(s.dir), 0o755); err != nil { // others are let to the bus
		t.Fatalf("%v", err)
	}
	s.Config, s.Bus = s.path("system.conf"), "unix:path="+s.path("bus")
	s.env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+s.Bus, "PATH="+s.path("bin")+":"+os.Getenv("PATH"), "GIO_USE_VFS=local")
	for _, name := range []string{"bin", "mnt"} {
		if err := os.Mkdir(s.path(name), 0o755); err != nil {
			t.Fatalf("%v", err)
		}
	}
	for i := range s.loops {
		s.loops[i] = s.loop(t, fmt.Sprintf("slot%d", i))
	}
	s.certify(t, "trusted")
	s.certify(t, "stranger")
	s.loader = s.newLoader(t, o.Loader)
	s.configure(t, o)
	s.startBus(t, o.Policy)
	t.Cleanup(func() { // what a RAUC that was killed has left
		if text, err := os.ReadFile("/proc/mounts"); err == nil && strings.Contains(string(text), s.path("mnt/bundle")) {
			s.Kill(t)
			if out, err := exec.CommandContext(context.Background(), "umount", s.path("mnt/bundle")).CombinedOutput(); err != nil {
				t.Errorf("umount: %v\n%s", err, out)
			}
		}
	})
	s.Boot(t)
	return s
}

func (s *System) path(name string) string { return filepath.Join(s.dir, name) }

func (s *System) write(t workspace.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), mode); err != nil {
		t.Fatalf("%v", err)
	}
}

// run runs a program and returns what it says.
func (s *System) run(t workspace.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// loop makes a block device that a file is behind.
func (s *System) loop(t workspace.T, name string) string {
	t.Helper()
	s.write(t, name, strings.Repeat("gateway 1 ", SlotSize/10+1)[:SlotSize], 0o600)
	device := s.run(t, "losetup", "-f", "--show", s.path(name))
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "losetup", "-d", device).CombinedOutput(); err != nil {
			t.Errorf("losetup -d %s: %v\n%s", device, err, out)
		}
	})
	return device
}

func (s *System) certify(t workspace.T, name string) {
	t.Helper()
	s.run(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365",
		"-keyout", name+".key", "-out", name+".crt", "-subj", "/O=lab/CN="+name)
}

func (s *System) configure(t workspace.T, o Options) {
	t.Helper()
	system, handlers := s.loader.config()
	if o.Hold {
		s.run(t, "mkfifo", "begun", "released")
		s.write(t, "wait", fmt.Sprintf("#!/bin/sh\ncd %q && echo >begun && cat released\n", s.dir), 0o755)
		handlers += "pre-install=" + s.path("wait") + "\n"
	}
	if handlers != "" {
		handlers = "[handlers]\n" + handlers
	}
	s.write(t, "system.conf", fmt.Sprintf(`[system]
compatible=%s
%s
activate-installed=%v
mountprefix=%s
statusfile=%s
[keyring]
path=%s
[slot.rootfs.0]
device=%s
type=raw
bootname=A
[slot.rootfs.1]
device=%s
type=raw
bootname=B
%s`, Compatible, system, o.Activate, s.path("mnt"), s.path("status"), s.path("trusted.crt"), s.loops[0], s.loops[1], handlers), 0o644)
}

// AwaitInstallation waits until an installation has begun; it goes on with Release.
func (s *System) AwaitInstallation(t workspace.T) {
	t.Helper()
	if _, err := os.ReadFile(s.path("begun")); err != nil {
		t.Fatalf("%v", err)
	}
}

// Release lets an installation go on.
func (s *System) Release(t workspace.T) {
	t.Helper()
	f, err := os.OpenFile(s.path("released"), os.O_WRONLY, 0) // waits for the other end
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
}

const everybody = `<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>`

func (s *System) startBus(t workspace.T, policy string) {
	t.Helper()
	if policy == "" {
		policy = everybody
	}
	s.write(t, "bus.conf", `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>`+s.Bus+`</listen><auth>EXTERNAL</auth>`+policy+`</busconfig>`, 0o644)
	cmd := exec.CommandContext(t.Context(), "dbus-daemon", "--config-file="+s.path("bus.conf"), "--nofork", "--nopidfile", "--print-address")
	bus := process.Start(t, cmd, workspace.Artifact(t, "bus.log"))
	bus.WaitPrefix(t, patience, "unix:")
}

const patience = time.Minute

// Boot has the boot loader choose a slot and starts RAUC as it starts in there. It
// returns the slot's boot name.
func (s *System) Boot(t workspace.T) string {
	t.Helper()
	if s.Process != nil {
		s.Stop(t)
	}
	slot := s.choose(t)
	cmd := exec.CommandContext(t.Context(), "rauc", "--conf="+s.Config, "--override-boot-slot="+slot, "service")
	cmd.Env = s.env
	s.Process = process.Start(t, cmd, workspace.Artifact(t, "rauc.log"))
	conn, err := s.Dial(t.Context())
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer conn.Close()
	for end := time.Now().Add(patience); ; {
		var there bool
		err := conn.BusObject().CallWithContext(t.Context(), "org.freedesktop.DBus.NameHasOwner", 0, "de.pengutronix.rauc").Store(&there)
		if err == nil && there {
			return slot
		}
		if time.Now().After(end) {
			t.Fatalf("RAUC does not come: %v", err)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("%v", t.Context().Err())
		}
	}
}

// choose plays the boot loader. A slot whose image says "dead" is tried as long as
// the loader wants to, and does not come up.
func (s *System) choose(t workspace.T) string {
	t.Helper()
	const most = 20
	for range most {
		slot := s.loader.choose(t)
		if slot == "" {
			break
		}
		if !strings.Contains(s.Content(t, slot), "dead") {
			return slot
		}
	}
	t.Fatalf("nothing boots any more")
	return ""
}

// Dial connects to the system's bus.
func (s *System) Dial(ctx context.Context) (*dbus.Conn, error) {
	return dbus.Connect(s.Bus, dbus.WithContext(ctx))
}

// Content is the first line that a slot holds, by its boot name.
func (s *System) Content(t workspace.T, slot string) string {
	t.Helper()
	device := s.loops[0]
	if slot == "B" {
		device = s.loops[1]
	}
	f, err := os.Open(device)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer f.Close()
	head := make([]byte, 64)
	if _, err := f.Read(head); err != nil {
		t.Fatalf("read slot %s: %v", slot, err)
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return string(line)
}

// Bundle is what a bundle differs in. The zero value of a field is what is good.
type Bundle struct {
	Text       string // first line of the image; "gateway VERSION"
	Version    string // "2.0"
	Compatible string
	Stranger   bool   // signed by somebody else
	Size       int    // of the image, in bytes; 100,000
	Noise      bool   // the image cannot be compressed: the bundle is as large
	File       string // name of the image that the manifest says; "rootfs.img"
}

// Make makes a bundle and returns its content.
func (s *System) Make(t workspace.T, b Bundle) []byte {
	t.Helper()
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	set(&b.Version, "2.0")
	set(&b.Compatible, Compatible)
	set(&b.Text, "gateway "+b.Version)
	set(&b.File, "rootfs.img")
	if b.Size == 0 {
		b.Size = 100_000
	}
	dir, err := os.MkdirTemp(s.dir, "bundle-")
	if err != nil {
		t.Fatalf("%v", err)
	}
	image := bytes.Repeat([]byte(b.Text+"\n"), b.Size/len(b.Text)+1)[:b.Size]
	if b.Noise {
		if _, err := rand.Read(image[len(image)/10:]); err != nil {
			t.Fatalf("%v", err)
		}
	}
	name := filepath.Base(dir)
	s.write(t, filepath.Join(name, b.File), string(image), 0o600)
	s.write(t, filepath.Join(name, "manifest.raucm"), fmt.Sprintf("[update]\ncompatible=%s\nversion=%s\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=%s\n",
		b.Compatible, b.Version, b.File), 0o600)
	signer := "trusted"
	if b.Stranger {
		signer = "stranger"
	}
	file := s.path(name + ".raucb")
	s.run(t, "rauc", "bundle", "--cert="+s.path(signer+".crt"), "--key="+s.path(signer+".key"), dir, file)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return content
}

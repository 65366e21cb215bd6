package agent

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/helper"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/plain"
	"lwm2m-agent/fota/plain/plaintest"
)

// parted is a machine whose slots are files, an agent that may touch none of them, and a
// helper that may.
type parted struct {
	*testing.T
	dir    string
	cfg    *config.Config // the agent's
	slots  fota.Backend   // likewise
	signer plaintest.Signer
}

// newParted has root's configuration say what boots: lines of [firmware].
func newParted(t *testing.T, lines string) *parted {
	t.Helper()
	p := &parted{T: t, dir: t.TempDir(), signer: plaintest.NewSigner("vendor01")}
	p.put("vendor.pub", p.signer.PublicKey())
	for _, name := range []string{"kernelA", "kernelB", "rootfsA", "rootfsB"} {
		p.put(name, bytes.Repeat([]byte{0xee}, 3<<20))
	}
	text := fmt.Sprintf("[firmware]\nkeys = ['vendor.pub']\ncompatible = 'lab'\n%s\n", lines)
	for _, slot := range []string{"A", "B"} {
		text += fmt.Sprintf("[[firmware.slot]]\nname = '%s'\ndevices = ['kernel=%s', 'rootfs=%s']\n", slot, p.path("kernel"+slot), p.path("rootfs"+slot))
		if strings.Contains(lines, "tryboot") {
			text += fmt.Sprintf("boot_partition = %d\n", map[string]int{"A": 2, "B": 3}[slot])
		}
	}
	p.put("agent.toml", []byte(text))
	root := fstest.MapFS{
		"proc/cmdline": {Data: []byte("console=ttyS0 lwm2m.slot=A\n")}, "etc/os-release": {Data: []byte("VERSION_ID=1.5\n")},
		"proc/device-tree/chosen/bootloader/partition": {Data: []byte("\x00\x00\x00\x02")},
	}
	l, err := net.Listen("unix", p.path("helper.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = helper.Serve(t.Context(), l, helper.Options{
			Users: []uint32{uint32(os.Geteuid())}, Log: slog.New(slog.DiscardHandler),
			Firmware: func() (helper.Firmware, error) { return openRootSlots(p.path("agent.toml"), p.path("run"), root) },
		})
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	if p.cfg, err = config.LoadFirmware(p.path("agent.toml")); err != nil {
		t.Fatal(err)
	}
	p.slots, err = machineSlots(p.cfg, root, p.path("state"), helperSlots{helper.Client{Path: p.path("helper.sock")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *parted) path(name string) string { return filepath.Join(p.dir, name) }

func (p *parted) put(name string, content []byte) {
	p.Helper()
	if err := os.WriteFile(p.path(name), content, 0o600); err != nil {
		p.Fatal(err)
	}
}

// pack makes a package of kernel and rootfs.
func (p *parted) pack(signer plaintest.Signer, version string) string {
	p.Helper()
	images := []plaintest.Image{{Name: "kernel", Content: p.content("kernel")}, {Name: "rootfs", Content: p.content("rootfs")}}
	p.put("package", plaintest.Compose(signer, version, images, "compatible = lab"))
	return p.path("package")
}

func (p *parted) content(name string) []byte { return bytes.Repeat([]byte(name), 250_000) }

// holds looks what a device begins with.
func (p *parted) holds(device string, want []byte) {
	p.Helper()
	got, err := os.ReadFile(p.path(device))
	if err != nil || !bytes.HasPrefix(got, want) || len(got) != 3<<20 {
		p.Errorf("%s does not hold what it should, %v", device, err)
	}
}

// good looks which slots are good.
func (p *parted) good(want string) {
	p.Helper()
	s, err := p.slots.Slots(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	got := ""
	for _, slot := range s.All {
		if slot.Good {
			got += slot.Name
		}
	}
	if got != want || s.Booted != "A" {
		p.Errorf("slots %q are good, want %q; %s runs", got, want, s.Booted)
	}
}

func (p *parted) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// refused looks that an error says so.
func (p *parted) refused(err error, want string) {
	p.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		p.Errorf("got %v, want %q", err, want)
	}
}

// update is an update in the steps in which it is done, by an agent that is right.
func (p *parted) update() {
	p.Helper()
	found, err := p.slots.Inspect(p.Context(), p.pack(p.signer, "2.0"))
	if err != nil || found != (fota.Package{Name: "gateway", Version: "2.0"}) {
		p.Fatalf("%+v, %v", found, err)
	}
	p.must(p.slots.Mark(p.Context(), "A", true))
	p.must(p.slots.Mark(p.Context(), "B", false))
	image, err := p.slots.Install(p.Context(), p.path("package"), "B")
	if err != nil || image.Version != "2.0" || len(image.Hash) != 64 {
		p.Fatalf("%+v, %v", image, err)
	}
	for _, part := range []string{"kernel", "rootfs"} {
		p.holds(part+"B", p.content(part))
		p.holds(part+"A", []byte{0xee, 0xee})
	}
	p.good("A")
	p.must(p.slots.Activate(p.Context(), "B"))
	p.must(p.slots.Mark(p.Context(), "B", true))
	p.good("AB")
	if s, err := p.slots.Slots(p.Context()); err != nil || s.All[1].Image != image {
		p.Errorf("slot B holds %+v, %v", s, err)
	}
}

// TestUpdateThroughHelper is an update by an agent without rights, and what an agent cannot have the helper do that is
// in somebody else's hands.
func TestUpdateThroughHelper(t *testing.T) {
	p := newParted(t, "backend = 'uboot'\nenvironment = 'fw_env.config'")
	p.fakeUBoot("BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n")
	text, err := p.slots.(prober).Probe(t.Context())
	if err != nil || !strings.Contains(text, "slot A runs; A is good") {
		t.Errorf("%q, %v", text, err)
	}
	p.update()

	p.must(p.slots.Mark(t.Context(), "B", false))
	for _, c := range []struct {
		signer        plaintest.Signer
		version, slot string
		result        fota.Result
		want          string
	}{
		{p.signer, "3.0", "A", 0, `slot "A" runs`},
		{p.signer, "3.0", "C", 0, `no slot "C"`},
		{plaintest.NewSigner("stranger"), "3.0", "B", fota.IntegrityFailure, "signed"},
		{p.signer, "1.0", "B", fota.UnsupportedPackage, "lower than"},
	} {
		_, err := p.slots.Install(t.Context(), p.pack(c.signer, c.version), c.slot)
		p.refused(err, c.want)
		if s, err := p.slots.Slots(t.Context()); err != nil || s.All[1].Empty || s.All[1].Image.Version != "2.0" {
			t.Errorf("%v: nothing is written, and slot B holds %+v, %v", c, s, err)
		}
		if f, ok := errors.AsType[*fota.Failure](err); ok != (c.result > 0) || ok && f.Result != c.result {
			t.Errorf("%v: %+v", c, f)
		}
		p.holds("kernelB", p.content("kernel"))
	}
	p.must(p.slots.Activate(t.Context(), "B"))
	_, err = p.slots.Install(t.Context(), p.pack(p.signer, "3.0"), "B")
	p.refused(err, "may be booted")
	p.refused(p.slots.Activate(t.Context(), "C"), `no slot "C"`)
}

// TestTrybootThroughHelper is an update of a Raspberry Pi, whose autoboot.txt only root writes, byte by byte.
func TestTrybootThroughHelper(t *testing.T) {
	p := newParted(t, "backend = 'tryboot'\nenvironment = 'autoboot.txt'")
	const before = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
	p.put("autoboot.txt", []byte(before))
	reboots := p.slots.(interface{ RebootArgument() (string, error) })
	is := func(step, argument, text string) {
		t.Helper()
		got, err := reboots.RebootArgument()
		if err != nil || got != argument {
			t.Errorf("%s: reboot with %q, %v; want %q", step, got, err, argument)
		}
		if b, err := os.ReadFile(p.path("autoboot.txt")); err != nil || string(b) != text {
			t.Errorf("%s: autoboot.txt is %q, %v", step, b, err)
		}
	}
	is("at first", "", before)
	p.must(p.slots.Mark(t.Context(), "B", false))
	if _, err := p.slots.Install(t.Context(), p.pack(p.signer, "2.0"), "B"); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"kernel", "rootfs"} {
		p.holds(part+"B", p.content(part))
		p.holds(part+"A", []byte{0xee, 0xee})
	}
	is("written", "", before)
	p.must(p.slots.Activate(t.Context(), "B"))
	is("to be tried", "0 tryboot", before) // reboot(2) has the firmware try the other partition, once
	p.must(p.slots.Mark(t.Context(), "B", false))
	is("not to be tried", "", before)
	p.must(p.slots.Activate(t.Context(), "B"))
	p.must(p.slots.Mark(t.Context(), "B", true))
	is("good", "", "[all]\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=2\n")

	p.put("autoboot.txt", []byte(before))
	p.must(os.Chmod(p.path("autoboot.txt"), 0o666))
	p.refused(p.slots.Activate(t.Context(), "B"), "autoboot.txt can be written by others than root")
	p.must(os.Chmod(p.path("autoboot.txt"), 0o600))
	p.put("autoboot.txt", []byte("boot_partition=2\n"))
	p.refused(p.slots.Activate(t.Context(), "B"), "tryboot_a_b=1")
}

// TestHelperTrustsRootAlone: what others can write decides about nothing.
func TestHelperTrustsRootAlone(t *testing.T) {
	for _, file := range []string{"agent.toml", "vendor.pub", "fw_env.config", "rootfsB"} {
		p := newParted(t, "backend = 'uboot'\nenvironment = 'fw_env.config'")
		p.fakeUBoot("BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n")
		p.good("AB")
		p.must(os.Chmod(p.path(file), 0o666))
		_, err := p.slots.Slots(t.Context())
		p.refused(err, file+" can be written by others than root")
		p.must(os.Chmod(p.path(file), 0o600))
		p.good("AB")
		p.must(os.Chmod(p.dir, 0o777))
		p.refused(p.slots.Activate(t.Context(), "B"), p.dir+" can be written by others than root")
		p.must(os.Chmod(p.dir, 0o700))
	}
	p := newParted(t, "backend = 'uboot'\nenvironment = 'fw_env.config'")
	p.put("agent.toml", []byte("[log]\nlevel = 'debug'\n"))
	_, err := p.slots.Slots(t.Context())
	p.refused(err, "there is no [firmware] in "+p.dir)
	p.put("agent.toml", []byte("[firmware]\nbackend = 'rauc'\n"))
	_, err = p.slots.Slots(t.Context())
	p.refused(err, `the helper does nothing for [firmware] with backend "rauc"`)
}

// fakeUBoot puts programs on PATH that keep an environment in a file.
func (p *parted) fakeUBoot(env string) {
	p.Helper()
	p.put("env", []byte(env))
	p.put("fw_env.config", []byte("/dev/a 0x0 0x4000\n/dev/b 0x0 0x4000\n"))
	scripts := map[string]string{
		"fw_printenv": "[ \"$1\" = -V ] || exec cat $ENV",
		"fw_setenv":   "cat >$ENV.new; for n in $(cut -d= -f1 $ENV.new); do sed -i \"/^$n=/d\" $ENV; done; cat $ENV.new >>$ENV",
	}
	for name, script := range scripts {
		p.put(name, []byte("#!/bin/sh\nENV="+p.path("env")+"\n"+script+"\n"))
		p.must(os.Chmod(p.path(name), 0o700))
	}
	p.Setenv("PATH", p.dir+":"+os.Getenv("PATH"))
}

// TestHelperIsLost: an installation is begun anew when the helper ends in its middle, as one that is killed does, but not for ever. The slot is not
// what it was then, whatever the next one says.
func TestHelperIsLost(t *testing.T) {
	const done, refused = `{"image":{"version":"2.0"}}`, `{"error":"x","untouched":true}`
	for _, c := range []struct {
		lost      int
		then      string
		done      bool
		untouched bool
	}{
		{1, done, true, false},
		{maxHelpersLost, done, true, false},
		{maxHelpersLost + 1, done, false, false},
		{0, refused, false, true},
		{1, refused, false, false},
	} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				if asked++; asked > c.lost {
					_, _ = conn.Write([]byte(c.then + "\n"))
				}
				_, _ = conn.Read(make([]byte, 4096))
				_ = conn.Close()
			}
		}()
		file, err := os.Create(filepath.Join(t.TempDir(), "package"))
		if err != nil {
			t.Fatal(err)
		}
		image, err := helperSlots{helper.Client{Path: path}}.Install(t.Context(), file, "B")
		file.Close()
		l.Close()
		<-ended
		if c.done != (err == nil) || c.done && image.Version != "2.0" || asked != min(c.lost, maxHelpersLost)+1 {
			t.Errorf("lost %d times: asked %d times, %+v, %v", c.lost, asked, image, err)
		}
		if _, untouched := errors.AsType[*plain.Untouched](err); untouched != c.untouched {
			t.Errorf("lost %d times: the slot is untouched: %v", c.lost, untouched)
		}
	}
}

// TestHelperIsLostAtOnce: a helper that ends before it has read what it is asked for is lost, too, whatever of that the kernel tells first.
func TestHelperIsLostAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_ = c.Close()
		}
	}()
	file, err := os.Create(filepath.Join(t.TempDir(), "package"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for range 2000 {
		if _, err := (helper.Client{Path: path}).InstallSlot(t.Context(), file, "B"); !lostHelper(err) {
			t.Fatal(err)
		}
	}
	l.Close()
	<-ended
}

// Package swupdate runs a real SWUpdate beside a test, with slots that are files, and
// makes packages for it. It knows SWUpdate, and nothing of what is done with it.
package swupdate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// Selections are the software sets and modes of the slots.
var Selections = map[string]string{"A": "stable,copy1", "B": "stable,copy2"}

// Daemon is a SWUpdate with slots A and B. What is in A is of version 1.0.
type Daemon struct {
	*process.Process
	Dir    string // for whatever belongs to this system
	Socket string
}

// Start starts one, and waits until a probe finds it ready.
func Start(t workspace.T, probe func(ctx context.Context, socket string) error) *Daemon {
	t.Helper()
	d := &Daemon{Dir: t.TempDir()}
	run := d.path("run")
	d.Socket = filepath.Join(run, "sockinstctrl")
	for _, name := range []string{"trusted", "stranger"} {
		d.run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365", "-keyout", name+".key", "-out", name+".crt",
			"-subj", "/O=lab/CN="+name, "-addext", "extendedKeyUsage=emailProtection")
	}
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatalf("%v", err)
	}
	d.write(t, "slotA", image("1.0", 4096))
	d.write(t, "slotB", image("old", 4096))
	d.write(t, "config", fmt.Appendf(nil, "globals : { loglevel = 3; public-key-file = %q; bootloader = \"none\"; };", d.path("trusted.crt")))
	cmd := exec.CommandContext(t.Context(), "swupdate", "-f", d.path("config"), "-k", d.path("trusted.crt"), "-H", "labgw:1.0",
		"-q", Selections["A"], "-q", Selections["B"])
	cmd.Env = append(os.Environ(), "TMPDIR="+run, "RUNTIME_DIRECTORY="+run)
	d.Process = process.Start(t, cmd, workspace.Artifact(t, "swupdate.log"))
	for end := time.Now().Add(time.Minute); ; {
		err := probe(t.Context(), d.Socket)
		if err == nil {
			return d
		} else if time.Now().After(end) {
			t.Fatalf("SWUpdate is not ready: %v", err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("%v", t.Context().Err())
		}
	}
}

// Content returns the version of the image in a slot.
func (d *Daemon) Content(t workspace.T, slot string) string {
	t.Helper()
	content, err := os.ReadFile(d.path("slot" + slot))
	if err != nil {
		t.Fatalf("%v", err)
	}
	version, _, _ := bytes.Cut(content, []byte("\n"))
	return string(version)
}

// Package is what a package differs in. The zero value is a good one of version 2.0.
type Package struct {
	Version  string
	Stranger bool   // signed by one whom nobody trusts
	Board    string // hardware revision that it is for
	OtherSum bool   // the image is another one than was signed
	Size     int    // bytes of the image
	Device   string // in place of the slots
	Name     string // of the image's file; "rootfs.img"
	Beside   string // one more file that the description does not know, by its path
	Dead     bool   // the image is of no system that boots
}

// Make returns a package.
func (d *Daemon) Make(t workspace.T, p Package) []byte {
	t.Helper()
	if p.Version == "" {
		p.Version = "2.0"
	}
	content := image(p.Version, max(p.Size, 4096))
	if p.Dead {
		content = image("", len(content))
	}
	if p.Name == "" {
		p.Name = "rootfs.img"
	}
	d.write(t, p.Name, content)
	sum := sha256.Sum256(content)
	if p.OtherSum {
		sum[0] ^= 1
	}
	board, signer := p.Board, "trusted"
	if board == "" {
		board = "1.0"
	}
	if p.Stranger {
		signer = "stranger"
	}
	var copies strings.Builder
	for at, slot := range []string{"A", "B"} {
		device := p.Device
		if device == "" {
			device = d.path("slot" + slot)
		}
		fmt.Fprintf(&copies, "copy%d: {\n"+
			"    images: ( { filename = %q; version = %q; device = %q; type = \"raw\"; sha256 = \"%x\"; } );\n"+
			"    bootenv: ( { name = \"BOOT_ORDER\"; value = %q; } );\n  };\n", at+1, p.Name, p.Version, device, sum, slot)
	}
	d.write(t, "sw-description", fmt.Appendf(nil,
		"software = {\n  version = %q; description = \"gateway\"; hardware-compatibility: [ %q ];\n  stable: { %s };\n}\n", p.Version, board, &copies))
	d.run(t, "openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig", "-signer", signer+".crt", "-inkey", signer+".key",
		"-outform", "DER", "-nosmimecap", "-binary")
	cmd := exec.CommandContext(t.Context(), "cpio", "-o", "-H", "crc", "--quiet")
	files := "sw-description\nsw-description.sig\n" + p.Name + "\n"
	if p.Beside != "" {
		d.write(t, p.Beside, content)
		files += p.Beside + "\n"
	}
	cmd.Dir, cmd.Stdin = d.Dir, strings.NewReader(files)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cpio: %v", err)
	}
	return out
}

// image is one of a system that says its version in its first line.
func image(version string, size int) []byte {
	return bytes.Repeat([]byte(version+"\n"), size/(len(version)+1)+1)[:size]
}

func (d *Daemon) path(name string) string { return filepath.Join(d.Dir, name) }

func (d *Daemon) write(t workspace.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(d.path(name), content, 0o600); err != nil {
		t.Fatalf("%v", err)
	}
}

func (d *Daemon) run(t workspace.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = d.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

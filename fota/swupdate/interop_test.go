//go:build interop

package swupdate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/fota"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// env is a boot environment in memory.
type env struct{ calls []string }

func (e *env) Slots(context.Context) (fota.Slots, error) {
	return fota.Slots{Booted: "A", All: []fota.Slot{{Name: "A", Good: true}, {Name: "B"}}}, nil
}

func (e *env) Activate(_ context.Context, slot string) error {
	e.calls = append(e.calls, "activate "+slot)
	return nil
}

func (e *env) Mark(_ context.Context, slot string, good bool) error {
	e.calls = append(e.calls, fmt.Sprintf("mark %s %v", slot, good))
	return nil
}

// daemon is a real SWUpdate with a slot that is a file.
type daemon struct {
	*process.Process
	t   *testing.T
	dir string
	env *env
	*Backend
}

func start(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: t.TempDir(), env: &env{}}
	for _, name := range []string{"trusted", "stranger"} {
		d.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365", "-keyout", name+".key", "-out", name+".crt",
			"-subj", "/O=lab/CN="+name, "-addext", "extendedKeyUsage=emailProtection")
	}
	must(t, os.Mkdir(d.path("run"), 0o700))
	d.write("slot", bytes.Repeat([]byte("old "), 2048))
	d.write("config", fmt.Appendf(nil, "globals : { loglevel = 3; public-key-file = %q; bootloader = \"none\"; };", d.path("trusted.crt")))
	cmd := exec.CommandContext(t.Context(), "swupdate", "-f", d.path("config"), "-k", d.path("trusted.crt"), "-H", "labgw:1.0", "-q", "stable,copy2")
	cmd.Env = append(os.Environ(), "TMPDIR="+d.path("run"), "RUNTIME_DIRECTORY="+d.path("run"))
	d.Process = process.Start(t, cmd, workspace.Artifact(t, "swupdate.log"))
	d.Backend = New(Options{Boot: d.env, Socket: d.path("run/sockinstctrl"), Select: map[string]string{"A": "stable,copy1", "B": "stable,copy2"}})
	for end := time.Now().Add(time.Minute); ; {
		if _, err := d.Probe(t.Context()); err == nil {
			return d
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

func (d *daemon) write(name string, content []byte) {
	d.t.Helper()
	must(d.t, os.WriteFile(d.path(name), content, 0o600))
}

func (d *daemon) run(name string, args ...string) {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), name, args...)
	cmd.Dir = d.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// pack is what a package differs in.
type pack struct {
	stranger bool
	board    string // hardware revision that it is for
	otherSum bool
	size     int
	device   string // the slot
}

func (d *daemon) make(p pack) []byte {
	d.t.Helper()
	if p.size == 0 {
		p.size = 4096
	}
	image := bytes.Repeat([]byte("new "), p.size/4)
	d.write("rootfs.img", image)
	sum := sha256.Sum256(image)
	if p.otherSum {
		sum[0] ^= 1
	}
	if p.device == "" {
		p.device = d.path("slot")
	}
	if p.board == "" {
		p.board = "1.0"
	}
	d.write(descriptionName, fmt.Appendf(nil, `software = {
  version = "2.0.0"; description = "gateway";
  hardware-compatibility: [ %q ];
  stable: { copy2: {
    images: ( { filename = "rootfs.img"; version = "7"; device = %q; type = "raw"; sha256 = "%x"; } );
    bootenv: ( { name = "BOOT_ORDER"; value = "B A"; } );
  }; };
}
`, p.board, p.device, sum))
	signer := "trusted"
	if p.stranger {
		signer = "stranger"
	}
	d.run("openssl", "cms", "-sign", "-in", descriptionName, "-out", descriptionName+".sig", "-signer", signer+".crt", "-inkey", signer+".key",
		"-outform", "DER", "-nosmimecap", "-binary")
	cmd := exec.CommandContext(d.t.Context(), "cpio", "-o", "-H", "crc", "--quiet")
	cmd.Dir, cmd.Stdin = d.dir, strings.NewReader(descriptionName+"\n"+descriptionName+".sig\nrootfs.img\n")
	out, err := cmd.Output()
	must(d.t, err)
	return out
}

func (d *daemon) file(content []byte) string {
	d.t.Helper()
	d.write("package", content)
	return d.path("package")
}

func (d *daemon) slot() string {
	d.t.Helper()
	content, err := os.ReadFile(d.path("slot"))
	must(d.t, err)
	return string(content[:4])
}

func TestInstallation(t *testing.T) {
	t.Parallel()
	d := start(t)
	name := d.file(d.make(pack{}))
	p, err := d.Inspect(t.Context(), name)
	if err != nil || p != (fota.Package{Name: "gateway", Version: "2.0.0"}) || d.slot() != "old " || len(d.env.calls) > 0 {
		t.Fatalf("%+v, %v; the slot holds %q; %q", p, err, d.slot(), d.env.calls)
	}
	image, err := d.Install(t.Context(), name, "B")
	if err != nil || image.Version != "2.0.0" || d.slot() != "new " || strings.Join(d.env.calls, ", ") != "activate A, mark B false" {
		t.Fatalf("%+v, %v; the slot holds %q; %q", image, err, d.slot(), d.env.calls)
	}
	if _, err := d.Install(t.Context(), name, "A"); err == nil || !strings.Contains(err.Error(), "none to write to") {
		t.Errorf("the slot that runs: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := start(t)
	good := d.make(pack{size: 40_000})
	flip := bytes.Clone(good)
	flip[len(flip)/2] ^= 1
	for _, c := range []struct {
		name    string
		content []byte
		result  fota.Result
	}{
		{"damaged image", flip, fota.IntegrityFailure},
		{"another image", d.make(pack{otherSum: true}), fota.IntegrityFailure},
		{"damaged description", bytes.Replace(good, []byte(`"2.0.0"`), []byte(`"9.0.0"`), 1), fota.IntegrityFailure},
		{"signed by a stranger", d.make(pack{stranger: true}), fota.IntegrityFailure},
		{"cut off", good[:len(good)/2], fota.IntegrityFailure},
		{"for another board", d.make(pack{board: "2.0"}), fota.UnsupportedPackage},
		{"no package", bytes.Repeat([]byte("none"), 1000), fota.UnsupportedPackage},
	} {
		_, err := d.Inspect(t.Context(), d.file(c.content))
		if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != c.result {
			t.Errorf("%s: %v (%+v), want result %d", c.name, err, f, c.result)
		}
		t.Logf("%s: %v", c.name, err)
	}
	if d.slot() != "old " {
		t.Errorf("the slot holds %q", d.slot())
	}
	for device, result := range map[string]fota.Result{d.path("none/slot"): fota.UpdateFailed, "/dev/full": fota.NoStorage} {
		_, err := d.Install(t.Context(), d.file(d.make(pack{device: device})), "B")
		if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != result || len(f.Reason) < 20 {
			t.Errorf("%s: %v (%+v)", device, err, f)
		}
		t.Log(err)
	}
	if _, err := d.Inspect(t.Context(), d.file(d.make(pack{}))); err != nil {
		t.Errorf("a good one afterwards: %v", err)
	}
	d.Kill(t)
	if _, err := d.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "SWUpdate does not answer") {
		t.Errorf("%v", err)
	}
}

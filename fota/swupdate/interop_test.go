//go:build interop

package swupdate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/test/swupdate"
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

func (e *env) Probe(context.Context) (string, error) { return "all is well", nil }

// daemon is a Backend with a real SWUpdate.
type daemon struct {
	*swupdate.Daemon
	t   *testing.T
	env *env
	*Backend
}

func start(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{t: t, env: &env{}}
	d.Daemon = swupdate.Start(t, func(ctx context.Context, socket string) error {
		d.Backend = New(Options{Boot: d.env, Socket: socket, Select: swupdate.Selections})
		_, err := d.Probe(ctx)
		return err
	})
	return d
}

func (d *daemon) make(p swupdate.Package) []byte {
	d.t.Helper()
	return d.Make(d.t, p)
}

func (d *daemon) file(content []byte) string {
	d.t.Helper()
	name := filepath.Join(d.Dir, "package")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return name
}

func (d *daemon) slot() string {
	d.t.Helper()
	return d.Content(d.t, "B")
}

func TestInstallation(t *testing.T) {
	t.Parallel()
	d := start(t)
	name := d.file(d.make(swupdate.Package{}))
	p, err := d.Inspect(t.Context(), name)
	if err != nil || p != (fota.Package{Name: "gateway", Version: "2.0"}) || d.slot() != "old" || len(d.env.calls) > 0 {
		t.Fatalf("%+v, %v; the slot holds %q; %q", p, err, d.slot(), d.env.calls)
	}
	image, err := d.Install(t.Context(), name, "B")
	if err != nil || image.Version != "2.0" || d.slot() != "2.0" || strings.Join(d.env.calls, ", ") != "activate A, mark B false" {
		t.Fatalf("%+v, %v; the slot holds %q; %q", image, err, d.slot(), d.env.calls)
	}
	if _, err := d.Install(t.Context(), name, "A"); err == nil || !strings.Contains(err.Error(), "none to write to") {
		t.Errorf("the slot that runs: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := start(t)
	good := d.make(swupdate.Package{Size: 40_000})
	flip := bytes.Clone(good)
	flip[len(flip)/2] ^= 1
	for _, c := range []struct {
		name    string
		content []byte
		result  fota.Result
	}{
		{"damaged image", flip, fota.IntegrityFailure},
		{"another image", d.make(swupdate.Package{OtherSum: true}), fota.IntegrityFailure},
		{"damaged description", bytes.Replace(good, []byte(`"2.0"`), []byte(`"9.0"`), 1), fota.IntegrityFailure},
		{"signed by a stranger", d.make(swupdate.Package{Stranger: true}), fota.IntegrityFailure},
		{"cut off", good[:len(good)/2], fota.IntegrityFailure},
		{"for another board", d.make(swupdate.Package{Board: "2.0"}), fota.UnsupportedPackage},
		{"no package", bytes.Repeat([]byte("none"), 1000), fota.UnsupportedPackage},
	} {
		_, err := d.Inspect(t.Context(), d.file(c.content))
		if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != c.result {
			t.Errorf("%s: %v (%+v), want result %d", c.name, err, f, c.result)
		}
		t.Logf("%s: %v", c.name, err)
	}
	if d.slot() != "old" {
		t.Errorf("the slot holds %q", d.slot())
	}
	d.refusesNames()
	for device, result := range map[string]fota.Result{filepath.Join(d.Dir, "none/slot"): fota.UpdateFailed, "/dev/full": fota.NoStorage} {
		_, err := d.Install(t.Context(), d.file(d.make(swupdate.Package{Device: device})), "B")
		if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != result || len(f.Reason) < 20 {
			t.Errorf("%s: %v (%+v)", device, err, f)
		}
		t.Log(err)
	}
	if _, err := d.Inspect(t.Context(), d.file(d.make(swupdate.Package{}))); err != nil {
		t.Errorf("a good one afterwards: %v", err)
	}
	d.Kill(t)
	if _, err := d.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "SWUpdate does not answer") {
		t.Errorf("%v", err)
	}
}

// refusesNames has packages, well signed, with a file that SWUpdate would write outside of its folder, over one that is there, and remove.
func (d *daemon) refusesNames() {
	d.t.Helper()
	other := filepath.Join(d.Dir, "other.img")
	for _, p := range []swupdate.Package{{Name: "../other.img"}, {Beside: "../other.img"}} {
		file := d.file(d.make(p))
		if err := os.WriteFile(other, []byte("other"), 0o600); err != nil {
			d.t.Fatal(err)
		}
		_, inspected := d.Inspect(d.t.Context(), file)
		_, installed := d.Install(d.t.Context(), file, "B")
		for _, err := range []error{inspected, installed} {
			if f, ok := errors.AsType[*fota.Failure](err); !ok || f.Result != fota.UnsupportedPackage {
				d.t.Errorf("%+v: %v", p, err)
			}
		}
		if content, err := os.ReadFile(other); err != nil || string(content) != "other" || d.slot() != "old" {
			d.t.Errorf("%+v: the file holds %.10q (%v), the slot %q", p, content, err, d.slot())
		}
	}
}

package tryboot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/fotatest"
	"lwm2m-agent/fota/plain"
)

const first = "# of the factory\n[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func loader(t *testing.T, dir string) *Loader {
	t.Helper()
	l := New(Options{Partitions: map[string]int{"A": 2, "B": 3}, File: filepath.Join(dir, "autoboot.txt"), Dir: filepath.Join(dir, "state")})
	if _, err := os.Stat(l.opts.File); err != nil {
		write(t, l.opts.File, first)
	}
	return l
}

// rig is a Raspberry Pi. Its firmware boots what autoboot.txt says, and tries the
// other slot when the reboot before was made with the argument.
type rig struct {
	fotatest.Files
	t        *testing.T
	l        *Loader
	argument string // of the reboot that comes
}

// steps makes each change of the loader a step.
type steps struct {
	plain.Loader
	m *fotatest.Machine
}

func (s steps) Activate(ctx context.Context, slot string) error {
	return s.m.Step("activate "+slot, func() error { return s.Loader.Activate(ctx, slot) })
}

func (s steps) Mark(ctx context.Context, slot string, good bool) error {
	return s.m.Step("mark "+slot, func() error { return s.Loader.Mark(ctx, slot, good) })
}

// Backend implements fotatest.Rig.
func (r *rig) Backend(m *fotatest.Machine) fota.Backend { return r.Plain(m, steps{r.l, m}) }

// Reboot implements fotatest.Rebooter.
func (r *rig) Reboot() {
	var err error
	if r.argument, err = r.l.RebootArgument(); err != nil {
		r.t.Fatal(err)
	}
}

// Boot implements fotatest.Rig.
func (r *rig) Boot(*fotatest.Machine) string {
	b, err := r.l.read()
	if err != nil {
		r.t.Fatal(err)
	}
	partition := b.all
	if r.argument == RebootArgument {
		partition = b.try
	}
	r.argument = ""
	slot, err := r.l.slot(partition)
	if err != nil {
		r.t.Fatal(err)
	}
	return slot
}

func TestCuts(t *testing.T) {
	fotatest.Cuts(t, fotatest.Options{Once: true, Random: 20}, func(t *testing.T, dir string) fotatest.Rig {
		t.Helper()
		return &rig{Files: fotatest.NewFiles(t, dir), t: t, l: loader(t, dir)}
	})
}

func TestLoader(t *testing.T) {
	dir := t.TempDir()
	l := loader(t, dir)
	is := func(what, primary, argument string, b plain.Standing) {
		t.Helper()
		s, err := l.Standings(t.Context())
		if err != nil || s["B"] != b {
			t.Errorf("%s: B is %v, %v; want %v", what, s["B"], err, b)
		}
		got, err := l.RebootArgument()
		if p, _, _ := l.standing(); err != nil || got != argument || p != primary {
			t.Errorf("%s: reboot with %q (%v), slot %s; want %q, %s", what, got, err, p, argument, primary)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	is("at first", "A", "", plain.Forbidden)
	must(l.Activate(t.Context(), "B"))
	is("activated", "A", RebootArgument, plain.OnTrial)
	must(l.Mark(t.Context(), "B", false))
	is("forbidden", "A", "", plain.Forbidden)
	must(l.Activate(t.Context(), "B"))
	must(l.Mark(t.Context(), "B", true))
	is("good", "B", "", plain.Good)
	if text, err := os.ReadFile(l.opts.File); err != nil || string(text) != "[all]\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=2\n" {
		t.Errorf("got %q, %v", text, err)
	}
	must(l.Mark(t.Context(), "B", true))
	must(l.Activate(t.Context(), "B"))
	is("good again", "B", "", plain.Good)
	if err := l.Mark(t.Context(), "B", false); err == nil {
		t.Error("the slot that is booted is forbidden")
	}
	if err := errors.Join(l.Activate(t.Context(), "C"), l.Mark(t.Context(), "C", true)); err == nil || strings.Count(err.Error(), "no slot") != 2 {
		t.Errorf("got %v", err)
	}
	if err := l.Probe(t.Context(), "B"); err != nil {
		t.Error(err)
	}
	if err := l.Probe(t.Context(), "A"); err == nil {
		t.Error("another slot runs, and nothing tells of it")
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "it needs"},
		{strings.Replace(first, "tryboot_a_b=1", "tryboot_a_b=0", 1), "it needs"},
		{strings.Replace(first, "boot_partition=3", "boot_partition=2", 1), "it needs"},
		{strings.Replace(first, "boot_partition=3", "boot_partition=x", 1), "no number"},
		{strings.Replace(first, "boot_partition=3", "boot_partition=5", 1), "no slot's"},
		{first + "[cm4]\nboot_partition=4\n", "not understood"},
		{first + "kernel=x\n", "not understood"},
		{first + strings.Repeat("#", maxFile), "more than 512 bytes"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "autoboot.txt"), c.text)
		l := loader(t, dir)
		if _, err := l.Standings(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
		if err := l.Mark(t.Context(), "B", true); err == nil {
			t.Errorf("%q is replaced", c.text)
		}
	}
}

func TestBooted(t *testing.T) {
	root := t.TempDir()
	l := loader(t, t.TempDir())
	if _, err := l.Booted(os.DirFS(root)); err == nil || !strings.Contains(err.Error(), "Raspberry Pi") {
		t.Errorf("got %v", err)
	}
	for content, want := range map[string]string{"\x00\x00\x00\x03": "B", "\x00\x00\x00\x02": "A", "\x00\x00\x00\x01": "", "3": ""} {
		write(t, filepath.Join(root, "proc/device-tree/chosen/bootloader/partition"), content)
		if got, err := l.Booted(os.DirFS(root)); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", content, got, err)
		}
	}
}

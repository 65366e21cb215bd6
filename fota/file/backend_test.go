package file

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/fota"
)

// the SHA-256 of "system"
const systemSum = "bbc5e661e106c6dcd8dc6dd186454c2fcba3c710fb4d8e71a60c93eaf077f073"

const good = "lwm2m-agent firmware 1\nname = gateway\nversion = 2.0\ncompatible = lab\nsha256 = " + systemSum + "\n\nsystem"

func open(t *testing.T, dir, boot string) *Backend {
	t.Helper()
	b, err := Open(Options{Dir: dir, BootID: boot, Version: "1.0", Compatible: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "package")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestInspect(t *testing.T) {
	b := open(t, t.TempDir(), "1")
	for _, c := range []struct {
		name, content string
		want          fota.Package
		result        fota.Result
	}{
		{"package", good, fota.Package{Name: "gateway", Version: "2.0"}, 0},
		{"image", "system", fota.Package{Name: "image", Version: "sha256:bbc5e661e106"}, 0},
		{"damaged", good[:len(good)-1] + "n", fota.Package{}, fota.IntegrityFailure},
		{"short", good[:len(good)-1], fota.Package{}, fota.IntegrityFailure},
		{"later layout", strings.Replace(good, "firmware 1", "firmware 2", 1), fota.Package{}, fota.UnsupportedPackage},
		{"another board", strings.Replace(good, "lab", "kitchen", 1), fota.Package{}, fota.UnsupportedPackage},
		{"unknown key", strings.Replace(good, "name", "nome", 1), fota.Package{}, fota.UnsupportedPackage},
		{"no end", magic + strings.Repeat("x", 2*maxHead), fota.Package{}, fota.UnsupportedPackage},
		{"empty", "", fota.Package{}, fota.UnsupportedPackage},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := b.Inspect(t.Context(), put(t, c.content))
			if got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
			var f *fota.Failure
			if errors.As(err, &f); c.result != 0 && (f == nil || f.Result != c.result) {
				t.Errorf("got %v, want result %v", err, c.result)
			}
		})
	}
}

func TestNoSymbolicLinkIsFollowed(t *testing.T) {
	b := open(t, t.TempDir(), "1")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(put(t, good), link); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Inspect(t.Context(), link); err == nil {
		t.Error("a symbolic link is followed")
	}
}

// booted opens the folder after a boot and compares the slot that runs.
func booted(t *testing.T, dir, boot, want string) *Backend {
	t.Helper()
	b := open(t, dir, boot)
	s, err := b.Slots(t.Context())
	if err != nil || s.Booted != want {
		t.Fatalf("boot %s: %+v, %v; want slot %s", boot, s, err, want)
	}
	return b
}

func install(t *testing.T, b *Backend, content string) {
	t.Helper()
	if err := b.Mark(t.Context(), "B", false); err != nil {
		t.Fatal(err)
	}
	image, err := b.Install(t.Context(), put(t, content), "B")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Activate(t.Context(), "B"); err != nil {
		t.Fatal(err)
	}
	s, _ := b.Slots(t.Context())
	if s.All[1].Image != image || s.Booted != "A" {
		t.Fatalf("got %+v, want %+v in B", s, image)
	}
}

func TestSlotOnTrialFallsBack(t *testing.T) {
	dir := t.TempDir()
	install(t, booted(t, dir, "1", "A"), good)
	booted(t, dir, "1", "A") // the agent has started again
	for _, boot := range []string{"2", "3", "4"} {
		booted(t, dir, boot, "B")
	}
	booted(t, dir, "5", "A")
}

func TestSlotThatIsMarkedGoodStays(t *testing.T) {
	dir := t.TempDir()
	install(t, booted(t, dir, "1", "A"), good)
	for _, boot := range []string{"2", "3", "4", "5", "6"} {
		if err := booted(t, dir, boot, "B").Mark(t.Context(), "B", true); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImagesThatFail(t *testing.T) {
	dir := t.TempDir()
	install(t, booted(t, dir, "1", "A"), strings.Replace(good, "name", "boots = no\nname", 1))
	b := booted(t, dir, "2", "A")
	install(t, b, strings.Replace(good, "name", "healthy = no\nname", 1))
	if err := booted(t, dir, "3", "B").Check(t.Context()); err == nil {
		t.Error("an ill image is well")
	}
}

func TestTheRunningSlotIsNotWritten(t *testing.T) {
	b := open(t, t.TempDir(), "1")
	if _, err := b.Install(t.Context(), put(t, good), "A"); err == nil {
		t.Error("the slot that runs was written")
	}
	if _, err := b.Install(t.Context(), put(t, good), "../A"); err == nil {
		t.Error("a slot that is none was written")
	}
}

func TestInstallEndsWithItsContext(t *testing.T) {
	b := open(t, t.TempDir(), "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Install(ctx, put(t, good), "B"); err == nil {
		t.Error("installed all the same")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("lwm2m-agent firmware 1\nboots=no\nhealthy=no\n\n"))
	f.Add([]byte("lwm2m-agent firmware 1\n=\n\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := read(bytes.NewReader(b))
		if err == nil && (i.name == "" || i.version == "" || len(i.version) > maxText || i.length > maxHead) {
			t.Errorf("got %+v", i)
		}
	})
}

// TestOtherSlotIsEmpty until a package was installed there.
func TestOtherSlotIsEmpty(t *testing.T) {
	b := open(t, t.TempDir(), "1")
	empty := func() (out []bool) {
		s, err := b.Slots(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, slot := range s.All {
			out = append(out, slot.Empty)
		}
		return out
	}
	if got := empty(); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("at first: %v", got)
	}
	if _, err := b.Install(t.Context(), put(t, good), "B"); err != nil {
		t.Fatal(err)
	}
	if got := empty(); !slices.Equal(got, []bool{false, false}) {
		t.Errorf("after an installation: %v", got)
	}
}

package fotatest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/fota/plain"
	"lwm2m-agent/fota/plain/plaintest"
	"lwm2m-agent/fota/signify"
)

// Files are the slots of a Rig whose images are written to devices, in files. "A"
// has version 1, "B" 0.
type Files struct {
	t   *testing.T
	dir string
}

var vendor = plaintest.NewSigner("vendor01")

// NewFiles makes the devices.
func NewFiles(t *testing.T, dir string) Files {
	t.Helper()
	f := Files{t, dir}
	for slot, image := range map[string]string{"A": "gateway 1 good!", "B": "gateway 0 good!"} {
		if err := os.WriteFile(f.device(slot), whole(image), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f Files) device(slot string) string { return filepath.Join(f.dir, "rootfs"+slot) }

// Whole returns an image in full.
func (f Files) Whole(image string) []byte { return whole(image) }

// whole is an image in full: so that half of it is no image.
func whole(image string) []byte { return bytes.Repeat(fmt.Appendf(nil, "%-31s\n", image), 2000) }

// Image implements Rig.
func (f Files) Image(slot string) string {
	b, err := os.ReadFile(f.device(slot))
	if err != nil {
		f.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	if image := strings.TrimSpace(first); bytes.Equal(b, whole(image)) {
		return image
	}
	return ""
}

// Pack implements Rig.
func (f Files) Pack(version, image string) []byte {
	return plaintest.Compose(vendor, version, []plaintest.Image{{Name: "rootfs", Content: whole(image)}}, "compatible = lab")
}

// Plain makes the back end of a boot loader.
func (f Files) Plain(m *Machine, l plain.Loader) *plain.Backend {
	slots := make([]plain.Slot, 2)
	for i, name := range []string{"A", "B"} {
		slots[i] = plain.Slot{Name: name, Parts: []plain.Part{{Name: "rootfs", Device: f.device(name)}}}
	}
	b, err := plain.New(plain.Options{
		Loader: l, Slots: slots, Dir: filepath.Join(f.dir, "state"), Booted: func() (string, error) { return m.Booted, nil },
		Trust: plain.Trust{Keys: []signify.Key{vendor.Key()}, Compatible: "lab", Running: m.Running()},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

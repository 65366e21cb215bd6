package rauc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/fota"
)

// slotOf makes what GetSlotStatus says of a slot: "key=value …".
func slotOf(name, text string) slot {
	s := slot{name, make(map[string]dbus.Variant)}
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		s.Status[key] = dbus.MakeVariant(value)
	}
	return s
}

func TestSlots(t *testing.T) {
	a := slotOf("rootfs.0", "class=rootfs bootname=A state=booted boot-status=good bundle.version=1.0 sha256=aa")
	b := slotOf("rootfs.1", "class=rootfs bootname=B state=inactive boot-status=bad")
	c := slotOf("rootfs.2", "class=rootfs bootname=C state=inactive boot-status=good")
	for _, tt := range []struct {
		name   string
		status []slot
		good   string
		want   fota.Slots
		err    string
	}{
		{"two", []slot{a, b}, "", fota.Slots{Booted: "rootfs.0", All: []fota.Slot{
			{Name: "rootfs.0", Image: fota.Image{Version: "1.0", Hash: "aa"}}, {Name: "rootfs.1"},
		}}, ""},
		{"marked good by us", []slot{a}, "rootfs.0", fota.Slots{Booted: "rootfs.0", All: []fota.Slot{
			{Name: "rootfs.0", Good: true, Image: fota.Image{Version: "1.0", Hash: "aa"}},
		}}, ""},
		{"with what does not boot", []slot{
			slotOf("appfs.0", "class=appfs parent=rootfs.0 state=booted"), b, a,
			slotOf("rescue.0", "class=rescue bootname=R state=inactive boot-status=good"),
		}, "", fota.Slots{Booted: "rootfs.0", All: []fota.Slot{{Name: "rootfs.1"}, {Name: "rootfs.0", Image: fota.Image{Version: "1.0", Hash: "aa"}}}}, ""},
		{"none runs", []slot{b, c}, "", fota.Slots{}, "which slot runs"},
		{"three", []slot{a, b, c}, "", fota.Slots{}, `3 slots of class "rootfs"`},
		{"none", nil, "", fota.Slots{}, "which slot runs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := slotsOf(tt.status, tt.good)
			switch {
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("%v, want %q", err, tt.err)
			case tt.err == "" && (err != nil || !cmp.Equal(got, tt.want)):
				t.Errorf("%v\n%s", err, cmp.Diff(tt.want, got))
			}
		})
	}
}

// TestVerdict has words of RAUC's sources and what a server is told.
func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		said   string
		known  bool
		result fota.Result
	}{
		{"signature verification failed: Verify error:self signed certificate", true, fota.IntegrityFailure},
		{"Invalid bundle format: Signature data is no valid CMS", true, fota.IntegrityFailure},
		{"Invalid bundle format: Signature size (7305808) exceeds bundle size", false, fota.UnsupportedPackage},
		{"Installation error: Failed updating slot rootfs.1: No space left on device", true, fota.NoStorage},
		{"Slot (/dev/sda3) is too small (524288) for image (20971520).", true, fota.NoStorage},
		{"Compatible mismatch: Expected 'a' but bundle manifest has 'b'", true, fota.UnsupportedPackage},
		{"Handler error: Child process exited with code 1", true, fota.UpdateFailed},
	} {
		f, ok := errors.AsType[*fota.Failure](verdict(fmt.Errorf("RAUC: %w", words(tt.said)), tt.known, fota.UpdateFailed))
		if !ok || f.Result != tt.result || !strings.Contains(f.Reason, tt.said) {
			t.Errorf("%s: %+v, want %s", tt.said, f, tt.result)
		}
	}
	for _, err := range []error{errAbsent, errRefused, context.Canceled} {
		if _, ok := errors.AsType[*fota.Failure](verdict(err, true, fota.IntegrityFailure)); ok {
			t.Errorf("%v says nothing about a bundle", err)
		}
	}
}

func TestRecognize(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]bool{"hsqs\x01": true, "hsq": false, "sqsh": false, "": false} {
		name := filepath.Join(dir, "package")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := recognize(name); got != want {
			t.Errorf("%q: %v", content, got)
		}
	}
	if recognize(filepath.Join(dir, "none")) {
		t.Error("a file that is not there is no bundle")
	}
}

func TestActivates(t *testing.T) {
	name := filepath.Join(t.TempDir(), "system.conf")
	b := New(Options{Config: name})
	if _, _, err := b.activates(); err == nil || !strings.Contains(err.Error(), "give rauc_config") {
		t.Errorf("without a file: %v", err)
	}
	for text, want := range map[string]bool{
		"[system]\nactivate-installed=false\n":                                false,
		"[system]\n activate-installed = false \n":                            false,
		"[system]\nactivate-installed=0\n":                                    false,
		"[system]\nactivate-installed=true\n":                                 true,
		"[system]\n#activate-installed=false\n":                               true,
		"[handlers]\nactivate-installed=false\n[system]\n":                    true,
		"[system]\nactivate-installed=false\n[slot.x.0]\nactivate-installed=": false,
		"": true,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if file, got, err := b.activates(); err != nil || file != name || got != want {
			t.Errorf("%q: %q, %v, %v", text, file, got, err)
		}
	}
}

func TestNoBus(t *testing.T) {
	b := New(Options{Dial: func(context.Context) (*dbus.Conn, error) { return nil, errors.New("no bus") }})
	ctx := t.Context()
	_, err := b.Slots(ctx)
	_, inspect := b.Inspect(ctx, "package")
	_, install := b.Install(ctx, "package", "rootfs.1")
	_, probe := b.Probe(ctx)
	for _, err := range []error{err, inspect, install, probe, b.Activate(ctx, "rootfs.1"), b.Mark(ctx, "rootfs.1", true)} {
		if err == nil || !strings.Contains(err.Error(), "connect to the system bus: no bus") {
			t.Errorf("%v", err)
		}
	}
	if f, ok := errors.AsType[*fota.Failure](inspect); !ok || f.Result != fota.UpdateFailed {
		t.Errorf("nothing is said about the bundle: %v", inspect)
	}
}

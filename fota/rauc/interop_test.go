//go:build interop

package rauc_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/rauc"
	lab "lwm2m-agent/test/rauc"
	"lwm2m-agent/test/workspace"
)

// start starts a real RAUC, which takes root.
func start(t *testing.T, o lab.Options) (*lab.System, *rauc.Backend) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("slots on loop devices take root")
	}
	s := lab.Start(t, o)
	return s, rauc.New(rauc.Options{Dial: s.Dial, Config: s.Config})
}

// file writes a package as the agent does before it asks.
func file(t *testing.T, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "package")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestUpdate goes through the steps of an update with each boot loader that RAUC
// rules: it boots what was activated and nothing else, and goes back.
func TestUpdate(t *testing.T) {
	t.Parallel()
	for _, loader := range []string{"custom", "grub", "uboot"} {
		t.Run(loader, func(t *testing.T) {
			t.Parallel()
			s, b := start(t, lab.Options{Loader: loader})
			ctx := t.Context()
			slots := slotsOf(t, b)
			if slots.Booted != "rootfs.0" || len(slots.All) != 2 || slots.All[0].Good {
				t.Errorf("before: %+v", slots)
			}
			must(t, b.Mark(ctx, "rootfs.0", true))
			if slots = slotsOf(t, b); !slots.All[0].Good {
				t.Errorf("once it is marked: %+v", slots)
			}
			name := file(t, s.Make(t, lab.Bundle{}))
			p, err := b.Inspect(ctx, name)
			if err != nil || p != (fota.Package{Name: lab.Compatible, Version: "2.0"}) {
				t.Fatalf("%+v, %v", p, err)
			}
			must(t, b.Mark(ctx, "rootfs.1", false))
			image, err := b.Install(ctx, name, "rootfs.1")
			if err != nil || image.Version != "2.0" || len(image.Hash) != 64 || s.Content(t, "B") != "gateway 2.0" {
				t.Fatalf("%+v, %v; the slot holds %q", image, err, s.Content(t, "B"))
			}
			if got := s.Boot(t); got != "A" {
				t.Fatalf("%s boots before it is activated", got)
			}
			must(t, b.Activate(ctx, "rootfs.1"))
			if got := s.Boot(t); got != "B" {
				t.Fatalf("%s boots, though B is activated", got)
			}
			if slots = slotsOf(t, b); slots.Booted != "rootfs.1" || slots.All[1].Good || slots.All[1].Image != image {
				t.Errorf("after: %+v, installed was %+v", slots, image)
			}
			must(t, b.Mark(ctx, "rootfs.1", true))
			if got := s.Boot(t); got != "B" {
				t.Errorf("%s boots, though B is good", got)
			}
			must(t, b.Activate(ctx, "rootfs.0"))
			must(t, b.Mark(ctx, "rootfs.1", false))
			if got := s.Boot(t); got != "A" {
				t.Errorf("%s boots after the way back", got)
			}
		})
	}
}

func slotsOf(t *testing.T, b *rauc.Backend) fota.Slots {
	t.Helper()
	slots, err := b.Slots(t.Context())
	must(t, err)
	return slots
}

// refused fails the test unless an error is a Failure with a result and a reason.
func refused(t *testing.T, err error, result fota.Result, words string) {
	t.Helper()
	f, ok := errors.AsType[*fota.Failure](err)
	if !ok || f.Result != result || !strings.Contains(f.Reason, words) {
		t.Errorf("got %v (%+v), want result %d with %q", err, f, result, words)
	}
}

// TestRefusals shows what RAUC says of bundles that are none of ours.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s, b := start(t, lab.Options{})
	good := s.Make(t, lab.Bundle{})
	flip := func(at int) []byte {
		c := append([]byte(nil), good...)
		c[at] ^= 1
		return c
	}
	for _, c := range []struct {
		name    string
		content []byte
		result  fota.Result
		words   string
	}{
		{"damaged payload", flip(200), fota.IntegrityFailure, "signature"},
		{"damaged signature", flip(len(good) - 100), fota.IntegrityFailure, ""},
		{"damaged end", flip(len(good) - 8), fota.IntegrityFailure, ""},
		{"cut off", good[:len(good)/2], fota.IntegrityFailure, ""},
		{"signed by a stranger", s.Make(t, lab.Bundle{Stranger: true}), fota.IntegrityFailure, "signature"},
		{"for another board", s.Make(t, lab.Bundle{Compatible: "other-gw"}), fota.UnsupportedPackage, `"other-gw", this board is "lab-gw"`},
		{"text", []byte(strings.Repeat("no bundle ", 1000)), fota.UnsupportedPackage, ""},
		{"empty", nil, fota.UnsupportedPackage, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := b.Inspect(t.Context(), file(t, c.content))
			refused(t, err, c.result, c.words)
			t.Log(err)
		})
	}
	big := file(t, s.Make(t, lab.Bundle{Size: lab.SlotSize + 4096}))
	must(t, b.Mark(t.Context(), "rootfs.1", false))
	_, err := b.Install(t.Context(), big, "rootfs.1")
	refused(t, err, fota.NoStorage, "")
	t.Log(err)
	// A name that leads out of the bundle leads to nothing that is read.
	_, err = b.Install(t.Context(), file(t, s.Make(t, lab.Bundle{File: "../other.img", Text: "other"})), "rootfs.1")
	refused(t, err, fota.UpdateFailed, "other.img' not found")
	if got := s.Boot(t); got != "A" || s.Content(t, "B") == "other" {
		t.Errorf("%s boots, the slot holds %q", got, s.Content(t, "B"))
	}
	_, err = b.Install(t.Context(), big, "rootfs.0")
	if err == nil || !strings.Contains(err.Error(), "none to write to") {
		t.Errorf("the slot that runs: %v", err)
	}
}

// TestActivationIsTakenBack has a RAUC that activates what it installs.
func TestActivationIsTakenBack(t *testing.T) {
	t.Parallel()
	s, b := start(t, lab.Options{Activate: true})
	if text, err := b.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "set activate-installed=false in [system] of "+s.Config) {
		t.Errorf("%q, %v", text, err)
	}
	must(t, b.Mark(t.Context(), "rootfs.1", false))
	_, err := b.Install(t.Context(), file(t, s.Make(t, lab.Bundle{})), "rootfs.1")
	must(t, err)
	if got := s.Boot(t); got != "A" {
		t.Errorf("%s boots before it is activated", got)
	}
	if slots := slotsOf(t, b); slots.All[1].Good {
		t.Errorf("the slot that is not activated: %+v", slots)
	}
}

// TestInterruptedInstallation has an installation outlive who asked for it, and
// another one end with RAUC.
func TestInterruptedInstallation(t *testing.T) {
	t.Parallel()
	s, b := start(t, lab.Options{Hold: true})
	if text, err := b.Probe(t.Context()); err != nil || text != "slots rootfs.0, rootfs.1; rootfs.0 runs; activate-installed=false" {
		t.Errorf("%q, %v", text, err)
	}
	name := file(t, s.Make(t, lab.Bundle{}))
	install := func(ctx context.Context, b *rauc.Backend) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := b.Install(ctx, name, "rootfs.1")
			done <- err
		}()
		return done
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := install(ctx, b)
	s.AwaitInstallation(t)
	if slots := slotsOf(t, b); len(slots.All) != 2 {
		t.Errorf("while a bundle is installed: %+v", slots)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	again := rauc.New(rauc.Options{Dial: s.Dial, Config: s.Config}) // after a restart of the agent
	if slots, err := again.Slots(t.Context()); err == nil {
		t.Errorf("while RAUC is at work for the one before: %+v", slots)
	}
	second := install(t.Context(), again)
	s.Release(t)
	s.AwaitInstallation(t)
	s.Release(t)
	must(t, <-second)
	third := install(t.Context(), again)
	s.AwaitInstallation(t)
	s.Kill(t)
	err := <-third
	if err == nil || !strings.Contains(err.Error(), "RAUC has ended") {
		t.Errorf("the third: %v", err)
	}
	s.Release(t)
	if _, err := again.Slots(t.Context()); err == nil || !strings.Contains(err.Error(), "no RAUC answers") {
		t.Errorf("without RAUC: %v", err)
	}
	s.Boot(t)
	if slots := slotsOf(t, again); slots.Booted != "rootfs.0" {
		t.Errorf("%+v", slots)
	}
}

// TestPolicy holds the bus policy that ships against a real bus: who may do what.
func TestPolicy(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(workspace.Root(t), "packaging", "dbus", "de.pengutronix.rauc.conf"))
	must(t, err)
	_, rules, _ := strings.Cut(string(text), "<busconfig>")
	rules = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(rules), "</busconfig>"), `user="lwm2m-agent"`, `user="daemon"`)
	// What a system bus lets anybody do, and then RAUC's own policy.
	stock := `<policy context="default"><allow user="*"/><allow send_type="method_return"/><allow send_type="error"/><allow send_type="signal"/>` +
		`<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>` +
		`<allow send_destination="org.freedesktop.DBus"/><allow send_destination="de.pengutronix.rauc"/></policy>`
	s, _ := start(t, lab.Options{Policy: stock + rules})
	const installer = "de.pengutronix.rauc.Installer."
	calls := []struct {
		args   []string
		nobody bool
		daemon bool
	}{
		{[]string{"org.freedesktop.DBus.Properties.Get", "de.pengutronix.rauc.Installer", "Operation"}, true, true},
		{[]string{installer + "GetSlotStatus"}, true, true},
		{[]string{installer + "GetPrimary"}, true, true},
		{[]string{installer + "Mark", "bad", "rootfs.1"}, false, true},
		{[]string{installer + "Info", "/nothing"}, false, true},
		{[]string{installer + "InstallBundle", "/nothing", "{}"}, false, true},
		{[]string{installer + "Install", "/nothing"}, false, false},
	}
	for _, c := range calls {
		for user, may := range map[string]bool{"nobody": c.nobody, "daemon": c.daemon, "root": true} {
			args := append([]string{"-u", user, "--", "gdbus", "call", "--address", s.Bus, "-d", "de.pengutronix.rauc", "-o", "/", "-m"}, c.args...)
			out, _ := exec.CommandContext(t.Context(), "runuser", args...).CombinedOutput() // what RAUC answers does not count
			if refused := strings.Contains(string(out), "AccessDenied"); refused == may || strings.Contains(string(out), "Error connecting") {
				t.Errorf("%s, %s: %s", user, c.args[0], out)
			}
		}
	}
}

package sysupgrade

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/fota"
)

// Programs as OpenWrt has them: the image's first word says what becomes of it, its
// last line is its metadata.
const (
	fakeSysupgrade = `#!/bin/sh
[ -z "$NOTIFY_SOCKET" ] || exit 9 # it is the agent's
if [ "$1" = --test ]; then
	[ "$REQUIRE_IMAGE_SIGNATURE$REQUIRE_IMAGE_METADATA" = 11 ] || exit 0
	read -r word rest <"$2"
	case $word in
	good) exit 0 ;;
	unsigned) echo "Image signature not present" >&2 ;;
	foreign) echo "Device lab,gw not supported by this image" >&2 ;;
	large) echo "Image too large" ;;
	odd) echo "Image check failed." ;;
	killed) kill -9 $$ ;;
	esac
	exit 1
fi
echo "$$ $1" >>"$LAB/calls"
grep -q unwritable "$1" && { echo "Commencing upgrade failed"; exit 1; }
grep -q endless "$1" && exec sleep 60
cp "$1" "$LAB/flash.new"
printf "DISTRIB_RELEASE='2.0'\nDISTRIB_REVISION='r2'\n" >"$LAB/release"
grep -q other "$1" && echo "DISTRIB_RELEASE='7'" >>"$LAB/release"
rm "$LAB/overlay/marker" && mv "$LAB/flash.new" "$LAB/flash"
echo "Command failed: Connection failed" >&2
exit 246
`
	fakeFwtool = `#!/bin/sh
[ -z "$NOTIFY_SOCKET" ] || exit 9
[ "$1 $2" = "-q -i" ] && tail -n 1 "$4" >"$3" && grep -q version "$3"
`
	metadata = `{"metadata_version":"1.1","supported_devices":["lab,gw"],"version":{"dist":"OpenWrt","version":"2.0","revision":"r2","board":"lab_gw"}}`
)

// router is a machine with one slot, a state directory and a RAM disk.
type router struct {
	*testing.T
	dir string

	mu      sync.Mutex
	journal map[string][]byte
	changed chan struct{}
	boots   int
	ill     bool
}

func newRouter(t *testing.T) *router {
	t.Helper()
	r := &router{T: t, dir: t.TempDir(), journal: make(map[string][]byte), changed: make(chan struct{}, 1)}
	t.Setenv("LAB", r.dir)
	t.Setenv("NOTIFY_SOCKET", "/run/none")
	t.Setenv("PATH", r.path("bin")+":"+os.Getenv("PATH"))
	for _, name := range []string{"bin", "overlay"} {
		r.must(os.Mkdir(r.path(name), 0o755))
	}
	r.must(os.WriteFile(r.path("bin/sysupgrade"), []byte(fakeSysupgrade), 0o755))
	r.must(os.WriteFile(r.path("bin/fwtool"), []byte(fakeFwtool), 0o755))
	r.must(os.WriteFile(r.path("release"), []byte("DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='1.0'\nDISTRIB_REVISION='r1'\n"), 0o600))
	return r
}

func (r *router) path(name string) string { return filepath.Join(r.dir, name) }

func (r *router) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *router) backend() *Backend {
	return New(Options{Dir: r.path("state"), Marker: r.path("overlay/marker"), Release: r.path("release"), Ending: time.Minute})
}

// Load implements fota.Journal.
func (r *router) Load(key string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.journal[key], nil
}

// Save implements fota.Journal.
func (r *router) Save(key string, record []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal[key] = record
	return nil
}

// life is one boot, or one start of the agent.
type life struct {
	*router
	*fota.Updater
	off func()
}

func (r *router) start(boot bool) *life {
	if boot {
		r.boots++
	}
	l := &life{router: r, Updater: fota.New(fota.Config{
		Key: "firmware", Backend: r.backend(), Journal: r, Dir: r.path("ram"), BootID: fmt.Sprint(r.boots), Confirm: 20 * time.Millisecond, Limit: time.Second,
		Reboot: func(context.Context) error { r.Error("a machine that is being written must not reboot"); return nil },
		Check: func(context.Context) error {
			if r.ill {
				return fmt.Errorf("it is ill")
			}
			return nil
		},
		OnChange: func(fota.Status) {
			select {
			case r.changed <- struct{}{}:
			default:
			}
		},
	})}
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.Run(ctx) }()
	l.off = func() { cancel(); <-done }
	r.Cleanup(l.off)
	l.Contact(fota.Contact{Registered: true})
	return l
}

const generous = time.Minute

// until waits for a phase, and a result.
func (l *life) until(phase fota.Phase, result fota.Result) fota.Status {
	l.Helper()
	for limit := time.After(generous); ; {
		s := l.Status()
		if s.Phase == phase && s.Result == result {
			return s
		}
		select {
		case <-l.changed:
		case <-limit:
			l.Fatalf("%+v, want %s with %s", s, phase, result)
		}
	}
}

// push takes an image in.
func (l *life) push(image string) {
	l.Helper()
	content := image + "\n" + metadata + "\n"
	r, err := l.Receive(l.Context(), int64(len(content)))
	l.must(err)
	l.must(r.Write(l.Context(), []byte(content)))
	l.must(r.Close(l.Context(), false))
}

// written waits until an image was written, and takes the machine down.
func (l *life) written() {
	l.Helper()
	l.awaitFile("flash")
	l.off()
}

func (r *router) awaitFile(name string) {
	r.Helper()
	for end := time.Now().Add(generous); ; {
		if _, err := os.Stat(r.path(name)); err == nil {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("there is no %s", name)
		}
		select {
		case <-time.After(time.Millisecond):
		case <-r.Context().Done():
			r.Fatal(r.Context().Err())
		}
	}
}

func (r *router) runs() string {
	r.Helper()
	s, err := r.backend().Slots(r.Context())
	r.must(err)
	for _, slot := range s.All {
		if slot.Name == s.Booted {
			return fmt.Sprintf("%s, %s, good %v", slot.Name, slot.Image.Version, slot.Good)
		}
	}
	return ""
}

func TestUpdate(t *testing.T) {
	r := newRouter(t)
	l := r.start(true)
	l.push("good")
	if s := l.until(fota.Ready, fota.Initial); s.Package != (fota.Package{Name: "OpenWrt lab_gw", Version: "2.0 r2"}) {
		t.Errorf("the package is %+v", s.Package)
	}
	if r.runs() != "system 0, 1.0 r1, good true" {
		t.Error(r.runs())
	}
	r.must(l.Update(t.Context()))
	l.written()
	if r.runs() != "system 1, 2.0 r2, good false" {
		t.Error(r.runs())
	}
	r.must(os.RemoveAll(r.path("ram")))
	l = r.start(true)
	l.until(fota.Resting, fota.Success)
	if r.runs() != "system 1, 2.0 r2, good true" {
		t.Error(r.runs())
	}
	if err := l.Rollback(t.Context()); err == nil || !strings.Contains(err.Error(), "no system to go back to") {
		t.Errorf("%v", err)
	}
	r.must(os.Remove(r.path("flash")))
	l.push("good again") // the second time, with the same version
	l.until(fota.Ready, fota.Initial)
	r.must(l.Update(t.Context()))
	l.written()
	r.start(true).until(fota.Resting, fota.Success)
	if r.runs() != "system 2, 2.0 r2, good true" {
		t.Error(r.runs())
	}
}

// TestNoWayBack has a system that is ill, and one that is not what was installed,
// stay: without a reboot, and with a result that says so.
func TestNoWayBack(t *testing.T) {
	for image, reason := range map[string]string{"good": "it is ill", "good other": `holds version "7 r2"`} {
		r := newRouter(t)
		l := r.start(true)
		l.push(image)
		l.until(fota.Ready, fota.Initial)
		r.must(l.Update(t.Context()))
		l.written()
		r.ill = true
		if s := r.start(true).until(fota.Resting, fota.UpdateFailed); !strings.Contains(s.Reason, reason) {
			t.Errorf("%s: %q", image, s.Reason)
		}
		if !strings.HasPrefix(r.runs(), "system 0, ") || !strings.HasSuffix(r.runs(), "good true") {
			t.Error(r.runs())
		}
	}
}

func TestRefusals(t *testing.T) {
	r := newRouter(t)
	l := r.start(true)
	for image, result := range map[string]fota.Result{
		"unsigned": fota.IntegrityFailure, "foreign": fota.UnsupportedPackage, "large": fota.NoStorage, "odd": fota.IntegrityFailure,
	} {
		l.push(image)
		if s := l.until(fota.Resting, result); !strings.Contains(s.Reason, "sysupgrade --test: exit status 1: ") {
			t.Errorf("%s: %q", image, s.Reason)
		}
		r.must(l.Reset(t.Context()))
	}
	l.push("killed") // as a test that takes too long is, or for lack of memory
	if s := l.until(fota.Resting, fota.UpdateFailed); !strings.Contains(s.Reason, "signal: killed") {
		t.Errorf("%q", s.Reason)
	}
	r.must(l.Reset(t.Context()))
	l.push("good unwritable")
	l.until(fota.Ready, fota.Initial)
	r.must(l.Update(t.Context()))
	if s := l.until(fota.Resting, fota.UpdateFailed); !strings.Contains(s.Reason, "exit status 1: Commencing upgrade failed") {
		t.Errorf("%q", s.Reason)
	}
	if r.runs() != "system 0, 1.0 r1, good true" {
		t.Error(r.runs())
	}
}

// TestCutBeforeWriting has the power cut when the image waits: it lay in RAM.
func TestCutBeforeWriting(t *testing.T) {
	r := newRouter(t)
	b := r.backend()
	r.must(os.Mkdir(r.path("ram"), 0o700))
	r.must(os.WriteFile(r.path("ram/package"), []byte("good\n"+metadata+"\n"), 0o600))
	if _, err := b.Install(t.Context(), r.path("ram/package"), "system 1"); err != nil {
		t.Fatal(err)
	}
	r.must(os.RemoveAll(r.path("ram")))
	if err := r.backend().Activate(t.Context(), "system 1"); err == nil || !strings.Contains(err.Error(), "does not outlive a reboot") {
		t.Errorf("%v", err)
	}
	r.must(b.Activate(t.Context(), "system 0"))
	if err := b.Activate(t.Context(), "system 1"); err == nil || !strings.Contains(err.Error(), "no image waits") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"system 0", "system 2"} {
		if _, err := b.Install(t.Context(), r.path("ram/package"), name); err == nil || !strings.Contains(err.Error(), "none to write to") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRestartWhileWriting has the agent restarted while sysupgrade is at it: it is
// not called a second time.
func TestRestartWhileWriting(t *testing.T) {
	r := newRouter(t)
	l := r.start(true)
	l.push("good endless")
	l.until(fota.Ready, fota.Initial)
	r.must(l.Update(t.Context()))
	r.awaitFile("calls")
	l.off()
	l = r.start(false)
	l.until(fota.Switching, fota.Initial)
	again := New(Options{Dir: r.path("state"), Marker: r.path("overlay/marker"), Release: r.path("release"), Ending: 50 * time.Millisecond})
	if err := again.Activate(t.Context(), "system 1"); err == nil || !strings.Contains(err.Error(), "has not ended the running system") {
		t.Errorf("%v", err)
	}
	calls, err := os.ReadFile(r.path("calls"))
	r.must(err)
	if lines := strings.Count(string(calls), "\n"); lines != 1 {
		t.Errorf("sysupgrade was called %d times", lines)
	}
	l.off()
	var pid int
	if _, err := fmt.Sscan(string(calls), &pid); err == nil {
		p, _ := os.FindProcess(pid)
		_ = p.Kill()
	}
}

func TestProbe(t *testing.T) {
	r := newRouter(t)
	b := r.backend()
	if text, err := b.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), `"ucert"`) {
		t.Errorf("%q, %v", text, err)
	}
	r.must(os.WriteFile(r.path("bin/ucert"), nil, 0o755))
	if text, err := b.Probe(t.Context()); err != nil || text != "one slot and no way back; version 1.0 r1 runs" {
		t.Errorf("%q, %v", text, err)
	}
	r.must(os.Remove(r.path("release")))
	if text, err := b.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "does not say what runs") {
		t.Errorf("%q, %v", text, err)
	}
}

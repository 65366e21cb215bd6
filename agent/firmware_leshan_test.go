//go:build interop && !small

package agent

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/plain/plaintest"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/rauc"
	"lwm2m-agent/test/swupdate"
)

// fault is what is wrong with a package.
type fault string

const (
	faultless  fault = "good"
	damaged    fault = "damaged"
	stranger   fault = "signed by a stranger"
	otherBoard fault = "for another board"
	large      fault = "larger than max_size"
	lengthy    fault = "larger than the disk" // though not than max_size
	dead       fault = "of a system that does not boot"
)

// maxPackage is max_size here, and smallDisk the disk of lengthy.
const (
	maxPackage = 300_000
	longImage  = 200_000
	smallDisk  = "size=100k"
)

// byLeshan is a Leshan server that updates, in one test of those that it lives through.
type byLeshan struct {
	*testing.T
	*lasting
	endpoint string
}

// lasting is a Leshan server that outlives the tests in which it is ended.
type lasting struct {
	*leshan.Server
	whole   *testing.T // during which it runs
	options leshan.Options
}

func startLeshan(t *testing.T) *lasting {
	t.Helper()
	l := &lasting{whole: t, options: leshan.Options{Models: leshan.Models(t, 1, 3, 4, 5, 6, 7, 3303, 3306, 3442)}}
	l.Server = leshan.Start(t, l.options)
	return l
}

// again starts it anew at its port, without its registrations.
func (l *byLeshan) again(a *Agent) {
	l.Helper()
	at, err := url.Parse(l.CoAP)
	if err == nil {
		l.options.CoAPPort, err = strconv.Atoi(at.Port())
	}
	if err != nil {
		l.Fatal(err)
	}
	l.Server = leshan.Start(l.whole, l.options)
	if err := a.client.Update(101); err != nil {
		l.Fatal(err)
	}
	l.registered()
}

func (l *byLeshan) registered() { l.AwaitRegistered(l.T, l.endpoint, generous) }

func (l *byLeshan) write(path string, v lwm2m.Value) error {
	text, f := v.Text(), lwm2m.FormatText
	if v.Type() == lwm2m.TypeOpaque {
		text, f = hex.EncodeToString(v.Bytes()), lwm2m.FormatOpaque
	}
	return answered(l.Do(l.T, leshan.Request{
		Endpoint: l.endpoint, Op: "replace", Path: path, Format: f, Values: leshan.Values{"": text}, Timeout: generous,
	}))
}

func (l *byLeshan) execute(path string) error { return answered(l.Execute(l.T, l.endpoint, path, "")) }

// answered is what a client answered.
func answered(a leshan.Answer) error {
	if a.Code == "" {
		return fmt.Errorf("no answer: %s %s", a.Failure, a.Message)
	}
	if a.Code[0] != '2' {
		return errors.New(a.Code + " " + a.Message)
	}
	return nil
}

// heedless is a test for what may fail since its server is taken away.
type heedless struct{ *testing.T }

func (heedless) Fatalf(string, ...any) { runtime.Goexit() }

// shelf has a package for whoever fetches it.
type shelf struct {
	mu      sync.Mutex
	content []byte
	cut     int           // how often the connection ends when half of it is gone
	held    chan struct{} // at half of it, it waits for the end of this; nil: it does not
	halved  chan struct{} // receives then
	sent    int           // bytes
}

func (s *shelf) put(content []byte, cut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content, s.cut, s.sent, s.held = content, cut, 0, nil
}

// hold has the next one wait at half, until what it returns is closed.
func (s *shelf) hold() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
	return s.held
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	content := s.content
	s.mu.Unlock()
	w.Header().Set("ETag", fmt.Sprintf("\"%d\"", len(content)))
	http.ServeContent(&shelved{w, s}, r, "", time.Time{}, bytes.NewReader(content))
}

// shelved counts, and stops at half.
type shelved struct {
	http.ResponseWriter
	*shelf
}

func (s *shelved) Write(b []byte) (int, error) {
	s.mu.Lock()
	left, held := len(s.content)/2-s.sent, s.held
	cut := s.cut > 0 && len(b) > left
	if cut {
		s.cut--
		b = b[:max(0, left)]
	}
	s.sent += len(b)
	s.mu.Unlock()
	n, err := s.ResponseWriter.Write(b)
	if cut || held != nil && n > left {
		_ = http.NewResponseController(s.ResponseWriter).Flush() // what has come counts
	}
	switch {
	case cut:
		panic(http.ErrAbortHandler)
	case held != nil && n > left && left >= 0:
		s.halved <- struct{}{}
		<-held
	}
	return n, err
}

// box is a machine that Leshan updates.
type box struct {
	*updating
	*shelf
	leshan   *byLeshan
	compose  func(f fault) []byte
	uri      string
	download string // folder
}

// newBox completes one whose back end is configured, and starts its agent.
func newBox(u *updating, l *lasting, firmware *config.Firmware, compose func(f fault) []byte) *box {
	u.Helper()
	b := &box{updating: u, shelf: &shelf{halved: make(chan struct{}, 1)}, leshan: &byLeshan{u.T, l, u.Name()}, compose: compose}
	web := httptest.NewServer(b.shelf)
	u.Cleanup(web.Close)
	b.uri = web.URL + "/package"
	u.manager = b.leshan
	const stalled = 4 * time.Second // in which a busy machine goes on, too
	u.params = func(p *client.Params) { p.Limits.TransferTimeout = stalled }
	cfg := u.config()
	at, err := url.Parse(b.leshan.CoAP)
	u.must(err)
	cfg.Endpoint, cfg.Servers[0].URI, cfg.Firmware = b.leshan.endpoint, at, firmware
	firmware.MaxSize, firmware.Patience, firmware.Confirm, firmware.Limit = maxPackage, stalled, 500*time.Millisecond, generous
	if firmware.Check == nil {
		firmware.Check = []string{"/bin/true"} // with one, Limit is the time to register
	}
	b.download = filepath.Join(cfg.StateDir, "firmware", "download")
	u.start(cfg)
	return b
}

// bring has a package come: a push may be refused on the way.
func (b *box) bring(push bool, content []byte, cut int) {
	b.Helper()
	if push {
		if err := b.write("/5/0/0", lwm2m.Opaque(content)); err != nil {
			b.Logf("push: %v", err)
		}
		return
	}
	b.put(content, cut)
	b.must(b.write("/5/0/1", lwm2m.String(b.uri)))
}

// result waits for a State and Update Result and has Leshan read them.
func (b *box) result(state fota.State, result fota.Result) {
	b.Helper()
	b.until(state, result)
	a := b.leshan.Read(b.T, b.leshan.endpoint, "/5/0", lwm2m.FormatTLV)
	if a.Content["/5/0/3"] != fmt.Sprint(int(state)) || a.Content["/5/0/5"] != fmt.Sprint(int(result)) {
		b.Errorf("Leshan reads %+v, want State %d, Update Result %d", a, state, result)
	}
}

// refusals have packages refused, pulled and pushed, of which the slots see nothing.
func (b *box) refusals() {
	b.Helper()
	before := b.slot()
	for _, c := range []struct {
		fault
		result fota.Result
	}{{damaged, fota.IntegrityFailure}, {stranger, fota.IntegrityFailure}, {otherBoard, fota.UnsupportedPackage}, {large, fota.NoStorage}, {lengthy, fota.NoStorage}} {
		content := b.compose(c.fault)
		for _, push := range []bool{false, true} {
			b.Logf("%s, pushed: %v", c.fault, push)
			if c.fault == lengthy {
				b.must(os.MkdirAll(b.download, 0o700))
				b.must(unix.Mount("tmpfs", b.download, "tmpfs", 0, smallDisk))
			}
			b.bring(push, content, 0)
			b.result(fota.Idle, c.result)
			if c.fault == lengthy {
				b.must(unix.Unmount(b.download, unix.MNT_DETACH))
			}
			b.must(b.write("/5/0/1", lwm2m.String("")))
			b.until(fota.Idle, fota.Initial)
		}
	}
	b.bring(false, b.compose(faultless), 100)
	b.result(fota.Idle, fota.ConnectionLost)
	b.must(b.write("/5/0/1", lwm2m.String("")))
	if b.slot() != before {
		b.Errorf("%s runs, %s did", b.slot(), before)
	}
}

// installs has the package that is there installed, waits for how that ends, and looks at what runs then.
func (b *box) installs(result fota.Result, runs string) {
	b.Helper()
	b.result(fota.Downloaded, fota.Initial)
	b.must(b.execute("/5/0/2"))
	b.result(fota.Idle, result)
	if b.slot() != runs {
		b.Errorf("%s runs, want %s", b.slot(), runs)
	}
}

// updates pulls from a source that ends the connection once, and pushes: each of the slots is written. Before that comes a system that does not
// boot.
func (b *box) updates(second, first string) {
	b.Helper()
	content, before := b.compose(faultless), b.slot()
	b.bring(false, b.compose(dead), 0)
	b.installs(fota.UpdateFailed, before)
	b.must(b.write("/5/0/1", lwm2m.String("")))
	b.bring(false, content, 1)
	b.installs(fota.Success, second)
	b.mu.Lock()
	if b.sent != len(content) {
		b.Errorf("%d bytes were sent of %d, with the connection lost at half of them", b.sent, len(content))
	}
	b.mu.Unlock()
	b.bring(true, content, 0)
	b.installs(fota.Success, first)
}

// outages takes the server away while a package is fetched, and while one is pushed.
func (b *box) outages() {
	b.Helper()
	b.put(b.compose(faultless), 0)
	release := b.hold()
	b.must(b.write("/5/0/1", lwm2m.String(b.uri)))
	<-b.halved
	b.leshan.Kill(b.T)
	close(release)
	b.until(fota.Downloaded, fota.Initial)
	b.leshan.again(b.agent)
	b.result(fota.Downloaded, fota.Initial)
	b.must(b.execute("/5/0/10"))
	b.result(fota.Idle, fota.Cancelled)

	pushing := make(chan struct{})
	go func() {
		defer close(pushing)
		b.leshan.Do(heedless{b.T}, leshan.Request{
			Endpoint: b.leshan.endpoint, Op: "replace", Path: "/5/0/0", Format: lwm2m.FormatOpaque, Timeout: generous,
			Values: leshan.Values{"": hex.EncodeToString(b.compose(lengthy))},
		})
	}()
	b.until(fota.Downloading, fota.Initial)
	b.leshan.Kill(b.T)
	<-pushing
	b.until(fota.Idle, fota.ConnectionLost)
	b.leshan.again(b.agent)
	b.result(fota.Idle, fota.ConnectionLost)
	b.must(b.write("/5/0/1", lwm2m.String("")))
}

// TestLeshanUpdates has Leshan update systems of several kinds, with packages of each kind, and is taken away meanwhile.
func TestLeshanUpdates(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("slots on loop devices and a full disk take root")
	}
	l := startLeshan(t)
	for _, loader := range []string{"grub", "uboot", "custom"} {
		t.Run("RAUC with "+loader, func(t *testing.T) { leshanUpdatesRAUC(t, l, loader) })
	}
	t.Run("GRUB", func(t *testing.T) { leshanUpdatesGRUB(t, l) })
	t.Run("SWUpdate", func(t *testing.T) { leshanUpdatesSWUpdate(t, l) })
}

// leshanUpdatesRAUC has it update a system with a real RAUC and the environment of a boot loader. What RAUC refuses is the same with each of them.
func leshanUpdatesRAUC(t *testing.T, l *lasting, loader string) {
	t.Helper()
	system := rauc.Start(t, rauc.Options{Loader: loader})
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", system.Bus)
	u := &updating{lab: newLab(t), T: t, machine: raucMachine{&demo.Machine{Say: func(string) {}}, t, system}}
	b := newBox(u, l, &config.Firmware{Backend: config.FirmwareRAUC, RAUCConfig: system.Config}, func(f fault) []byte {
		bundle := rauc.Bundle{Noise: true, Stranger: f == stranger, Size: 20_000}
		switch f { //nolint:exhaustive // the others are made otherwise
		case dead:
			bundle.Version, bundle.Text = "3.0", "dead"
		case otherBoard:
			bundle.Compatible = "other-gw"
		case large:
			bundle.Size = maxPackage + 50_000
		case lengthy:
			bundle.Size = longImage
		}
		content := system.Make(t, bundle)
		if f == damaged {
			content[100] ^= 1
		}
		return content
	})
	if loader == "grub" {
		b.refusals()
		b.outages()
	}
	b.updates("rootfs.1 2.0", "rootfs.0 2.0")
}

// leshanUpdatesSWUpdate has it update one with a real SWUpdate and U-Boot's environment.
func leshanUpdatesSWUpdate(t *testing.T, l *lasting) {
	t.Helper()
	u := prepareSWUpdate(t, config.FirmwareUBoot)
	b := newBox(u.updating, l, u.cfg, func(f fault) []byte {
		p := swupdate.Package{Stranger: f == stranger, Size: 40_000, Dead: f == dead}
		switch f { //nolint:exhaustive // the others are made otherwise
		case otherBoard:
			p.Board = "2.0"
		case large:
			p.Size = maxPackage + 50_000
		case lengthy:
			p.Size = longImage
		}
		content := u.daemon.Make(t, p)
		if f == damaged {
			content[len(content)/2] ^= 1
		}
		return content
	})
	b.refusals()
	b.outages()
	b.updates("B 2.0", "A 2.0")
}

// leshanUpdatesGRUB has it update one whose slots the agent itself writes, with GRUB's environment.
func leshanUpdatesGRUB(t *testing.T, l *lasting) {
	t.Helper()
	dir := t.TempDir()
	u := &onSWUpdate{updating: &updating{lab: newLab(t), T: t}, files: filepath.Join(dir, "root")}
	vendor, key := plaintest.NewSigner("vendor01"), filepath.Join(dir, "vendor.pub")
	u.must(os.WriteFile(key, vendor.PublicKey(), 0o600))
	u.cfg = &config.Firmware{Backend: config.FirmwareGRUB, Boot: config.FirmwareGRUB, Images: config.ImageSlots{
		Environment: filepath.Join(dir, "environment"), Attempts: config.DefaultAttempts, Keys: []string{key}, Compatible: "lab-gw",
	}}
	image := func(version string, size int) []byte {
		return bytes.Repeat([]byte(version+"\n"), size/(len(version)+1))
	}
	device := func(slot string) string { return filepath.Join(dir, "slot"+slot) }
	for _, name := range []string{"A", "B"} {
		u.must(os.WriteFile(device(name), image("1.0", 2*maxPackage), 0o600))
		u.cfg.Images.Slots = append(u.cfg.Images.Slots, config.ImageSlot{Name: name, Devices: map[string]string{"rootfs": device(name)}})
	}
	u.holds = func(slot string) string {
		content, err := os.ReadFile(device(slot))
		u.must(err)
		version, _, _ := bytes.Cut(content, []byte("\n"))
		return string(version)
	}
	u.newEnvironment(dir)
	u.run("A", "1.0")
	u.machine, u.root = swupdateSystem{&demo.Machine{Say: func(string) {}}, u}, os.DirFS(u.files)
	b := newBox(u.updating, l, u.cfg, func(f fault) []byte {
		signer, compatible, size, version := vendor, "lab-gw", 40_000, "2.0"
		switch f { //nolint:exhaustive // the others are made otherwise
		case dead:
			version = ""
		case stranger:
			signer = plaintest.NewSigner("stranger")
		case otherBoard:
			compatible = "other-gw"
		case large:
			size = maxPackage + 50_000
		case lengthy:
			size = longImage
		}
		content := plaintest.Compose(signer, "2.0", []plaintest.Image{{Name: "rootfs", Content: image(version, size)}}, "compatible = "+compatible)
		if f == damaged {
			content[len(content)/2] ^= 1
		}
		return content
	})
	b.refusals()
	b.outages()
	b.updates("B 2.0", "A 2.0")
}

//go:build !small

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/fota"
	"lwm2m-agent/fota/file"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
)

// packageOf makes a package for slots in files.
func packageOf(version string, size int, more ...string) []byte {
	return file.Compose("gateway", version, bytes.Repeat([]byte(version), size/len(version)+1)[:size], more...)
}

// updating is a lab whose agent has simulated slots.
type updating struct {
	*lab
	*testing.T
	agent *Agent
	// machine is what is rebooted; nil: nothing is.
	machine host.Control
	root    fs.FS // of its files; nil: this machine's
	params  func(*client.Params)
	manager manager // that updates it; nil: the built-in server
	sub     *model.Subscription
	seen    []string // State and Update Result, as they changed
}

// manager is a server other than the built-in one.
type manager interface {
	registered()
	write(path string, v lwm2m.Value) error
	execute(path string) error
}

func newUpdating(t *testing.T, change func(*config.Config)) *updating {
	t.Helper()
	u := &updating{lab: newLab(t), T: t}
	cfg := u.config()
	cfg.Firmware = &config.Firmware{Backend: config.FirmwareFile, Confirm: 500 * time.Millisecond, MaxSize: 32 << 20}
	cfg.Firmware.Check, cfg.Firmware.Limit = []string{"/bin/true"}, generous // on a busy machine it takes longer than Confirm to register
	if change != nil {
		change(cfg)
	}
	u.start(cfg)
	return u
}

// start runs the agent until the test ends.
func (u *updating) start(cfg *config.Config) {
	u.Helper()
	machine := &demo.Machine{Say: func(string) {}}
	if u.machine == nil {
		u.machine = machine
	}
	var err error
	if u.agent, err = New(Options{Config: cfg, Version: "test", Control: u.machine, Now: machine.Now, SoftReboot: true, Root: u.root, Params: u.params}); err != nil {
		u.Fatal(err)
	}
	u.sub = u.agent.tree.Subscribe()
	u.sub.Watch(lwm2m.MustPath("/5/0"))
	ctx, cancel := context.WithCancel(u.Context())
	done := make(chan error, 1)
	go func() { done <- u.agent.Run(ctx) }()
	u.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			u.Error(err)
		}
		u.sub.Close()
	})
	if u.manager != nil {
		u.manager.registered()
		return
	}
	u.next(u.T, server.Registered)
}

// value is what a server reads.
func (u *updating) value(path string) lwm2m.Value { u.Helper(); return u.read(u.T, path) }

// until waits for a State and an Update Result.
func (u *updating) until(state fota.State, result fota.Result) {
	u.Helper()
	want := fmt.Sprintf("%d/%d", state, result)
	for limit := time.After(generous); ; {
		now := fmt.Sprintf("%v/%v", u.agent.tree.Value(lwm2m.MustPath("/5/0/3")), u.agent.tree.Value(lwm2m.MustPath("/5/0/5")))
		if len(u.seen) == 0 || u.seen[len(u.seen)-1] != now {
			u.seen = append(u.seen, now)
		}
		if now == want {
			return
		}
		select {
		case <-u.sub.Wake():
			u.sub.Take(nil)
		case <-limit:
			u.Fatalf("State and Update Result went %v, want %s; %+v", u.seen, want, u.agent.firmware.now.Load().Status())
		}
	}
}

func (u *updating) write(path string, v lwm2m.Value) error {
	if u.manager != nil {
		return u.manager.write(path, v)
	}
	p, f := lwm2m.MustPath(path), lwm2m.FormatText
	if v.Type() == lwm2m.TypeOpaque {
		f = lwm2m.FormatOpaque
	}
	return u.lab.client(u.T).Replace(u.Context(), p, f, []lwm2m.Node{{Path: p, Value: v}})
}

func (u *updating) must(err error) {
	u.Helper()
	if err != nil {
		u.Fatal(err)
	}
}

func (u *updating) execute(path string) error {
	if u.manager != nil {
		return u.manager.execute(path)
	}
	return u.lab.client(u.T).Execute(u.Context(), lwm2m.MustPath(path), "")
}

// refused fails the test unless the server is refused with a code.
func (u *updating) refused(err error, code lwm2m.Code) {
	u.Helper()
	if err == nil || lwm2m.CodeOf(err) != code {
		u.Errorf("got %v, want %v", err, code)
	}
}

// slot returns the slot that runs and its version.
func (u *updating) slot() string {
	u.Helper()
	s, err := u.agent.firmware.slots.Slots(u.Context())
	u.must(err)
	i := slices.IndexFunc(s.All, func(slot fota.Slot) bool { return slot.Name == s.Booted })
	return s.Booted + " " + s.All[i].Image.Version
}

func TestPushedUpdateIsConfirmed(t *testing.T) {
	t.Parallel()
	u := newUpdating(t, nil)
	u.refused(u.execute("/5/0/2"), lwm2m.MethodNotAllowed) // no package
	u.must(u.write("/5/0/0", lwm2m.Opaque(packageOf("2.0", 3<<20))))
	u.until(fota.Downloaded, fota.Initial)
	if n, v := u.value("/5/0/6"), u.value("/5/0/7"); n.Text() != "gateway" || v.Text() != "2.0" {
		t.Errorf("the package is %v %v", n, v)
	}
	u.refused(u.write("/5/0/1", lwm2m.String("coap://x/y")), lwm2m.MethodNotAllowed)
	u.must(u.execute("/5/0/2"))
	u.until(fota.Updating, fota.Initial)
	u.refused(u.execute("/5/0/10"), lwm2m.MethodNotAllowed)
	u.next(t, server.Updated) // the exchange that proves the new system
	u.until(fota.Idle, fota.Success)
	if u.slot() != "B 2.0" || u.value("/3/0/3").Text() != "2.0" {
		t.Errorf("slot %s runs, /3/0/3 is %v", u.slot(), u.value("/3/0/3"))
	}
	u.must(u.write("/5/0/0", lwm2m.Opaque([]byte{0})))
	u.until(fota.Idle, fota.Initial)
}

func TestIllSystemIsRolledBack(t *testing.T) {
	t.Parallel()
	u := newUpdating(t, nil)
	before := u.slot()
	u.must(u.write("/5/0/0", lwm2m.Opaque(packageOf("2.0", 5000, "healthy = no"))))
	u.until(fota.Downloaded, fota.Initial)
	u.must(u.execute("/5/0/2"))
	u.until(fota.Idle, fota.UpdateFailed)
	if u.slot() != before {
		t.Errorf("slot %s runs, want %s", u.slot(), before)
	}
	if tr := u.agent.await(t, health.FirmwareFailed, true); !strings.Contains(tr.Detail, "healthy = no") {
		t.Errorf("the trouble is %+v", tr)
	}
}

func TestPackagesThatAreRefused(t *testing.T) {
	u := newUpdating(t, func(cfg *config.Config) { cfg.Firmware.MaxSize = 10_000 })
	good := packageOf("2.0", 3000)
	damaged := bytes.Clone(good)
	damaged[len(damaged)-1] ^= 1
	u.must(u.write("/5/0/0", lwm2m.Opaque(damaged)))
	u.until(fota.Idle, fota.IntegrityFailure)
	u.must(u.write("/5/0/0", lwm2m.Opaque(bytes.Replace(good, []byte("firmware 1"), []byte("firmware 9"), 1))))
	u.until(fota.Idle, fota.UnsupportedPackage)
	u.refused(u.write("/5/0/0", lwm2m.Opaque(packageOf("2.0", 20_000))), lwm2m.RequestEntityTooLarge)
	u.until(fota.Idle, fota.NoStorage)
	u.must(u.write("/5/0/1", lwm2m.String("http:nothing")))
	u.until(fota.Idle, fota.InvalidURI)
	u.must(u.write("/5/0/1", lwm2m.String("gopher://x/y")))
	u.until(fota.Idle, fota.UnsupportedProtocol)
	u.must(u.write("/5/0/0", lwm2m.Opaque(good)))
	u.until(fota.Downloaded, fota.Initial)
	u.must(u.execute("/5/0/10"))
	u.until(fota.Idle, fota.Cancelled)
}

// depot serves a package by CoAP and returns its URI.
func depot(t *testing.T, content []byte) string {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	l := coap.Listen(pc, func(x *coap.Exchange) {
		if q, _ := x.Request.Query("v"); x.Request.Path() != "/depot/gateway" || q != "2" {
			_ = x.Reply(coap.NotFound)
			return
		}
		m := &coap.Message{Code: coap.Content, Body: bytes.NewReader(content)}
		m.SetETag([]byte{0xff, 0})
		_ = x.Respond(m)
	}, coap.ListenOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return "coap://" + pc.LocalAddr().String() + "/depot/"
}

func TestPulledUpdates(t *testing.T) {
	t.Parallel()
	content := packageOf("2.0", 300_000)
	constrained := depot(t, content)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	defer web.Close()
	u := newUpdating(t, nil)
	for _, uri := range []string{constrained + "gateway?v=2", web.URL + "/gateway"} {
		u.must(u.write("/5/0/1", lwm2m.String(uri)))
		u.until(fota.Downloaded, fota.Initial)
		if got := u.value("/5/0/1").Text(); got != uri {
			t.Errorf("the URI is %q, want %q", got, uri)
		}
		u.must(u.write("/5/0/1", lwm2m.String("")))
		u.until(fota.Idle, fota.Initial)
	}
	u.must(u.write("/5/0/1", lwm2m.String(constrained+"nothing")))
	u.until(fota.Idle, fota.InvalidURI)
	u.must(u.write("/5/0/14", lwm2m.Boolean(true)))
	u.must(u.write("/5/0/1", lwm2m.String(constrained+"gateway?v=2")))
	u.until(fota.Idle, fota.Success) // nobody has executed Update
	if u.slot() != "B 2.0" {
		t.Errorf("slot %s runs", u.slot())
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	u := newUpdating(t, func(cfg *config.Config) { cfg.Firmware.Consent = true })
	u.must(u.write("/5/0/13", lwm2m.Unsigned(3600)))
	u.must(u.write("/5/0/0", lwm2m.Opaque(packageOf("2.0", 3000))))
	u.until(fota.Downloaded, fota.Initial)
	u.must(u.execute("/5/0/2"))
	u.until(fota.Downloaded, fota.Deferral)
	u.must(u.agent.firmware.now.Load().Accept(t.Context()))
	u.until(fota.Idle, fota.Success)
}

func TestLocalUpdate(t *testing.T) {
	t.Parallel()
	u := newUpdating(t, func(cfg *config.Config) { cfg.Firmware.Consent = true })
	local := localFirmware{u.agent.firmware}
	content := packageOf("2.0", 300_000)
	u.refused(local.Act(t.Context(), "accept"), lwm2m.MethodNotAllowed)
	u.refused(local.Act(t.Context(), "rollback"), lwm2m.MethodNotAllowed) // slot B is empty
	u.refused(local.Install(t.Context(), 0, &cutOff{content}), lwm2m.BadRequest)
	u.until(fota.Idle, fota.ConnectionLost)
	u.must(local.Install(t.Context(), int64(len(content)), bytes.NewReader(content)))
	u.until(fota.Idle, fota.Success) // a local user need not be asked
	if u.slot() != "B 2.0" {
		t.Errorf("slot %s runs", u.slot())
	}
	u.must(local.Act(t.Context(), "rollback"))
	u.until(fota.Idle, fota.UpdateFailed)
	if f, err := local.Firmware(t.Context()); err != nil || !f.Slots[0].Booted || !f.Slots[0].Good || !f.Slots[1].Good || !strings.Contains(f.Reason, "local user") {
		t.Errorf("%+v, %v", f, err)
	}
}

// cutOff is a reader that fails in the middle.
type cutOff struct{ rest []byte }

func (c *cutOff) Read(b []byte) (int, error) {
	if len(c.rest) < 100_000 {
		return 0, errors.New("the connection is lost")
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// TestDemoPackages installs what the demo offers.
func TestDemoPackages(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(withPackages(http.NotFoundHandler(), demoPackages()))
	defer web.Close()
	u := newUpdating(t, nil)
	for _, c := range []struct {
		name, runs string
		result     fota.Result
	}{{"damaged", "", fota.IntegrityFailure}, {"2.0", "B 2.0", fota.Success}, {"failing", "B 2.0", fota.UpdateFailed}} {
		u.must(u.write("/5/0/1", lwm2m.String(web.URL+"/firmware/"+c.name)))
		if c.result != fota.IntegrityFailure {
			u.until(fota.Downloaded, fota.Initial)
			u.must(u.execute("/5/0/2"))
		}
		u.until(fota.Idle, c.result)
		if c.runs != "" && u.slot() != c.runs {
			t.Errorf("after %s slot %s runs, want %s", c.name, u.slot(), c.runs)
		}
	}
}

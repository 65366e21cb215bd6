//go:build interop && !small

package agent

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/rauc"
)

// raucMachine reboots a system with RAUC.
type raucMachine struct {
	*demo.Machine
	t      *testing.T
	system *rauc.System
}

// Reboot implements host.Control.
func (m raucMachine) Reboot(context.Context) error {
	m.system.Boot(m.t) //nolint:contextcheck // a reboot outlives who asked for it
	return nil
}

// onRAUC is a lab whose agent updates a system with a real RAUC.
type onRAUC struct {
	*updating
	system *rauc.System
	ill    string                 // if this file is there, the system is ill
	served atomic.Pointer[[]byte] // at the URI
	uri    string
}

func startOnRAUC(t *testing.T) *onRAUC {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("slots on loop devices take root")
	}
	u := &onRAUC{updating: &updating{lab: newLab(t), T: t}, system: rauc.Start(t, rauc.Options{}), ill: filepath.Join(t.TempDir(), "ill")}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", u.system.Bus)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(*u.served.Load()))
	}))
	t.Cleanup(web.Close)
	u.uri = web.URL + "/bundle"
	u.machine = raucMachine{&demo.Machine{Say: func(string) {}}, t, u.system}
	cfg := u.config()
	cfg.Firmware = &config.Firmware{
		Backend: config.FirmwareRAUC, RAUCConfig: u.system.Config, Confirm: 100 * time.Millisecond, Limit: generous, MaxSize: 300_000,
		Check: []string{"/usr/bin/test", "!", "-e", u.ill},
	}
	u.start(cfg)
	return u
}

// TestRAUC updates a system with a real RAUC from the built-in server: with systems that do not fit, do not boot and are ill, and with good ones,
// pushed and pulled. What RAUC refuses is in TestLeshanUpdates.
func TestRAUC(t *testing.T) {
	u := startOnRAUC(t)
	u.update(rauc.Bundle{Size: rauc.SlotSize + 4096}, fota.NoStorage, "rootfs.0 ") // than the slot
	u.update(rauc.Bundle{Version: "3.0", Text: "dead"}, fota.UpdateFailed, "rootfs.0 ")
	if tr := u.agent.await(t, health.FirmwareFailed, true); !strings.Contains(tr.Detail, "did not stay up") {
		t.Errorf("%+v", tr)
	}
	u.must(os.WriteFile(u.ill, nil, 0o600))
	u.update(rauc.Bundle{}, fota.UpdateFailed, "rootfs.0 ")
	u.must(os.Remove(u.ill))
	u.must(u.write("/5/0/0", lwm2m.Opaque(u.system.Make(t, rauc.Bundle{}))))
	u.until(fota.Downloaded, fota.Initial)
	if n, v := u.value("/5/0/6"), u.value("/5/0/7"); n.Text() != rauc.Compatible || v.Text() != "2.0" {
		t.Errorf("the package is %v %v", n, v)
	}
	u.must(u.execute("/5/0/2"))
	u.until(fota.Idle, fota.Success)
	if u.slot() != "rootfs.1 2.0" || u.value("/3/0/3").Text() != "2.0" || u.system.Content(t, "B") != "gateway 2.0" {
		t.Errorf("%s runs, /3/0/3 is %v, the slot holds %q", u.slot(), u.value("/3/0/3"), u.system.Content(t, "B"))
	}
	u.update(rauc.Bundle{Version: "2.1"}, fota.Success, "rootfs.0 2.1")
}

// update pulls a bundle, installs it and waits for the outcome, and the slot that
// runs then.
func (u *onRAUC) update(b rauc.Bundle, result fota.Result, runs string) {
	u.Helper()
	content := u.system.Make(u.T, b)
	u.served.Store(&content)
	u.must(u.write("/5/0/1", lwm2m.String(u.uri)))
	u.until(fota.Downloaded, fota.Initial)
	u.must(u.execute("/5/0/2"))
	u.until(fota.Idle, result)
	if u.slot() != runs {
		u.Errorf("%s runs, want %s", u.slot(), runs)
	}
}

// TestCheckRAUC asks a real RAUC whether it could do an update.
func TestCheckRAUC(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("slots on loop devices take root")
	}
	s := rauc.Start(t, rauc.Options{})
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", s.Bus)
	cfg := &config.Config{Firmware: &config.Firmware{Backend: config.FirmwareRAUC, RAUCConfig: s.Config}}
	want := CheckRow{Part: "firmware", Name: "rauc", OK: true, Detail: "slots rootfs.0, rootfs.1; rootfs.0 runs; activate-installed=false; there is no check: an outage of the server is taken for a failure of the new system"}
	if rows := checkFirmware(t.Context(), cfg); len(rows) != 1 || rows[0] != want {
		t.Errorf("%+v, want %+v", rows, want)
	}
	s.Kill(t)
	if rows := checkFirmware(t.Context(), cfg); len(rows) != 1 || rows[0].OK || !strings.Contains(rows[0].Detail, "no RAUC answers") {
		t.Errorf("%+v", rows)
	}
}

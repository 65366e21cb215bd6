//go:build interop && !small

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
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
	"lwm2m-agent/test/swupdate"
)

// onSWUpdate is a lab whose agent updates a system with a real SWUpdate. The boot
// loader's environment is real, its choice is played.
type onSWUpdate struct {
	*updating
	daemon *swupdate.Daemon
	holds  func(slot string) (version string)
	cfg    *config.Firmware
	files  string                 // folder of the operating system's files
	ill    string                 // if this file is there, the system is ill
	served atomic.Pointer[[]byte] // at the URI
	uri    string
}

// swupdateSystem reboots it.
type swupdateSystem struct {
	*demo.Machine
	*onSWUpdate
}

// Reboot implements host.Control.
func (s swupdateSystem) Reboot(context.Context) error {
	s.boot()
	return nil
}

func startOnSWUpdate(t *testing.T, boot config.FirmwareBackend) *onSWUpdate {
	t.Helper()
	u := prepareSWUpdate(t, boot)
	cfg := u.config()
	cfg.Firmware = u.cfg
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(*u.served.Load()))
	}))
	t.Cleanup(web.Close)
	u.uri = web.URL + "/package"
	u.start(cfg)
	return u
}

// prepareSWUpdate makes the system. Its agent is not started.
func prepareSWUpdate(t *testing.T, boot config.FirmwareBackend) *onSWUpdate {
	t.Helper()
	dir := t.TempDir()
	u := &onSWUpdate{updating: &updating{lab: newLab(t), T: t}, files: filepath.Join(dir, "root"), ill: filepath.Join(dir, "ill")}
	u.cfg = &config.Firmware{
		Backend: config.FirmwareSWUpdate, Boot: boot, Confirm: 100 * time.Millisecond, Limit: generous, MaxSize: 300_000,
		Check:  []string{"/usr/bin/test", "!", "-e", u.ill},
		Images: config.ImageSlots{Environment: filepath.Join(dir, "environment"), Attempts: config.DefaultAttempts},
	}
	for _, name := range []string{"A", "B"} {
		u.cfg.Images.Slots = append(u.cfg.Images.Slots, config.ImageSlot{Name: name, Select: swupdate.Selections[name]})
	}
	u.newEnvironment(dir)
	u.run("A", "1.0")
	u.daemon = swupdate.Start(t, func(ctx context.Context, socket string) error {
		u.cfg.Socket = socket
		row := u.check(ctx)
		if !row.OK {
			return errors.New(row.Detail)
		}
		if want := "SWUpdate answers; slot A runs; A is good; B is "; !strings.HasPrefix(row.Detail, want) {
			t.Errorf("check says %q, want %q…", row.Detail, want)
		}
		return nil
	})
	u.holds = func(slot string) string { return u.daemon.Content(t, slot) }
	u.machine, u.root = swupdateSystem{&demo.Machine{Say: func(string) {}}, u}, os.DirFS(u.files)
	return u
}

// check is the row of "lwm2m-agent check".
func (u *onSWUpdate) check(ctx context.Context) CheckRow {
	rows := checkFirmwareOf(ctx, &config.Config{Firmware: u.cfg}, os.DirFS(u.files), nil)
	if len(rows) != 1 || rows[0].Part != "firmware" || rows[0].Name != "swupdate" {
		u.Errorf("check has %+v", rows)
	}
	return rows[0]
}

// run makes a system the one that runs.
func (u *onSWUpdate) run(slot, version string) {
	u.Helper()
	for name, text := range map[string]string{"proc/cmdline": "quiet lwm2m.slot=" + slot, "etc/os-release": "VERSION_ID=" + version} {
		name = filepath.Join(u.files, name)
		u.must(os.MkdirAll(filepath.Dir(name), 0o700))
		u.must(os.WriteFile(name, []byte(text+"\n"), 0o600))
	}
}

func (u *onSWUpdate) tool(input, name string, args ...string) string {
	u.Helper()
	cmd := exec.Command(name, args...) // a reboot outlives who asked for it
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		u.Errorf("%s %v: %v", name, args, err)
	}
	return string(out)
}

func (u *onSWUpdate) newEnvironment(dir string) {
	u.Helper()
	env := u.cfg.Images.Environment
	if u.cfg.Boot == config.FirmwareGRUB {
		u.tool("", "grub-editenv", env, "create")
		u.set(map[string]string{"ORDER": "A B", "A_OK": "1", "B_OK": "1", "A_TRY": "0", "B_TRY": "0"})
		return
	}
	var where strings.Builder
	for _, name := range []string{"env0", "env1"} {
		name = filepath.Join(dir, name)
		u.must(os.WriteFile(name, make([]byte, 0x4000), 0o600))
		fmt.Fprintf(&where, "%s 0x0 0x4000\n", name)
	}
	u.must(os.WriteFile(env, []byte(where.String()), 0o600))
	initial := filepath.Join(dir, "initial")
	u.must(os.WriteFile(initial, []byte("BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n"), 0o600))
	u.tool("", "fw_setenv", "-c", env, "-f", initial, "-s", initial)
}

// variables returns what the boot loader sees.
func (u *onSWUpdate) variables() map[string]string {
	u.Helper()
	env := u.cfg.Images.Environment
	command := []string{"fw_printenv", "-c", env}
	if u.cfg.Boot == config.FirmwareGRUB {
		command = []string{"grub-editenv", env, "list"}
	}
	text := u.tool("", command[0], command[1:]...)
	out := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		out[name] = value
	}
	return out
}

func (u *onSWUpdate) set(changes map[string]string) {
	u.Helper()
	for name, value := range changes {
		if u.cfg.Boot == config.FirmwareGRUB {
			u.tool("", "grub-editenv", u.cfg.Images.Environment, "set", name+"="+value)
		} else {
			u.tool(name+"="+value+"\n", "fw_setenv", "-c", u.cfg.Images.Environment, "-s", "-")
		}
	}
}

// boot does what the boot loader's script does, until a system runs: packaging/grub/ab.cfg
// or the one of docs/firmware-update.md for U-Boot.
func (u *onSWUpdate) boot() {
	u.Helper()
	for range 10 {
		slot := u.choose()
		if version := u.holds(slot); version != "" {
			u.run(slot, version)
			return
		}
	}
	u.Error("no slot boots")
}

func (u *onSWUpdate) choose() string {
	u.Helper()
	vars := u.variables()
	for slot := range strings.FieldsSeq(vars["ORDER"] + " " + vars["BOOT_ORDER"]) {
		tried, left := slot+"_TRY", "BOOT_"+slot+"_LEFT"
		switch {
		case vars[slot+"_OK"] == "1" && vars[tried] < "3":
			u.set(map[string]string{tried: string(vars[tried][0] + 1)})
			return slot
		case vars[left] > "0":
			u.set(map[string]string{left: string(vars[left][0] - 1)})
			return slot
		}
	}
	u.Errorf("no slot may be booted: %v", vars)
	return "A"
}

// boots fails unless the environment has a slot boot next.
func (u *onSWUpdate) boots(want string) {
	u.Helper()
	vars := u.variables()
	order := strings.Fields(vars["ORDER"] + " " + vars["BOOT_ORDER"])
	if len(order) == 0 || order[0] != want {
		u.Errorf("%v boots next, want %s", order, want)
	}
}

// update pulls a package, has it installed, and waits for the outcome and what runs then.
func (u *onSWUpdate) update(p swupdate.Package, result fota.Result, runs string) {
	u.Helper()
	before := u.slot()[:1]
	u.serve(u.daemon.Make(u.T, p))
	u.must(u.write("/5/0/1", lwm2m.String(u.uri)))
	u.until(fota.Downloaded, fota.Initial)
	u.boots(before)
	u.must(u.execute("/5/0/2"))
	u.until(fota.Idle, result)
	if u.slot() != runs {
		u.Errorf("%s runs, want %s", u.slot(), runs)
	}
	u.boots(runs[:1])
}

// serve has a package at the URI.
func (u *onSWUpdate) serve(content []byte) { u.served.Store(&content) }

// TestSWUpdateWithGRUB pulls packages from the built-in server to a real SWUpdate, and has
// each kind refused with its Update Result.
func TestSWUpdateWithGRUB(t *testing.T) {
	t.Parallel()
	u := startOnSWUpdate(t, config.FirmwareGRUB)
	u.refusals()
	u.update(swupdate.Package{Version: "3.0", Dead: true}, fota.UpdateFailed, "A 1.0")
	u.agent.await(t, health.FirmwareFailed, true)
	u.update(swupdate.Package{}, fota.Success, "B 2.0")
}

// TestSWUpdateWithUBoot has a system that is ill rolled back, and one pushed that is well.
func TestSWUpdateWithUBoot(t *testing.T) {
	t.Parallel()
	u := startOnSWUpdate(t, config.FirmwareUBoot)
	u.must(os.WriteFile(u.ill, nil, 0o600))
	u.update(swupdate.Package{}, fota.UpdateFailed, "A 1.0")
	u.must(os.Remove(u.ill))
	u.must(u.write("/5/0/0", lwm2m.Opaque(u.daemon.Make(t, swupdate.Package{}))))
	u.until(fota.Downloaded, fota.Initial)
	if n, v := u.value("/5/0/6"), u.value("/5/0/7"); n.Text() != "gateway" || v.Text() != "2.0" {
		t.Errorf("the package is %v %v", n, v)
	}
	u.must(u.execute("/5/0/2"))
	u.until(fota.Idle, fota.Success)
	if u.slot() != "B 2.0" || u.value("/3/0/3").Text() != "2.0" || u.daemon.Content(t, "B") != "2.0" {
		t.Errorf("%s runs, /3/0/3 is %v, the slot holds %q", u.slot(), u.value("/3/0/3"), u.daemon.Content(t, "B"))
	}
	u.daemon.Kill(t)
	if row := u.check(u.Context()); row.OK || !strings.Contains(row.Detail, "SWUpdate does not answer") {
		t.Errorf("check without its daemon: %+v", row)
	}
}

// refusals has packages refused, of which the boot environment sees nothing.
func (u *onSWUpdate) refusals() {
	u.Helper()
	before, second := u.variables(), u.daemon.Content(u.T, "B")
	for _, c := range []struct {
		name    string
		p       swupdate.Package
		damaged bool
		result  fota.Result
	}{
		{"damaged", swupdate.Package{Size: 40_000}, true, fota.IntegrityFailure},
		{"another image", swupdate.Package{OtherSum: true}, false, fota.IntegrityFailure},
		{"signed by a stranger", swupdate.Package{Stranger: true}, false, fota.IntegrityFailure},
		{"for another board", swupdate.Package{Board: "2.0"}, false, fota.UnsupportedPackage},
		{"larger than max_size", swupdate.Package{Size: 400_000}, false, fota.NoStorage},
	} {
		content := u.daemon.Make(u.T, c.p)
		if c.damaged {
			content[len(content)/2] ^= 1
		}
		u.serve(content)
		u.must(u.write("/5/0/1", lwm2m.String(u.uri)))
		u.until(fota.Idle, c.result)
		u.must(u.write("/5/0/1", lwm2m.String("")))
		u.until(fota.Idle, fota.Initial)
	}
	if after := u.variables(); !maps.Equal(before, after) || u.daemon.Content(u.T, "B") != second {
		u.Errorf("the environment was %v and is %v, the slot holds %q", before, after, u.daemon.Content(u.T, "B"))
	}
}

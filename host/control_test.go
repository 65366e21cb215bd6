package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		want  Variant
	}{
		{nil, Plain},
		{map[string]string{"run/systemd/system/x": ""}, Systemd},
		{map[string]string{"etc/openwrt_release": ""}, OpenWrt},
		{map[string]string{"etc/systemd/system/x": ""}, Plain}, // installed, but not what runs
	} {
		if got := Detect(files(c.files)); got != c.want {
			t.Errorf("%v: %s, want %s", c.files, got, c.want)
		}
	}
	for v, want := range map[Variant]string{Systemd: "*host.systemd", OpenWrt: "*host.openwrt", Plain: "host.plain"} {
		if got := fmt.Sprintf("%T", NewControl(v, nil)); got != want {
			t.Errorf("%s: %s", v, got)
		}
	}
}

func busErr(name string) []any { return []any{dbus.Error{Name: name}} }

const (
	canReboot      = "org.freedesktop.login1.Manager.CanReboot"
	reboot         = "org.freedesktop.login1.Manager.Reboot"
	listInhibitors = "org.freedesktop.login1.Manager.ListInhibitors"
	setTime        = "org.freedesktop.timedate1.SetTime"
	setTimezone    = "org.freedesktop.timedate1.SetTimezone"
)

func TestSystemdReboot(t *testing.T) {
	none := []any{[]inhibitor{}}
	for _, c := range []struct {
		what    string
		answers map[string][]any
		cause   error
		words   string
		reboots bool
	}{
		{"allowed", map[string][]any{canReboot: {"yes"}, listInhibitors: none, reboot: {}}, nil, "", true},
		{
			"delayed only", map[string][]any{canReboot: {"yes"}, reboot: {}, listInhibitors: {[]inhibitor{
				{"sleep:idle", "a", "b", "block", 0, 1}, {"shutdown", "NetworkManager", "off", "delay", 0, 2}, {"handle-power-key", "GNOME", "x", "block", 0, 3},
			}}}, nil, "", true,
		},
		{
			"blocked",
			map[string][]any{canReboot: {"yes"}, reboot: {}, listInhibitors: {[]inhibitor{{"sleep:shutdown", "apt", "upgrade runs", "block", 0, 1}}}},
			ErrInhibited, "apt (upgrade runs)", false,
		},
		{
			"blocked, says a newer logind",
			map[string][]any{canReboot: {"inhibitor-blocked"}, listInhibitors: none},
			ErrInhibited, "reboot", false,
		},
		{"not this user", map[string][]any{canReboot: {"challenge"}}, ErrPermission, `"challenge"`, false},
		{"forbidden", map[string][]any{canReboot: {"no"}}, ErrPermission, `"no"`, false},
		{
			"blocked, for who may not override it", // logind 252
			map[string][]any{canReboot: {"challenge"}, listInhibitors: {[]inhibitor{{"shutdown", "technician", "looks", "block", 0, 1}}}},
			ErrInhibited, "technician (looks)", false,
		},
		{"not possible", map[string][]any{canReboot: {"na"}}, ErrNotSupported, `"na"`, false},
		{"no logind", nil, ErrNotSupported, "reboot", false},
		{
			"refused in the end",
			map[string][]any{
				canReboot: {"yes"}, listInhibitors: none, reboot: busErr("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"),
			},
			ErrPermission, "said the service", true,
		},
		{
			"blocked meanwhile",
			map[string][]any{canReboot: {"yes"}, listInhibitors: none, reboot: busErr("org.freedesktop.login1.BlockedByInhibitorLock")},
			ErrInhibited, "reboot", true,
		},
	} {
		b := &bus{answers: c.answers}
		s := &systemd{dial: b.dial}
		err := s.Reboot(t.Context())
		if !errors.Is(err, c.cause) || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v; want %v", c.what, err, c.cause)
		}
		last := b.calls[len(b.calls)-1]
		if got := last == "Reboot[false]"; got != c.reboots {
			t.Errorf("%s: the last call was %s", c.what, last)
		}
	}
}

func TestSystemdClock(t *testing.T) {
	b := &bus{answers: map[string][]any{setTime: {}, setTimezone: {}}}
	s := &systemd{dial: b.dial}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	if err := errors.Join(s.SetTime(t.Context(), at), s.SetTimezone(t.Context(), "Europe/Vienna")); err != nil {
		t.Error(err)
	}
	want := []string{"SetTime[1767323045000006 false false]", "SetTimezone[Europe/Vienna false]"}
	if d := cmp.Diff(want, b.calls); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for name, cause := range map[string]error{
		"org.freedesktop.timedate1.AutomaticTimeSyncEnabled": ErrSynchronized,
		"org.freedesktop.DBus.Error.AccessDenied":            ErrPermission,
		"org.freedesktop.DBus.Error.NameHasNoOwner":          ErrNotSupported,
	} {
		b.answers = map[string][]any{setTime: busErr(name), setTimezone: busErr(name)}
		if err := s.SetTime(t.Context(), at); !errors.Is(err, cause) {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.SetTimezone(t.Context(), "UTC"); !errors.Is(err, cause) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.answers[setTime] = busErr("org.example.Odd")
	if err := s.SetTime(t.Context(), at); err == nil || errors.Is(err, ErrPermission) {
		t.Errorf("an error of its own: %v", err)
	}
}

// TestRestarting tells the job that ends the service from others, and from none.
func TestRestarting(t *testing.T) {
	const unit, job = dbus.ObjectPath("/org/freedesktop/systemd1/unit/agent"), dbus.ObjectPath("/org/freedesktop/systemd1/job/7")
	type ofUnit struct {
		ID   uint32
		Path dbus.ObjectPath
	}
	for _, c := range []struct {
		what string
		job  ofUnit
		kind string
		want bool
	}{
		{"systemctl restart", ofUnit{7, job}, "restart", true},
		{"systemctl stop, shutdown", ofUnit{7, job}, "stop", false},
		{"a signal", ofUnit{0, "/"}, "", false},
	} {
		b := &bus{answers: map[string][]any{
			"org.freedesktop.systemd1.Manager.GetUnitByPID": {unit},
			"org.freedesktop.systemd1.Unit Job":             {dbus.MakeVariant(c.job)},
			"org.freedesktop.systemd1.Job JobType":          {dbus.MakeVariant(c.kind)},
		}}
		if got, err := (&systemd{dial: b.dial}).restarting(t.Context()); got != c.want || err != nil {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
		if want := fmt.Sprintf("GetUnitByPID[%d]", os.Getpid()); b.calls[0] != want {
			t.Errorf("%s: asked %s, want %s", c.what, b.calls[0], want)
		}
	}
	if _, err := (&systemd{dial: (&bus{}).dial}).restarting(t.Context()); !errors.Is(err, ErrNotSupported) {
		t.Errorf("without systemd: %v", err)
	}
}

// TestBusDoesNotAnswer: a service that hangs costs the caller's time only.
func TestBusDoesNotAnswer(t *testing.T) {
	s := &systemd{dial: func(ctx context.Context) (*dbus.Conn, error) {
		near, far := net.Pipe()
		t.Cleanup(func() { far.Close() })
		go func() { // reads, says nothing
			buf := make([]byte, 1024)
			for {
				if _, err := far.Read(buf); err != nil {
					return
				}
			}
		}()
		conn, err := dbus.NewConn(near, dbus.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		return conn, conn.Auth([]dbus.Auth{dbus.AuthExternal("0")})
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Reboot(ctx); err == nil || !strings.Contains(err.Error(), "connect to the system bus") {
		t.Errorf("%v", err)
	}
}

// programs records what is run, and fails one program.
type programs struct {
	log  []string
	fail string
	err  error
}

func (p *programs) run(_ context.Context, name string, args ...string) ([]byte, error) {
	command := strings.Join(append([]string{name}, args...), " ")
	p.log = append(p.log, command)
	if p.fail != "" && strings.HasPrefix(command, p.fail) {
		return nil, p.err
	}
	return nil, nil
}

func TestOpenWrt(t *testing.T) {
	root := files(map[string]string{"usr/share/zoneinfo/Europe/Vienna": string(zoneOf(vienna))})
	var p programs
	var clock time.Time
	o := &openwrt{root: root, run: p.run, setTime: func(at time.Time) error {
		clock = at
		return nil
	}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := errors.Join(o.CanReboot(t.Context()), o.Reboot(t.Context()), o.SetTime(t.Context(), at), o.SetTimezone(t.Context(), "Europe/Vienna")); err != nil {
		t.Error(err)
	}
	want := []string{
		"ubus -S list system", "ubus call system reboot",
		"uci set system.@system[0].zonename=Europe/Vienna", "uci set system.@system[0].timezone=" + vienna, "uci commit system",
		"/etc/init.d/system reload",
	}
	if d := cmp.Diff(want, p.log); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !clock.Equal(at) {
		t.Errorf("the clock is at %s", clock)
	}

	p = programs{}
	if err := o.SetTimezone(t.Context(), "Europe/Berlin"); !errors.Is(err, ErrNotSupported) || len(p.log) != 0 {
		t.Errorf("a zone that is not installed: %v, ran %q", err, p.log)
	}
	p = programs{fail: "uci commit", err: ErrPermission}
	if err := o.SetTimezone(t.Context(), "UTC"); !errors.Is(err, ErrPermission) || len(p.log) != 3 {
		t.Errorf("%v, ran %q", err, p.log)
	}
	p = programs{fail: "ubus", err: ErrNotSupported}
	if err := o.CanReboot(t.Context()); !errors.Is(err, ErrNotSupported) {
		t.Errorf("%v", err)
	}
	if err := o.Reboot(t.Context()); !errors.Is(err, ErrNotSupported) {
		t.Errorf("%v", err)
	}
}

// TestRunProgram runs programs of a folder of its own.
func TestRunProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	for name, script := range map[string]string{
		"ubus-good":   "echo \"$2\"; echo noise >&2",
		"ubus-denied": "echo 'Command failed: Permission denied' >&2; exit 6",
		"ubus-fails":  "echo 'Command failed: Not found' >&2; exit 4",
		"ubus-hangs":  "exec tail -f /dev/null",
		"ubus-talks":  "head -c 200000 /dev/zero",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := runProgram(t.Context(), "ubus-good", "a", "b c; $(x)"); err != nil || string(out) != "b c; $(x)\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := runProgram(t.Context(), "ubus-talks"); err != nil || len(out) != maxOutput {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if _, err := runProgram(t.Context(), "ubus-denied"); !errors.Is(err, ErrPermission) {
		t.Errorf("%v", err)
	}
	if _, err := runProgram(t.Context(), "ubus-fails"); err == nil || errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "Not found") {
		t.Errorf("%v", err)
	}
	if _, err := runProgram(t.Context(), "ubus-none"); !errors.Is(err, ErrNotSupported) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := runProgram(ctx, "ubus-hangs"); err == nil {
		t.Error("a program that hangs has ended well")
	}
}

func TestPlain(t *testing.T) {
	p := NewControl(Plain, files(nil))
	if err := p.SetTimezone(t.Context(), "UTC"); !errors.Is(err, ErrNotSupported) {
		t.Errorf("time zone: %v", err)
	}
	// A time that no kernel takes: the clock of the machine under test stays.
	if err := p.SetTime(t.Context(), time.Unix(-1<<40, 0)); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the year -32000: %v", err)
	}
}

// TestPlainReboot never runs a program called reboot that this machine has.
func TestPlainReboot(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	ran := 0
	run := func(_ context.Context, name string, args ...string) ([]byte, error) {
		if ran++; name != "reboot" || len(args) > 0 {
			t.Errorf("runs %s %v", name, args)
		}
		return nil, nil
	}
	none := plain{run: run, root: true}
	if err := errors.Join(none.CanReboot(t.Context()), none.Reboot(t.Context())); !errors.Is(err, ErrNotSupported) || ran > 0 {
		t.Errorf("without the program: %v, run %d times", err, ran)
	}
	if err := os.WriteFile(filepath.Join(os.Getenv("PATH"), "reboot"), []byte("#!/bin/false\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	user := plain{run: run}
	if err := errors.Join(user.CanReboot(t.Context()), user.Reboot(t.Context())); !errors.Is(err, ErrPermission) || ran > 0 {
		t.Errorf("without rights: %v, run %d times", err, ran)
	}
	root := plain{run: run, root: true}
	if err := errors.Join(root.CanReboot(t.Context()), root.Reboot(t.Context())); err != nil || ran != 1 {
		t.Errorf("as root: %v, run %d times", err, ran)
	}
}

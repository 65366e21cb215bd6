package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects"
)

// lockLab is a gateway that can be locked, with two relays and a folder that can be wiped.
type lockLab struct {
	*lab
	cfg    *config.Config
	folder string
}

func newLockLab(t *testing.T) *lockLab {
	t.Helper()
	l := &lockLab{lab: newLab(t), folder: filepath.Join(t.TempDir(), "data")}
	l.cfg = l.config()
	l.cfg.Actuators = append(l.cfg.Actuators, config.Actuator{Name: "pump", Driver: "sim", Resource: config.NoResource, Instance: config.NoInstance})
	l.cfg.LockAndWipe = &config.LockAndWipe{Folders: []string{l.folder}}
	return l
}

func (l *lockLab) set(t *testing.T, path string, values ...string) error {
	t.Helper()
	p := lwm2m.MustPath(path)
	nodes := make([]lwm2m.Node, 0, len(values))
	for i, v := range values {
		nodes = append(nodes, lwm2m.Node{Path: p.Child(uint16(i)), Value: lwm2m.String(v)})
	}
	return l.client(t).Replace(t.Context(), p, lwm2m.FormatSenMLCBOR, nodes)
}

func (l *lockLab) state(t *testing.T, state objects.LockState) error {
	t.Helper()
	return l.write(t, "/8/0/0", lwm2m.Integer(int64(state)))
}

// is checks a resource.
func (l *lockLab) is(t *testing.T, what, path string, want lwm2m.Value) {
	t.Helper()
	if got := l.read(t, path); got != want {
		t.Errorf("%s: %s is %v, want %v", what, path, got, want)
	}
}

func (l *lockLab) results(t *testing.T, what string, err error, state objects.LockState, result objects.LockResult) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	l.is(t, what, "/8/0/0", lwm2m.Integer(int64(state)))
	l.is(t, what, "/8/0/5", lwm2m.Integer(int64(result)))
}

// TestLock: a locked output is safe, and nobody can set it, also after a restart, until it is unlocked.
func TestLock(t *testing.T) {
	t.Parallel()
	l := newLockLab(t)
	_, stop := l.run(t, l.cfg)
	l.next(t, server.Registered)
	const relay, pump = "/3306/0/5850", "/3306/1/5850"
	on, off := lwm2m.Boolean(true), lwm2m.Boolean(false)
	for _, path := range []string{relay, pump} {
		if err := l.write(t, path, on); err != nil {
			t.Fatal(err)
		}
	}
	l.results(t, "at first", nil, objects.Unlocked, objects.NoLockResult)
	mustRefuse(t, l.state(t, objects.PartiallyLocked), lwm2m.BadRequest) // of what?
	mustRefuse(t, l.set(t, "/8/0/1", "fan"), lwm2m.BadRequest)
	mustRefuse(t, l.write(t, "/8/0/0", lwm2m.Integer(3)), lwm2m.BadRequest)
	if _, err := l.client(t).Read(t.Context(), lwm2m.MustPath("/8/0/1")); err == nil {
		t.Error("a target can be read")
	}
	l.is(t, "nothing locked", relay, on)

	if err := l.set(t, "/8/0/1", "pump"); err != nil {
		t.Fatal(err)
	}
	l.results(t, "partially", l.state(t, objects.PartiallyLocked), objects.PartiallyLocked, objects.PartiallyLockedDone)
	l.is(t, "partially", pump, off)
	l.is(t, "partially", relay, on)
	mustRefuse(t, l.write(t, pump, on), lwm2m.MethodNotAllowed)

	l.results(t, "fully", l.state(t, objects.FullyLocked), objects.FullyLocked, objects.FullyLockedDone)
	l.is(t, "fully", relay, off)
	stop()
	_, stop = l.run(t, l.cfg)
	l.back(t)
	l.results(t, "after a restart", nil, objects.FullyLocked, objects.FullyLockedDone)
	mustRefuse(t, l.write(t, relay, on), lwm2m.MethodNotAllowed)
	l.results(t, "unlocked", l.state(t, objects.Unlocked), objects.Unlocked, objects.UnlockedDone)
	if err := l.write(t, relay, on); err != nil {
		t.Error(err)
	}
	l.is(t, "unlocked", relay, on)
	stop()
}

// fill puts something into the folder, and returns a file outside that a link in it leads to.
func (l *lockLab) fill(t *testing.T) (outside string) {
	t.Helper()
	outside = filepath.Join(t.TempDir(), "outside")
	deep := filepath.Join(l.folder, "a", "b")
	err := errors.Join(
		os.MkdirAll(deep, 0o700), os.WriteFile(outside, []byte("x"), 0o600), os.WriteFile(filepath.Join(deep, "c"), make([]byte, 100<<10), 0o600),
		os.Symlink(outside, filepath.Join(l.folder, "link")), os.Symlink(filepath.Dir(outside), filepath.Join(deep, "folder")),
	)
	if err != nil {
		t.Fatal(err)
	}
	return outside
}

// awaitResult waits until a wipe has come to its end.
func (l *lockLab) awaitResult(t *testing.T, want objects.LockResult) {
	t.Helper()
	for limit := time.Now().Add(generous); ; <-time.After(10 * time.Millisecond) {
		got := objects.LockResult(l.read(t, "/8/0/5").Int())
		if got == want {
			return
		}
		if got != objects.NoLockResult || time.Now().After(limit) {
			t.Fatalf("the result is %d, want %d", got, want)
		}
	}
}

// TestWipe: what is named is erased, and nothing that a link leads to; an order that the power cut is
// carried out by the next start.
func TestWipe(t *testing.T) {
	t.Parallel()
	l := newLockLab(t)
	outside := l.fill(t)
	_, stop := l.run(t, l.cfg)
	l.next(t, server.Registered)
	wipe := lwm2m.MustPath("/8/0/3")
	l.is(t, "item", "/8/0/2/0", lwm2m.String(l.folder))
	mustRefuse(t, l.client(t).Execute(t.Context(), wipe, ""), lwm2m.BadRequest)
	mustRefuse(t, l.set(t, "/8/0/4", "/etc"), lwm2m.BadRequest)
	mustRefuse(t, l.set(t, "/8/0/4", wipeState), lwm2m.BadRequest) // nobody would start the agent anew
	if err := errors.Join(l.set(t, "/8/0/4", l.folder), l.client(t).Execute(t.Context(), wipe, "")); err != nil {
		t.Fatal(err)
	}
	l.awaitResult(t, objects.WipeDone)
	l.checkWiped(t, outside)

	if err := os.Remove(l.folder); err != nil {
		t.Fatal(err)
	}
	if err := l.client(t).Execute(t.Context(), wipe, ""); err != nil {
		t.Fatal(err)
	}
	l.awaitResult(t, objects.WipeFailed) // there is no such folder

	outside = l.fill(t)
	stop()
	a, err := New(Options{Config: l.cfg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.lock.Wipe(t.Context(), model.FromServer(101), []string{l.folder}), a.Close()); err != nil { // it does not run
		t.Fatal(err)
	}
	l.run(t, l.cfg)
	l.back(t)
	l.awaitResult(t, objects.WipeDone)
	l.checkWiped(t, outside)
}

// TestWipeOrderedMeanwhile: an order that comes while another is carried out is carried out, too, also that for the same
// folder, and after a cut.
func TestWipeOrderedMeanwhile(t *testing.T) {
	l := newLockLab(t)
	other := filepath.Join(t.TempDir(), "other")
	l.cfg.LockAndWipe.Folders = append(l.cfg.LockAndWipe.Folders, other)
	a, err := New(Options{Config: l.cfg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	order := func(targets ...string) {
		t.Helper()
		if err := a.lock.Wipe(t.Context(), model.FromServer(101), targets); err != nil {
			t.Fatal(err)
		}
	}
	var erased []string
	a.lock.erase = func(folder string) error {
		if erased = append(erased, folder); len(erased) == 1 {
			order(other, l.folder)
		}
		return nil
	}
	order(l.folder)
	for i, want := range []lockRecord{
		{Wiping: []string{l.folder, other}, Result: objects.NoLockResult},
		{Result: objects.WipeDone},
	} {
		if err := a.lock.wipe(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&want, a.lock.locked.Load(), cmpopts.IgnoreUnexported(want)); d != "" {
			t.Errorf("run %d: %s", i, d)
		}
	}
	if d := cmp.Diff([]string{l.folder, l.folder, other}, erased); d != "" {
		t.Error(d)
	}
}

// TestWipeNotKept: an order that cannot be kept is refused, and the one that is carried out comes to its end all the same.
func TestWipeNotKept(t *testing.T) {
	l := newLockLab(t)
	other := filepath.Join(t.TempDir(), "other")
	l.cfg.LockAndWipe.Folders = append(l.cfg.LockAndWipe.Folders, other)
	var full error
	a, err := New(Options{Config: l.cfg, Log: slog.New(slog.DiscardHandler), BeforeWrite: func() error { return full }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	order := func(target string) error { return a.lock.Wipe(t.Context(), model.FromServer(101), []string{target}) }
	a.lock.erase = func(string) error {
		full = unix.ENOSPC
		defer func() { full = nil }()
		if err := order(other); !errors.Is(err, full) {
			t.Errorf("on a full disk: %v", err)
		}
		return nil
	}
	if err := errors.Join(order(l.folder), a.lock.wipe(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := a.lock.status().Result; got != objects.WipeDone {
		t.Errorf("the result is %v", got)
	}
}

// TestResetWhileWiping: a factory reset that somebody else orders in the middle of a wipe leaves what has yet to be wiped
// to the next start.
func TestResetWhileWiping(t *testing.T) {
	l := newLockLab(t)
	a, err := New(Options{Config: l.cfg, FactoryReset: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if err := a.lock.Wipe(t.Context(), model.FromServer(101), []string{l.folder, wipeState}); err != nil {
		t.Fatal(err)
	}
	var got lockRecord
	if err := json.Unmarshal(a.lock.afterReset()[store.Values][keyLock], &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(lockRecord{Wiping: []string{l.folder}, Result: objects.NoLockResult}, got, cmpopts.IgnoreUnexported(got)); d != "" {
		t.Error(d)
	}
}

func (l *lockLab) checkWiped(t *testing.T, outside string) {
	t.Helper()
	left, err := os.ReadDir(l.folder)
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "x" {
		t.Errorf("outside: %q, %v", b, err)
	}
}

// TestWipeStateFails: a wipe of the state that is told as failed is not carried out later, say months later; nor is that of a folder once the
// device is unlocked.
func TestWipeStateFails(t *testing.T) {
	l := newLockLab(t)
	a, err := New(Options{Config: l.cfg, FactoryReset: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	for a.afterAnswer("nothing", func(context.Context) error { return nil }) == nil { // until there is no room for the reset
	}
	is := func(want lockRecord) {
		t.Helper()
		if d := cmp.Diff(&want, a.lock.locked.Load(), cmpopts.IgnoreUnexported(want), cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	}
	if err := a.lock.Wipe(t.Context(), model.FromServer(101), []string{l.folder, wipeState}); err != nil { // the folder is not there
		t.Fatal(err)
	}
	if err := a.lock.wipe(t.Context()); err == nil {
		t.Error("nothing is wrong")
	}
	is(lockRecord{Wiping: []string{l.folder}, Result: objects.WipeFailed})
	if err := a.lock.Lock(t.Context(), model.FromServer(101), objects.Unlocked, nil); err != nil {
		t.Error(err)
	}
	is(lockRecord{Result: objects.UnlockedDone})
}

// TestWipeState: the state goes when an update has ended that is under way, also where a folder cannot be wiped, which is told and tried again by
// each next start; and the lock stays.
func TestWipeState(t *testing.T) {
	t.Parallel()
	l := newLockLab(t)
	l.fill(t)
	missing := filepath.Join(t.TempDir(), "missing")
	l.cfg.LockAndWipe.Folders = append(l.cfg.LockAndWipe.Folders, missing)
	l.cfg.Firmware = &config.Firmware{Backend: config.FirmwareFile, Confirm: time.Hour}
	trial, err := New(Options{Config: l.cfg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	record := []byte(`{"layout":1,"phase":"trial","old":"B","new":"A"}`)
	if err := errors.Join(trial.store.Bucket(store.Firmware).Save(keyFirmware, record), trial.Close()); err != nil {
		t.Fatal(err)
	}
	start := func() (a *Agent, end func(), ended <-chan error) {
		machine := &demo.Machine{Say: func(string) {}}
		a, err := New(Options{Config: l.cfg, Control: machine, Now: machine.Now, FactoryReset: true, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		return a, cancel, done
	}
	a, _, done := start()
	l.next(t, server.Registered)
	err = errors.Join(
		l.write(t, "/1/0/1", lwm2m.Integer(7777)), l.state(t, objects.FullyLocked), l.set(t, "/8/0/4", missing, l.folder, wipeState),
		l.client(t).Execute(t.Context(), lwm2m.MustPath("/8/0/3"), ""),
	)
	if err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(generous); !slices.Equal(a.lock.locked.Load().Wiping, []string{missing, wipeState}); <-time.After(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it stands at %+v", a.lock.locked.Load())
		}
	}
	l.results(t, "an update is under way", nil, objects.FullyLocked, objects.NoLockResult)
	if err := a.firmware.now.Load().MarkGood(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, ErrReset) {
			t.Fatalf("ended: %v", err)
		}
	case <-time.After(generous):
		t.Fatal("no reset")
	}
	_, end, done := start()
	l.next(t, server.Registered)
	l.results(t, "wiped", nil, objects.FullyLocked, objects.WipeFailed)
	l.is(t, "wiped", "/1/0/1", lwm2m.Integer(3600))
	if left, err := os.ReadDir(l.folder); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	end()
	if err := <-done; err != nil {
		t.Errorf("a second reset: %v", err)
	}
	if err := os.Mkdir(missing, 0o700); err != nil {
		t.Fatal(err)
	}
	if a, err = New(Options{Config: l.cfg, FactoryReset: true, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	for range 2 { // then there is nothing left to do
		if err := a.lock.wipe(t.Context()); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(&lockRecord{State: objects.FullyLocked, Result: objects.WipeDone}, a.lock.locked.Load(), cmpopts.IgnoreUnexported(lockRecord{}), cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	}
}

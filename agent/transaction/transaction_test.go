package transaction

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a Machine on a folder, whose Apply a test says.
type bench struct {
	*Machine
	t       *testing.T
	disk    *flaky
	applied []string
	trials  []Trial
	log     strings.Builder
}

// flaky is a disk that fails when it is told to.
type flaky struct {
	Disk
	failing  atomic.Bool
	failures atomic.Int64
}

func (f *flaky) Replace(name string, content []byte) error {
	if f.failing.Load() {
		f.failures.Add(1)
		return errors.New("no space left on device")
	}
	return f.Disk.Replace(name, content)
}

func newBench(t *testing.T, dir string) *bench {
	t.Helper()
	return newBenchOn(t, &flaky{Disk: Folder(dir)})
}

func newBenchOn(t *testing.T, disk *flaky, opened ...func(*Machine)) *bench {
	t.Helper()
	b := &bench{t: t, disk: disk}
	var err error
	if b.Machine, err = Open(b.disk); err != nil {
		t.Fatal(err)
	}
	for _, f := range opened {
		f(b.Machine)
	}
	b.Begin(Config{
		Apply: func(_ context.Context, text string, on Trial) error {
			b.applied, b.trials = append(b.applied, text), append(b.trials, on)
			return nil
		},
		Missing: func() string { return "" },
		Redact:  func(s, _ string) string { return strings.ReplaceAll(s, "secret", "***") },
		Now:     time.Now, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestKeep: what is kept is there after a restart, what it was before can be had back without
// its secrets, and no file has them.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir)
		b.must(b.SetConfirmTime(time.Minute))
		for _, text := range []string{"a secret", "b"} {
			b.must(b.Commit(text, "local user", 0))
			if err := b.Commit("c", "server 101", 0); !errors.Is(err, ErrNotNow) || !strings.Contains(err.Error(), "local user") {
				t.Errorf("a second commit: %v", err)
			}
			b.must(b.Vouch(Any, "confirmed"))
			synctest.Wait()
		}
		if err := b.Vouch(Any, "again"); !errors.Is(err, ErrNotNow) {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir)
		s := b.Status()
		if b.Overlay() != "b" || s.ConfirmTime != time.Minute || len(s.History) != 2 || s.History[0].Result != Kept || s.History[0].Reason != "confirmed" {
			t.Errorf("%q, %+v", b.Overlay(), s)
		}
		if undo, err := b.Undo(); err != nil || undo != "a ***" {
			t.Errorf("undo is %q, %v", undo, err)
		}
	})
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		if text, _ := os.ReadFile(filepath.Join(dir, e.Name())); strings.Contains(string(text), "secret") {
			t.Errorf("%s: %s", e.Name(), text)
		}
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", e.Name(), info.Mode())
		}
	}
}

// TestVouchedForAnother: what was found out about a transaction that is over counts nothing for the next one, not
// even before that is applied.
func TestVouchedForAnother(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir)
		b.must(b.Commit("a", "server 101", 0))
		synctest.Wait()
		first := b.trials[0]
		b.must(b.Vouch(first, "reached"))
		synctest.Wait()
		b.must(b.Commit("b", "server 102", 2*time.Second))
		for _, phase := range []Phase{Applying, Trying} {
			if err := errors.Join(b.Vouch(first, "reached"), b.Object(first, "alert 51")); !errors.Is(err, ErrNotNow) {
				t.Error(err)
			}
			synctest.Wait()
			if s := b.Status(); s.Phase != phase {
				t.Errorf("%+v, want %s", s, phase)
			}
			time.Sleep(3 * time.Second)
			synctest.Wait()
		}
		b.must(b.Object(b.trials[1], "alert 51"))
		synctest.Wait()
		if s := b.Status(); b.Overlay() != "a" || len(s.History) != 2 || b.trials[2] != Any {
			t.Errorf("%q, %+v, %v", b.Overlay(), s, b.trials)
		}
	})
}

// TestTimeIsOver: nobody vouches, so the former text is back after the confirm time, not before.
func TestTimeIsOver(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir)
		b.must(b.Commit("a", "server 101", 2*time.Second))
		time.Sleep(DefaultConfirmTime - time.Second)
		synctest.Wait()
		if s := b.Status(); s.Phase != Trying || b.Overlay() != "a" {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := b.Status(); s.Phase != Resting || b.Overlay() != "" || s.History[0].Result != Reverted || s.History[0].Reason != "the servers were not reached, within 10m0s" {
			t.Errorf("%+v", s)
		}
		if got := strings.Join(b.applied, ","); got != "a," {
			t.Errorf("applied %q", got)
		}
	})
}

// TestFailingDisk: without a disk nothing is begun; what is begun is ended in memory, and on disk when
// it works again.
func TestFailingDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir)
		b.disk.failing.Store(true)
		if err := b.Commit("a", "x", 0); err == nil || b.Status().Phase != Resting || b.Overlay() != "" {
			t.Errorf("committed without a disk: %v, %+v", err, b.Status())
		}
		b.disk.failing.Store(false)
		b.must(b.Commit("a", "x", 0))
		synctest.Wait()
		b.disk.failing.Store(true)
		b.must(b.Object(Any, "server 101: alert 51"))
		synctest.Wait()
		if b.Overlay() != "" || b.applied[len(b.applied)-1] != "" || b.Status().Phase != Reverting {
			t.Errorf("not reverted in memory: %q, %+v", b.applied, b.Status())
		}
		// What is in force is let alone then, and the disk is asked less and less often, up to once an hour; the log is told once.
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := strings.Join(b.applied, ","); got != "a," {
			t.Errorf("applied %q", got)
		}
		const told = "the former configuration is in force, but not on disk yet"
		if tries := b.disk.failures.Load(); tries < 24 || tries > 40 || strings.Count(b.log.String(), told) != 1 {
			t.Errorf("the disk was asked %d times, the log is %s", tries, b.log.String())
		}
		b.disk.failing.Store(false)
		time.Sleep(maxRetryTime)
		synctest.Wait()
		if s := b.Status(); s.Phase != Resting || s.History[0].Reason != "server 101: alert 51" {
			t.Errorf("%+v", s)
		}
	})
}

// TestCutOnAFailingDisk: a trial that was cut is over at a start without a disk, too, and on disk when it works again.
func TestCutOnAFailingDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dir)
		b.must(b.Commit("a", "server 101", time.Hour))
	})
	synctest.Test(t, func(t *testing.T) {
		disk := &flaky{Disk: Folder(dir)}
		disk.failing.Store(true)
		b := newBenchOn(t, disk)
		for range 3 {
			synctest.Wait()
			if b.Overlay() != "" || b.Status().Phase != Reverting {
				t.Errorf("without a disk: %q, %+v", b.Overlay(), b.Status())
			}
			if err := b.Commit("b", "x", 0); !errors.Is(err, ErrNotNow) {
				t.Error(err)
			}
			time.Sleep(retryTime)
		}
		disk.failing.Store(false)
		time.Sleep(maxRetryTime)
		synctest.Wait()
		if s := b.Status(); s.Phase != Resting || b.Overlay() != "" || len(s.History) != 1 || !strings.HasPrefix(s.History[0].Reason, "the agent ended") {
			t.Errorf("%q, %+v", b.Overlay(), s)
		}
		if len(b.applied) != 0 {
			t.Errorf("applied %q, with which the agent has started", b.applied)
		}
	})
}

// TestLeftOutAfterACut: a former text that cannot be read is left out also where a trial was cut, at once or when the disk works
// again. It is on disk then, and in force it is not.
func TestLeftOutAfterACut(t *testing.T) {
	for _, failing := range []bool{false, true} {
		dir := t.TempDir()
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(journalFile, `{"layout":1,"phase":"applying","by":"server 101","before":"unreadable"}`)
		write(overlayFile, "tried")
		synctest.Test(t, func(t *testing.T) {
			disk := &flaky{Disk: Folder(dir)}
			disk.failing.Store(failing)
			b := newBenchOn(t, disk, (*Machine).LeaveOut)
			synctest.Wait()
			disk.failing.Store(false)
			time.Sleep(maxRetryTime)
			synctest.Wait()
			text, err := os.ReadFile(filepath.Join(dir, overlayFile))
			if s := b.Status(); b.Overlay() != "" || !b.LeftOut() || string(text) != "unreadable" || s.Phase != Resting || len(b.applied) != 0 {
				t.Errorf("in force is %q, left out %v, on disk %q, %v, applied %q, %+v", b.Overlay(), b.LeftOut(), text, err, b.applied, s)
			}
			b.must(b.Commit("b", "local user", 0))
			b.must(b.Vouch(Any, "confirmed"))
			synctest.Wait()
			if b.Overlay() != "b" || b.LeftOut() {
				t.Errorf("%q, left out %v", b.Overlay(), b.LeftOut())
			}
		})
	}
}

// TestOverlayThatCannotBeRead: what the disk does not give is left out as well.
func TestOverlayThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, overlayFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if m, err := Open(Folder(dir)); err == nil || m.Overlay() != "" || !m.LeftOut() {
		t.Errorf("%v, %q, left out %v", err, m.Overlay(), m.LeftOut())
	}
}

func TestDamagedJournal(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{journalFile: `{"layout":1,"before":"secr`, overlayFile: "a"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Open(Folder(dir))
	if err == nil || strings.Contains(err.Error(), "secr") || m.Overlay() != "a" || m.LeftOut() {
		t.Errorf("%v, %q", err, m.Overlay())
	}
	if err := os.WriteFile(filepath.Join(dir, journalFile), []byte(`{"layout":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Folder(dir)); err == nil || !strings.Contains(err.Error(), "layout 2") {
		t.Error(err)
	}
}

// TestFolder: a file is replaced as a whole, links are not followed, and what it held is overwritten.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	f, path := Folder(dir), filepath.Join(dir, "x")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(f.Replace("x", []byte("a key")))
	held, err := os.Open(path)
	check(err)
	defer held.Close()
	check(f.Replace("x", []byte("another")))
	was := make([]byte, 5)
	if _, err := held.ReadAt(was, 0); err != nil || string(was) != "\x00\x00\x00\x00\x00" {
		t.Errorf("the former file has %q, %v", was, err)
	}
	check(f.Replace("x", nil))
	check(f.Replace("x", nil))
	if b, err := f.Read("x"); b != nil || err != nil {
		t.Error(b, err)
	}
	target := filepath.Join(t.TempDir(), "target")
	check(os.WriteFile(target, []byte("mine"), 0o600))
	check(os.Symlink(target, path))
	check(os.Symlink(target, path+"2.new"))
	if err := f.Replace("x", []byte("b")); err == nil {
		t.Error("a link was followed")
	}
	if err := f.Replace("x2", []byte("b")); err == nil {
		t.Error("a link was followed")
	}
	if b, _ := os.ReadFile(target); string(b) != "mine" {
		t.Errorf("the target of a link has %q", b)
	}
}

package fota

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// streaming is a back end that looks at packages while they come, on a real disk.
type streaming struct {
	*machine
	t       *testing.T
	inspect func(ctx context.Context, r io.Reader) (Package, error)
	fetch   func(ctx context.Context, from Position, to Body) error
	whole   int // packages that were looked at as a whole
	changed chan Status
	dir     string
	disk    int64 // what it has place for, in bytes; 0: much
}

func (s *streaming) InspectStream(ctx context.Context, r io.Reader) (Package, error) {
	return s.inspect(ctx, r)
}

func (s *streaming) Inspect(context.Context, string) (Package, error) {
	s.whole++
	return Package{"gateway", "whole"}, nil
}

func (s *streaming) Fetch(ctx context.Context, _ *url.URL, from Position, to Body) error {
	return s.fetch(ctx, from, to)
}

func (s *streaming) Save(string, []byte) error { return nil }

// start runs an updater until the test ends.
func (s *streaming) start() *Updater {
	s.t.Helper()
	s.machine, s.changed, s.dir = newMachine(s.t), make(chan Status, 100), s.t.TempDir()
	s.booted = "A"
	u := New(Config{
		Key: "k", Backend: s, Journal: s, Dir: s.dir, Fetchers: map[string]Fetcher{"coap": s}, BootID: "1",
		Reboot: func(context.Context) error { return nil }, OnChange: func(now Status) { s.changed <- now },
	})
	if s.disk > 0 {
		u.area = disk{folder(s.dir), s.disk}
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = u.Run(ctx) })
	s.t.Cleanup(func() { cancel(); running.Wait() })
	return u
}

// until waits for the end of what the package comes by.
func (s *streaming) until(phase Phase, result Result) Status {
	s.t.Helper()
	for limit := time.After(time.Minute); ; {
		select {
		case now := <-s.changed:
			if now.Phase != Resting && now.Phase != Ready || now.Phase == Resting && now.Result == Initial {
				continue
			}
			if now.Phase != phase || now.Result != result {
				s.t.Fatalf("the update is %s with result %d (%s), want %s with %d", now.Phase, now.Result, now.Reason, phase, result)
			}
			return now
		case <-limit:
			s.t.Fatal("the package is not looked at while it comes")
		}
	}
}

// A package that is more than a spool holds, and where it is changed on the disk: behind what is looked at first.
const (
	packageSize = 3 << 20
	tampered    = 3 * firstLook
)

func largePackage() []byte { return bytes.Repeat([]byte("gateway 2 good! "), packageSize/16) }

// TestInspectedWhileItComes shows that the first half of a package is looked at before the second one is sent, pulled with an interruption and
// pushed; and that what is looked at is what the disk has: a byte there is changed meanwhile.
func TestInspectedWhileItComes(t *testing.T) {
	content, half := largePackage(), make(chan struct{})
	changed := make(chan struct{})
	var seen []byte
	s := &streaming{t: t}
	s.inspect = func(_ context.Context, r io.Reader) (Package, error) {
		seen = make([]byte, len(content))
		if _, err := io.ReadFull(r, seen[:1000]); err != nil {
			return Package{}, err
		}
		half <- struct{}{}
		<-changed
		almost := len(content)/2 - largestLook
		if _, err := io.ReadFull(r, seen[1000:almost]); err != nil {
			return Package{}, err
		}
		half <- struct{}{}
		if _, err := io.ReadFull(r, seen[almost:]); err != nil {
			return Package{}, err
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes behind the package: %v", n, err)
		}
		return Package{"gateway", "2"}, nil
	}
	// send has the first half looked at, with a change on the disk, before the second one.
	send := func(write func(b []byte) error) {
		for at, step := range []int{len(content) / 2, len(content)} {
			from := at * len(content) / 2
			if err := write(content[from:step]); err != nil {
				t.Error(err)
			}
			if at == 1 {
				return
			}
			await(t, half)
			tamper(t, filepath.Join(s.dir, packageFile), tampered)
			changed <- struct{}{}
			await(t, half)
		}
	}
	s.fetch = func(_ context.Context, _ Position, to Body) error {
		if err := to.Begin(Position{Validator: "v"}, int64(len(content))); err != nil {
			return err
		}
		send(func(b []byte) error { _, err := to.Write(b); return err })
		return nil
	}
	u := s.start()
	want := bytes.Clone(content)
	want[tampered] = '!'
	for _, push := range []bool{false, true} {
		if push {
			r, err := u.Receive(t.Context(), int64(len(content)))
			if err == nil {
				send(func(b []byte) error { return r.Write(t.Context(), b) })
				err = r.Close(t.Context(), false)
			}
			if err != nil {
				t.Fatal(err)
			}
		} else if err := u.Fetch(t.Context(), "coap://x/y"); err != nil {
			t.Fatal(err)
		}
		if now := s.until(Ready, Initial); now.Package.Version != "2" || s.whole > 0 || !bytes.Equal(seen, want) {
			t.Errorf("pushed: %v; the package is %+v, %d were looked at as a whole; what the disk has was seen: %v", push, now.Package, s.whole, bytes.Equal(seen, want))
		}
		if err := u.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func await(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Error("nothing is looked at before all has come")
	}
}

// tamper changes a byte of a file.
func tamper(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("!"), at)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// TestRefusedWhileItComes shows that a download ends with the first byte that is none of a package for this board.
func TestRefusedWhileItComes(t *testing.T) {
	s := &streaming{t: t}
	s.inspect = func(_ context.Context, r io.Reader) (Package, error) {
		_, err := io.ReadFull(r, make([]byte, 1000))
		return Package{}, errors.Join(err, Failf(UnsupportedPackage, "for another board"))
	}
	s.fetch = func(ctx context.Context, _ Position, to Body) error {
		err := to.Begin(Position{}, 0)
		for ; err == nil && ctx.Err() == nil; _, err = to.Write(make([]byte, 1000)) {
		}
		return err
	}
	u := s.start()
	if err := u.Fetch(t.Context(), "coap://x/y"); err != nil {
		t.Fatal(err)
	}
	if now := s.until(Resting, UnsupportedPackage); now.Reason != "for another board" || s.whole > 0 {
		t.Errorf("%+v; %d packages were looked at as a whole", now, s.whole)
	}
}

// TestInspectionBeginsAnew shows that another representation is looked at from its beginning, and one that goes on, as a whole; and that a look
// that was no verdict is made again.
func TestInspectionBeginsAnew(t *testing.T) {
	content := largePackage()
	for _, c := range []struct {
		name   string
		second string // validator of the second attempt
		err    error  // of the look
		want   string // version
	}{
		{"goes on", "v", nil, "2"},
		{"has changed", "w", nil, "2"},
		{"no verdict", "v", errors.New("out of order"), "whole"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var seen []byte
			s := &streaming{t: t}
			s.inspect = func(_ context.Context, r io.Reader) (Package, error) {
				all, err := io.ReadAll(r)
				if err != nil {
					return Package{}, err
				}
				seen = all
				return Package{"gateway", "2"}, c.err
			}
			attempt := 0
			s.fetch = func(_ context.Context, from Position, to Body) error {
				at, upTo := Position{Validator: "v"}, len(content)/2
				if attempt++; attempt == 2 {
					upTo = len(content)
					if at.Validator = c.second; c.second == from.Validator {
						at = from
					}
				}
				err := to.Begin(at, int64(len(content)))
				if err == nil {
					_, err = to.Write(content[at.Offset:upTo])
				}
				if err == nil && attempt == 1 {
					err = errors.New("the connection is lost")
				}
				return err
			}
			u := s.start()
			if err := u.Fetch(t.Context(), "coap://x/y"); err != nil {
				t.Fatal(err)
			}
			if now := s.until(Ready, Initial); now.Package.Version != c.want || !bytes.Equal(seen, content) {
				t.Errorf("the package is %+v; all of it was looked at: %v", now.Package, bytes.Equal(seen, content))
			}
		})
	}
}

// disk is an area of a size in bytes. What was removed takes its place as long as somebody has it open.
type disk struct {
	folder
	bytes int64
}

func (d disk) room() (int64, error) {
	free := d.bytes
	seen := make(map[uint64]bool)
	take := func(name string) error {
		var s unix.Stat_t
		err := unix.Stat(name, &s)
		if err == nil && !seen[s.Ino] {
			seen[s.Ino] = true
			free -= s.Size
		}
		if errors.Is(err, unix.ENOENT) { // it was closed meanwhile
			return nil
		}
		return err
	}
	err := take(d.path())
	open, err2 := filepath.Glob("/proc/self/fd/*")
	for _, name := range open {
		if to, _ := os.Readlink(name); strings.HasPrefix(to, d.path()) {
			err = errors.Join(err, take(name))
		}
	}
	return free, errors.Join(err, err2)
}

// TestPlaceOfAPackageThatBeginsAnew: what it replaces is no room that it lacks, on a disk that has place for one package.
func TestPlaceOfAPackageThatBeginsAnew(t *testing.T) {
	content := largePackage()
	half := len(content) / 2
	s := &streaming{t: t, disk: int64(len(content)) + 100}
	s.inspect = func(_ context.Context, r io.Reader) (Package, error) {
		_, err := io.Copy(io.Discard, r)
		return Package{"gateway", "2"}, err
	}
	attempts := 0
	s.fetch = func(_ context.Context, _ Position, to Body) error {
		err := to.Begin(Position{}, int64(len(content))) // it cannot go on
		if attempts++; err == nil && attempts == 1 {
			_, err = to.Write(content[:half])
			return errors.Join(err, errors.New("the connection is lost"))
		}
		if err == nil {
			_, err = to.Write(content)
		}
		return err
	}
	u := s.start()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(u.Fetch(t.Context(), "coap://x/y"))
	s.until(Ready, Initial)
	must(u.Reset(t.Context()))
	push := func(b []byte) *Reception {
		t.Helper()
		r, err := u.Receive(t.Context(), int64(len(content)))
		must(err)
		must(r.Write(t.Context(), b))
		return r
	}
	push(content[:half]).Abort(t.Context(), nil)
	must(push(content).Close(t.Context(), false))
	s.until(Ready, Initial)
	must(u.Reset(t.Context()))
	if _, err := u.Receive(t.Context(), s.disk+1); err == nil {
		t.Error("a package is taken that is larger than the disk")
	}
}

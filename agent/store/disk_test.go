package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// errCut is what a disk without power says.
var errCut = errors.New("no power")

// mortal is a disk in memory that loses power after a number of steps: each write,
// sync, rename and removal is one. What was written and not synced may then be
// there, in part, as zeros, or not at all.
type mortal struct {
	files map[string]*content
	steps int // left; at 0 the power fails
	dead  bool
}

type content struct {
	synced, written []byte
}

func newMortal(steps int) *mortal { return &mortal{files: make(map[string]*content), steps: steps} }

func (m *mortal) step() error {
	if m.dead || m.steps == 0 {
		m.dead = true
		return errCut
	}
	m.steps--
	return nil
}

func (m *mortal) path(name string) string { return "/mortal/" + name }

func (m *mortal) read(name string, most int64) ([]byte, error) {
	c := m.files[name]
	if c == nil {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if int64(len(c.written)) > most {
		return c.written[:most], ErrTooLarge
	}
	return slices.Clone(c.written), nil
}

func (m *mortal) create(name string) (file, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	m.files[name] = &content{}
	return &mortalFile{m, m.files[name]}, nil
}

func (m *mortal) extend(name string) (file, error) {
	if m.dead {
		return nil, errCut
	}
	if m.files[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &mortalFile{m, m.files[name]}, nil
}

func (m *mortal) rename(from, to string) error {
	if err := m.step(); err != nil {
		return err
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *mortal) remove(name string) error {
	if err := m.step(); err != nil {
		return err
	}
	delete(m.files, name)
	return nil
}

func (m *mortal) list(prefix string) ([]string, error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

// after returns the disk as it is when power is back: survive says what became of
// what was not synced.
func (m *mortal) after(survive func(synced, written []byte) []byte) *mortal {
	n := newMortal(1 << 30)
	for name, c := range m.files {
		b := survive(c.synced, c.written)
		n.files[name] = &content{synced: b, written: b}
	}
	return n
}

type mortalFile struct {
	m *mortal
	c *content
}

func (f *mortalFile) Write(b []byte) (int, error) {
	// A write that the power cut hits may have got this far already.
	f.c.written = append(f.c.written, b...)
	if err := f.m.step(); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f *mortalFile) Sync() error {
	if err := f.m.step(); err != nil {
		return err
	}
	f.c.synced = slices.Clone(f.c.written)
	return nil
}

func (f *mortalFile) Close() error { return nil }

// fates are what can become of bytes that were written and not synced.
var fates = map[string]func(synced, written []byte) []byte{
	"lost":  func(synced, _ []byte) []byte { return synced },
	"whole": func(_, written []byte) []byte { return written },
	"half": func(synced, written []byte) []byte {
		return written[:len(synced)+(len(written)-len(synced))/2]
	},
	"zeros": func(synced, written []byte) []byte {
		return append(slices.Clone(synced), make([]byte, len(written)-len(synced))...)
	},
	"half and zeros": func(synced, written []byte) []byte {
		half := (len(written) - len(synced)) / 2
		return append(slices.Clone(written[:len(synced)+half]), make([]byte, half)...)
	},
}

func TestMoveAside(t *testing.T) {
	d := folder(t.TempDir())
	for i := range 5 {
		f, err := d.create("a")
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte{byte('0' + i)})
		f.Close()
		if _, err := moveAside(d, "a"); err != nil {
			t.Fatal(err)
		}
	}
	names, err := d.list("")
	if err != nil || !slices.Equal(names, []string{"a.corrupt-3", "a.corrupt-4", "a.corrupt-5"}) {
		t.Errorf("%q, %v", names, err)
	}
	if b, err := d.read("a.corrupt-5", 10); string(b) != "4" {
		t.Errorf("the last one is %q, %v", b, err)
	}
}

// TestReadOnly: what Linux has made read-only, as it does when a disk fails, is read, is locked against others, and is
// written when it can be again.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("this machine lets no file system be mounted:", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	s := mustOpen(t, dir, Options{})
	if err := errors.Join(s.Bucket(Client).Save("k", []byte("v")), s.SetSmall("s", []byte("w")), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"", lockFile} { // with the file of the last run, and without
		if left != "" {
			os.Remove(filepath.Join(dir, left))
		}
		if err := os.WriteFile(filepath.Join(dir, databaseFile+newSuffix), nil, 0o600); err != nil { // of a cut
			t.Fatal(err)
		}
		if err := unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		var told error
		s := mustOpen(t, dir, Options{OnFailure: func(err error) { told = err }})
		if got, _ := s.Bucket(Client).Load("k"); string(got) != "v" || string(s.Small("s")) != "w" || len(s.Damages()) > 0 || !readOnly(told) {
			t.Errorf("%q, %q, %v, told %v", got, s.Small("s"), s.Damages(), told)
		}
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
			t.Errorf("a second time: %v", err)
		}
		if err := s.Bucket(Client).Save("k", []byte("new")); !readOnly(err) {
			t.Errorf("written: %v", err)
		}
		if err := unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT, ""); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Bucket(Client).Save("n"+left, []byte("new")), s.SetSmall("n", []byte("new")), told, s.Close()); err != nil {
			t.Errorf("when it can be written again: %v", err)
		}
		s = mustOpen(t, dir, Options{})
		if got, _ := s.Bucket(Client).Load("n" + left); string(got) != "new" || string(s.Small("n")) != "new" {
			t.Errorf("%q, %q", got, s.Small("n"))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

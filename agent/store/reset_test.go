package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/test/process"
)

// secrets are in every file that used has.
const secrets = "0011223344556677"

// used is a state directory that has been in use, with every kind of file.
func used(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	err := errors.Join(
		s.Bucket(Meta).Save("endpoint", []byte("gw")), s.Bucket(Meta).Save("references", []byte(secrets)),
		s.Bucket(Accounts).Save("security", bytes.Repeat([]byte(secrets), 500)), s.Bucket(Accounts).Save("security", []byte(secrets)),
		s.SetSmall("client/session", []byte(secrets)),
	)
	s.Counter("sent").Add(7)
	if _, failure := s.Mark(); err == nil {
		err = errors.Join(failure, s.Close())
	}
	for _, name := range []string{"overlay.toml", "overlay.journal", "state.db.corrupt-1", "small.log.new", "firmware/download/package", "firmware/slots/a/image"} {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(secrets+name), 0o600))
	}
	err = errors.Join(err, os.Symlink("/etc/passwd", filepath.Join(dir, "link")))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var kept = Kept{Records: map[Name][]string{Meta: {"endpoint", "none"}}, Set: map[Name]map[string][]byte{Values: {"lock": []byte("1")}}, Folders: []string{"firmware/slots"}}

// inFiles returns the files of a directory that have secrets in any of their bytes.
func inFiles(t *testing.T, dir string) (found, all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		all = append(all, name)
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(secrets)) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, all
}

// checkReset looks whether a directory is as at the first start, but for what is kept.
func checkReset(t *testing.T, dir string) {
	t.Helper()
	s := mustOpen(t, dir, Options{})
	found, all := inFiles(t, dir)
	if d := cmp.Diff([]string{"firmware/slots/a/image"}, found); d != "" {
		t.Errorf("secrets in %s", d)
	}
	if d := cmp.Diff([]string{"firmware/slots/a/image", "lock", "state.db"}, all); d != "" {
		t.Errorf("files: %s", d)
	}
	want := records{own: s.records[own], Meta: {"endpoint": []byte("gw")}, Values: {"lock": []byte("1")}}
	if d := cmp.Diff(want, s.records); d != "" || len(s.small) > 0 || len(s.Damages()) > 0 {
		t.Errorf("%s, %q, %v", d, s.small, s.Damages())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestReset(t *testing.T) {
	dir := used(t)
	if found, _ := inFiles(t, dir); len(found) < 8 {
		t.Fatalf("the secrets are only in %q", found)
	}
	if done, err := FinishReset(dir, Options{}); done || err != nil {
		t.Fatalf("unasked: %v, %v", done, err)
	}
	s := mustOpen(t, dir, Options{})
	if err := s.OrderReset(kept); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Bucket(Accounts).Load("security"); string(got) != secrets || err != nil {
		t.Errorf("before the next start it is gone: %q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.OrderReset(kept); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if done, err := FinishReset(dir, Options{}); !done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	checkReset(t, dir)
}

// TestResetWithoutOrder: an order that a failing disk garbled is one.
func TestResetWithoutOrder(t *testing.T) {
	dir := used(t)
	if err := os.WriteFile(filepath.Join(dir, resetFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir, Options{})
	if found, all := inFiles(t, dir); len(found) > 0 || len(all) != 2 || len(s.records) != 1 {
		t.Errorf("%q of %q, %v", found, all, s.records)
	}
}

// TestNoReset: what cannot be read orders no reset. Nothing is erased for it.
func TestNoReset(t *testing.T) {
	for what, put := range map[string]func(string) error{
		"a folder": func(name string) error { return os.Mkdir(name, 0o700) },
		"a link":   func(name string) error { return os.Symlink("elsewhere", name) },
	} {
		dir := used(t)
		_, before := inFiles(t, dir)
		if err := put(filepath.Join(dir, resetFile)); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(dir, Options{}); err == nil {
			s.Close()
			t.Errorf("%s: no error", what)
		}
		if err := os.Remove(filepath.Join(dir, resetFile)); err != nil {
			t.Fatal(err)
		}
		if _, after := inFiles(t, dir); len(after) < len(before) {
			t.Errorf("%s: only %q are left", what, after)
		}
		s := mustOpen(t, dir, Options{})
		if got, _ := s.Bucket(Accounts).Load("security"); string(got) != secrets {
			t.Errorf("%s: %q", what, got)
		}
		s.Close()
	}
}

// TestResetCut: whenever the power goes, twice in a row even, a reset that was ordered comes to its
// end at a next start, and one that was not is none.
func TestResetCut(t *testing.T) {
	errCut := errors.New("the power is gone")
	power := func(writes int) Options {
		return Options{BeforeWrite: func() error {
			if writes--; writes < 0 {
				return errCut
			}
			return nil
		}}
	}
	dir := used(t)
	s := mustOpen(t, dir, Options{})
	s.opts.BeforeWrite = power(0).BeforeWrite
	if err := s.OrderReset(kept); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	_ = s.Close() // it may not be able to write
	if done, err := FinishReset(dir, Options{}); done || err != nil {
		t.Errorf("not ordered: %v, %v", done, err)
	}
	cuts := 0
	for done := false; !done; cuts++ {
		dir := used(t)
		s := mustOpen(t, dir, Options{})
		if err := errors.Join(s.OrderReset(kept), s.Close()); err != nil {
			t.Fatal(err)
		}
		for _, writes := range []int{cuts, cuts / 2} {
			_, err := FinishReset(dir, power(writes))
			if err != nil && !errors.Is(err, errCut) {
				t.Fatalf("cut %d: %v", cuts, err)
			}
			_, pending := os.Lstat(filepath.Join(dir, resetFile))
			if (pending == nil) != (err != nil) {
				t.Fatalf("cut %d: order there %v, but %v", cuts, pending, err)
			}
			done = done || writes == cuts && err == nil
		}
		t.Run(fmt.Sprint(cuts), func(t *testing.T) { checkReset(t, dir) })
	}
	if cuts < 10 {
		t.Errorf("only %d cuts", cuts)
	}
}

// TestResetStepsOver: what the agent's user may not overwrite, list or remove does not keep a reset from its end, and is told.
func TestResetStepsOver(t *testing.T) {
	if os.Geteuid() == 0 { // whom no permission stops
		process.AsNobody(t)
		return
	}
	dir := used(t)
	s := mustOpen(t, dir, Options{})
	err := errors.Join(s.OrderReset(kept), s.Close())
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"closed", "lost+found", "listed", "z"} {
		err = errors.Join(err, os.Mkdir(at(name), 0o700))
	}
	for _, name := range []string{"closed/theirs", "listed/theirs", "z/ours"} {
		err = errors.Join(err, os.WriteFile(at(name), nil, 0o600))
	}
	for name, mode := range map[string]fs.FileMode{"closed": 0, "lost+found": 0, "listed": 0o500, databaseFile: 0, "overlay.toml": 0o400} {
		err = errors.Join(err, os.Chmod(at(name), mode))
	}
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	done, err := FinishReset(dir, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	for _, name := range []string{"closed", "listed"} {
		if err := os.Chmod(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if !done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	_, all := inFiles(t, dir)
	if d := cmp.Diff([]string{"closed/theirs", "firmware/slots/a/image", "listed/theirs", "lock", "state.db"}, all); d != "" {
		t.Errorf("files: %s", d)
	}
	for _, want := range []string{at("closed") + ": permission denied", at("listed/theirs") + ": permission denied", "overwrite before it is removed: open " + at("overlay.toml")} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no word of %s in %s", want, &said)
		}
	}
	if err := errors.Join(os.RemoveAll(at("closed")), os.RemoveAll(at("listed"))); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, Options{})
	if d := cmp.Diff(records{own: s.records[own], Meta: {"endpoint": []byte("gw")}, Values: {"lock": []byte("1")}}, s.records); d != "" {
		t.Error(d)
	}
}

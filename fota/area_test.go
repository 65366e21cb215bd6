package fota

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAreaFollowsNoLink: where the package is to lie there is a link, to somebody else's file or to none. A new package takes its place, and one that
// goes on is refused; where it leads nothing is written.
func TestAreaFollowsNoLink(t *testing.T) {
	const text = "somebody else's"
	for _, there := range []bool{true, false} {
		dir := t.TempDir()
		victim, area := filepath.Join(dir, "victim"), folder(filepath.Join(dir, "download"))
		link := func() error {
			return errors.Join(os.RemoveAll(string(area)), os.Mkdir(string(area), 0o700), os.Symlink(victim, area.path()))
		}
		err := link()
		if there {
			err = errors.Join(err, os.WriteFile(victim, []byte(text), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
		if f, err := area.extend(3); !errors.Is(err, unix.ELOOP) {
			t.Errorf("goes on: %v, %v", f, err)
		}
		if size, err := area.size(); size == int64(len(text)) || err != nil {
			t.Errorf("has %d bytes, %v", size, err)
		}
		f, err := area.create()
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Write([]byte("package"))
		if err := errors.Join(err, f.Close()); err != nil {
			t.Error(err)
		}
		if err := errors.Join(link(), area.remove()); err != nil {
			t.Error(err)
		}
		got, err := os.ReadFile(victim)
		if there && string(got) != text || !there && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file is %q, %v", got, err)
		}
	}
}

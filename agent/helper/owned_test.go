package helper

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestOwned(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return dir + "/" + name }
	made := errors.Join(
		os.MkdirAll(path("mine/deep"), 0o755), os.MkdirAll(path("open"), 0o755), os.MkdirAll(path("sticky"), 0o755),
		os.WriteFile(path("mine/deep/file"), nil, 0o644), os.WriteFile(path("mine/shared"), nil, 0o644), os.WriteFile(path("open/file"), nil, 0o644),
		os.WriteFile(path("sticky/file"), nil, 0o644),
		os.Chmod(path("mine/shared"), 0o664), os.Chmod(path("open"), 0o777), os.Chmod(path("sticky"), 0o777|os.ModeSticky),
		os.Symlink("deep/file", path("mine/link")), os.Symlink(path("open/file"), path("mine/astray")), os.Symlink("../open/../mine", path("mine/round")),
		os.Symlink("loop", path("mine/loop")), os.Symlink("../open", path("mine/folder")),
	)
	if made != nil {
		t.Fatal(made)
	}
	for name, want := range map[string]string{
		"mine/deep/file": "", "mine/link": "", "mine": "", "sticky/file": "", "mine/../mine/link": "", "sticky/../mine/link": "",
		"mine/shared": "can be written by others", "open/file": "can be written by others", "mine/astray": "can be written by others",
		"mine/folder/file": "can be written by others", "mine/round/link": "can be written by others", // on the way through a folder that is
		"mine/loop": "too many links", "mine/none": "no such file", "mine/link/x": "not a directory",
	} {
		err := Owned(path(name))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Chown(path("mine/deep/file"), 4711, 0); err != nil {
		t.Fatal(err)
	}
	if err := Owned(path("mine/link")); err == nil || !strings.Contains(err.Error(), "belongs to user 4711") {
		t.Errorf("a stranger's: %v", err)
	}
	if err := os.Lchown(path("mine/astray"), 4711, 0); err != nil {
		t.Fatal(err)
	}
	if err := Owned(path("mine/astray")); err == nil || !strings.Contains(err.Error(), "belongs to user 4711") {
		t.Errorf("a stranger's link: %v", err)
	}
}

//go:build rig

package rig

import (
	"bytes"
	"os/exec"
	"testing"
)

// TestArchive lets the program that defines the format read an archive.
func TestArchive(t *testing.T) {
	var a archive
	a.add("/a/b/first", []byte("12345"))
	a.add("/a/second", []byte("123"))
	a.add("/third", nil)
	want := "a\na/b\na/b/first\na/second\nthird\n"
	list := exec.CommandContext(t.Context(), "cpio", "--list", "--quiet")
	list.Stdin = bytes.NewReader(a.finish())
	out, err := list.CombinedOutput()
	if err != nil || string(out) != want {
		t.Errorf("list: %v\n%s", err, out)
	}
}

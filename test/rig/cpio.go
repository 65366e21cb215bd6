package rig

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// archive is an initramfs in the making: cpio's "newc" format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
// Several archives one after the other are one initramfs.
type archive struct {
	bytes.Buffer
	inode   int
	folders map[string]bool
}

const (
	modeFolder = 0o040755
	modeFile   = 0o100755
)

// add adds a file by its absolute path, and the folders above it. Every file can be executed.
func (a *archive) add(name string, content []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	a.addFolders(path.Dir(name))
	a.entry(name, modeFile, content)
}

// addTree adds the files below a folder, which is their root.
func (a *archive) addTree(root string) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		a.add(strings.TrimPrefix(name, root), content)
		return err
	})
}

func (a *archive) addFolders(dir string) {
	if dir == "." || a.folders[dir] {
		return
	}
	a.addFolders(path.Dir(dir))
	if a.folders == nil {
		a.folders = map[string]bool{}
	}
	a.folders[dir] = true
	a.entry(dir, modeFolder, nil)
}

// entry writes a header of 13 hexadecimal numbers, the name and the content, the last two padded to four bytes.
func (a *archive) entry(name string, mode int, content []byte) {
	a.inode++
	fmt.Fprintf(a, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	a.pad()
	a.Write(content)
	a.pad()
}

func (a *archive) pad() {
	for a.Len()%4 != 0 {
		a.WriteByte(0)
	}
}

// finish adds the trailer and returns the archive.
func (a *archive) finish() []byte {
	a.entry("TRAILER!!!", 0, nil)
	return a.Bytes()
}

package helper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links of a path are followed, as by the kernel
// (path_resolution(7)).
const maxLinks = 40

// Owned reports as an error who but root, or the user that this process runs as, could
// change what a path leads to: each folder and link on the way, and the file at its end,
// must be theirs to change alone. In a folder with the sticky bit what is theirs stays.
func Owned(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s is no absolute path", path)
	}
	at, left, links := "/", words(path), 0
	for {
		info, err := os.Lstat(at)
		if err == nil {
			err = owned(at, info)
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			if links++; links > maxLinks {
				return fmt.Errorf("%s: too many links", path)
			}
			left = slices.Concat(words(target), left)
			if at = filepath.Dir(at); filepath.IsAbs(target) {
				at = "/"
			}
			continue
		}
		if len(left) == 0 {
			return nil
		}
		at, left = filepath.Join(at, left[0]), left[1:] // which is no link: ".." leads where it seems to
	}
}

// words returns the names on a path.
func words(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

func owned(name string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the owner of " + name + " is not known")
	}
	if uid := stat.Uid; uid != 0 && uid != uint32(os.Geteuid()) { //nolint:gosec // not negative
		return fmt.Errorf("%s belongs to user %d: whoever that is could have root write elsewhere; chown it to root", name, uid)
	}
	mode := info.Mode()
	switch {
	case mode&(fs.ModeSymlink|fs.ModeDevice) != 0, mode.IsDir() && mode&fs.ModeSticky != 0, mode.Perm()&0o022 == 0:
		return nil
	}
	return fmt.Errorf("%s can be written by others than root (%s): whoever that is could have root write elsewhere; chmod go-w it", name, mode.Perm())
}

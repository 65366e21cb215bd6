package helper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// device returns the folder of a device of a class, links followed.
func (o *Options) device(class, name string) (string, error) {
	folder, err := filepath.EvalSymlinks(filepath.Join(o.Sys, class, name))
	if err != nil {
		return "", fmt.Errorf("there is no %q in %s", name, class)
	}
	if sys, err := filepath.EvalSymlinks(o.Sys); err != nil || !strings.HasPrefix(folder, sys+"/") {
		return "", fmt.Errorf("%q is not in sysfs", name)
	}
	return folder, nil
}

// readUint reads a file that holds a number.
func readUint(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 31)
}

// write writes to a file that is there and no link.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

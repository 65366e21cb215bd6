package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFile is held by who uses the directory.
const lockFile = "lock"

// lockDir takes the directory for this process. The lock ends with the process,
// however it ends. On a file system that is read-only it is the lock of what there is: of the file
// of the last run, or of the folder.
func lockDir(dir string) (*os.File, error) {
	name := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600) //nolint:gosec // in the state directory
	if readOnly(err) {
		if f, err = os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // likewise
			f, err = os.Open(dir) //nolint:gosec // the operator names it
		}
	}
	if err != nil {
		return nil, unusable(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close() //nolint:errcheck // only read
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("state directory %s is %w%s; stop it, or give another one with -state DIR", dir, ErrInUse, owner(f))
		}
		return nil, fmt.Errorf("lock the state directory %s: %w", dir, err)
	}
	noteOwner(f)
	return f, nil
}

// unlockDir gives the directory up, also where a program that is just being started (fork(2)) has the lock's descriptor
// until it is executed: to close ours would not be the end of the lock then (flock(2)).
func unlockDir(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}

// noteOwner writes the process ID, which is only for the message that the directory is in use. The former one is mostly as
// long: to cut a file off takes longer than all else that opening the directory writes.
func noteOwner(f *os.File) {
	n, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	if err != nil {
		return
	}
	if info, err := f.Stat(); err == nil && info.Size() > int64(n) {
		_ = f.Truncate(int64(n))
	}
}

// owner names the process that holds a lock, as far as it is known.
func owner(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 16))
	pid, notNumber := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || notNumber != nil {
		return ""
	}
	return fmt.Sprintf(" (%d)", pid)
}

// readOnly reports whether an error is that of a file system that takes no writes, as Linux makes it when the
// disk fails: its content is good, and it may be written again.
func readOnly(err error) bool { return errors.Is(err, unix.EROFS) }

// volatile reports whether a file system of this type (statfs(2)) is emptied by a
// reboot.
func volatile(fsType int64) bool {
	return fsType == unix.TMPFS_MAGIC || fsType == unix.RAMFS_MAGIC
}

func fileSystemType(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(uint32(st.Type)), nil //nolint:gosec // a magic number of 32 bits, of different types by architecture
}

package at

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// openSerial opens a serial port raw, 8N1, without flow control, and for itself alone:
// TIOCEXCL keeps out programs that open it later, flock those that ask, and who was
// there before is found in /proc, as ModemManager keeps no lock file.
func openSerial(path string, speed uint32) (*os.File, error) {
	if by := holder(path); by != "" {
		return nil, fmt.Errorf("%w: %s", ErrHeld, by)
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%w: it was opened exclusively", ErrHeld)
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such port: is the modem plugged in and switched on?")
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: add the agent's user to the port's group (dialout)", err)
	case err != nil:
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err == nil {
		var failed error
		err = conn.Control(func(fd uintptr) { failed = setUp(int(fd), speed) })
		err = errors.Join(err, failed)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// setUp makes a terminal raw (termios(3), cfmakeraw) and takes it.
func setUp(fd int, speed uint32) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return fmt.Errorf("it is no terminal: %w", err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%w: it is locked", ErrHeld)
	}
	if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
		return fmt.Errorf("take it exclusively: %w", err)
	}
	t.Iflag, t.Oflag, t.Lflag = unix.IGNBRK, 0, 0
	// Without HUPCL closing does not hang up; CLOCAL does not wait for a carrier.
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.BOTHER
	t.Ispeed, t.Ospeed = speed, speed
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS2, t); err != nil {
		return fmt.Errorf("set %d baud: %w", speed, err)
	}
	return nil
}

// holder names a program that has the port open: "ModemManager (process 812)"; ""
// if none is seen, which without privileges is also so for those of other users.
func holder(path string) string {
	target, err := filepath.EvalSymlinks(path)
	if err != nil || strings.HasPrefix(target, "/dev/pts/") {
		return "" // whoever makes a pseudo-terminal may keep its other end open
	}
	open, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	own := strconv.Itoa(os.Getpid())
	for _, fd := range open {
		pid := strings.Split(fd, "/")[2]
		if to, err := os.Readlink(fd); err != nil || to != target || pid == own {
			continue
		}
		program := "a program"
		if comm, err := os.ReadFile(filepath.Join("/proc", pid, "comm")); err == nil {
			program = strings.TrimSpace(string(comm))
		}
		return program + " (process " + pid + ")" + advice(program)
	}
	return ""
}

// advice says how a program is had to let go of the port.
func advice(program string) string {
	if program == "ModemManager" {
		return `: let it alone with this modem by a udev rule that sets ENV{ID_MM_DEVICE_IGNORE}="1"`
	}
	return ""
}

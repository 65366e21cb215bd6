package at

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openSerial opens a serial port raw, 8N1, without flow control, and for itself alone:
// TIOCEXCL keeps out programs that open it later, flock those that ask, and who was
// there before is found by holder.
func openSerial(path string, speed uint32) (*os.File, error) {
	if by := holder(path); by != (occupant{}) {
		return nil, heldBy(by)
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, heldBy(cmp.Or(opener(path), unseen("it was opened exclusively")))
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such port: is the device plugged in and switched on?")
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: add the agent's user to the port's group (dialout)", err)
	case err != nil:
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err == nil {
		var failed error
		err = conn.Control(func(fd uintptr) { failed = setUp(int(fd), path, speed) })
		err = errors.Join(err, failed)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// setUp makes a terminal raw (termios(3), cfmakeraw) and takes it.
func setUp(fd int, path string, speed uint32) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return fmt.Errorf("it is no terminal: %w", err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return heldBy(cmp.Or(locker(fd), opener(path), unseen("it is locked")))
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

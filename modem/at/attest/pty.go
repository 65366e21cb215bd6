package attest

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// OpenPTY returns the master of a new pseudo-terminal in raw mode and the path of
// the other end, "/dev/pts/3".
func OpenPTY() (master *os.File, path string, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, "", fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	conn, err := master.SyscallConn()
	if err != nil {
		return nil, "", err
	}
	var number int
	var failed error
	err = conn.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, "", fmt.Errorf("unlock a pseudo-terminal: %w", err)
	}
	return master, "/dev/pts/" + strconv.Itoa(number), nil
}

// PlugIn has a modem that says what a transcript does answer at a pseudo-terminal, whose path it returns, until unplug.
func PlugIn(transcript string) (m *Modem, path string, unplug func(), err error) {
	if m, err = Open(transcript); err != nil {
		return nil, "", nil, err
	}
	path, unplug, err = m.PlugIn()
	return m, path, unplug, err
}

// PlugIn has the modem answer at a pseudo-terminal, whose path it returns, until unplug.
func (m *Modem) PlugIn() (path string, unplug func(), err error) {
	master, path, err := OpenPTY()
	if err != nil {
		return "", nil, err
	}
	hold, err := os.OpenFile(path, os.O_RDWR, 0) // else the master reads EIO until somebody opens it
	if err != nil {
		return "", nil, errors.Join(err, master.Close())
	}
	var serving sync.WaitGroup
	serving.Go(func() { m.Serve(master) })
	return path, func() {
		_ = hold.Close() // nothing is buffered
		_ = master.Close()
		serving.Wait()
	}, nil
}

package modbus

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Line says how characters of 8 bits go over a serial line.
type Line struct {
	Baud     int    // bits a second
	Parity   string // "none", "even", "odd"
	StopBits int    // 1 or 2
}

var bauds = map[int]uint32{
	1200: unix.B1200, 2400: unix.B2400, 4800: unix.B4800, 9600: unix.B9600, 19200: unix.B19200,
	38400: unix.B38400, 57600: unix.B57600, 115200: unix.B115200, 230400: unix.B230400,
}

// Known reports whether the kernel has that speed.
func (l Line) Known() bool { return bauds[l.Baud] != 0 }

// OpenSerial opens a serial line and sets it up.
func OpenSerial(path string, l Line) (*os.File, error) {
	file, err := os.OpenFile(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	conn, err := file.SyscallConn()
	if err == nil {
		if controlled := conn.Control(func(fd uintptr) { err = l.apply(int(fd)) }); err == nil {
			err = controlled
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s is no serial line: %w", path, err), file.Close())
	}
	return file, nil
}

// apply makes the line raw (termios(3), cfmakeraw) with these settings.
func (l Line) apply(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag = 0
	t.Oflag = 0
	t.Lflag = 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | bauds[l.Baud]
	switch l.Parity {
	case "even":
		t.Cflag |= unix.PARENB
	case "odd":
		t.Cflag |= unix.PARENB | unix.PARODD
	}
	if l.StopBits == 2 {
		t.Cflag |= unix.CSTOPB
	}
	t.Ispeed, t.Ospeed = bauds[l.Baud], bauds[l.Baud]
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

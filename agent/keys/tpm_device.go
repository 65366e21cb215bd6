//go:build !small

package keys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// device is an open TPM: a device of the kernel, or the socket of a simulator. It
// implements transport.TPM. Every command ends by the deadline.
type device struct {
	deadline time.Time
	fd       int      // of the kernel's device
	socket   net.Conn // nil if it is the kernel's
}

const (
	responseHeader = 10 // tag, size, code (TPM 2.0 Library, part 1, section 18)
	maxResponse    = 4096
)

var (
	errSilent    = errors.New("the TPM does not answer in time")
	errMalformed = errors.New("the TPM's answer is malformed")
)

func openDevice(path string, deadline time.Time) (*device, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() == fs.ModeSocket {
		dialer := net.Dialer{Deadline: deadline}
		conn, err := dialer.Dial("unix", path) // a crypto.Signer is given no context
		if err != nil {
			return nil, socketError(err)
		}
		return &device{deadline: deadline, socket: conn}, conn.SetDeadline(deadline)
	}
	// Since Linux 5.0 the kernel works on a command in the background if it may not
	// block; an older one bounds the time itself.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &device{deadline: deadline, fd: fd}, nil
}

// Close implements io.Closer.
func (d *device) Close() error {
	if d.socket != nil {
		return d.socket.Close()
	}
	return unix.Close(d.fd)
}

// Send implements transport.TPM.
func (d *device) Send(command []byte) ([]byte, error) {
	if d.socket != nil {
		return d.exchange(command)
	}
	if _, err := unix.Write(d.fd, command); err != nil {
		return nil, fmt.Errorf("send a command to the TPM: %w", err)
	}
	if err := d.wait(); err != nil {
		return nil, err
	}
	response := make([]byte, maxResponse)
	n, err := unix.Read(d.fd, response)
	if err != nil {
		return nil, fmt.Errorf("receive from the TPM: %w", err)
	}
	if n < responseHeader {
		return nil, errMalformed
	}
	return response[:n], nil
}

// wait waits until there is a response to read.
func (d *device) wait() error {
	for {
		left := time.Until(d.deadline)
		if left <= 0 {
			return errSilent
		}
		fds := []unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}} //nolint:gosec // a file descriptor
		n, err := unix.Poll(fds, int(left/time.Millisecond)+1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the TPM: %w", err)
		case n > 0 && fds[0].Revents&unix.POLLIN == 0:
			return errMalformed
		case n > 0:
			return nil
		}
	}
}

// exchange is Send on a socket, a stream.
func (d *device) exchange(command []byte) ([]byte, error) {
	if _, err := d.socket.Write(command); err != nil {
		return nil, socketError(err)
	}
	response := make([]byte, responseHeader, maxResponse)
	if _, err := io.ReadFull(d.socket, response); err != nil {
		return nil, socketError(err)
	}
	size := binary.BigEndian.Uint32(response[2:])
	if size < responseHeader || size > maxResponse {
		return nil, errMalformed
	}
	response = response[:size]
	if _, err := io.ReadFull(d.socket, response[responseHeader:]); err != nil {
		return nil, socketError(err)
	}
	return response, nil
}

func socketError(err error) error {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return errSilent
	}
	return fmt.Errorf("talk to the TPM: %w", err)
}

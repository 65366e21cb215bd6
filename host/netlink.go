package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen receives what the kernel sends to multicast groups of a netlink
// protocol, until the context ends, which gives nil. An empty message stands for
// messages that were lost because there were too many.
func listen(ctx context.Context, protocol int, groups uint32, take func(message []byte)) error {
	s, err := openNetlink(protocol, groups)
	if err != nil {
		return err
	}
	return s.receiveAll(ctx, take)
}

// netlinkSocket receives from multicast groups.
type netlinkSocket struct {
	file *os.File // waits for the socket in the runtime's poller
	conn syscall.RawConn
}

// openNetlink opens a socket of a netlink protocol that belongs to groups, of
// which the mask holds the first 32.
func openNetlink(protocol int, groups uint32) (*netlinkSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	s := &netlinkSocket{file: os.NewFile(uintptr(fd), "netlink")}
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err == nil {
		s.conn, err = s.file.SyscallConn()
	}
	if err != nil {
		_ = s.file.Close()
		return nil, fmt.Errorf("bind netlink: %w", err)
	}
	return s, nil
}

// join makes the socket belong to one more group.
func (s *netlinkSocket) join(group uint32) error {
	var err error
	failed := s.conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group))
	})
	return errors.Join(failed, err)
}

// receiveAll does what listen does with the socket, and closes it.
func (s *netlinkSocket) receiveAll(ctx context.Context, take func(message []byte)) error {
	defer func() { _ = s.file.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = s.file.Close() })
	defer stop()
	buf := make([]byte, 64<<10)
	for {
		message, err := receive(s.conn, buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			take(nil)
		case err != nil:
			return fmt.Errorf("receive from netlink: %w", err)
		case message != nil:
			take(message)
		}
	}
}

// receive waits for a message. It returns nil for one that is not from the
// kernel: other processes can send to some groups.
func receive(conn syscall.RawConn, buf []byte) ([]byte, error) {
	var (
		n    int
		from unix.Sockaddr
		err  error
	)
	if failed := conn.Read(func(fd uintptr) bool {
		for {
			n, from, err = unix.Recvfrom(int(fd), buf, 0)
			if !errors.Is(err, unix.EINTR) {
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	}); failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return nil, nil
	}
	return buf[:n], nil
}

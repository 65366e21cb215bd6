package host

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// listen receives what the kernel sends to multicast groups of a netlink
// protocol, until the context ends, which gives nil. An empty message stands for
// messages that were lost because there were too many.
func listen(ctx context.Context, protocol int, groups uint32, take func(message []byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	// An os.File waits for the socket in the runtime's poller.
	f := os.NewFile(uintptr(fd), "netlink")
	defer func() { _ = f.Close() }()
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return fmt.Errorf("bind netlink: %w", err)
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer stop()
	buf := make([]byte, 64<<10)
	for {
		message, err := receive(conn, buf)
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
func receive(conn interface {
	Read(func(uintptr) bool) error
}, buf []byte,
) ([]byte, error) {
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

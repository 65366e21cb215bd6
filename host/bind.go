package host

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// BindTo returns what ties a socket to a network interface, for net.Dialer.Control: all that
// it sends and receives goes through that interface, whatever the routes say. Up to Linux 5.6
// it needs CAP_NET_RAW.
func BindTo(name string) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, name)
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return fmt.Errorf("bind to the network interface %q: %w", name, err)
		}
		return nil
	}
}

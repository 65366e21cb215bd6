package host

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestBindTo binds to the loopback, from where a stranger's address cannot be reached.
func TestBindTo(t *testing.T) {
	dial := func(name, address string) error {
		d := net.Dialer{Control: BindTo(name)}
		c, err := d.DialContext(t.Context(), "udp", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
	if err := dial("lo", "127.0.0.1:5683"); errors.Is(err, syscall.EPERM) {
		t.Skip("this kernel lets only root bind to an interface")
	} else if err != nil {
		t.Error(err)
	}
	if err := dial("nosuch0", "127.0.0.1:5683"); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("there is no such interface: %v", err)
	}
}

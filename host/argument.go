package host

import (
	"context"
	"fmt"
)

// ArgumentControl is a Control whose reboot can tell the firmware something
// (reboot(2), LINUX_REBOOT_CMD_RESTART2), such as "0 tryboot" on a Raspberry Pi.
type ArgumentControl interface {
	Control
	// RebootWith is Reboot with an argument.
	RebootWith(ctx context.Context, argument string) error
}

var _ ArgumentControl = (*systemd)(nil)

// RebootWith has logind hand the argument on (org.freedesktop.login1(5),
// SetRebootParameter). A reboot that is refused then leaves it behind for the next
// one, so it is asked first whether there may be one.
func (s *systemd) RebootWith(ctx context.Context, argument string) error {
	if err := s.CanReboot(ctx); err != nil {
		return err
	}
	if err := s.manager(ctx, "SetRebootParameter", nil, argument); err != nil {
		return fmt.Errorf("reboot with %q: %w", argument, err)
	}
	return s.Reboot(ctx)
}

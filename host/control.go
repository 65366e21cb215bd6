package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// Variant is how the operating system is told to do things.
type Variant string

// The variants.
const (
	Systemd Variant = "systemd" // logind and timedated over D-Bus
	OpenWrt Variant = "openwrt" // ubus and UCI
	Plain   Variant = "plain"   // neither: sysvinit, busybox, OpenRC, runit; the program reboot, and no time zone
)

// Detect returns the variant of a running system.
func Detect(root fs.FS) Variant {
	switch {
	case exists(root, "run/systemd/system"): // sd_booted(3)
		return Systemd
	case exists(root, "etc/openwrt_release"):
		return OpenWrt
	}
	return Plain
}

// What a Control can refuse with.
var (
	// ErrNotSupported: this system has no way to do it.
	ErrNotSupported = errors.New("this system has no way to do it")
	// ErrInhibited: another program asks not to do it now.
	ErrInhibited = errors.New("inhibited by another program")
	// ErrPermission: the user that the agent runs as may not do it.
	ErrPermission = errors.New("permission denied")
	// ErrSynchronized: the clock follows a time server and is not set by hand.
	ErrSynchronized = errors.New("the clock follows a time server")
)

// Control has the operating system do things. Errors say what was attempted ("reboot: …"),
// and wrap one of the above where that is the cause.
type Control interface {
	// CanReboot returns nil if Reboot would be tried now.
	CanReboot(ctx context.Context) error
	// Reboot starts an orderly reboot and returns when it is certain to come.
	Reboot(ctx context.Context) error
	// SetTime sets the wall clock.
	SetTime(ctx context.Context, t time.Time) error
	// SetTimezone sets the time zone, by a name for which HasTimezone is true.
	SetTimezone(ctx context.Context, name string) error
}

// NewControl returns the control of a variant.
func NewControl(v Variant, root fs.FS) Control {
	switch v {
	case Systemd:
		return &systemd{dial: systemBus}
	case OpenWrt:
		return &openwrt{root: root, run: runProgram, setTime: setClock}
	case Plain:
	}
	return plain{run: runProgram, root: os.Geteuid() == 0}
}

// plain is a system that has neither logind nor ubus.
type plain struct {
	run  runner
	root bool // the agent runs as root
}

// rebootProgram asks the init system, whichever it is, for an orderly reboot.
const rebootProgram = "reboot"

// CanReboot asks nobody: an init system of this kind knows no inhibitors.
func (p plain) CanReboot(context.Context) error {
	if _, err := exec.LookPath(rebootProgram); err != nil {
		return fmt.Errorf("reboot: %w: there is no program %s", ErrNotSupported, rebootProgram)
	}
	if !p.root {
		return fmt.Errorf("reboot: %w: the agent does not run as root", ErrPermission)
	}
	return nil
}

// Reboot has the init system do it.
func (p plain) Reboot(ctx context.Context) error {
	err := p.CanReboot(ctx)
	if err != nil {
		return err
	}
	if _, err = p.run(ctx, rebootProgram); err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	return nil
}

func (plain) SetTime(_ context.Context, t time.Time) error { return setClock(t) }

func (plain) SetTimezone(context.Context, string) error {
	return fmt.Errorf("set the time zone: %w", ErrNotSupported)
}

// setClock sets the kernel's wall clock, which takes CAP_SYS_TIME. The kernel
// keeps the hardware clock in step while something disciplines the clock, and
// systems save it on the way down.
func setClock(t time.Time) error {
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return fmt.Errorf("set the clock to %s: %w", t, err)
	}
	if err = unix.ClockSettime(unix.CLOCK_REALTIME, &ts); errors.Is(err, unix.EPERM) {
		err = ErrPermission
	}
	if err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	return nil
}

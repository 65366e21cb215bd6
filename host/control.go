package host

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// Variant is how the operating system is told to do things.
type Variant string

// The variants.
const (
	Systemd Variant = "systemd" // logind and timedated over D-Bus
	OpenWrt Variant = "openwrt" // ubus and UCI
	Plain   Variant = "plain"   // neither: nothing can be done
)

// Detect returns the variant of a running system.
func Detect(root fs.FS) Variant { return Plain }

// What a Control can refuse with.
var (
	ErrNotSupported = errors.New("this system has no way to do it")
	ErrInhibited    = errors.New("inhibited by another program")
	ErrPermission   = errors.New("permission denied")
)

// Control has the operating system do things. Errors wrap ErrNotSupported,
// ErrInhibited or ErrPermission where that is the cause.
type Control interface {
	// CanReboot returns nil if Reboot would be tried now.
	CanReboot(ctx context.Context) error
	// Reboot starts an orderly reboot and returns when it is certain to come.
	Reboot(ctx context.Context) error
	// SetTime sets the wall clock.
	SetTime(ctx context.Context, t time.Time) error
	// SetTimezone sets the time zone, by its IANA name.
	SetTimezone(ctx context.Context, name string) error
}

// Runner runs a program and returns what it writes to standard output.
type Runner func(ctx context.Context, name string, args ...string) ([]byte, error)

// NewControl returns the control of a variant.
func NewControl(v Variant, root fs.FS) Control { return nil }

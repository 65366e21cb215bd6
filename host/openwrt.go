package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"
)

// openwrt is a system with ubus and UCI, run as root.
type openwrt struct {
	root    fs.FS
	run     runner
	setTime func(time.Time) error
}

// runner runs a program and returns what it writes to standard output.
type runner func(ctx context.Context, name string, args ...string) ([]byte, error)

// maxOutput bounds what is kept of a program's output, in bytes.
const maxOutput = 64 << 10

// runProgram runs a program of the system. What it writes to standard error is
// part of the error.
func runProgram(ctx context.Context, name string, args ...string) ([]byte, error) {
	var out, trouble limited
	cmd := exec.CommandContext(ctx, name, args...) // no shell
	cmd.Stdout, cmd.Stderr = &out, &trouble
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no program %s", ErrNotSupported, name)
	}
	if err != nil {
		said := strings.TrimSpace(string(trouble.kept))
		if strings.Contains(strings.ToLower(said), "permission denied") || strings.Contains(said, "Access denied") {
			err = ErrPermission
		}
		return nil, fmt.Errorf("run %s: %w: %s", name, err, said)
	}
	return out.kept, nil
}

// limited keeps the beginning of what is written to it.
type limited struct{ kept []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p[:min(len(p), maxOutput-len(l.kept))]...)
	return len(p), nil
}

// CanReboot asks whether procd is there. OpenWrt knows no inhibitors.
func (o *openwrt) CanReboot(ctx context.Context) error {
	if _, err := o.run(ctx, "ubus", "-S", "list", "system"); err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	return nil
}

// Reboot asks procd.
func (o *openwrt) Reboot(ctx context.Context) error {
	if _, err := o.run(ctx, "ubus", "call", "system", "reboot"); err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	return nil
}

// SetTime sets the kernel's clock.
func (o *openwrt) SetTime(_ context.Context, t time.Time) error { return o.setTime(t) }

// SetTimezone writes the UCI options that the web interface writes: the name,
// and what it means to programs that have no time zone database.
func (o *openwrt) SetTimezone(ctx context.Context, name string) error {
	posix, ok := posixZone(o.root, name)
	if !ok {
		return fmt.Errorf("set the time zone to %s: %w: the package zoneinfo that has it is not installed", name, ErrNotSupported)
	}
	for _, command := range [][]string{
		{"uci", "set", "system.@system[0].zonename=" + name},
		{"uci", "set", "system.@system[0].timezone=" + posix},
		{"uci", "commit", "system"},
		{"/etc/init.d/system", "reload"},
	} {
		if _, err := o.run(ctx, command[0], command[1:]...); err != nil {
			return fmt.Errorf("set the time zone to %s: %w", name, err)
		}
	}
	return nil
}

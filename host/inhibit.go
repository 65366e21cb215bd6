package host

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"
)

// Inhibitor is a Control that can keep others from shutting the machine down, rebooting
// it and sending it to sleep.
type Inhibitor interface {
	Control
	// Inhibit keeps them from it until release is called. why is for people. The
	// Control's own Reboot ends it: nobody keeps himself from anything.
	Inhibit(ctx context.Context, why string) (release func(), err error)
}

var _ Inhibitor = (*systemd)(nil)

// What logind is told of a lock, beside why (org.freedesktop.login1(5), Inhibit).
const (
	inhibitWhat = "shutdown:sleep"
	inhibitWho  = "lwm2m-agent"
	inhibitMode = "block"
)

// locks are the inhibitor locks of this process: logind ends one when its descriptor
// is closed.
type locks struct {
	mu   sync.Mutex
	held []*os.File
}

// Inhibit implements Inhibitor.
func (s *systemd) Inhibit(ctx context.Context, why string) (release func(), err error) {
	var fd dbus.UnixFD
	if err := s.manager(ctx, "Inhibit", &fd, inhibitWhat, inhibitWho, why, inhibitMode); err != nil {
		return nil, fmt.Errorf("inhibit shutdown and sleep: %w", err)
	}
	lock := os.NewFile(uintptr(fd), "inhibitor lock")
	s.locks.mu.Lock()
	defer s.locks.mu.Unlock()
	s.locks.held = append(s.locks.held, lock)
	return func() { s.locks.release(lock) }, nil
}

// release ends some locks; none: all of them.
func (l *locks) release(some ...*os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = slices.DeleteFunc(l.held, func(f *os.File) bool {
		if len(some) > 0 && !slices.Contains(some, f) {
			return false
		}
		_ = f.Close() // there is nothing in it
		return true
	})
}

// own reports whether a lock is this process's.
func (i *inhibitor) own() bool { return int(i.PID) == os.Getpid() }

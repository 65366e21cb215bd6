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
	inhibitWho  = "lwm2m-agent"
	inhibitMode = "block"
)

// inhibitWhat has one lock for each: of one for several, logind 252 asks polkit for the
// right to inhibit the switch of a lid.
var inhibitWhat = []string{"shutdown", "sleep"}

// locks are the inhibitor locks of this process: logind ends one when its descriptor
// is closed.
type locks struct {
	mu   sync.Mutex
	held []*os.File
}

// Inhibit implements Inhibitor.
func (s *systemd) Inhibit(ctx context.Context, why string) (release func(), err error) {
	var taken []*os.File
	release = func() { s.locks.release(taken) }
	for _, what := range inhibitWhat {
		var fd dbus.UnixFD
		if err := s.manager(ctx, "Inhibit", &fd, what, inhibitWho, why, inhibitMode); err != nil {
			release()
			return nil, fmt.Errorf("inhibit %s: %w", what, err)
		}
		lock := os.NewFile(uintptr(fd), "inhibitor lock") //nolint:gosec // not negative
		taken = append(taken, lock)
		s.locks.add(lock)
	}
	return release, nil
}

func (l *locks) add(lock *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = append(l.held, lock)
}

// release ends those of some locks that are held.
func (l *locks) release(some []*os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = slices.DeleteFunc(l.held, func(f *os.File) bool {
		if !slices.Contains(some, f) {
			return false
		}
		_ = f.Close() // there is nothing in it
		return true
	})
}

// releaseAll ends all locks.
func (l *locks) releaseAll() {
	l.mu.Lock()
	all := slices.Clone(l.held)
	l.mu.Unlock()
	l.release(all)
}

// own reports whether a lock is this process's.
func (i *inhibitor) own() bool { return int(i.PID) == os.Getpid() }

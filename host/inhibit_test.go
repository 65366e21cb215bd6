package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const inhibit = "org.freedesktop.login1.Manager.Inhibit"

// socketDial has a bus listen on a unix socket, which can carry descriptors.
func socketDial(t *testing.T, b *bus) func(context.Context) (*dbus.Conn, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return func(ctx context.Context) (*dbus.Conn, error) {
		conn, err := dbus.Dial("unix:path="+path, dbus.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		far, err := l.Accept()
		if err != nil {
			return nil, err
		}
		go func() { _ = b.serve(far) }() // it ends with the connection
		if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
			return nil, err
		}
		return conn, conn.Hello()
	}
}

// logind is a bus with a login manager that hands out locks.
type logind struct {
	bus
	near []*os.File // its end of each lock
}

func newLogind(t *testing.T) *logind {
	t.Helper()
	l := &logind{}
	l.answers = map[string][]any{
		canReboot: {"yes"}, reboot: {},
		listInhibitors: {[]inhibitor{{"shutdown", inhibitWho, "firmware", "block", 990, uint32(os.Getpid())}}},
	}
	l.lock(t)
	return l
}

// lock makes the locks that the next one gets who asks for one of each kind.
func (l *logind) lock(t *testing.T) {
	t.Helper()
	l.near = nil
	var far []any
	for range inhibitWhat {
		near, f, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = near.Close() })
		l.near, far = append(l.near, near), append(far, f)
	}
	l.set(inhibit, func() []any {
		next := far[0]
		far = far[1:]
		return []any{next}
	})
}

// set sets the answer to a method; none: the service is not there.
func (l *logind) set(method string, answer ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answers[method] = answer; answer == nil {
		delete(l.answers, method)
	}
}

// asked returns the calls so far.
func (l *logind) asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

// released waits until nobody holds a lock.
func (l *logind) released(t *testing.T) {
	t.Helper()
	for _, near := range l.near {
		if err := near.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Error(err)
		}
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a lock is held: %v", err)
		}
	}
}

// TestInhibit takes and releases locks. What the far side passes on it closes, as a bus does.
func TestInhibit(t *testing.T) {
	l := newLogind(t)
	s := &systemd{dial: socketDial(t, &l.bus)}
	release, err := s.Inhibit(t.Context(), "firmware 2 is being written")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Inhibit[shutdown lwm2m-agent firmware 2 is being written block]", "Inhibit[sleep lwm2m-agent firmware 2 is being written block]"}
	if got := l.asked(); !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
	if len(s.locks.held) != 2 {
		t.Errorf("%d locks are held", len(s.locks.held))
	}
	release()
	l.released(t)
	release() // a second time does no harm

	denied := busErr("org.freedesktop.DBus.Error.AccessDenied")
	l.lock(t) // the first of both
	first := true
	give := l.answers[inhibit][0].(func() []any)
	l.set(inhibit, func() []any {
		if first = !first; first {
			return denied
		}
		return give()
	})
	if _, err := s.Inhibit(t.Context(), "x"); !errors.Is(err, ErrPermission) || len(s.locks.held) > 0 {
		t.Errorf("half refused: %v, %d locks are held", err, len(s.locks.held))
	}
	l.set(inhibit, denied...)
	if _, err := s.Inhibit(t.Context(), "x"); !errors.Is(err, ErrPermission) {
		t.Errorf("refused: %v", err)
	}
	l.set(inhibit)
	if _, err := s.Inhibit(t.Context(), "x"); !errors.Is(err, ErrNotSupported) {
		t.Errorf("without logind: %v", err)
	}
}

// TestRebootInSpiteOfItself: the agent's own lock keeps others from a reboot, and another's lock the agent.
func TestRebootInSpiteOfItself(t *testing.T) {
	own := inhibitor{"shutdown", inhibitWho, "firmware", "block", 990, uint32(os.Getpid())}
	other := inhibitor{"shutdown", "apt", "upgrade", "block", 0, 1}
	for _, c := range []struct {
		answer string
		locks  []inhibitor
		cause  error
	}{
		{"yes", []inhibitor{own}, nil},
		{"inhibitor-blocked", []inhibitor{own}, nil},                    // a newer logind goes by the lock of whoever asks, too
		{"challenge-inhibitor-blocked", []inhibitor{own}, ErrInhibited}, // and it may not, besides
		{"yes", []inhibitor{own, other}, ErrInhibited},
		{"inhibitor-blocked", nil, ErrInhibited},
	} {
		l := newLogind(t)
		l.set(canReboot, c.answer)
		l.set(listInhibitors, c.locks)
		s := &systemd{dial: socketDial(t, &l.bus)}
		release, err := s.Inhibit(t.Context(), "firmware")
		if err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		l.on = func(method string) {
			if method == reboot {
				l.released(t) // before logind is asked
			}
		}
		l.mu.Unlock()
		err = s.Reboot(t.Context())
		if !errors.Is(err, c.cause) || (err == nil) != (c.cause == nil) {
			t.Errorf("%s, %v: %v; want %v", c.answer, c.locks, err, c.cause)
		}
		asked := slices.ContainsFunc(l.asked(), func(call string) bool { return strings.HasPrefix(call, "Reboot[") })
		if asked != (c.cause == nil) {
			t.Errorf("%s, %v: asked %s", c.answer, c.locks, fmt.Sprint(l.asked()))
		}
		release()
		if c.cause != nil {
			l.released(t)
		}
	}
}

// TestNoInhibitor: systems that know no locks are asked for none.
func TestNoInhibitor(t *testing.T) {
	for v, want := range map[Variant]bool{Systemd: true, OpenWrt: false, Plain: false} {
		if _, got := NewControl(v, nil).(Inhibitor); got != want {
			t.Errorf("%s: %v", v, got)
		}
	}
}

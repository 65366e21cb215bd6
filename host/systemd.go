package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// systemd is a system with logind (org.freedesktop.login1(5)) and timedated
// (org.freedesktop.timedate1(5)).
type systemd struct {
	dial  func(ctx context.Context) (*dbus.Conn, error)
	locks locks
}

func systemBus(ctx context.Context) (*dbus.Conn, error) {
	return dbus.ConnectSystemBus(dbus.WithContext(ctx))
}

const (
	login    = "org.freedesktop.login1"
	timedate = "org.freedesktop.timedate1"
)

// call asks one question and closes the connection: these are rare.
func (s *systemd) call(ctx context.Context, service, path, method string, result any, args ...any) error {
	// The connection ends with its context; a call of its own can outlast none.
	conn, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect to the system bus: %w", err)
	}
	defer func() { _ = conn.Close() }()
	call := conn.Object(service, dbus.ObjectPath(path)).CallWithContext(ctx, service+"."+method, 0, args...)
	if call.Err != nil {
		return busError(call.Err)
	}
	if result == nil {
		return nil
	}
	return call.Store(result)
}

func (s *systemd) manager(ctx context.Context, method string, result any, args ...any) error {
	return s.call(ctx, login, "/org/freedesktop/login1", "Manager."+method, result, args...)
}

// busError gives an error its cause.
func busError(err error) error {
	e, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return err
	}
	var cause error
	switch e.Name {
	case "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
		cause = ErrPermission
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
		"org.freedesktop.login1.SleepVerbNotSupported":
		cause = ErrNotSupported
	case "org.freedesktop.login1.BlockedByInhibitorLock":
		cause = ErrInhibited
	case "org.freedesktop.timedate1.AutomaticTimeSyncEnabled":
		cause = ErrSynchronized
	default:
		return err
	}
	return fmt.Errorf("%w: %w", cause, e)
}

// CanReboot asks logind, and looks for programs that inhibit a shutdown: logind
// would override them for root.
func (s *systemd) CanReboot(ctx context.Context) error {
	var answer string
	if err := s.manager(ctx, "CanReboot", &answer); err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	switch answer {
	case "yes":
		_, err := s.inhibited(ctx)
		return err
	case "no", "challenge": // which logind also says to whoever may not override a lock
		if _, err := s.inhibited(ctx); errors.Is(err, ErrInhibited) {
			return err
		}
		return fmt.Errorf("reboot: logind says %q: %w", answer, ErrPermission)
	case "inhibited", "inhibitor-blocked", "challenge-inhibitor-blocked":
		own, err := s.inhibited(ctx)
		if err == nil && (!own || answer != "inhibitor-blocked") {
			err = fmt.Errorf("reboot: %w", ErrInhibited)
		}
		return err
	}
	return fmt.Errorf("reboot: logind says %q: %w", answer, ErrNotSupported)
}

// inhibitor is an element of what ListInhibitors returns.
type inhibitor struct {
	What, Who, Why, Mode string
	UID, PID             uint32
}

// inhibited returns an error if another program inhibits a shutdown, and whether this one does.
func (s *systemd) inhibited(ctx context.Context) (own bool, err error) {
	var inhibitors []inhibitor
	if err := s.manager(ctx, "ListInhibitors", &inhibitors); err != nil {
		return false, fmt.Errorf("reboot: list inhibitors: %w", err)
	}
	for _, i := range inhibitors {
		switch {
		case !strings.HasPrefix(i.Mode, "block") || !slices.Contains(strings.Split(i.What, ":"), "shutdown"):
		case i.own():
			own = true
		default:
			return own, fmt.Errorf("reboot: %w: %s (%s)", ErrInhibited, i.Who, i.Why)
		}
	}
	return own, nil
}

// Reboot asks logind, unless another program inhibits it.
func (s *systemd) Reboot(ctx context.Context) error {
	if err := s.CanReboot(ctx); err != nil {
		return err
	}
	s.locks.releaseAll() // newer versions of logind go by locks of whoever asks, too
	const interactive = false
	if err := s.manager(ctx, "Reboot", nil, interactive); err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	return nil
}

// SetTime asks timedated, which refuses while a time server is followed.
func (s *systemd) SetTime(ctx context.Context, t time.Time) error {
	const relative, interactive = false, false
	if err := s.call(ctx, timedate, "/org/freedesktop/timedate1", "SetTime", nil, t.UnixMicro(), relative, interactive); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	return nil
}

// property asks one object for a property and closes the connection. what is for errors.
func (s *systemd) property(ctx context.Context, what, service, path, iface, name string, into any) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect to the system bus: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var answer dbus.Variant
	call := conn.Object(service, dbus.ObjectPath(path)).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, iface, name)
	if err := call.Store(&answer); err != nil {
		return fmt.Errorf("%s: %w", what, busError(err))
	}
	if err := answer.Store(into); err != nil {
		return fmt.Errorf("%s: the answer is %s", what, answer)
	}
	return nil
}

// synchronized asks timedated whether the clock follows a time server.
func (s *systemd) synchronized(ctx context.Context) (synchronized bool, err error) {
	err = s.property(ctx, "ask whether the clock follows a time server", timedate, "/org/freedesktop/timedate1", timedate, "NTPSynchronized", &synchronized)
	return synchronized, err
}

// Restarting reports whether systemd ends this process to start it again at once, and not to stop it
// (org.freedesktop.systemd1(5): Unit.Job, Job.JobType).
func Restarting(ctx context.Context) (bool, error) {
	return (&systemd{dial: systemBus}).restarting(ctx)
}

func (s *systemd) restarting(ctx context.Context) (bool, error) {
	const init, what = "org.freedesktop.systemd1", "ask why the service ends"
	var unit dbus.ObjectPath
	if err := s.call(ctx, init, "/org/freedesktop/systemd1", "Manager.GetUnitByPID", &unit, uint32(os.Getpid())); err != nil { //nolint:gosec // not negative
		return false, fmt.Errorf("%s: %w", what, err)
	}
	var job struct {
		ID   uint32 // 0: none
		Path dbus.ObjectPath
	}
	if err := s.property(ctx, what, init, string(unit), init+".Unit", "Job", &job); err != nil || job.ID == 0 {
		return false, err
	}
	var kind string
	err := s.property(ctx, what, init, string(job.Path), init+".Job", "JobType", &kind)
	return kind == "restart", err
}

// SetTimezone asks timedated.
func (s *systemd) SetTimezone(ctx context.Context, name string) error {
	const interactive = false
	if err := s.call(ctx, timedate, "/org/freedesktop/timedate1", "SetTimezone", nil, name, interactive); err != nil {
		return fmt.Errorf("set the time zone to %s: %w", name, err)
	}
	return nil
}

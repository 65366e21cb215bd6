package rauc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	service    = "de.pengutronix.rauc"
	installer  = "de.pengutronix.rauc.Installer"
	root       = dbus.ObjectPath("/")
	properties = "org.freedesktop.DBus.Properties"
	daemon     = "org.freedesktop.DBus"

	idle = "idle" // property Operation
)

// session is a connection to RAUC for one question.
type session struct {
	conn  *dbus.Conn
	owner string // unique name of RAUC: whose signals count
	told  chan *dbus.Signal
	after dbus.Sequence // of the last answer
}

// open connects, has the bus start RAUC if it does not run, and listens to it.
func (b *Backend) open(ctx context.Context) (*session, error) {
	conn, err := b.opts.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the system bus: %w; RAUC is asked there, see \"systemctl status dbus\"", err)
	}
	s := &session{conn: conn, told: make(chan *dbus.Signal, 64)}
	if err := s.listen(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) listen(ctx context.Context) error {
	s.conn.Signal(s.told)
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(service), dbus.WithMatchObjectPath(root)},
		{dbus.WithMatchSender(daemon), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)},
	} {
		if err := s.conn.AddMatchSignalContext(ctx, match...); err != nil {
			return fmt.Errorf("listen to RAUC: %w", err)
		}
	}
	if _, err := s.property(ctx, "Operation"); err != nil {
		return err
	}
	if err := s.conn.BusObject().CallWithContext(ctx, daemon+".GetNameOwner", 0, service).Store(&s.owner); err != nil {
		return fmt.Errorf("ask for the owner of %s: %w", service, err)
	}
	return nil
}

func (s *session) close() { _ = s.conn.Close() } // nothing is lost with it

// call calls a method of RAUC, whose words are the error. Signals of before the
// answer are dropped: those of an earlier installation are no answer.
func (s *session) call(ctx context.Context, method string, results []any, args ...any) error {
	call := s.conn.Object(service, root).CallWithContext(ctx, installer+"."+method, 0, args...)
	s.after = call.ResponseSequence
	err := busError(call.Err)
	if err == nil && len(results) > 0 {
		err = call.Store(results...)
	}
	if err != nil {
		return fmt.Errorf("RAUC, %s: %w", method, err)
	}
	return nil
}

func (s *session) property(ctx context.Context, name string) (dbus.Variant, error) {
	var v dbus.Variant
	if err := s.conn.Object(service, root).CallWithContext(ctx, properties+".Get", 0, installer, name).Store(&v); err != nil {
		return v, fmt.Errorf("RAUC, property %s: %w", name, busError(err))
	}
	return v, nil
}

func (s *session) text(ctx context.Context, name string) (string, error) {
	v, err := s.property(ctx, name)
	text, _ := v.Value().(string)
	return text, err
}

// What is wrong with RAUC, matched by errors.Is.
var (
	errAbsent  = errors.New(`no RAUC answers on the system bus; install rauc with its service, or look at "systemctl status rauc"`)
	errRefused = errors.New("the bus policy does not let the agent; look at /usr/share/doc/lwm2m-agent/examples/de.pengutronix.rauc.conf")
	errMethod  = errors.New("this RAUC has no such method")
)

// words are what RAUC says itself.
type words string

func (w words) Error() string { return string(w) }

const (
	silent = "rauc info error" // all that Info of RAUC 1.8 says
	unsaid = words(`it refuses the bundle: its signature or its content is not right; "journalctl -u rauc" says why`)
)

// busError gives an error of the bus its cause.
func busError(err error) error {
	e, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return err
	}
	switch e.Name {
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner":
		return errAbsent
	case "org.freedesktop.DBus.Error.AccessDenied":
		return errRefused
	case "org.freedesktop.DBus.Error.UnknownMethod":
		return errMethod
	}
	if e.Error() == silent {
		return unsaid
	}
	return words(e.Error())
}

// next waits for something that RAUC says. An error is the end of RAUC or of the
// bus.
func (s *session) next(ctx context.Context) (*dbus.Signal, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case signal, ok := <-s.told:
			switch {
			case !ok:
				return nil, errors.New("the system bus has closed the connection")
			case signal.Name == daemon+".NameOwnerChanged" && signal.Sender == daemon:
				return nil, errors.New(`RAUC has ended; look at "journalctl -u rauc"`)
			case signal.Sender == s.owner && signal.Sequence > s.after:
				return signal, nil
			}
		}
	}
}

// busyTime is how long RAUC may be at work for others before a step of an update.
const busyTime = 2 * time.Minute

// settle waits until RAUC is at no other work: it refuses every question meanwhile.
func (s *session) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, busyTime)
	defer cancel()
	for {
		operation, err := s.text(ctx, "Operation")
		if err != nil || operation == idle {
			return err
		}
		if _, err := s.next(ctx); err != nil {
			return fmt.Errorf("RAUC is busy, %s: %w", operation, err)
		}
	}
}

// ask opens a session for a question to an idle RAUC.
func (b *Backend) ask(ctx context.Context, question func(s *session) error) error {
	s, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.settle(ctx); err != nil {
		return err
	}
	return question(s)
}

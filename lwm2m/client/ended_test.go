package client

import (
	"context"
	"net"
	"sync"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

// overseen is a Dialer that tells when a session is over, before the client gets to know.
type overseen struct {
	DefaultDialer
	over chan struct{}
}

func (d overseen) Dial(ctx context.Context, to Server) (net.Conn, error) {
	nc, err := d.DefaultDialer.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return overseenConn{nc.(*dtls.Conn), sync.OnceFunc(func() { d.over <- struct{}{} })}, nil
}

type overseenConn struct {
	*dtls.Conn
	over func()
}

func (c overseenConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.over()
	}
	return n, err
}

// endUnnoticed runs a client until the server has ended its session by close_notify, which the account, held up by
// what looks at its status, has not taken in when something else happens.
func endUnnoticed(t *testing.T, s *scripted, dialer DefaultDialer, store Store, uri string, happens func(l *lab, ends, cancel func())) (l *lab, changed chan struct{}, stop func()) {
	t.Helper()
	over, held, release := make(chan struct{}, 10), make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() { close(held); <-release })
	changed = make(chan struct{}, 1)
	l = newLab(t, func(c *Config) {
		c.Dialer, c.Params, c.Store = overseen{dialer, over}, quick, store
		c.OnStatus = func(s AccountStatus) {
			if isRegistered(s) {
				hold()
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	})
	l.server = s
	l.publish(l.security, func(b *model.Batch) {
		b.Set(0, 0, lwm2m.String(uri))
		pskAccount(psk)(b)
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.client.Run(ctx)
	}()
	<-held
	happens(l, func() {
		if err := s.connection().Close(); err != nil {
			t.Error(err)
		}
		<-over
	}, cancel)
	close(release)
	return l, changed, func() { cancel(); <-ended }
}

// TestEndUnnoticed shows that a session which the server has ended is neither continued from another address nor saved:
// the client registers again, over a new handshake.
func TestEndUnnoticed(t *testing.T) {
	t.Run("address changes", func(t *testing.T) {
		s := &scripted{t: t}
		uri, _, handshakes := s.listen(t, 6)
		l, changed, stop := endUnnoticed(t, s, fromElsewhere(), &memory{}, uri, func(l *lab, ends, _ func()) {
			l.client.NetworkChanged()
			ends()
		})
		defer stop()
		l.await(changed, "registered anew", func(s AccountStatus) bool { return isRegistered(s) && s.Location == "/rd/2" })
		l.wantCalls(register, register)
		if n := handshakes(); n != 2 {
			t.Errorf("%d handshakes, want 2", n)
		}
		l.exercise()
	})
	t.Run("client stops", func(t *testing.T) {
		s := &scripted{t: t}
		uri, security, handshakes := s.listen(t, 6)
		store := &memory{}
		_, _, stop := endUnnoticed(t, s, DefaultDialer{}, store, uri, func(_ *lab, ends, cancel func()) {
			ends()
			cancel()
		})
		stop()
		if record, _ := store.Load(sessionKey(101)); len(record) > 0 {
			t.Error("the session was saved")
		}
		l, changed, end := life(t, s, store, uri, security, 20)
		defer func() { end(false) }()
		l.await(changed, "registered", isRegistered)
		l.wantCalls(register, register)
		if n := handshakes(); n != 2 {
			t.Errorf("%d handshakes, want 2", n)
		}
	})
}

// TestEndOnDisk shows that a session which was saved after its end, as the agent once did, is not continued.
func TestEndOnDisk(t *testing.T) {
	s := &scripted{t: t}
	uri, security, handshakes := s.listen(t, 6)
	store := &memory{}
	l, changed, end := life(t, s, store, uri, security, 20)
	l.await(changed, "registered", isRegistered)
	end(false)
	record, _ := store.Load(sessionKey(101))
	saved, err := parseSession(record)
	if err != nil {
		t.Fatal(err)
	}
	saved.dtls.Ended = true
	if record, err = saved.record(); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(sessionKey(101), record); err != nil {
		t.Fatal(err)
	}
	l, changed, end = life(t, s, store, uri, security, 21)
	defer func() { end(false) }()
	l.await(changed, "registered", isRegistered)
	l.wantCalls(register, register)
	if n := handshakes(); n != 2 {
		t.Errorf("%d handshakes, want 2", n)
	}
	l.exercise()
}

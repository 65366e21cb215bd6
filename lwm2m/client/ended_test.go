package client

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
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

// TestResumed shows that a session which cannot be continued shortens the next handshake: of a server without Connection
// ID when the address changes, and of one that has ended it in order. A server that has changed since is refused once.
func TestResumed(t *testing.T) {
	moves := func(l *lab, _ *atomic.Bool) { l.client.NetworkChanged() }
	closes := func(l *lab, _ *atomic.Bool) { _ = l.server.connection().Close() }
	for _, c := range []struct {
		name    string
		cid     int
		happens func(l *lab, changed *atomic.Bool)
		full    int32
		refused bool
	}{
		{"address changes", -1, moves, 1, false},
		{"server closes", 6, closes, 1, false},
		{"server closes and has changed", 6, func(l *lab, changed *atomic.Bool) { changed.Store(true); closes(l, nil) }, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			const serverHello, extensions = 2, 71
			var full atomic.Int32
			var changed, refused atomic.Bool
			s := &scripted{t: t}
			uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{
				CIDLength: c.cid, Sessions: new(dtlstest.Sessions),
				PSK: func(identity []byte) []byte {
					full.Add(1)
					return dtlstest.Key("gw-17", psk)(identity)
				},
				Mutate: func(typ uint8, body []byte) (uint8, []byte) {
					if typ == serverHello && changed.Load() {
						body = bytes.Replace(body, []byte{0, 23, 0, 0}, nil, 1) // no extended master secret
						body[extensions] -= 4
					}
					return typ, body
				},
			})
			defer stop()
			l, told := networked(t, fromElsewhere(), uri, pskAccount(psk), func(c *Config) {
				tell := c.OnStatus
				c.OnStatus = func(s AccountStatus) {
					if strings.Contains(s.LastError, "extended master secret") {
						refused.Store(true)
					}
					tell(s)
				}
			})
			l.server = s
			l.await(told, "registered", isRegistered)
			c.happens(l, &changed)
			l.await(told, "registered anew", func(s AccountStatus) bool { return isRegistered(s) && s.Location == "/rd/2" })
			l.wantCalls(register, register)
			if full.Load() != c.full || refused.Load() != c.refused {
				t.Errorf("%d full handshakes, want %d; the session was refused: %v", full.Load(), c.full, refused.Load())
			}
			l.exercise()
		})
	}
}

package client

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

// picky is a scripted server that takes some keys, and is silent or refuses otherwise.
type picky struct {
	*scripted

	mu    sync.Mutex
	takes map[string]bool
	err   error
	keys  []string // dialled with
}

func (p *picky) Dial(ctx context.Context, to Server) (net.Conn, error) {
	p.mu.Lock()
	p.keys = append(p.keys, string(to.SecretKey))
	ok, err := p.takes[string(to.SecretKey)], p.err
	p.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return p.scripted.Dial(ctx, to)
}

func (p *picky) take(keys ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takes = make(map[string]bool)
	for _, k := range keys {
		p.takes[k] = true
	}
}

// wantKeys compares what was dialled with since the last time.
func (p *picky) wantKeys(want ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if fmt.Sprint(p.keys) != fmt.Sprint(want) {
		p.t.Errorf("dialled with %q, want %q", p.keys, want)
	}
	p.keys = nil
}

var errWrongKey = &dtls.Error{Alert: dtls.AlertDecryptError, Remote: true}

// renewing runs a test with an account that has registered with the key "old".
func renewing(t *testing.T, f func(l *lab, p *picky)) {
	t.Helper()
	p := &picky{err: errWrongKey}
	store := &memory{}
	simulate(t, func(c *Config) { c.Store = store }, func(l *lab) {
		p.scripted = l.server
		l.client.config.Dialer = p
		p.take("old")
		l.setKey("old")
		l.registered()
		p.wantKeys("old")
		f(l, p)
	})
}

func (l *lab) setKey(key string) {
	l.t.Helper()
	l.publish(l.security, func(b *model.Batch) {
		b.Set(0, 2, lwm2m.Integer(int64(SecurityPSK)))
		b.Set(0, 5, lwm2m.Opaque([]byte(key)))
	})
	synctest.Wait()
}

// TestRenewal shows a key that the server takes: the old one is forgotten.
func TestRenewal(t *testing.T) {
	renewing(t, func(l *lab, p *picky) {
		p.take("old", "new")
		l.setKey("new")
		l.wantState(Registered)
		p.wantKeys("new")
		if l.status().Renewal != "" || strings.Contains(fmt.Sprint(l.client.config.Store.Load("credentials/101")), "b2xk") {
			l.t.Error("the old key is kept")
		}
		p.take("old")
		l.server.hangUp()
		l.after(time.Minute)
		if s := l.status(); s.State == Registered || s.Renewal != "" {
			l.t.Errorf("status is %+v", s)
		}
	})
}

// TestRenewalRefused shows a key that the server does not take: the account goes on with
// the one that registered, says so, tries the new one with each new connection, and forgets
// the old one when the new one has registered.
func TestRenewalRefused(t *testing.T) {
	renewing(t, func(l *lab, p *picky) {
		l.setKey("new")
		l.wantState(Registered)
		p.wantKeys("new", "old")
		s := l.status()
		if !strings.Contains(s.Words, "registered; with the former credentials, since the new ones fail: connect: dtls: server sent alert 51") ||
			s.Renewal == "" || s.Cause != Mistrusted {
			l.t.Errorf("status is %+v", s)
		}
		l.after(24 * time.Hour)
		p.wantKeys() // the session goes on
		l.server.hangUp()
		l.after(2 * time.Second)
		l.wantState(Registered)
		p.wantKeys("new", "old")
		p.take("new")
		l.server.hangUp()
		l.after(2 * time.Second)
		l.wantState(Registered)
		p.wantKeys("new")
		if s := l.status(); s.Renewal != "" || s.Words != "registered" {
			l.t.Errorf("status is %+v", s)
		}
	})
}

// TestRenewalOverRestart shows an account whose key was changed while the agent was away.
func TestRenewalOverRestart(t *testing.T) {
	renewing(t, func(l *lab, p *picky) {
		l.stop()
		l.setKey("new")
		l.client = New(l.client.config)
		l.run()
		l.wantState(Registered)
		p.wantKeys("new", "old")
	})
}

// TestRenewalRegisterRefused shows a key that makes another client of this one.
func TestRenewalRegisterRefused(t *testing.T) {
	renewing(t, func(l *lab, p *picky) {
		p.take("old", "new")
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.keys[len(p.keys)-1] == "new" {
					return &coap.Message{Code: coap.Forbidden}
				}
				return nil
			}
		})
		l.setKey("new")
		l.wantState(Registered)
		p.wantKeys("new", "old")
		if s := l.status(); !strings.Contains(s.Renewal, "Register was answered with 4.03") {
			l.t.Errorf("status is %+v", s)
		}
	})
}

// TestNoRenewal shows what is no reason to go back: silence, another server, and
// credentials that never registered.
func TestNoRenewal(t *testing.T) {
	renewing(t, func(l *lab, p *picky) {
		p.err = errNoRoute
		l.setKey("new")
		l.wantState(Waiting)
		p.wantKeys("new")
	})
	renewing(t, func(l *lab, p *picky) {
		l.publish(l.security, func(b *model.Batch) { b.Set(0, 0, lwm2m.String("coap://elsewhere.invalid")) })
		l.setKey("new")
		l.wantState(Waiting)
		p.mu.Lock()
		defer p.mu.Unlock()
		if strings.Contains(fmt.Sprint(p.keys[1:]), "old") {
			l.t.Errorf("another server got the old key: %q", p.keys)
		}
	})
	renewing(t, func(l *lab, p *picky) {
		p.take()
		l.setKey("new")
		l.wantState(Waiting)
		p.wantKeys("new", "old") // and neither is right
		l.after(1100 * time.Millisecond)
		p.wantKeys("new", "old")
		l.setKey("newer")
		p.wantKeys("newer", "old")
	})
}

// TestBrokenProof shows that a damaged record is named, without its text, and does no harm.
func TestBrokenProof(t *testing.T) {
	for _, record := range []string{"swordfish", `{"version":2}`} {
		store, log := &memory{}, new(strings.Builder)
		_ = store.Save("credentials/101", []byte(record))
		simulate(t, func(c *Config) { c.Store, c.Log = store, slog.New(slog.NewTextHandler(log, nil)) }, func(l *lab) {
			l.registered()
			if text := log.String(); !strings.Contains(text, "credentials of an earlier run are lost") || strings.Contains(text, "swordfish") {
				l.t.Errorf("log is %s", text)
			}
		})
	}
}

// TestX509Renewal shows over DTLS that a certificate the server does not know is no end.
func TestX509Renewal(t *testing.T) {
	p := newPKI(t)
	s := &scripted{t: t}
	uri, stop := s.listenDTLS("127.0.0.1:0", p.listener())
	defer stop()
	l, changed := networked(t, nil, uri, p.account(t, p.client))
	l.server = s
	l.await(changed, "registered", isRegistered)
	l.publish(l.security, p.account(t, p.issue(t, "renewed")))
	status := l.await(changed, "back", func(s AccountStatus) bool { return isRegistered(s) && s.Renewal != "" })
	if !strings.Contains(status.Renewal, "alert 42") {
		t.Errorf("status is %+v", status)
	}
	l.exercise()
}

// TestRenewalForgotten shows that the credentials of an account go with it.
func TestRenewalForgotten(t *testing.T) {
	renewing(t, func(l *lab, _ *picky) {
		store := l.client.config.Store
		if record, err := store.Load("credentials/101"); err != nil || len(record) == 0 {
			l.t.Fatalf("record %q, %v", record, err)
		}
		l.publish(l.accounts, func(b *model.Batch) { b.Delete(0) })
		synctest.Wait()
		if record, err := store.Load("credentials/101"); err != nil || len(record) != 0 {
			l.t.Errorf("record %q, %v", record, err)
		}
	})
}

package client

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// translator is the client's socket behind an address translation that forgets it after a
// silence: the server does not know what comes from another port then, and what it sends
// goes nowhere.
type translator struct {
	net.Conn
	mu    sync.Mutex
	keeps time.Duration
	last  time.Time
	gone  bool

	followed bool        // by the server, which goes by a Connection ID
	down     func() bool // nil: never
}

// passes notes a datagram and reports whether it comes through.
func (n *translator) passes() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down != nil && n.down() {
		return false
	}
	now := time.Now()
	n.gone = !n.followed && (n.gone || !n.last.IsZero() && now.Sub(n.last) >= n.keeps)
	n.last = now
	return !n.gone
}

func (n *translator) Write(p []byte) (int, error) {
	if !n.passes() {
		return len(p), nil
	}
	return n.Conn.Write(p)
}

func (n *translator) Read(p []byte) (int, error) {
	for {
		size, err := n.Conn.Read(p)
		if err != nil || n.passes() {
			return size, err
		}
	}
}

// newTranslatedLab returns a lab with DTLS behind address translations like the given one.
func newTranslatedLab(t *testing.T, p Params, like *translator) *lab {
	t.Helper()
	l := newSecureLab(t, new(meter), p.CIDLength, 6)
	dialer := l.client.config.Dialer.(DefaultDialer) //nolint:forcetypeassert // made so
	dial := dialer.DialUDP
	dialer.DialUDP = func(ctx context.Context, address string) (net.Conn, error) {
		nc, err := dial(ctx, address)
		return &translator{Conn: nc.(*meter).Conn, keeps: like.keeps, followed: like.followed, down: like.down}, err //nolint:forcetypeassert // made so
	}
	l.client.config.Dialer = dialer
	l.client.config.Params = func(uint16) Params { return p }
	l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(600)) })
	return l
}

// translated is an hour behind an address translation that keeps a mapping for three
// minutes. It returns how many Registers and datagrams of Updates there were.
func translated(t *testing.T, cid int, change func(*Params)) (registers, updates uint64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := Params{CIDLength: cid, KeepAlive: true, Network: "lte"}
		change(&p)
		l := newTranslatedLab(t, p, &translator{keeps: 3 * time.Minute, followed: cid >= 0})
		l.run()
		l.after(time.Hour)
		flows := l.status().Traffic
		registers, updates = flows[ForRegistration].SentDatagrams, flows[ForUpdate].SentDatagrams
		l.stop()
	})
	return registers, updates
}

// TestKeepAlive shows that two lost Updates teach how often to send one, where that is
// allowed and of use.
func TestKeepAlive(t *testing.T) {
	const (
		lost  = 5 // datagrams of an Update that is repeated in vain
		daily = 7 // Updates that the lifetime asks for in the hour
	)
	for _, c := range []struct {
		what          string
		cid           int
		change        func(*Params)
		registrations uint64
		updates       uint64
	}{
		{"learned", -1, func(*Params) {}, 3, 2*lost + 22},
		{"not allowed", -1, func(p *Params) { p.KeepAlive = false }, 7, 6 * lost},
		{"queue mode", -1, func(p *Params) { p.QueueMode = true }, 7, 6 * lost},
		{"Connection ID", 0, func(*Params) {}, 1, daily},
	} {
		registrations, updates := translated(t, c.cid, c.change)
		if registrations != c.registrations || updates != c.updates {
			t.Errorf("%s: %d registrations and %d datagrams of Updates, want %d and %d", c.what, registrations, updates, c.registrations, c.updates)
		}
	}
}

// TestWhatIsLearnedOfATranslation shows that the shortest silence counts, for its network
// only.
func TestWhatIsLearnedOfATranslation(t *testing.T) {
	var n nats
	n.expired("lte", time.Second) // no translation is that forgetful
	if d := n.keepAlive("lte"); d != 0 {
		t.Errorf("keeps alive every %v", d)
	}
	n.expired("lte", 4*time.Minute)
	n.expired("lte", 3*time.Minute)
	n.expired("lte", 5*time.Minute)
	if d := n.keepAlive("lte"); d != 90*time.Second {
		t.Errorf("keeps alive every %v, want 1m30s", d)
	}
	if d := n.keepAlive("wlan"); d != 0 {
		t.Errorf("keeps alive every %v on another network", d)
	}
	n.forget("lte")
	if d := n.keepAlive("lte"); d != 0 {
		t.Errorf("keeps alive every %v on what is forgotten", d)
	}
}

// TestOutageIsNoTranslation shows that a server that was away teaches nothing.
func TestOutageIsNoTranslation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		l := newTranslatedLab(t, Params{CIDLength: -1, KeepAlive: true, Network: "lte"}, &translator{keeps: time.Hour, down: down.Load})
		l.run()
		l.after(5 * time.Minute)
		down.Store(true)
		l.after(20 * time.Minute)
		down.Store(false)
		l.after(5 * time.Minute)
		l.wantState(Registered)
		if d := l.client.nats.keepAlive("lte"); d != 0 || l.status().Traffic[ForRegistration].SentDatagrams != 2 {
			t.Errorf("keeps alive every %v after %+v", d, l.status().Traffic[ForRegistration])
		}
		l.stop()
	})
}

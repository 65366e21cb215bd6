package client

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// roamer is a Dialer whose network comes and goes. Nothing is ever heard of a server "second".
type roamer struct {
	DefaultDialer

	mu    sync.Mutex
	moved bool     // the own address is another one
	down  bool     // nobody can be dialled
	dials []string // "first", "second with a session"
}

func (d *roamer) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *roamer) Dial(ctx context.Context, to Server) (net.Conn, error) {
	name := "first"
	if strings.Contains(to.URI, "second") {
		name = "second"
	}
	down := name == "second"
	if to.Session != nil {
		name += " with a session"
	}
	d.set(func() {
		down = down || d.down
		d.dials = append(d.dials, name)
	})
	if down {
		return nil, errNoRoute
	}
	return d.DefaultDialer.Dial(ctx, to)
}

func (d *roamer) Local(ctx context.Context, to Server, remote string) (net.Addr, error) {
	moved := false
	d.set(func() { moved = d.moved })
	if moved {
		return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9)}, nil
	}
	return d.DefaultDialer.Local(ctx, to, remote)
}

// TestSessionOfTheFirstURI shows that a session is continued where it was made, in each attempt anew, and offered to no other
// server, when the own address changes and there is no way to the server at first.
func TestSessionOfTheFirstURI(t *testing.T) {
	s := &scripted{t: t}
	uri, security, _ := s.listen(t, 6)
	d := &roamer{}
	l, changed := networked(t, d, uri, func(b *model.Batch) {
		security(b)
		b.SetAll(0, 25, lwm2m.String("coaps+tcp://second.invalid"))
	})
	l.server = s
	l.await(changed, "registered", isRegistered)
	l.wantCalls(register)
	d.set(func() { d.moved, d.down, d.dials = true, true, nil })
	l.client.NetworkChanged()
	l.await(changed, "waiting after two attempts", func(s AccountStatus) bool { return s.State == Waiting && s.Attempts >= 2 })
	d.set(func() { d.down = false })
	l.await(changed, "registered again", isRegistered)
	l.wantCalls(updated)
	d.set(func() {
		const attempt = "first with a session, second"
		if got := strings.Join(d.dials[:4], ", "); got != attempt+", "+attempt {
			t.Errorf("dialled %s", got)
		}
	})
}

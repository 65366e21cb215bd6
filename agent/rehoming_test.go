package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

// TestRehoming: a device goes to another operator, whose bootstrap server replaces the one in the
// configuration. As long as that one brings no accounts that are whole, the former ones stay;
// then its own take their place at once, and stay over a restart.
func TestRehoming(t *testing.T) {
	former, other := newBootstrapLab(t), newBootstrapLab(t)
	a, stop := former.run(t, former.config())
	former.bootstrapped(t, server.Registered)

	refused, proceed := make(chan error, 1), make(chan struct{})
	script := func(ctx context.Context, b *server.Bootstrapping) error {
		at := lwm2m.NewPath(0, 7)
		half := errors.Join(b.Delete(ctx, lwm2m.Path{}), b.Write(ctx, at, lwm2m.FormatSenMLCBOR, []lwm2m.Node{ // the server's account is missing
			{Path: at.Child(0), Value: lwm2m.String(other.uri.String())},
			{Path: at.Child(1), Value: lwm2m.Boolean(false)},
			{Path: at.Child(2), Value: lwm2m.Integer(3)},
			{Path: at.Child(10), Value: lwm2m.Integer(201)},
		}))
		if half != nil {
			return half
		}
		refused <- b.Finish(ctx)
		select {
		case <-proceed:
		case <-ctx.Done():
		}
		return errors.Join(other.writeAccount(ctx, b, 7, 201), b.Finish(ctx))
	}
	other.script.Store(&script)
	cfg := other.config()
	cfg.StateDir, cfg.Bootstrap.Fingerprint = former.config().StateDir, "other"
	if err := a.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n := other.asked.Load(); n != 0 {
		t.Errorf("the other operator was asked %d times before anybody wanted it", n)
	}
	if err := (&backend{a}).Bootstrap(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if lwm2m.CodeOf(err) != lwm2m.NotAcceptable {
			t.Errorf("half an account: %v", err)
		}
	case <-time.After(generous):
		t.Fatal("the other operator is not asked")
	}
	if got := a.tree.Instances(1); !slices.Equal(got, []uint16{4}) {
		t.Errorf("accounts after half of the new ones: %v", got)
	}
	close(proceed)
	other.next(t, server.Registered)
	if got := a.tree.Instances(1); !slices.Equal(got, []uint16{7}) {
		t.Errorf("accounts %v", got)
	}
	decided(t, a)
	stop()
	a, _ = other.run(t, cfg)
	other.back(t)
	if got := a.tree.Instances(1); !slices.Equal(got, []uint16{7}) {
		t.Errorf("accounts after a restart %v", got)
	}
}

// decided waits until there are no other accounts any more.
func decided(t *testing.T, a *Agent) {
	t.Helper()
	for limit := time.After(generous); ; {
		if _, onTrial := a.accounts.OnTrial(); !onTrial {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			t.Fatal("the accounts are still on trial")
		}
	}
}

// registers waits until the agent knows that its first server has it.
func registers(t *testing.T, a *Agent) {
	t.Helper()
	for limit := time.After(generous); ; {
		if all := a.client.Status(); len(all) > 0 && registered(&all[0]) {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			t.Fatal("the agent does not register")
		}
	}
}

// deafAccounts is a script whose account leads to an address where nobody answers, unless a test opens it.
func deafAccounts(t *testing.T) (script *func(ctx context.Context, b *server.Bootstrapping) error, address string, open func()) {
	t.Helper()
	address, open = heldPort(t)
	nobody := &lab{uri: &url.URL{Scheme: "coap", Host: address}}
	return new(func(ctx context.Context, b *server.Bootstrapping) error {
		return errors.Join(b.Delete(ctx, lwm2m.Path{}), nobody.writeAccount(ctx, b, 7, 201), b.Finish(ctx))
	}), address, open
}

// TestRehomingGoesBack: none of the new accounts registers in time, so the former ones are back, over a
// restart in between too, and one that was tried leaves nothing.
func TestRehomingGoesBack(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		l := newBootstrapLab(t)
		soon := func(a *Agent) { a.rehoming.limit = 2 * time.Second }
		a, stop := l.run(t, l.config(), soon)
		l.bootstrapped(t, server.Registered)
		registers(t, a)
		script, _, _ := deafAccounts(t)
		l.script.Store(script)
		if err := (&backend{a}).Bootstrap(); err != nil {
			t.Fatal(err)
		}
		if e := l.bootstrap.next(t, server.Bootstrapped); e.Err != nil {
			t.Fatal(e.Err)
		}
		if restart {
			stop()
			a, _ = l.run(t, l.config(), soon)
			if p, _ := a.accounts.OnTrial(); !slices.Equal(p.Wanted, []uint16{201}) || p.Former {
				t.Errorf("after the restart these are waited for: %+v", p)
			}
		}
		if got := a.tree.Instances(1); !slices.Equal(got, []uint16{7}) {
			t.Errorf("accounts on trial: %v", got)
		}
		if tr := a.await(t, health.AccountsReverted, true); !strings.Contains(tr.Detail, "server 201 was not reached at coap://127.0.0.1:") || !strings.HasSuffix(tr.Detail, ", within 2s") {
			t.Errorf("%+v", tr)
		}
		l.next(t, server.Registered, server.Updated) // over a restart the registration goes on if it was not ended yet
		decided(t, a)
		if got := a.tree.Instances(1); !slices.Equal(got, []uint16{4}) {
			t.Errorf("accounts afterwards: %v", got)
		}
		l.script.Store(nil)
		if err := (&backend{a}).Bootstrap(); err != nil { // the same as before: nothing is to be tried
			t.Fatal(err)
		}
		if e := l.bootstrap.next(t, server.Bootstrapped); e.Err != nil {
			t.Fatal(e.Err)
		}
		if _, onTrial := a.accounts.OnTrial(); onTrial {
			t.Error("accounts that have not changed are tried")
		}
	}
}

// TestRehomingAfterADelay: a new account registers when its Initial Registration Delay is over, and not before; its time to do so counts
// from then on.
func TestRehomingAfterADelay(t *testing.T) {
	t.Parallel()
	l, other := newBootstrapLab(t), newBootstrapLab(t)
	a, _ := l.run(t, l.config(), func(a *Agent) { a.rehoming.limit = time.Second })
	l.bootstrapped(t, server.Registered)
	registers(t, a)
	at := lwm2m.NewPath(1, 7, 14)
	const delay = 2 * time.Second
	script := func(ctx context.Context, b *server.Bootstrapping) error {
		return errors.Join(b.Delete(ctx, lwm2m.Path{}), other.writeAccount(ctx, b, 7, 201),
			b.Write(ctx, at, lwm2m.FormatText, []lwm2m.Node{{Path: at, Value: lwm2m.Unsigned(uint64(delay / time.Second))}}), b.Finish(ctx))
	}
	l.script.Store(&script)
	began := time.Now()
	if err := (&backend{a}).Bootstrap(); err != nil {
		t.Fatal(err)
	}
	other.next(t, server.Registered)
	if after := time.Since(began); after < delay {
		t.Errorf("registered after %v", after)
	}
	decided(t, a)
	if got := a.tree.Instances(1); !slices.Equal(got, []uint16{7}) {
		t.Errorf("accounts afterwards: %v", got)
	}
}

// TestRehomingTriesAgain: neither the new nor the former server is reached, as in an outage; the new one when its turn comes again.
func TestRehomingTriesAgain(t *testing.T) {
	l := newBootstrapLab(t)
	a, _ := l.run(t, l.config(), func(a *Agent) { a.rehoming.limit = time.Second })
	l.bootstrapped(t, server.Registered)
	registers(t, a)
	script, address, open := deafAccounts(t)
	l.script.Store(script)
	l.die()
	if err := (&backend{a}).Bootstrap(); err != nil {
		t.Fatal(err)
	}
	if e := l.bootstrap.next(t, server.Bootstrapped); e.Err != nil {
		t.Fatal(e.Err)
	}
	a.await(t, health.AccountsReverted, true)
	open()
	pc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions())})
	other := serving(t, s, "coap", pc.LocalAddr(), func(ctx context.Context) error { return s.Serve(ctx, pc) })
	other.next(t, server.Registered)
	decided(t, a)
	if got := a.tree.Instances(1); !slices.Equal(got, []uint16{7}) {
		t.Errorf("accounts afterwards: %v", got)
	}
	a.await(t, health.AccountsReverted, false)
}

// messages is a slog.Handler that passes on some lines.
type messages struct {
	wanted []string
	to     chan<- slog.Record
}

func (m *messages) Enabled(context.Context, slog.Level) bool { return true }
func (m *messages) WithAttrs([]slog.Attr) slog.Handler       { return m }
func (m *messages) WithGroup(string) slog.Handler            { return m }

func (m *messages) Handle(_ context.Context, r slog.Record) error {
	if slices.Contains(m.wanted, r.Message) {
		m.to <- r
	}
	return nil
}

// TestRehomingOnAFailingDisk: what a full disk does not take, first to go back to the former accounts and then to forget the
// others, is tried again, ever more rarely, and done when there is room.
func TestRehomingOnAFailingDisk(t *testing.T) {
	t.Parallel()
	l := newBootstrapLab(t)
	const notBack, notForgotten = "the other accounts do not come back", "the other accounts are not forgotten yet"
	said := make(chan slog.Record, 1000)
	next := func(want string) time.Time {
		t.Helper()
		for limit := time.After(generous); ; {
			select {
			case r := <-said:
				if r.Message == want {
					return r.Time
				}
			case <-limit:
				t.Fatalf("nobody says that %s", want)
			}
		}
	}
	machine := &demo.Machine{Say: func(string) {}}
	const never, before, after = 0, 1, 2 // when the disk is full: before the accounts have changed again, after that
	var running atomic.Pointer[Agent]
	var full atomic.Int32
	a, err := New(Options{
		Config: l.config(), Control: machine, Now: machine.Now, Log: slog.New(&messages{[]string{notBack, notForgotten}, said}),
		BeforeWrite: func() error {
			a, when := running.Load(), full.Load()
			if a == nil || when == never {
				return nil
			}
			if p, onTrial := a.accounts.OnTrial(); onTrial && p.Former == (when == after) {
				return unix.ENOSPC
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	running.Store(a)
	a.rehoming.limit, a.rehoming.pause = time.Second, 100*time.Millisecond
	start(t, a)
	l.bootstrapped(t, server.Registered)
	registers(t, a)
	full.Store(before)
	script, _, _ := deafAccounts(t)
	l.script.Store(script)
	if err := (&backend{a}).Bootstrap(); err != nil {
		t.Fatal(err)
	}
	first := next(notBack)
	second := next(notBack)
	if third := next(notBack); second.Sub(first) < 100*time.Millisecond || third.Sub(second) < 200*time.Millisecond {
		t.Errorf("tried again after %v and %v", second.Sub(first), third.Sub(second))
	}
	if slices.ContainsFunc(a.health.Troubles(), func(tr health.Trouble) bool { return tr.Code == health.AccountsReverted }) {
		t.Error("the former accounts are told as being back")
	}
	full.Store(after)
	a.await(t, health.AccountsReverted, true)
	next(notForgotten)
	full.Store(never)
	decided(t, a)
	if got := a.tree.Instances(1); !slices.Equal(got, []uint16{4}) {
		t.Errorf("accounts afterwards: %v", got)
	}
}

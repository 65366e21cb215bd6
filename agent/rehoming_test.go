package agent

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
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
	for limit := time.After(generous); a.accounts.Superseding(); {
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			t.Fatal("the former accounts are not forgotten")
		}
	}
	stop()
	a, _ = other.run(t, cfg)
	other.back(t)
	if got := a.tree.Instances(1); !slices.Equal(got, []uint16{7}) {
		t.Errorf("accounts after a restart %v", got)
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

// deafAccounts is a script whose account leads to where nobody answers.
func deafAccounts(t *testing.T) *func(ctx context.Context, b *server.Bootstrapping) error {
	t.Helper()
	nobody := &lab{uri: &url.URL{Scheme: "coap", Host: closedPort(t)}}
	return new(func(ctx context.Context, b *server.Bootstrapping) error {
		return errors.Join(b.Delete(ctx, lwm2m.Path{}), nobody.writeAccount(ctx, b, 7, 201), b.Finish(ctx))
	})
}

// TestRehomingGoesBack: none of the new accounts registers in time, so the former ones are back, over a
// restart in between too, and one that was tried leaves nothing.
func TestRehomingGoesBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		l := newBootstrapLab(t)
		soon := func(a *Agent) { a.rehoming.limit = 2 * time.Second }
		a, stop := l.run(t, l.config(), soon)
		l.bootstrapped(t, server.Registered)
		registers(t, a)
		l.script.Store(deafAccounts(t))
		if err := (&backend{a}).Bootstrap(); err != nil {
			t.Fatal(err)
		}
		if e := l.bootstrap.next(t, server.Bootstrapped); e.Err != nil {
			t.Fatal(e.Err)
		}
		if restart {
			stop()
			a, _ = l.run(t, l.config(), soon)
			if got := a.accounts.Wanted(); !slices.Equal(got, []uint16{201}) {
				t.Errorf("after the restart these are waited for: %v", got)
			}
		}
		if got := a.tree.Instances(1); !slices.Equal(got, []uint16{7}) {
			t.Errorf("accounts on trial: %v", got)
		}
		if tr := trouble(t, a, health.AccountsReverted); !strings.Contains(tr.Detail, "server 201 was not reached at coap://127.0.0.1:") || !strings.HasSuffix(tr.Detail, ", within 2s") {
			t.Errorf("%+v", tr)
		}
		l.next(t, server.Registered)
		if got := a.tree.Instances(1); !slices.Equal(got, []uint16{4}) || a.accounts.Superseding() {
			t.Errorf("accounts afterwards: %v, superseding is %v", got, a.accounts.Superseding())
		}
		l.script.Store(nil)
		if err := (&backend{a}).Bootstrap(); err != nil { // the same as before: nothing is to be tried
			t.Fatal(err)
		}
		if e := l.bootstrap.next(t, server.Bootstrapped); e.Err != nil {
			t.Fatal(e.Err)
		}
		if a.accounts.Superseding() {
			t.Error("accounts that have not changed are tried")
		}
	}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
)

// bootstrapLab is a lab with a bootstrap server that gives out an account for it.
type bootstrapLab struct {
	*lab
	bootstrap *lab
	asked     atomic.Int32
	script    atomic.Pointer[func(ctx context.Context, b *server.Bootstrapping) error] // nil: write the account, and finish
}

func newBootstrapLab(t *testing.T) *bootstrapLab {
	t.Helper()
	l := &bootstrapLab{lab: newLab(t)}
	l.bootstrap = newLab(t, func(c *server.Config) {
		c.Bootstrap = &server.Bootstrap{Script: func(ctx context.Context, b *server.Bootstrapping) error {
			l.asked.Add(1)
			if script := l.script.Load(); script != nil {
				return (*script)(ctx, b)
			}
			return errors.Join(l.writeAccount(ctx, b, 4, 101), b.Finish(ctx))
		}}
	})
	return l
}

// writeAccount writes the account of the lab's server.
func (l *lab) writeAccount(ctx context.Context, b *server.Bootstrapping, iid, ssid uint16) error {
	security, srv := lwm2m.NewPath(0, iid), lwm2m.NewPath(1, iid)
	return errors.Join(
		b.Write(ctx, security, lwm2m.FormatSenMLCBOR, []lwm2m.Node{
			{Path: security.Child(0), Value: lwm2m.String(l.uri.String())},
			{Path: security.Child(1), Value: lwm2m.Boolean(false)},
			{Path: security.Child(2), Value: lwm2m.Integer(3)},
			{Path: security.Child(10), Value: lwm2m.Integer(int64(ssid))},
		}),
		b.Write(ctx, srv, lwm2m.FormatTLV, []lwm2m.Node{
			{Path: srv.Child(0), Value: lwm2m.Integer(int64(ssid))},
			{Path: srv.Child(1), Value: lwm2m.Integer(3600)},
			{Path: srv.Child(6), Value: lwm2m.Boolean(true)},
			{Path: srv.Child(7), Value: lwm2m.String("U")},
		}),
	)
}

// config is a configuration with a bootstrap server and nothing else.
func (l *bootstrapLab) config() *config.Config {
	cfg := l.lab.config()
	cfg.Servers = nil
	cfg.Bootstrap = &config.Bootstrap{Account: config.Account{URI: l.bootstrap.uri, Security: config.SecurityNone, Instance: config.NoInstance, Fingerprint: "b"}}
	return cfg
}

// bootstrapped waits for the end of a bootstrap, and of a registration that follows.
func (l *bootstrapLab) bootstrapped(t *testing.T, kind server.EventKind) {
	t.Helper()
	if e := l.bootstrap.next(t, server.Bootstrapped); e.Err != nil {
		t.Fatal(e.Err)
	}
	l.next(t, kind)
}

// TestBootstrap: an agent that knows only a bootstrap server gets its server from there, keeps
// it over a restart, and asks again when the server, or a person, says so.
func TestBootstrap(t *testing.T) {
	l := newBootstrapLab(t)
	a, stop := l.run(t, l.config())
	l.bootstrapped(t, server.Registered)
	if s := (&backend{a}).Status().Bootstrap; len(s.Traffic) != 1 || s.Traffic[0].Purpose != "bootstrap" || s.Traffic[0].Total.SentBytes == 0 {
		t.Errorf("traffic %+v", s.Traffic)
	}
	for _, trouble := range a.health.Troubles() {
		if trouble.Code == health.ServerMissing || trouble.Code == health.BootstrapFailing {
			t.Errorf("trouble %s %s", trouble.Code, trouble.Detail)
		}
	}
	stop()
	if s := (&backend{a}).Status().Bootstrap; s == nil || s.Last.IsZero() || s.Reason != "there is no server account" || s.LastError != "" {
		t.Errorf("status %+v", s)
	}
	a, _ = l.run(t, l.config())
	l.back(t)
	if n := l.asked.Load(); n != 1 {
		t.Errorf("after a restart the bootstrap server was asked %d times", n)
	}
	c, _ := l.Client("gw")
	if err := c.Execute(t.Context(), lwm2m.MustPath("/1/4/9"), ""); err != nil {
		t.Fatal(err)
	}
	l.bootstrapped(t, server.Updated)
	sub := (&backend{a}).Subscribe(nil)
	defer sub.Close()
	if err := (&backend{a}).Bootstrap(); err != nil {
		t.Fatal(err)
	}
	if e := l.bootstrap.next(t, server.Bootstrapped); e.Err != nil { // the former Update may still be on its way
		t.Fatal(e.Err)
	}
	for limit, done := time.After(generous), false; !done; {
		select {
		case <-sub.Wake():
			if b := sub.Take().Bootstrap; b != nil {
				done = b.State == "done" && b.Reason == "it was asked for locally"
			}
		case <-limit:
			t.Fatal("nobody is told that the bootstrap is done")
		}
	}
}

// TestBootstrapWritesAccessControl: what the bootstrap server says about rights is in force
// with the accounts, and outlives a restart; what it leaves open the agent provides.
func TestBootstrapWritesAccessControl(t *testing.T) {
	t.Parallel()
	l := newBootstrapLab(t)
	script := func(ctx context.Context, b *server.Bootstrapping) error {
		at := lwm2m.NewPath(2, 5)
		return errors.Join(
			b.Delete(ctx, lwm2m.Path{}), l.writeAccount(ctx, b, 4, 101), l.writeAccount(ctx, b, 5, 102),
			b.Write(ctx, at, lwm2m.FormatLwM2MCBOR, []lwm2m.Node{
				{Path: at.Child(0), Value: lwm2m.Integer(3)},
				{Path: at.Child(1), Value: lwm2m.Integer(0)},
				{Path: at.Child(2).Child(102), Value: lwm2m.Integer(int64(model.RightRead | model.RightExecute))},
				{Path: at.Child(3), Value: lwm2m.Integer(101)},
			}),
			b.Finish(ctx),
		)
	}
	l.script.Store(&script)
	check := func(a *Agent) {
		t.Helper()
		l.back(t)
		l.back(t)
		sub := a.tree.Subscribe()
		defer sub.Close()
		sub.Watch(lwm2m.NewPath(2))
		for limit := time.After(generous); len(a.tree.Instances(2)) < 2; { // the agent completes it
			select {
			case <-sub.Wake():
				sub.Take(nil)
			case <-limit:
				t.Fatal("object 2 is not completed")
			}
		}
		access, device := a.tree.Access(), lwm2m.NewPath(3, 0)
		if !access.Allows(102, model.RightExecute, device) || access.Allows(102, model.RightWrite, device) || !access.Allows(101, model.RightWrite, device) {
			t.Error("not the rights that the bootstrap server gave")
		}
		if access.Allows(102, model.RightRead, lwm2m.NewPath(1, 4)) {
			t.Error("server 102 sees the account of server 101")
		}
	}
	a, stop := l.run(t, l.config())
	check(a)
	stop()
	a, _ = l.run(t, l.config())
	check(a)
}

// TestFailingBootstrap: health and status say what is wrong, and the account works on.
func TestFailingBootstrap(t *testing.T) {
	l := newBootstrapLab(t)
	script := func(ctx context.Context, b *server.Bootstrapping) error {
		return errors.Join(b.Delete(ctx, lwm2m.Path{}), b.Finish(ctx))
	}
	l.script.Store(&script)
	cfg := l.config()
	cfg.Servers = l.lab.config().Servers
	a, _ := l.run(t, cfg)
	l.next(t, server.Registered)
	if err := (&backend{a}).Bootstrap(); err != nil {
		t.Fatal(err)
	}
	if e := l.bootstrap.next(t, server.Bootstrapped); lwm2m.CodeOf(e.Err) != lwm2m.NotAcceptable || !strings.Contains(e.Err.Error(), "no server account") {
		t.Errorf("Finish without accounts: %v", e.Err)
	}
	c, _ := l.Client("gw")
	if _, err := c.Read(t.Context(), lwm2m.MustPath("/1/0/0")); err != nil && lwm2m.CodeOf(err) != lwm2m.ServiceUnavailable {
		t.Error(err)
	}
	if got := fmt.Sprint(a.tree.Instances(0), a.tree.Instances(1)); got != "[0 1] [0]" {
		t.Errorf("accounts %s", got)
	}
}

// TestUnreachableBootstrap: nobody listens there.
func TestUnreachableBootstrap(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	cfg.Servers = nil
	cfg.Bootstrap = &config.Bootstrap{Account: config.Account{
		URI: &url.URL{Scheme: "coap", Host: "bootstrap.invalid:5683"}, Security: config.SecurityNone, Instance: config.NoInstance, Fingerprint: "b",
	}}
	a, _ := l.run(t, cfg)
	if tr := a.await(t, health.BootstrapFailing, true); !strings.Contains(tr.Detail, "coap://bootstrap.invalid:5683") {
		t.Errorf("%+v", tr)
	}
	if s := (&backend{a}).Status().Bootstrap; s == nil || s.NextAttempt.IsZero() || s.Remedy == "" {
		t.Errorf("status %+v", s)
	}
}

// TestNoBootstrapServer: a local user is told what to do.
func TestNoBootstrapServer(t *testing.T) {
	l := newLab(t)
	a, _ := l.run(t, l.config())
	err := (&backend{a}).Bootstrap()
	if lwm2m.CodeOf(err) != lwm2m.MethodNotAllowed || !strings.Contains(err.Error(), "[bootstrap]") {
		t.Error(err)
	}
	if s := (&backend{a}).Status().Bootstrap; s != nil {
		t.Errorf("status %+v", s)
	}
}

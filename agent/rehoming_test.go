package agent

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

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
	stop()
	a, _ = other.run(t, cfg)
	other.back(t)
	if got := a.tree.Instances(1); !slices.Equal(got, []uint16{7}) {
		t.Errorf("accounts after a restart %v", got)
	}
}

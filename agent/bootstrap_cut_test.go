package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/agent/demo"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
)

// errCut is what writes fail with after the power was cut.
var errCut = errors.New("the power was cut")

// powerCut lets a number of writes to the state directory happen, and none after.
type powerCut struct {
	left atomic.Int64
	cut  atomic.Bool // a write was asked for after
}

func newPowerCut() *powerCut {
	c := &powerCut{}
	c.left.Store(1 << 40)
	return c
}

func (c *powerCut) write() error {
	if c.left.Add(-1) >= 0 {
		return nil
	}
	c.cut.Store(true)
	return errCut
}

// cutLab is a bootstrap server that replaces the only account, of server 101, by those of
// servers 102 and 103, rights among them.
type cutLab struct {
	*bootstrapLab
	fresh [2]*lab // servers 102 and 103
}

func newCutLab(t *testing.T) *cutLab {
	t.Helper()
	l := &cutLab{bootstrapLab: newBootstrapLab(t), fresh: [2]*lab{newLab(t), newLab(t)}}
	script := func(ctx context.Context, b *server.Bootstrapping) error {
		at := lwm2m.NewPath(2, 5)
		if err := errors.Join(
			b.Delete(ctx, lwm2m.Path{}), l.fresh[0].writeAccount(ctx, b, 4, 102), l.fresh[1].writeAccount(ctx, b, 6, 103),
			b.Write(ctx, at, lwm2m.FormatLwM2MCBOR, []lwm2m.Node{
				{Path: at.Child(0), Value: lwm2m.Integer(3)},
				{Path: at.Child(1), Value: lwm2m.Integer(0)},
				{Path: at.Child(2).Child(103), Value: lwm2m.Integer(int64(model.RightRead))},
				{Path: at.Child(3), Value: lwm2m.Integer(102)},
			}),
		); err != nil {
			return err
		}
		return b.Finish(ctx)
	}
	l.script.Store(&script)
	return l
}

// accounts returns which accounts are in force: "old", "new", or what there is.
func (l *cutLab) accounts(a *Agent) string {
	var found []string
	for _, iid := range a.tree.Instances(0) {
		if at := lwm2m.NewPath(0, iid); !a.tree.Value(at.Child(1)).Bool() {
			found = append(found, fmt.Sprintf("%d at %s", a.tree.Value(at.Child(10)).Int(), a.tree.Value(at.Child(0)).Text()))
		}
	}
	for _, iid := range a.tree.Instances(1) {
		found = append(found, fmt.Sprint(a.tree.Value(lwm2m.NewPath(1, iid, 0)).Int()))
	}
	at := lwm2m.NewPath(2, 5)
	found = append(found, fmt.Sprintf("rights %d of %d", a.tree.Value(at.Child(2).Child(103)).Int(), a.tree.Value(at.Child(3)).Int()))
	slices.Sort(found)
	is := fmt.Sprint(found)
	for name, want := range map[string][]string{
		"old": {"101", fmt.Sprintf("101 at %s", l.uri), "rights 0 of 0"},
		"new": {"102", fmt.Sprintf("102 at %s", l.fresh[0].uri), "103", fmt.Sprintf("103 at %s", l.fresh[1].uri), "rights 1 of 102"},
	} {
		if is == fmt.Sprint(want) {
			return name
		}
	}
	return is
}

// start runs an agent whose writes a power cut may end, and returns what takes the power away.
func (l *cutLab) start(t *testing.T, cut *powerCut) (*Agent, func()) {
	t.Helper()
	machine := &demo.Machine{Say: func(string) {}}
	cfg := l.config()
	cfg.Servers = l.lab.config().Servers
	a, err := New(Options{Config: cfg, Version: "test", Control: machine, Now: machine.Now, Log: slog.New(slog.DiscardHandler), BeforeWrite: cut.write})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	off := func() {
		cut.left.Store(0)
		cancel()
		<-done // it cannot write any more, and may say so
	}
	t.Cleanup(cancel)
	return a, off
}

// registered waits until each server of the accounts in force has had a fresh message of the
// agent: a Register, or the Update that the agent is asked for.
func (l *cutLab) registered(t *testing.T, a *Agent, which string) {
	t.Helper()
	servers := map[uint16]*lab{101: l.lab}
	if which == "new" {
		servers = map[uint16]*lab{102: l.fresh[0], 103: l.fresh[1]}
	}
	sub := (&backend{a}).Subscribe(nil)
	defer sub.Close()
	for limit := time.After(generous); len(servers) > 0; {
		for _, s := range a.client.Status() {
			if on := servers[s.ShortServerID]; on != nil && s.State == client.Registered {
				delete(servers, s.ShortServerID)
				if err := a.client.Update(s.ShortServerID); err != nil {
					t.Error(err)
				}
				on.next(t, server.Updated)
			}
		}
		select {
		case <-sub.Wake():
			sub.Take()
		case <-time.After(10 * time.Millisecond): // the subscription may have come late
		case <-limit:
			t.Fatalf("not registered with %v: %+v", servers, a.client.Status())
		}
	}
}

// drain forgets what servers have seen so far.
func (l *cutLab) drain() {
	for _, s := range []*lab{l.lab, l.fresh[0], l.fresh[1]} {
		for more := true; more; {
			select {
			case <-s.events:
			default:
				more = false
			}
		}
	}
}

// course bootstraps an agent whose power is cut after a number of writes, and starts it again.
// It returns whether the power was cut before all was done, and the accounts that were in
// force in the end.
func course(t *testing.T, writes int64) (wasCut bool, which string) {
	t.Helper()
	l, cut := newCutLab(t), newPowerCut()
	a, off := l.start(t, cut)
	l.next(t, server.Registered)
	cut.left.Store(writes)
	if err := (&backend{a}).Bootstrap(); err != nil {
		t.Fatal(err)
	}
	finished := l.bootstrap.next(t, server.Bootstrapped).Err == nil
	if finished {
		for _, s := range l.fresh { // an agent goes on without a disk
			s.next(t, server.Registered)
		}
	}
	wasCut = cut.cut.Load()
	off()
	l.drain()

	a, off = l.start(t, newPowerCut())
	defer off()
	which = l.accounts(a)
	if which != "old" && which != "new" || finished != (which == "new") {
		t.Errorf("the power was cut after %d writes, Finish was answered with success: %v; the accounts are %s", writes, finished, which)
		return wasCut, which
	}
	l.registered(t, a, which)
	return wasCut, which
}

// TestBootstrapCuts cuts the power before and after each write from the Bootstrap-Request until the
// agent has registered with its new servers: the old accounts are in force then or the new
// ones, never some of both, and the agent registers. What the Finish was answered with holds.
func TestBootstrapCuts(t *testing.T) {
	seen := make(map[string]int)
	for writes := int64(0); ; writes++ {
		wasCut, which := course(t, writes)
		seen[which]++
		if t.Failed() {
			t.FailNow()
		}
		if !wasCut {
			break
		}
	}
	if seen["old"] == 0 || seen["new"] < 2 {
		t.Errorf("the accounts in the end: %v", seen)
	}
	t.Logf("%v", seen)
}

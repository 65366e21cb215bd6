package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/objects"
)

// configuration sets the agent's configuration, from files and by transactions.
type configuration struct {
	agent   *Agent
	files   config.Files
	machine *transaction.Machine
	object  *objects.GatewayConfiguration
	news    chan struct{} // receives when a server may have been reached
	leftOut string        // what could not be read at the start of what transactions have set

	applying sync.Mutex // held while a configuration is put in force
	overlay  string     // of that; a text that was committed is not in force before apply

	mu        sync.Mutex
	active    *config.Layout // in force
	candidate *candidate     // nil: none
	plan      string         // what the transaction under way changes
	remote    bool           // a server ordered it
	trial     *trial         // nil: no servers are waited for
}

// candidate is what somebody wants to set.
type candidate struct {
	text, by string
	remote   bool
	state    objects.ConfigurationState
	message  string
}

// trial is which servers must be reached with a configuration.
type trial struct {
	of       transaction.Trial
	received map[uint16]uint64 // messages of each account when its settings were taken up
	wanted   []uint16          // all of these
	any      bool              // or any, since none of those that were reachable is left or known
	none     bool              // none was reachable
}

// addConfiguration adds object 26241, if the configuration is in files, and ends a trial that was
// cut.
func (a *Agent) addConfiguration() error {
	if a.opts.Transactions == nil {
		return nil
	}
	c := &configuration{
		agent: a, files: *a.opts.Files, active: a.opts.Layout, machine: a.opts.Transactions, news: make(chan struct{}, 1),
	}
	c.machine.Begin(transaction.Config{
		Apply: c.apply, Missing: c.missing, Redact: c.files.Undo, OnChange: c.changed, Now: a.opts.Now, Log: a.log,
	})
	c.overlay = c.machine.Overlay()
	var err error
	c.object, err = objects.NewGatewayConfiguration(a.tree, c, c.status())
	a.configuration = c
	c.showHealth()
	return err
}

// run carries transactions out until ctx ends.
func (c *configuration) run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { _ = c.machine.Run(ctx) }) // it returns nil
	for {
		select {
		case <-c.news:
			c.judge()
		case <-ctx.Done():
			return nil
		}
	}
}

// reload reads the files anew, with the overlay in force.
func (c *configuration) reload(ctx context.Context) error {
	if err := c.force(ctx, nil); err != nil {
		return err
	}
	c.mu.Lock()
	waiting := c.active.AtStart(c.agent.opts.Layout)
	c.mu.Unlock()
	if len(waiting) > 0 {
		c.agent.log.Warn("in force from the next start on", slog.String("sections", strings.Join(waiting, ", ")))
	}
	return nil
}

// force puts the configuration with an overlay in force; nil: with the one that is.
func (c *configuration) force(ctx context.Context, overlay *string) error {
	c.applying.Lock()
	defer c.applying.Unlock()
	if overlay != nil {
		c.overlay = *overlay
	}
	layout, err := c.files.Read(c.overlay)
	if err != nil {
		return err
	}
	if err := c.agent.Apply(ctx, layout.Config); err != nil {
		return err
	}
	c.mu.Lock()
	c.active = layout
	c.mu.Unlock()
	c.mended()
	c.show()
	return nil
}

// leaveOut tells what could not be read at the start of what transactions have set. It is called before run.
func (c *configuration) leaveOut(err error) {
	c.leftOut = "what transactions have set is left out: " + err.Error()
	if !c.machine.LeftOut() { // the journal alone
		c.leftOut = "what transactions have set is in force, whether it was tried or not: " + err.Error()
	}
	c.agent.health.Set(health.ConfigurationInvalid, "", c.leftOut)
}

// mended takes back what was wrong with the configuration, which has been read: all, unless an overlay is left out, as it
// is until the next transaction.
func (c *configuration) mended() {
	if c.machine.LeftOut() {
		c.agent.health.Set(health.ConfigurationInvalid, "", c.leftOut)
		return
	}
	c.agent.health.Clear(health.ConfigurationInvalid, "")
}

// apply is transaction.Config.Apply.
func (c *configuration) apply(ctx context.Context, overlay string, on transaction.Trial) error {
	c.mu.Lock()
	c.trial = nil
	remote := c.remote
	c.mu.Unlock()
	before := c.agent.client.Status()
	if err := c.force(ctx, &overlay); err != nil {
		return err
	}
	if on == transaction.Any {
		return nil
	}
	if err := c.agent.client.Settle(ctx); err != nil {
		return err
	}
	t := newTrial(before, c.agent.client.Status(), remote)
	t.of = on
	c.mu.Lock()
	c.trial = t
	c.mu.Unlock()
	for id := range t.received {
		if err := c.agent.client.UpdateRegistered(id); err != nil && !errors.Is(err, client.ErrNoAccount) {
			return err
		}
	}
	c.heard()
	return nil
}

// registered reports whether an account stands.
func registered(s *client.AccountStatus) bool {
	return s.State == client.Registered || s.State == client.Updating || s.State == client.Asleep
}

// newTrial returns which servers are to be reached: those that were, and still have an account; if
// none of them has, any server. What a server orders (remote) shows that one is reachable, also when
// its registration is not on disk yet.
func newTrial(before, now []client.AccountStatus, remote bool) *trial {
	t := &trial{received: make(map[uint16]uint64), none: !remote}
	for i := range now {
		t.received[now[i].ShortServerID] = now[i].ReceivedMessages
	}
	for i := range before {
		if !registered(&before[i]) {
			continue
		}
		t.none = false
		if _, there := t.received[before[i].ShortServerID]; there {
			t.wanted = append(t.wanted, before[i].ShortServerID)
		}
	}
	t.any = !t.none && len(t.wanted) == 0
	return t
}

// heard has run look whether the servers have been reached. It does not block.
func (c *configuration) heard() { nudge(c.news) }

// judge ends a trial whose servers have been reached, or refuse its keys.
func (c *configuration) judge() {
	c.mu.Lock()
	t := c.trial
	c.mu.Unlock()
	if t == nil {
		return
	}
	reached, objection := t.judge(c.agent.client.Status())
	var err error
	switch {
	case objection != "":
		err = c.machine.Object(t.of, objection)
	case reached != "":
		err = c.machine.Vouch(t.of, reached)
	}
	if err != nil && !errors.Is(err, transaction.ErrNotNow) {
		c.agent.log.Error("the trial of a configuration is not ended", slog.Any("error", err))
	}
}

// judge says why what is tried is good, or why not; both are "" as long as nobody can tell.
func (t *trial) judge(now []client.AccountStatus) (reached, objection string) {
	if t.none {
		return "no server was reachable before, so none was waited for", ""
	}
	var names []string
	for i := range now {
		s := &now[i]
		before, known := t.received[s.ShortServerID]
		switch {
		case !known || !t.any && !slices.Contains(t.wanted, s.ShortServerID):
		case s.Renewal != "":
			return "", fmt.Sprintf("server %d: the new credentials fail: %s", s.ShortServerID, s.Renewal)
		case registered(s) && s.ReceivedMessages > before:
			names = append(names, ssid(s.ShortServerID))
		}
	}
	if t.any && len(names) > 0 || !t.any && len(names) >= len(t.wanted) {
		return "reached server " + strings.Join(names, ", "), ""
	}
	return "", ""
}

// missing is transaction.Config.Missing.
func (c *configuration) missing() string {
	c.mu.Lock()
	t := c.trial
	c.mu.Unlock()
	if t == nil {
		return ""
	}
	var reasons []string
	for _, s := range c.agent.client.Status() {
		before, known := t.received[s.ShortServerID]
		wanted := known && (t.any || slices.Contains(t.wanted, s.ShortServerID))
		if wanted && (!registered(&s) || s.ReceivedMessages <= before) {
			reasons = append(reasons, notReached(&s))
		}
	}
	return strings.Join(reasons, "; ")
}

// notReached says of a server why it was not.
func notReached(s *client.AccountStatus) string {
	return fmt.Sprintf("server %d was not reached at %s: %s", s.ShortServerID, s.URI, cmp.Or(s.LastError, s.Words))
}

// changed is transaction.Config.OnChange.
func (c *configuration) changed() {
	if c.machine.Status().Phase == transaction.Resting {
		c.mu.Lock()
		c.trial, c.plan = nil, ""
		c.mu.Unlock()
		c.eraseKeys()
	}
	c.show()
	c.showHealth()
}

// eraseKeys takes what is out of use off the disk.
func (c *configuration) eraseKeys() {
	if err := c.agent.store.Scrub(); err != nil {
		c.agent.log.Warn("keys that are out of use may still be on disk", slog.Any("error", err))
	}
}

// showHealth tells that the last transaction was reverted.
func (c *configuration) showHealth() {
	s := c.machine.Status()
	if s.Phase == transaction.Resting && len(s.History) > 0 && s.History[0].Result == transaction.Reverted {
		e := s.History[0]
		c.agent.health.Set(health.ConfigurationReverted, "", fmt.Sprintf("at %s, of %s: %s", e.At.Format(time.RFC3339), e.By, e.Reason))
		return
	}
	c.agent.health.Clear(health.ConfigurationReverted, "")
}

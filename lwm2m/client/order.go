package client

import (
	"cmp"
	"slices"
)

// turns lets the servers that have a Registration Priority Order (/1/x/13) register one
// after the other when the client starts, and after a bootstrap: the next one's turn comes when
// the one before has registered or, unless it blocks (/1/x/15), has failed (Core, section
// 6.2.1.1). Servers without it, and those that are registered already or come otherwise, do not wait.
type turns struct{ waiting []uint16 } // Short Server IDs; the first one has its turn

func newTurns(accounts []*settings) turns {
	ordered := slices.DeleteFunc(slices.Clone(accounts), func(s *settings) bool { return s.priority < 0 })
	slices.SortStableFunc(ordered, func(a, b *settings) int { return cmp.Compare(a.priority, b.priority) })
	var t turns
	for _, s := range ordered {
		t.waiting = append(t.waiting, s.server.ShortServerID)
	}
	return t
}

// place is an account's in the order of registrations.
type place struct {
	ordered bool // others wait for it
	behind  bool // another server's turn to register comes first
}

// place returns a server's, nil unless it is another one now.
func (t *turns) place(ssid uint16, changed bool) *place {
	if !changed {
		return nil
	}
	return &place{ordered: slices.Contains(t.waiting, ssid), behind: !t.has(ssid)}
}

// lineUp makes the order at the first accounts, and anew with those that a bootstrap server has written since and that
// are not registered as they are now. It returns which these are. The lock must be held.
func (c *Client) lineUp(list []*settings) (written map[uint16]bool) {
	if !c.started {
		c.started, c.turns = len(list) > 0, newTurns(list)
		return nil
	}
	written = make(map[uint16]bool)
	var line []*settings
	for _, s := range list {
		ssid := s.server.ShortServerID
		written[ssid] = s.bootstrapped > 0 && c.accounts[ssid].isToRegister(s)
		if written[ssid] || slices.Contains(c.turns.waiting, ssid) {
			line = append(line, s)
		}
	}
	first := c.turns.first()
	c.turns = newTurns(line)
	if now := c.turns.first(); now != first && c.accounts[now] != nil && !written[now] {
		c.accounts[now].inbox.put(turnHasCome{})
	}
	return written
}

// isToRegister reports whether a bootstrap server has written the account anew, and it is not registered so. The client's
// lock must be held.
func (a *account) isToRegister(s *settings) bool {
	if a == nil {
		return true
	}
	if a.named.bootstrapped == s.bootstrapped {
		return false
	}
	a.view.mu.Lock()
	defer a.view.mu.Unlock()
	switch a.view.status.State {
	case Registered, Updating, Asleep:
		return !a.named.sameTarget(s)
	case Waiting, Connecting, Registering, Disabling, Disabled, Deregistering, Stopped, stateCount:
	}
	return true
}

// has reports whether a server may register.
func (t *turns) has(ssid uint16) bool { return slices.Index(t.waiting, ssid) <= 0 }

// first returns whose turn it is, 0: nobody's.
func (t *turns) first() uint16 {
	if len(t.waiting) == 0 {
		return 0
	}
	return t.waiting[0]
}

// over ends a server's turn, or that it waits for one, and returns whose turn has come then;
// 0: nobody's.
func (t *turns) over(ssid uint16) uint16 {
	first := t.first() == ssid
	t.waiting = slices.DeleteFunc(t.waiting, func(other uint16) bool { return other == ssid })
	if !first {
		return 0
	}
	return t.first()
}

// turnOver lets the next server register.
func (c *Client) turnOver(ssid uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.accounts[c.turns.over(ssid)]; a != nil {
		a.inbox.put(turnHasCome{})
	}
}

// turnHasCome lets an account begin to register, after its delay.
func (a *account) turnHasCome() {
	behind := a.behind
	a.behind = false
	if behind && a.state == Waiting {
		a.on(delayed)
	}
}

// queueUp takes the account's place in a new order. An attempt at the same server that is under way goes on.
func (a *account) queueUp(r *resettled) {
	if r.place == nil {
		return
	}
	behind := a.behind
	a.failed, a.ordered = 0, r.place.ordered
	a.behind = r.place.behind && (a.state == Waiting || a.state == Disabled || !r.settings.sameTarget(a.settings))
	if a.state == Waiting && behind != a.behind {
		a.on(delayed)
	}
}

// turnOver says, once, that other servers need not wait for this one any more.
func (a *account) turnOver() {
	if a.ordered {
		a.ordered, a.behind = false, false
		a.client.turnOver(a.ssid)
	}
}

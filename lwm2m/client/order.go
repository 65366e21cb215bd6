package client

import (
	"cmp"
	"slices"
)

// turns lets the servers that have a Registration Priority Order (/1/x/13) register one
// after the other when the client starts: the next one's turn comes when the one before has
// registered or, unless it blocks (/1/x/15), has failed (Core, section 6.2.1.1). Servers
// without it, and those that come later, do not wait.
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

// has reports whether a server may register.
func (t *turns) has(ssid uint16) bool { return slices.Index(t.waiting, ssid) <= 0 }

// over ends a server's turn, or that it waits for one, and returns whose turn has come then;
// 0: nobody's.
func (t *turns) over(ssid uint16) uint16 {
	first := len(t.waiting) > 0 && t.waiting[0] == ssid
	t.waiting = slices.DeleteFunc(t.waiting, func(other uint16) bool { return other == ssid })
	if !first || len(t.waiting) == 0 {
		return 0
	}
	return t.waiting[0]
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
	a.behind = false
	if a.state == Waiting {
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

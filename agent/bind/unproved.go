package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/mm"
)

// unprovedProfile is what a context was before a server wrote it, until a connection was made with what was written. It is in the state directory: a restart
// easily comes in between, say one that the same server asks for.
type unprovedProfile struct {
	APN  string        `json:"apn"`
	Type modem.PDNType `json:"type"`
	Wish *wishedBearer `json:"wish,omitempty"` // what was wished of it; nil: nothing

	writes int // since the agent has started
}

// doubt enters that a context is written. What it was before stays that which was proved last.
func (w *wished) doubt(cid int, before unprovedProfile) {
	if w.Unproved == nil {
		w.Unproved = make(map[int]unprovedProfile)
	}
	if u, ok := w.Unproved[cid]; ok {
		before = u
	}
	before.writes++
	w.Unproved[cid] = before
}

// unproved returns what a context was before it was written, false if that is proved.
func (w *Wishes) unproved(cid int) (unprovedProfile, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, ok := w.now.Unproved[cid]
	return u, ok
}

// judge has a context connected anew, as soon as Run can. After a start that has time until the modem is registered.
func (c *Cellular) judge(cid int, start bool) {
	c.mu.Lock()
	if at, ok := c.due[cid]; !ok || at {
		c.due[cid] = start
	}
	c.mu.Unlock()
	latest(c.anew, struct{}{})
}

// came has those contexts judged that the modem has now and had not before, as after a start, and are unproved.
func (c *Cellular) came(s *modem.State) {
	there := make(map[int]bool)
	for i := range s.Bearers {
		cid := s.Bearers[i].CID
		there[cid] = true
		if _, unproved := c.wishes.unproved(cid); unproved && !c.there[cid] {
			c.judge(cid, true)
		}
	}
	c.there = there
	if s.Network.Registration.Registered() {
		latest(c.registered, struct{}{})
		return
	}
	select {
	case <-c.registered:
	default:
	}
}

const (
	answerTime = 2 * time.Second // how long the answer to a write may take to go out over the connection that it changes
	searchTime = 3 * time.Minute // how long a modem may take to find its network; the profile may be why it does not
)

// Run makes connections anew whose profile was written, until ctx ends.
func (c *Cellular) Run(ctx context.Context) error {
	for {
		select {
		case <-c.anew:
		case <-ctx.Done():
			return nil
		}
		c.mu.Lock()
		due := c.due
		c.due = make(map[int]bool)
		c.mu.Unlock()
		for cid, start := range due {
			if !c.await(ctx, start) {
				return nil
			}
			if err := c.renew(ctx, cid); err != nil && ctx.Err() == nil {
				c.log.Error("the connection with the new profile failed", slog.Int("context", cid), slog.Any("error", err))
			}
		}
		if err := c.showProfiles(); err != nil {
			c.log.Warn("modem not published", slog.Any("error", err))
		}
	}
}

// await waits until a connection may be made anew, false when ctx has ended.
func (c *Cellular) await(ctx context.Context, start bool) bool {
	limit, registered := answerTime, (chan struct{})(nil)
	if start {
		limit, registered = searchTime, c.registered
	}
	select {
	case <-time.After(limit):
	case <-registered:
	case <-ctx.Done():
		return false
	}
	return true
}

// errWrittenAgain says that what is about to be taken back was written once more.
var errWrittenAgain = errors.New("the profile was written again meanwhile")

// renew connects, and goes back to the former profile if the network refuses the new one. Where nobody was asked, that is left for when the modem comes.
func (c *Cellular) renew(ctx context.Context, cid int) error {
	before, ok := c.wishes.unproved(cid)
	if !ok {
		return nil // it was taken back, or connected since
	}
	err := c.modem.Reconnect(ctx, cid)
	if err == nil {
		c.log.Info("connected with a new profile", slog.Int("context", cid))
		return c.wishes.note(ctx, func(w *wished) {
			if w.Unproved[cid].writes == before.writes {
				delete(w.Unproved, cid)
			}
		})
	}
	if errors.Is(err, mm.ErrNoBearer) || ctx.Err() != nil {
		return err
	}
	old := c.former(cid, modem.Profile{APN: before.APN, Type: before.Type}, before.Wish)
	back := c.wishes.set(ctx, func() error {
		if now, _ := c.wishes.unproved(cid); now.writes != before.writes {
			return errWrittenAgain
		}
		return c.modem.SetProfile(ctx, cid, old)
	}, func(w *wished) {
		w.enter(cid, old.APN, before.Wish)
		delete(w.Unproved, cid)
	})
	if back != nil {
		return errors.Join(err, back)
	}
	if back := c.modem.Reconnect(ctx, cid); back != nil {
		return errors.Join(err, fmt.Errorf("go back to the former APN: %w", back))
	}
	return fmt.Errorf("%w; the former APN is back", err)
}

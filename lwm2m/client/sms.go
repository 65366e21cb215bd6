package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// Trigger is a Registration Update Trigger that came in a short message (SMS): an Execute of
// /1/x/8.
type Trigger struct {
	path lwm2m.Path
	args model.Arguments
}

// updateTrigger is /1/x/8.
const updateTrigger = 8

// ParseTrigger reads the binary content of a short message: a CoAP message (Transport, section
// 6.4: SMS binding). All but an Execute of /1/x/8 is none of the client's business, as it does
// not exchange anything else by SMS.
func ParseTrigger(content []byte) (Trigger, bool) {
	m, err := coap.Parse(content)
	if err != nil || m.Type != coap.CON && m.Type != coap.NON || m.Code != coap.POST {
		return Trigger{}, false
	}
	for id := range m.Options() {
		if id.Critical() && id != coap.URIPath && id != coap.URIHost && id != coap.URIPort {
			return Trigger{}, false
		}
	}
	r, err := parseOptions(m)
	p := r.path
	if err != nil || p.Level() != lwm2m.LevelResource || p.Object() != objectServer || p.Resource() != updateTrigger {
		return Trigger{}, false
	}
	args, err := model.ParseArguments(string(m.Payload))
	return Trigger{p, args}, err == nil && (!r.given || r.format == lwm2m.FormatText)
}

// Why a trigger that came by SMS does nothing.
var (
	ErrStranger = errors.New("the sender's number is not that of the server (/0/x/9)")
	ErrNoSMS    = errors.New("the server may not wake the client by SMS: /1/x/21 (Trigger) is not set")
	ErrDisabled = errors.New("the server has disabled its account (/1/x/4), and is not listened to until the time is over")
	ErrTooOften = errors.New("the server wakes the client too often")
)

// How often a server may wake the client: some times in a row, and then once in each such time.
// The number of a sender can be forged, and each wake-up costs power and bytes.
const (
	wakesInRow = 4
	wakeEvery  = 5 * time.Minute
)

// Wake carries out a trigger that came by SMS from a telephone number. There is no answer by SMS:
// what follows is the Update (Transport, section on queue mode: Execute of /1/x/8 by SMS). The error
// is ErrStranger, ErrNoSMS, ErrDisabled, ErrTooOften, ErrNoAccount or that of the Execute.
func (c *Client) Wake(ctx context.Context, from string, t Trigger) error {
	s, err := c.waker(from, t.path.Instance())
	if err != nil {
		return err
	}
	id := s.server.ShortServerID
	if c.disabled(id) {
		return fmt.Errorf("server %d: %w", id, ErrDisabled)
	}
	if !c.mayWake(id) {
		return fmt.Errorf("server %d: %w", id, ErrTooOften)
	}
	if err := c.config.Tree.Execute(ctx, model.FromServer(id), t.path, t.args); err != nil {
		return fmt.Errorf("server %d: %w", id, err)
	}
	c.config.Log.Info("woken by a short message", slog.Int("short_server_id", int(id)))
	return nil
}

// waker returns the account of an instance of object 1, if the number is that of its server.
func (c *Client) waker(from string, instance uint16) (*settings, error) {
	for _, s := range readAccounts(c.config.Tree) {
		if s.instance != instance {
			continue
		}
		switch {
		case telephone(s.sms) == "" || telephone(from) != telephone(s.sms):
			return nil, fmt.Errorf("server %d: %w", s.server.ShortServerID, ErrStranger)
		case !s.wakeable():
			return nil, fmt.Errorf("server %d: %w", s.server.ShortServerID, ErrNoSMS)
		}
		return s, nil
	}
	return nil, fmt.Errorf("%w: object 1 has no instance %d of one", ErrNoAccount, instance)
}

// disabled reports whether a server has disabled its account.
func (c *Client) disabled(id uint16) bool {
	c.mu.Lock()
	a := c.accounts[id]
	c.mu.Unlock()
	if a == nil {
		return false
	}
	s := a.view.read(c.config.Now()).State
	return s == Disabling || s == Disabled
}

// wakeable reports whether the server may wake the client by SMS: as /1/x/21 says, or in 1.0 a
// binding with SMS.
func (s *settings) wakeable() bool { return s.trigger || strings.Contains(s.binding, "S") }

// telephone strips a number of what it may be written with: "+49 151-123" and "0049151123" are
// the same.
func telephone(number string) string {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -./()", r) {
			return -1
		}
		return r
	}, number)
	if rest, ok := strings.CutPrefix(digits, "00"); ok {
		return rest
	}
	return strings.TrimPrefix(digits, "+")
}

// mayWake takes note of a wake-up, and reports whether there were not too many before.
func (c *Client) mayWake(id uint16) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.config.Now()
	free := c.wakes[id] // when all is as if there had been none
	if free.Before(now) || free.Sub(now) > wakesInRow*wakeEvery {
		free = now
	}
	if free.Sub(now) > (wakesInRow-1)*wakeEvery {
		return false
	}
	if c.wakes == nil {
		c.wakes = make(map[uint16]time.Time)
	}
	c.wakes[id] = free.Add(wakeEvery)
	return true
}

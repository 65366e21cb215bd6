package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

var _ objects.Configurator = (*configuration)(nil)

// may refuses who may not set the configuration, and names who may.
func (c *configuration) may(origin model.Origin) (by string, remote bool, err error) {
	switch {
	case origin.Kind == model.OriginLocal:
		return "a local user", false, nil
	case origin.Kind == model.OriginServer && slices.Contains(c.agent.config.Load().Remote, origin.Server):
		return "server " + ssid(origin.Server), true, nil
	}
	return "", true, lwm2m.Errorf(lwm2m.Unauthorized, "server %d may not set the configuration: it is not among the servers of [remote_configuration]", origin.Server)
}

// SetCandidate implements objects.Configurator.
func (c *configuration) SetCandidate(_ context.Context, origin model.Origin, text string) error {
	by, remote, err := c.may(origin)
	if err != nil {
		return err
	}
	if len(text) > config.MaxCandidate {
		return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "a candidate of %d bytes, at most %d", len(text), config.MaxCandidate)
	}
	c.mu.Lock()
	c.candidate = &candidate{text: text, by: by, remote: remote, state: objects.ConfigurationCandidate, message: "a candidate of " + by}
	if text == "" {
		c.candidate = nil
	}
	c.mu.Unlock()
	c.show()
	return nil
}

// held returns the candidate.
func (c *configuration) held() (*candidate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.candidate == nil {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "there is no candidate; write /26241/0/1 first")
	}
	return c.candidate, nil
}

// verdict says what a candidate comes to. Whoever may set less of the one who wrote it and
// the one who asks now limits it.
func (c *configuration) verdict(held *candidate, remote bool) (*config.Layout, error) {
	layout, err := c.draft(held.text, held.remote || remote)
	c.mu.Lock()
	if held.state, held.message = objects.ConfigurationValid, described(layout); err != nil {
		held.state, held.message = objects.ConfigurationInvalid, err.Error()
	}
	c.mu.Unlock()
	c.show()
	return layout, err
}

// draft checks a text as the next configuration.
func (c *configuration) draft(text string, remote bool) (*config.Layout, error) {
	layout, err := c.files.Draft(text, c.machine.Overlay(), remote)
	if err != nil {
		return nil, err
	}
	if err := c.agent.checkApps(layout.Checked); err != nil {
		return nil, err
	}
	return layout, nil
}

// described is what a layout changes, in words.
func described(l *config.Layout) string {
	if l == nil {
		return ""
	}
	if len(l.Changes) == 0 {
		return "it changes nothing"
	}
	text := strings.Join(l.Changes, "; ")
	if len(l.Restart) > 0 {
		text += "; from the next start of the agent on: " + strings.Join(l.Restart, ", ")
	}
	return text
}

// Validate implements objects.Configurator. What is wrong is in the state and the message.
func (c *configuration) Validate(_ context.Context, origin model.Origin) error {
	_, remote, err := c.may(origin)
	if err != nil {
		return err
	}
	held, err := c.held()
	if err != nil {
		return err
	}
	_, _ = c.verdict(held, remote)
	return nil
}

// Commit implements objects.Configurator.
func (c *configuration) Commit(_ context.Context, origin model.Origin) error {
	by, remote, err := c.may(origin)
	if err != nil {
		return err
	}
	held, err := c.held()
	if err != nil {
		return err
	}
	layout, err := c.verdict(held, remote)
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	if err := c.commit(layout, by, remote); err != nil {
		return err
	}
	c.mu.Lock()
	if c.candidate == held {
		c.candidate = nil
	}
	c.mu.Unlock()
	c.show()
	return nil
}

// commit begins a transaction, unless it would change nothing.
func (c *configuration) commit(layout *config.Layout, by string, remote bool) error {
	if layout.Overlay == c.machine.Overlay() {
		return nil
	}
	pause := time.Duration(0)
	if remote && layout.ServersChange {
		pause = answerTime // the answer goes out over what is changed
	}
	c.mu.Lock()
	plan, ordered := c.plan, c.remote
	c.plan, c.remote = described(layout), remote
	c.mu.Unlock()
	err := notNow(c.machine.Commit(layout.Overlay, by, pause))
	if err != nil {
		c.mu.Lock()
		c.plan, c.remote = plan, ordered
		c.mu.Unlock()
		return err
	}
	c.agent.log.Info("configuration committed", slog.String("by", by), slog.String("changes", described(layout)))
	return nil
}

// setAPN begins a transaction that changes the APN of a modem.
func (c *configuration) setAPN(modem, apn string) error {
	layout, err := c.files.DraftAPN(modem, apn, c.machine.Overlay())
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	return c.commit(layout, "a server, by object 11", true)
}

// notNow makes an error of the machine one that a server is answered with.
func notNow(err error) error {
	if errors.Is(err, transaction.ErrNotNow) {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%w", err)
	}
	return err
}

// Confirm implements objects.Configurator. Once more is no mistake: servers that are reached confirm
// by that.
func (c *configuration) Confirm(_ context.Context, origin model.Origin) error {
	by, _, err := c.may(origin)
	if err != nil {
		return err
	}
	err = c.machine.Vouch(transaction.Any, "confirmed by "+by)
	if s := c.machine.Status(); err != nil && s.Phase == transaction.Resting && len(s.History) > 0 && s.History[0].Result == transaction.Kept {
		return nil
	}
	return notNow(err)
}

// RollBack implements objects.Configurator.
func (c *configuration) RollBack(_ context.Context, origin model.Origin) error {
	by, remote, err := c.may(origin)
	if err != nil {
		return err
	}
	if err := c.machine.Object(transaction.Any, "rolled back by "+by); err == nil {
		return nil
	}
	text, err := c.machine.Undo()
	if err != nil {
		return notNow(err)
	}
	layout, err := c.draft(text, remote)
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "the configuration of before: %w", err)
	}
	return c.commit(layout, by, remote)
}

// SetConfirmTime implements objects.Configurator.
func (c *configuration) SetConfirmTime(_ context.Context, origin model.Origin, seconds int64) error {
	if _, _, err := c.may(origin); err != nil {
		return err
	}
	d := time.Duration(seconds) * time.Second
	if d < transaction.MinConfirmTime || d > transaction.MaxConfirmTime {
		return lwm2m.Errorf(lwm2m.BadRequest, "a confirm time of %d s is not one of 10 to 86400", seconds)
	}
	if err := c.machine.SetConfirmTime(d); err != nil {
		return err
	}
	c.show()
	return nil
}

// show brings object 26241 up to date.
func (c *configuration) show() {
	if c.object == nil {
		return // it is being made
	}
	if err := c.object.Publish(c.status()); err != nil {
		c.agent.log.Error("the configuration is not published", slog.Any("error", err))
	}
}

// status is what object 26241 shows.
func (c *configuration) status() objects.ConfigurationStatus {
	m := c.machine.Status()
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := sha256.Sum256([]byte(c.active.Shown))
	s := objects.ConfigurationStatus{
		Active: c.active.Shown, Hash: hex.EncodeToString(sum[:]), ConfirmTime: int64(m.ConfirmTime / time.Second),
	}
	for _, e := range m.History {
		s.History = append(s.History, fmt.Sprintf("%s %s: %s: %s", e.At.Format(time.RFC3339), e.By, e.Result, e.Reason))
	}
	switch {
	case m.Phase != transaction.Resting:
		s.State, s.Message = objects.ConfigurationAwaiting, fmt.Sprintf("of %s: %s", m.By, c.plan)
	case c.candidate != nil:
		s.State, s.Message = c.candidate.state, c.candidate.message
	case len(m.History) > 0 && m.History[0].Result == transaction.Reverted:
		s.State, s.Message = objects.ConfigurationReverted, "reverted: "+m.History[0].Reason
	case len(m.History) > 0:
		s.Message = "kept: " + m.History[0].Reason
	}
	return s
}

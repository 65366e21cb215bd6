package bind

import (
	"context"
	"errors"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m"
)

// hold is the process.Hold of the board's actuators.
func (b *Board) hold(actuator, reason string) {
	b.board.Interlock(actuator, reason)
	if reason == "" {
		b.cfg.Health.Clear(health.ActuatorInterlocked, actuator)
		return
	}
	b.cfg.Health.Set(health.ActuatorInterlocked, actuator, reason)
}

// setter drives the channels of one actuator for a smart object.
type setter struct {
	board    *hw.Board
	actuator string
	channels map[string]uint16 // channel → resource
	locked   func(actuator string) bool
}

func (s *setter) channel(rid uint16, v lwm2m.Value) (string, hw.Value, error) {
	if s.locked != nil && s.locked(s.actuator) {
		return "", hw.Value{}, lwm2m.Errorf(lwm2m.MethodNotAllowed, "actuator %q is locked; /8/0/0 unlocks it", s.actuator)
	}
	value, ok := hardwareValue(v)
	for channel, r := range s.channels {
		if r == rid && ok {
			return channel, value, nil
		}
	}
	return "", hw.Value{}, lwm2m.Errorf(lwm2m.MethodNotAllowed, "actuator %q has nothing to set there", s.actuator)
}

// Check implements objects.Setter.
func (s *setter) Check(rid uint16, v lwm2m.Value) error {
	channel, value, err := s.channel(rid, v)
	if err != nil {
		return err
	}
	return refusal(s.board.CanSet(s.actuator, channel, value))
}

// Set implements objects.Setter.
func (s *setter) Set(ctx context.Context, rid uint16, v lwm2m.Value) error {
	channel, value, err := s.channel(rid, v)
	if err != nil {
		return err
	}
	return refusal(s.board.Set(ctx, s.actuator, channel, value))
}

// refusal gives an actuator's error its response code: the value was wrong, or
// the hardware is not in a state to obey.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, hw.ErrUnfit):
		return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	case errors.Is(err, hw.ErrInterlocked):
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%w", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, hw.ErrHung):
		return lwm2m.Errorf(lwm2m.ServiceUnavailable, "%w", err)
	default:
		return lwm2m.Errorf(lwm2m.InternalServerError, "set the actuator: %w", err)
	}
}

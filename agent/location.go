package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/gnss"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem/at"
	"lwm2m-agent/objects"
)

// addLocation enters the configured position, or makes the receiver that knows it.
func (a *Agent) addLocation() error {
	l := a.opts.Config.Location
	if l == nil {
		return nil
	}
	if l.Placed {
		p := objects.Position{Latitude: l.Latitude, Longitude: l.Longitude, Altitude: &l.Altitude, Time: a.opts.Now()}
		if l.Source != config.LocationFixed {
			p.Quality = model.Uncertain
		}
		if err := a.board.Locate(p); err != nil {
			return fmt.Errorf("publish the configured location: %w", err)
		}
	}
	if l.Source == config.LocationFixed {
		return nil
	}
	a.receiver = bind.NewReceiver(bind.ReceiverConfig{
		Location: l, Modems: a.modems, Locate: a.board.Locate, Time: a.clock.Fix, Built: a.opts.Built,
		Store: a.store, Health: a.health, Log: a.log, Now: a.opts.Now,
	})
	return nil
}

// locationStatus is what status shows of the receiver, nil if there is none.
func (a *Agent) locationStatus() *control.Location {
	if a.receiver == nil {
		return nil
	}
	l, s := a.opts.Config.Location, a.receiver.State()
	out := &control.Location{Source: string(l.Source), Where: bind.WhereIs(l)}
	switch {
	case s.Resting():
		out.State = "resting"
	case s.Failing():
		out.State = "failing"
	case s.Why != nil:
		out.State = "no fix"
	case s.Heard.IsZero():
		out.State = "waiting"
	default:
		out.State = "fix"
	}
	out.Words = out.State
	if s.Why != nil {
		out.Words += ": " + s.Why.Error()
	}
	if s.Fix == nil {
		out.Words += "; there was none before"
		return out
	}
	out.Fix = a.receiver.Time().UTC()
	age := a.opts.Now().Sub(out.Fix)
	if !s.Heard.IsZero() {
		age = a.opts.Now().Sub(s.Heard) // whatever the receiver takes the time for
	}
	out.Words += fmt.Sprintf("; the last one is %s old", age.Round(time.Second))
	if r := s.Fix.Radius; r != nil {
		out.Radius = int(math.Ceil(*r))
		out.Words += fmt.Sprintf(", within %.0f m", *r)
	}
	return out
}

// checkLocation asks a receiver once. That of a modem stands with the modem.
func checkLocation(ctx context.Context, cfg *config.Config) []CheckRow {
	l := cfg.Location
	if l == nil || l.Source != config.LocationNMEA && l.Source != config.LocationGPSD {
		return nil
	}
	row := CheckRow{Part: "location", Name: string(l.Source), Where: bind.WhereIs(l)}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	words, err := gnss.Probe(ctx, bind.SourceOf(l, nil))
	switch {
	case errors.Is(err, gnss.ErrNoFix):
		row.OK, row.Detail = true, "it speaks, and has no fix yet: "+err.Error()
	case errors.Is(err, at.ErrAgent):
		row.OK, row.Detail = true, err.Error()
	case err != nil:
		row.Detail = err.Error()
	default:
		row.OK, row.Detail = true, words
	}
	return []CheckRow{row}
}

package at

import (
	"context"

	"lwm2m-agent/modem"
)

// Probe looks at a modem once. It gives no PIN and changes nothing that outlasts a
// restart of the modem.
func Probe(ctx context.Context, cfg Config) (modem.State, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first := make(chan modem.State, 1)
	cfg.PIN, cfg.Signal, cfg.Explain = nil, 0, true
	cfg.Changed = func(s modem.State, _ modem.Part) {
		select {
		case first <- s:
		default:
		}
	}
	over := make(chan error, 1)
	go func() { over <- New(cfg).Run(ctx) }() // ended by cancel and waited for
	select {
	case s := <-first:
		cancel()
		if err := <-over; err != nil {
			return s, err
		}
		return s, s.Trouble
	case err := <-over:
		if err == nil {
			err = ErrSilent
		}
		return modem.State{}, err
	}
}

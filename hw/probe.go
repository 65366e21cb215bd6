package hw

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// errProbed ends the watch of a probe.
var errProbed = errors.New("probed")

// Probe opens the device of one sensor or actuator, reads it once and closes it
// again. It changes nothing: a line is only looked at, and one that the agent
// itself holds is well. The error is a *Error, or joins the [Problem]s of cfg.
func Probe(ctx context.Context, role Role, cfg Config, opts Options) ([]Reading, error) {
	setup := Setup{Sensors: []Config{cfg}}
	if role == RoleActuator {
		setup = Setup{Actuators: []Config{cfg}}
	}
	if problems := Validate(setup); len(problems) > 0 {
		errs := make([]error, len(problems))
		for i, p := range problems {
			errs[i] = p
		}
		return nil, errors.Join(errs...)
	}
	return newPlatform(opts).probe(ctx, Unit{role, cfg.Name}, driversByName()[cfg.Driver], cfg)
}

func (p *platform) probe(ctx context.Context, id Unit, driver Driver, cfg Config) ([]Reading, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sampleLimit, errors.New("the probe took too long"))
	defer cancel()
	a := &access{platform: p, cfg: cfg, looking: true}
	a.take(id, driver)
	defer func() {
		a.give()
		_ = p.buses.wait(ctx) // a bus that hangs is in the error below
	}()
	readings, err := a.probe(ctx, id.Role, driver)
	if err != nil {
		return nil, newError(id, cfg, err)
	}
	return readings, nil
}

func (a *access) probe(ctx context.Context, role Role, driver Driver) ([]Reading, error) {
	if driver.Bus == BusGPIO {
		return nil, a.bus.do(ctx, func() error { return a.lookAtLine(role) })
	}
	d, err := driver.device(role, a)
	if err != nil {
		return nil, err
	}
	a.hold()
	defer a.release(ctx)
	if err := a.open(ctx, d); err != nil {
		return nil, err
	}
	defer d.Close(ctx)
	return readOnce(ctx, d)
}

// readOnce takes one reading of each channel.
func readOnce(ctx context.Context, d device) (readings []Reading, err error) {
	switch d := d.(type) {
	case sampler:
		return d.Sample(ctx)
	case actuator:
		return d.State(ctx)
	case watcher:
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		err = d.Watch(ctx, func(first []Reading) {
			if readings == nil {
				readings = first
			}
			cancel(errProbed)
		})
		if errors.Is(context.Cause(ctx), errProbed) {
			err = nil
		}
	}
	return readings, err
}

// lookAtLine checks that the configured line exists and is free.
func (a *access) lookAtLine(role Role) error {
	chip, offset, err := a.openLine(a.cfg)
	if err != nil {
		return err
	}
	defer func() { _ = chip.Close() }() // was only asked
	info, err := chip.Line(offset)
	switch {
	case err != nil:
		return err
	case info.Used && !strings.HasPrefix(info.Consumer, consumer):
		return busyLine(chip, offset, ErrBusy)
	case info.Used && info.Output != (role == RoleActuator):
		return fmt.Errorf("the line is %w by the agent in the other direction", ErrBusy)
	}
	return nil
}

package hw

import (
	"cmp"
	"context"
	"errors"
	"os"

	"lwm2m-agent/hw/gpio"
)

func gpioOutChannels() []Channel {
	return []Channel{{Name: "state", Quantity: State, Kind: KindBool}}
}

func gpioOutDriver() Driver {
	return Driver{
		Name:     "gpio-out",
		Bus:      BusGPIO,
		Summary:  "a GPIO line as output: relays, valves, lamps",
		Channels: gpioOutChannels(),
		Settings: []Setting{
			settingChip, settingLine, settingActive, settingSafe,
			{Key: "drive", Help: `"push-pull", "open-drain" or "open-source"; push-pull`},
		},
		Proof:       "live emulation (QEMU: i.MX6; the kernel's gpio-sim), and the kernel's structures",
		newActuator: func(a *access) (actuator, error) { return &gpioOut{access: a}, nil },
	}
}

// gpioOut is an output line.
type gpioOut struct {
	access *access
	line   *gpio.Line // while it is open
}

func (d *gpioOut) Channels() []Channel { return gpioOutChannels() }

// Open takes the line straight into its safe state. A line that a former
// process kept, and one whose safe state is to keep, stay as they are.
func (d *gpioOut) Open(ctx context.Context) error {
	cfg := d.access.cfg
	o := gpio.Options{Consumer: consumerOf(cfg.Name), ActiveLow: cfg.Active == ActiveLow}
	switch cfg.Drive {
	case DriveOpenDrain:
		o.Drive = gpio.OpenDrain
	case DriveOpenSource:
		o.Drive = gpio.OpenSource
	case DrivePushPull:
	}
	o.Value, _ = cfg.Safe.value(gpioOutChannels()[0]).Bool()
	kept := d.access.inherited
	d.access.inherited = nil
	line, err := takeLine(ctx, d.access, func() (*gpio.Line, error) {
		if kept != nil && d.access.holds(cfg) {
			return gpio.Adopt(kept, o, d.access.gpio)
		}
		if kept != nil {
			_ = kept.Close() // of another line
		}
		if cfg.Safe.Keep {
			return d.requestAsIs(o)
		}
		return d.access.requestLine(cfg, o)
	})
	if err != nil {
		return err
	}
	d.line = line
	return nil
}

// requestAsIs takes the line without touching it, and makes it an output of the
// level it has.
func (d *gpioOut) requestAsIs(o gpio.Options) (*gpio.Line, error) {
	asIs := o
	asIs.AsIs = true
	line, err := d.access.requestLine(d.access.cfg, asIs)
	if err != nil {
		return nil, err
	}
	if err := line.KeepAsOutput(o); err != nil {
		return nil, errors.Join(err, line.Close())
	}
	return line, nil
}

func (d *gpioOut) Set(ctx context.Context, _ string, v Value) error {
	on, _ := v.Bool()
	return d.access.bus.do(ctx, func() error { return d.line.SetValue(on) })
}

func (d *gpioOut) State(ctx context.Context) ([]Reading, error) {
	on, err := blocking(ctx, d.access, d.line.Value)
	if err != nil {
		return nil, nodeError(cmp.Or(d.access.cfg.Chip, "the chip"), err)
	}
	return []Reading{{Channel: "state", Value: Bool(on), Quality: Good}}, nil
}

// Handle implements keeper.
func (d *gpioOut) Handle() (*os.File, error) { return d.line.Handle() }

func (d *gpioOut) Close(ctx context.Context) { d.access.discard(ctx, d.line) }

package hw

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultPWM is the frequency of PWM outputs where none is configured, in Hz:
// the one with which a PCA9685 begins.
const defaultPWM = 200

func pwmDriver() Driver {
	return Driver{
		Name:     "pwm",
		Bus:      BusSysfs,
		Summary:  "a PWM channel that the kernel serves: fans, dimmers, heaters behind a solid-state relay",
		Channels: dimmerChannels(),
		Settings: []Setting{
			{Key: "device", Required: true, Help: "the chip below /sys/class/pwm, or its path below /sys/devices"},
			{Key: "line", Required: true, Help: "the channel's number on the chip"},
			settingFrequency,
			{Key: "active", Help: `"low" inverts it; as it is`},
			settingSafe,
		},
		Proof: "the kernel's driver on the board (QEMU: i.MX6, which stores its registers), files as the kernel has them",
		newActuator: func(a *access) (actuator, error) {
			if a.cfg.Line.name != "" {
				return nil, errors.New("line is the number of a PWM channel, not a name")
			}
			return &pwm{access: a}, nil
		},
	}
}

// pwm is one channel of Documentation/ABI/testing/sysfs-class-pwm. The kernel has
// a period and the time of it during which the output is active, in ns.
type pwm struct {
	access *access
	chip   string // folder, while it is open
	period float64
	dimmer dimmer
}

func (d *pwm) Channels() []Channel { return dimmerChannels() }

// file is an attribute of the channel.
func (d *pwm) file(name string) string {
	return filepath.Join(d.chip, "pwm"+d.access.cfg.Line.String(), name)
}

// Open takes the channel from the kernel and into its safe state.
func (d *pwm) Open(ctx context.Context) error {
	err := d.access.bus.do(ctx, func() error { return d.take(ctx) })
	return nodeError("PWM "+d.access.cfg.Device, err)
}

// write writes an attribute of the channel, or "export" of its chip, or has it written by
// whoever may.
func (d *pwm) write(ctx context.Context, name, text string) error {
	path := d.file(name)
	if name == "export" {
		path = filepath.Join(d.chip, name)
	}
	err := writeAttribute(path, text)
	if ask := d.access.writePWM; ask != nil && (errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)) {
		err = ask(ctx, filepath.Base(d.chip), uint16(d.access.cfg.Line.offset), name, text) //nolint:gosec // below npwm
		if err != nil {
			return &fault{err.Error(), ErrPermission, err} // that the chip is there is known
		}
	}
	return err
}

func (d *pwm) take(ctx context.Context) error {
	cfg := d.access.cfg
	d.chip = filepath.Join(d.access.sys, "class/pwm", cfg.Device)
	if rest, ok := strings.CutPrefix(cfg.Device, "/sys/"); ok {
		chips, err := filepath.Glob(filepath.Join(d.access.sys, rest, "pwm", "pwmchip*"))
		if err != nil || len(chips) == 0 {
			return errors.Join(err, fs.ErrNotExist)
		}
		d.chip = chips[0]
	}
	n, err := readNumber(filepath.Join(d.chip, "npwm"))
	if err != nil {
		return err
	}
	if float64(cfg.Line.offset) >= n {
		return &fault{fmt.Sprintf("channel %d of %v %v", cfg.Line.offset, n, ErrNoBus), ErrNoBus, fs.ErrNotExist}
	}
	d.period = 1e9 / frequencyOf(cfg)
	if d.access.looking {
		return nil
	}
	if err := d.export(ctx); err != nil {
		return err
	}
	return d.prepare(ctx)
}

// export has the kernel make the channel's files. It refuses a channel that a
// driver of its own holds.
func (d *pwm) export(ctx context.Context) error {
	_, err := readAttribute(d.file("period"))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = d.write(ctx, "export", d.access.cfg.Line.String())
	if errors.Is(err, unix.EBUSY) {
		return &fault{fmt.Sprintf("the channel is %v by a driver of the kernel", ErrBusy), ErrBusy, err}
	}
	return err
}

// prepare sets period and polarity. An output that is to be kept keeps the share
// of the period that it has.
func (d *pwm) prepare(ctx context.Context) error {
	period, err := readNumber(d.file("period"))
	if err != nil {
		return err
	}
	duty, err := readNumber(d.file("duty_cycle"))
	if err != nil {
		return err
	}
	share := 0.0
	if d.access.cfg.Safe.Keep && period > 0 {
		share = duty / period
	}
	if !d.access.cfg.Safe.Keep {
		share = d.dimmer.safe(d.access.cfg.Safe) / 100
	}
	var steps [][2]string
	if period != math.Round(d.period) {
		if duty != 0 { // a time longer than the period is refused, and any before there is a period
			steps = append(steps, [2]string{"duty_cycle", "0"})
		}
		steps = append(steps, [2]string{"period", number(d.period)})
	}
	if d.access.cfg.Active == ActiveLow {
		steps = append(steps, [2]string{"enable", "0"}, [2]string{"polarity", "inversed"}) // refused while it runs
	}
	steps = append(steps, [2]string{"duty_cycle", number(share * d.period)}, [2]string{"enable", "1"})
	if polarity, err := readAttribute(d.file("polarity")); err == nil && polarity == "inversed" && d.access.cfg.Active == ActiveLow {
		steps = append(steps[:len(steps)-4], steps[len(steps)-2:]...)
	}
	for _, s := range steps {
		if err := d.write(ctx, s[0], s[1]); err != nil {
			return fmt.Errorf("write %s to %s: %w", s[1], s[0], err)
		}
	}
	return nil
}

func number(f float64) string { return strconv.FormatFloat(math.Round(f), 'f', 0, 64) }

// frequencyOf is the configured frequency of a PWM output, in Hz.
func frequencyOf(cfg Config) float64 {
	if cfg.Frequency != 0 {
		return cfg.Frequency
	}
	return defaultPWM
}

func (d *pwm) Close(context.Context) {}

func (d *pwm) Set(ctx context.Context, channel string, v Value) error {
	duty := number(d.dimmer.percent(channel, v) / 100 * d.period)
	err := d.access.bus.do(ctx, func() error { return d.write(ctx, "duty_cycle", duty) })
	return nodeError("PWM "+d.access.cfg.Device, err)
}

// State reads back what is driven. A probe of a channel that nobody has taken
// reads that it is off.
func (d *pwm) State(ctx context.Context) ([]Reading, error) {
	percent, err := blocking(ctx, d.access, func() (float64, error) {
		period, err := readNumber(d.file("period"))
		if d.access.looking && errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil || period == 0 {
			return 0, err
		}
		enabled, err := readNumber(d.file("enable"))
		if err != nil || enabled == 0 {
			return 0, err
		}
		duty, err := readNumber(d.file("duty_cycle"))
		return duty / period * 100, err
	})
	if err != nil {
		return nil, nodeError("PWM "+d.access.cfg.Device, err)
	}
	return dimmerReadings(percent), nil
}

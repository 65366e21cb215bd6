package hw

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func ledChannels() []Channel {
	return []Channel{
		{Name: "state", Quantity: State, Kind: KindBool},
		{Name: "level", Quantity: Level, Unit: "%", Kind: KindFloat, Range: Range{0, 100}},
	}
}

func ledDriver() Driver {
	return Driver{
		Name:     "led",
		Bus:      BusSysfs,
		Summary:  "an LED or a backlight of the kernel's LED class, dimmed where it can be",
		Channels: ledChannels(),
		Settings: []Setting{{Key: "device", Required: true, Help: "its name below /sys/class/leds"}, settingSafe},
		Proof:    "files as the kernel has them",
		newActuator: func(a *access) (actuator, error) {
			if strings.ContainsAny(a.cfg.Device, "/") {
				return nil, errors.New("device is the LED's name, without a folder")
			}
			return &led{access: a}, nil
		},
	}
}

// led is one of Documentation/leds/leds-class.rst. Its level is what it had last
// while it is off.
type led struct {
	access *access
	most   float64 // max_brightness
	level  float64 // %, while it is on
}

func (d *led) Channels() []Channel { return ledChannels() }

func (d *led) file(name string) string {
	return filepath.Join(d.access.sys, "class/leds", d.access.cfg.Device, name)
}

// Open takes the LED from its trigger, if it has one, and into its safe state.
func (d *led) Open(ctx context.Context) error {
	most, err := blocking(ctx, d.access, func() (float64, error) { return readNumber(d.file("max_brightness")) })
	if err != nil {
		return nodeError("LED "+d.access.cfg.Device, err)
	}
	if most < 1 {
		return fmt.Errorf("%w: a brightness of %v at most", ErrGarbage, most)
	}
	d.most, d.level = most, 100
	if d.access.cfg.Safe.Keep || d.access.looking {
		return nil
	}
	if err := d.write(ctx, "trigger", "none"); err != nil && !errors.Is(err, ErrNoBus) { // not all kernels have triggers
		return err
	}
	safe := d.access.cfg.Safe.value(ledChannels()[1])
	if percent, _ := safe.Float(); percent > 0 {
		return d.Set(ctx, "level", safe)
	}
	return d.Set(ctx, "state", d.access.cfg.Safe.value(ledChannels()[0]))
}

func (d *led) Close(context.Context) {}

func (d *led) Set(ctx context.Context, channel string, v Value) error {
	percent, _ := v.Float()
	if channel == "state" {
		if on, _ := v.Bool(); on {
			percent = d.level
		} else {
			percent = 0
		}
	}
	if percent > 0 {
		d.level = percent
	}
	steps := math.Round(percent / 100 * d.most)
	if percent > 0 {
		steps = max(steps, 1) // what is on is seen
	}
	return d.write(ctx, "brightness", strconv.FormatFloat(steps, 'f', 0, 64))
}

func (d *led) write(ctx context.Context, name, text string) error {
	err := d.access.bus.do(ctx, func() error {
		file, err := os.OpenFile(d.file(name), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteString(text)
		return errors.Join(err, file.Close())
	})
	if ask := d.access.writeLED; ask != nil && (errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)) {
		if err = ask(ctx, d.access.cfg.Device, name, text); err != nil {
			return &fault{"LED " + d.access.cfg.Device + ": " + err.Error(), ErrPermission, err} // that the LED is there is known
		}
	}
	return nodeError("LED "+d.access.cfg.Device, err)
}

// State reads back what is driven.
func (d *led) State(ctx context.Context) ([]Reading, error) {
	steps, err := blocking(ctx, d.access, func() (float64, error) { return readNumber(d.file("brightness")) })
	if err != nil {
		return nil, nodeError("LED "+d.access.cfg.Device, err)
	}
	return []Reading{
		{Channel: "state", Value: Bool(steps > 0), Quality: Good},
		{Channel: "level", Value: Float(min(steps/d.most, 1) * 100), Quality: Good},
	}, nil
}

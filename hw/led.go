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

func ledDriver() Driver {
	return Driver{
		Name:     "led",
		Bus:      BusSysfs,
		Summary:  "an LED or a backlight of the kernel's LED class, dimmed where it can be",
		Channels: dimmerChannels(),
		Settings: []Setting{{Key: "device", Required: true, Help: "its name below /sys/class/leds"}, settingSafe},
		Proof:    "live emulation (QEMU: a PCA9552 behind the kernel's driver), files as the kernel has them",
		newActuator: func(a *access) (actuator, error) {
			if strings.ContainsAny(a.cfg.Device, "/") {
				return nil, errors.New("device is the LED's name, without a folder")
			}
			return &led{access: a}, nil
		},
	}
}

// led is one of Documentation/leds/leds-class.rst.
type led struct {
	access *access
	most   float64 // max_brightness
	dimmer dimmer
}

func (d *led) Channels() []Channel { return dimmerChannels() }

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
	d.most = most
	if d.access.cfg.Safe.Keep || d.access.looking {
		return nil
	}
	if err := d.write(ctx, "trigger", "none"); err != nil && !errors.Is(err, ErrNoBus) { // not all kernels have triggers
		return err
	}
	return d.drive(ctx, d.dimmer.safe(d.access.cfg.Safe))
}

func (d *led) Close(context.Context) {}

func (d *led) Set(ctx context.Context, channel string, v Value) error {
	return d.drive(ctx, d.dimmer.percent(channel, v))
}

func (d *led) drive(ctx context.Context, percent float64) error {
	steps := math.Round(percent / 100 * d.most)
	if percent > 0 {
		steps = max(steps, 1) // what is on is seen
	}
	return d.write(ctx, "brightness", strconv.FormatFloat(steps, 'f', 0, 64))
}

func (d *led) write(ctx context.Context, name, text string) error {
	err := d.access.bus.do(ctx, func() error { return writeAttribute(d.file(name), text) })
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
	return dimmerReadings(min(steps/d.most, 1) * 100), nil
}

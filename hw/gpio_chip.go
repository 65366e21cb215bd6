package hw

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lwm2m-agent/hw/gpio"
)

// consumer is what others see as the user of our lines: with the name of the
// sensor or actuator, as far as the kernel keeps it (31 bytes).
const consumer = "lwm2m-agent"

func consumerOf(name string) string {
	full := consumer + " " + name
	return strings.ToValidUTF8(full[:min(len(full), 31)], "")
}

// chips returns the paths of all GPIO chips, by number.
func (p *platform) chips() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(p.dev, "gpiochip*"))
	slices.SortFunc(paths, naturally)
	return paths, err
}

// openLine opens the chip that has the configured line, and returns the line's
// offset. The chip may be a path, a label, or left out where the line is a
// name.
func (p *platform) openLine(cfg Config) (*gpio.Chip, int, error) {
	paths, err := p.chips()
	if err != nil {
		return nil, 0, err
	}
	byPath := strings.Contains(cfg.Chip, "/") || strings.HasPrefix(cfg.Chip, "gpiochip")
	if byPath {
		paths = []string{p.node(cfg.Chip)}
	}
	for _, path := range paths {
		chip, err := gpio.OpenChip(path, p.gpio)
		if err != nil {
			if byPath {
				return nil, 0, nodeError(cfg.Chip, err)
			}
			continue // it may be any other's; scan says what is wrong with it
		}
		if byPath || cfg.Chip == "" || cfg.Chip == chip.Label() {
			if offset, ok, err := cfg.Line.on(chip); ok || err != nil {
				return chip, offset, err
			}
		}
		if err := chip.Close(); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, &fault{missingLine(cfg) + " " + ErrNoBus.Error(), ErrNoBus, unix.ENOENT}
}

func missingLine(cfg Config) string {
	if cfg.Chip == "" {
		return "a line " + cfg.Line.String()
	}
	return "line " + cfg.Line.String() + " of " + cfg.Chip
}

// on returns the line's offset on chip, and whether the chip has it.
func (l Line) on(chip *gpio.Chip) (int, bool, error) {
	if l.name != "" {
		return chip.Find(l.name)
	}
	return l.offset, l.offset < chip.Lines(), nil
}

// requestLine takes the configured line.
func (p *platform) requestLine(cfg Config, o gpio.Options) (*gpio.Line, error) {
	chip, offset, err := p.openLine(cfg)
	if err != nil {
		return nil, err
	}
	line, err := chip.Request(offset, o)
	if errors.Is(err, unix.EBUSY) {
		err = busyLine(chip, offset, err)
	}
	return line, errors.Join(err, chip.Close())
}

// busyLine says who uses a line.
func busyLine(chip *gpio.Chip, offset int, cause error) error {
	user := "another program"
	if info, err := chip.Line(offset); err == nil && info.Consumer != "" {
		user = fmt.Sprintf("%q", info.Consumer)
	}
	return &fault{fmt.Sprintf("the line is %v by %s", ErrBusy, user), ErrBusy, cause}
}

// holds reports whether the configured line is requested for cfg's actuator: a
// handle that was kept may be of the line that it had before.
func (p *platform) holds(cfg Config) bool {
	chip, offset, err := p.openLine(cfg)
	if err != nil {
		return false
	}
	defer func() { _ = chip.Close() }() // was only asked
	info, err := chip.Line(offset)
	return err == nil && info.Used && info.Consumer == consumerOf(cfg.Name)
}

// takeLine is requestLine in the lane of a: lines of an expander are behind
// another bus, and that may hang.
func takeLine(ctx context.Context, a *access, request func() (*gpio.Line, error)) (*gpio.Line, error) {
	line, err := acquire(ctx, a, request)
	return line, nodeError(cmp.Or(a.cfg.Chip, "the chip"), err)
}

package hw

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"lwm2m-agent/hw/gpio"
)

func gpioInChannels() []Channel {
	return []Channel{
		{Name: "state", Quantity: State, Kind: KindBool},
		{Name: "count", Quantity: Count, Kind: KindInteger},
	}
}

func gpioInDriver() Driver {
	return Driver{
		Name:     "gpio-in",
		Bus:      BusGPIO,
		Summary:  "a GPIO line as input: its state, and its edges counted by the kernel",
		Channels: gpioInChannels(),
		Settings: []Setting{
			settingChip, settingLine, settingActive,
			{Key: "debounce", Help: "how long the line must be quiet after an edge; none"},
			{Key: "bias", Help: `"off", "pull-up" or "pull-down"; as it is`},
			{Key: "edge", Help: `what is counted: becoming "active", "inactive" or "both"; active`},
		},
		Proof:     "live emulation (QEMU: i.MX6; the kernel's gpio-sim), and the kernel's structures",
		newSensor: func(a *access) (device, error) { return &gpioIn{access: a}, nil },
	}
}

// gpioIn is an input line. It costs nothing while nothing happens: the kernel
// debounces, stamps and queues the edges, and wakes the agent.
type gpioIn struct {
	access *access
	input  *input // while it is open
	edges  edgeCounter
}

func (d *gpioIn) Channels() []Channel { return gpioInChannels() }

func (d *gpioIn) Open(ctx context.Context) (err error) {
	d.input, err = d.access.input(ctx, d.access)
	return nodeError(cmp.Or(d.access.cfg.Chip, "the chip"), err)
}

// Close lets go of nothing: the line is held for as long as the sensor is wanted.
func (d *gpioIn) Close(context.Context) { d.input = nil }

// inputOptions are the kernel's settings of a line.
func inputOptions(cfg Config, offset int) gpio.Input {
	in := gpio.Input{Offset: offset, ActiveLow: cfg.Active == ActiveLow, Debounce: cfg.Debounce}
	switch cfg.Bias {
	case BiasOff:
		in.Bias = gpio.BiasDisabled
	case BiasPullUp:
		in.Bias = gpio.PullUp
	case BiasPullDown:
		in.Bias = gpio.PullDown
	}
	return in
}

func (d *gpioIn) Watch(ctx context.Context, deliver func([]Reading)) error {
	d.edges.begin(d.input.active)
	deliver([]Reading{
		{Channel: "state", Value: Bool(d.input.active), Quality: Good},
		{Channel: "count", Value: Integer(d.edges.count(d.access.cfg.Edge)), Quality: Good},
	})
	err := d.input.watch(ctx, func(events []gpio.Event) { deliver(d.readings(events)) })
	return nodeError(cmp.Or(d.access.cfg.Chip, "the chip"), err)
}

// readings are the states that the edges led to, and the count after the last.
func (d *gpioIn) readings(events []gpio.Event) []Reading {
	wall, monotonic := d.access.clock()
	readings := make([]Reading, 0, len(events)+1)
	missed := uint32(0)
	var at time.Time
	for _, e := range events {
		missed += d.edges.add(e)
		at = wall.Add(e.Time - monotonic)
		readings = append(readings, Reading{Channel: "state", Value: Bool(e.Active), Time: at, Quality: Good})
	}
	count := Reading{Channel: "count", Value: Integer(d.edges.count(d.access.cfg.Edge)), Time: at, Quality: Good}
	if missed > 0 {
		count.Quality = Uncertain
		count.Reason = fmt.Sprintf("%d edges came faster than they were read; they are counted by their sequence numbers", missed)
	}
	return append(readings, count)
}

// edgeCounter counts the edges of a line since the agent began, over any number
// of openings.
type edgeCounter struct {
	began    bool
	level    bool   // after the last edge
	seq      uint32 // of the last edge
	active   int64  // edges to active
	inactive int64  // edges to inactive

	short   bool          // the last edge was taken for the end of a pulse whose beginning was not seen
	shortAt time.Duration // when
}

// shortPulse is a time that the kernel takes at most from an edge to its look at
// the level, which says what edge it was (Linux, drivers/gpio/gpiolib-cdev.c,
// edge_irq_thread).
const shortPulse = 5 * time.Millisecond

// begin starts with a freshly requested line: the kernel counts from 1. If the
// level is another than before there was an edge meanwhile, at least one.
func (c *edgeCounter) begin(level bool) {
	if c.began && level != c.level {
		c.bump(level, 1)
	}
	c.began, c.level, c.seq, c.short = true, level, 0, false
}

// add counts e and those before it that the kernel had no room to keep, and
// returns how many these were. Edges alternate, so the level before and after
// tells which they were. Where the kernel saw two of a kind in a row there was one
// between them: either it was too short to be seen, or the level was back before
// the kernel looked, and the second that follows at once is the one it was.
func (c *edgeCounter) add(e gpio.Event) (missed uint32) {
	missed = e.Seq - c.seq - 1
	if missed > 1<<31 {
		missed = 0 // backwards: not something to count by
	}
	for _, parity := range [2]uint32{missed - missed/2, missed / 2} {
		c.level = !c.level
		c.bump(c.level, int64(parity))
	}
	if missed%2 == 1 {
		c.level = !c.level
	}
	again := c.level == e.Active && e.Seq != 1 // the first may have come before the level was read
	if again && missed == 0 && c.short && e.Time-c.shortAt <= shortPulse {
		c.seq, c.short = e.Seq, false // both edges of the pulse are counted
		return 0
	}
	if again {
		c.bump(!e.Active, 1)
	}
	c.bump(e.Active, 1)
	c.level, c.seq, c.short, c.shortAt = e.Active, e.Seq, again, e.Time
	return missed
}

func (c *edgeCounter) bump(active bool, n int64) {
	if active {
		c.active += n
	} else {
		c.inactive += n
	}
}

func (c *edgeCounter) count(edge Edge) int64 {
	switch edge {
	case EdgeInactive:
		return c.inactive
	case EdgeBoth:
		return c.active + c.inactive
	case EdgeActive:
	}
	return c.active
}

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
)

// counterClass is Linux's counters, Documentation/ABI/testing/sysfs-bus-counter.
func counterClass() sysClass {
	return sysClass{root: "bus/counter/devices", names: []string{"name"}, list: countsOf}
}

func counterDriver() Driver {
	return Driver{
		Name:         "counter",
		Bus:          BusSysfs,
		Summary:      "the kernel's counters: timers that count pulses, interrupts that are counted, encoders (Linux 5.18)",
		ChannelsVary: `"count0", "count1", …: of one that counts up, what it has counted since the sensor was opened; of others, such as encoders, where it is`,
		Settings:     []Setting{{Key: "device", Required: true, Help: `its name, or its folder: "counter0"`}, settingInterval},
		Proof:        "files as the kernel's documentation has them",
		newSensor: func(a *access) (device, error) {
			c := &counters{access: a, last: make(map[string]uint64), sum: make(map[string]int64)}
			for _, wanted := range a.cfg.Channels {
				if number, ok := strings.CutPrefix(wanted.Name, "count"); !ok || !isNumber(number) {
					return nil, fmt.Errorf("counter has no channel that is called %q; it has count0, count1 …", wanted.Name)
				}
				c.channels = append(c.channels, countChannel(wanted.Name))
			}
			return c, nil
		},
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func countChannel(name string) Channel {
	return Channel{Name: name, Quantity: Count, Kind: KindInteger}
}

// countsOf finds the Counts of the device in folder. One that does not only count
// up has a position.
func countsOf(folder string) ([]sysChannel, error) {
	folders, err := filepath.Glob(filepath.Join(folder, "count[0-9]*"))
	if err != nil {
		return nil, err
	}
	var channels []sysChannel
	for _, f := range folders[:min(len(folders), maxChannels)] {
		function, err := readAttribute(filepath.Join(f, "function"))
		if err != nil {
			return nil, err
		}
		c := countChannel(filepath.Base(f))
		if c.Label, err = readAttribute(filepath.Join(f, "name")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if function != "increase" {
			c.Quantity = Generic
		}
		channels = append(channels, sysChannel{Channel: c, file: filepath.Join(f, "count")})
	}
	return channels, nil
}

// counters are the Counts of one device. What the kernel counts goes on while
// nobody reads it, and begins wherever the hardware is: told is what came since
// the first sample. A leap of more than 31 bits is none of pulses, and adds nothing.
type counters struct {
	access   *access
	folder   string // while it is open
	channels []Channel
	last     map[string]uint64 // by channel, as the kernel had it
	sum      map[string]int64
}

func (c *counters) Channels() []Channel { return c.channels }

// Open finds the device and its Counts, and lets one count that can be switched off.
func (c *counters) Open(ctx context.Context) error {
	err := c.access.bus.do(ctx, func() (err error) {
		if c.folder, err = counterClass().find(c.access.sys, c.access.cfg.Device); err != nil {
			return err
		}
		found, err := c.list()
		if err == nil && !c.access.looking {
			err = c.enable(found)
		}
		c.channels = found
		return err
	})
	return nodeError("counter "+c.access.cfg.Device, err)
}

// list returns the channels that are wanted.
func (c *counters) list() ([]Channel, error) {
	counts, err := countsOf(c.folder)
	if err != nil {
		return nil, err
	}
	var channels []Channel
	for _, count := range counts {
		if c.access.cfg.wants(count.Name) {
			channels = append(channels, count.Channel)
		}
	}
	if wanted := len(c.access.cfg.Channels); len(channels) < max(wanted, 1) {
		return nil, fmt.Errorf("%w: it has %d of the %d channels", ErrWrongDevice, len(channels), max(wanted, 1))
	}
	return channels, nil
}

// enable switches Counts on that are off; many cannot be switched.
func (c *counters) enable(channels []Channel) error {
	for _, ch := range channels {
		file := filepath.Join(c.folder, ch.Name, "enable")
		on, err := readAttribute(file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && on == "1" {
			continue
		}
		if err == nil {
			err = writeAttribute(file, "1")
		}
		if errors.Is(err, fs.ErrPermission) {
			return &fault{fmt.Sprintf("%s must hold 1: %v", file, ErrPermission), ErrPermission, err}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *counters) Close(context.Context) {}

func (c *counters) Sample(ctx context.Context) ([]Reading, error) {
	readings, err := blocking(ctx, c.access, func() ([]Reading, error) {
		readings := make([]Reading, 0, len(c.channels))
		for _, ch := range c.channels {
			n, err := c.count(ch)
			if err != nil {
				return nil, err
			}
			readings = append(readings, Reading{Channel: ch.Name, Value: Integer(n), Quality: Good})
		}
		return readings, nil
	})
	return readings, nodeError("counter "+c.access.cfg.Device, err)
}

// count returns where a position is, or what a count has come to, with what the
// kernel has counted since the last time. A count that is lower has passed its
// ceiling, if that is near, or began anew at 0.
func (c *counters) count(ch Channel) (int64, error) {
	now, err := readUnsigned(filepath.Join(c.folder, ch.Name, "count"))
	if err != nil || ch.Quantity != Count {
		return int64(now), err //nolint:gosec // two's complement, as the kernel has it
	}
	last, known := c.last[ch.Name]
	grown, short := grownShort(last, now)
	if !short && now >= last {
		grown = now - last
	} else if !short {
		if grown, err = c.passed(ch.Name, last, now); err != nil {
			return 0, err
		}
	}
	if c.last[ch.Name] = now; known && grown <= math.MaxInt32 {
		c.sum[ch.Name] += int64(grown)
	}
	return c.sum[ch.Name], nil
}

// grownShort returns how far a count of 32 bits has gone that the kernel tells as a signed number in 64 bits, as that of
// interrupt-cnt: past its 31st bit it leaps, and after 2^32 it begins at 0. false: this is none.
func grownShort(last, now uint64) (uint64, bool) {
	for _, n := range []uint64{last, now} {
		if uint64(int64(int32(n))) != n { //nolint:gosec // two's complement, as the kernel has it
			return 0, false
		}
	}
	grown := uint32(now) - uint32(last) //nolint:gosec // they are as long
	return uint64(grown), grown <= math.MaxInt32 && (now > last || last > math.MaxInt32)
}

// passed returns how far a count that is lower than before has gone.
func (c *counters) passed(channel string, last, now uint64) (uint64, error) {
	ceiling, err := readUnsigned(filepath.Join(c.folder, channel, "ceiling"))
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil
	}
	if round := ceiling - last + 1 + now; err == nil && ceiling >= last && round <= ceiling/2 {
		return round, nil
	}
	return now, err
}

// readUnsigned reads a file that holds 64 bits, which a float would round.
func readUnsigned(path string) (uint64, error) {
	text, err := readAttribute(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s holds %q", ErrGarbage, filepath.Base(path), truncate(text, 32))
	}
	return n, nil
}

package hw

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// sysClass is one of the kernel's families of measuring devices.
type sysClass struct {
	root    string   // the folder of its devices below sysfs
	names   []string // the attributes that name a device
	anyName bool     // folders need not end in a number
	// list returns the channels of a device by its folder.
	list func(folder string) ([]sysChannel, error)
	// known returns the channel that a name must be, before its device is seen.
	known func(name string) (Channel, bool)
}

// sysChannel is a channel and the files it is read from.
type sysChannel struct {
	Channel
	file   string  // holds a number
	offset float64 // value = (number + offset) * scale * 10^exp
	scale  float64
	exp    int
	fault  string // a file that holds 1 when the sensor is broken, or ""
}

// maxAttribute and maxChannels bound what is taken from sysfs: an attribute is
// a page at most.
const (
	maxAttribute = 4096
	maxChannels  = 256
)

// readAttribute returns the content of a sysfs file without white space at its
// ends.
func readAttribute(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // was only read
	data, err := io.ReadAll(io.LimitReader(file, maxAttribute))
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(data)), nil
}

// writeAttribute writes to a sysfs file that is there.
func writeAttribute(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// readNumber returns the first number of a sysfs file.
func readNumber(path string) (float64, error) {
	text, err := readAttribute(path)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(text, " ")
	number, err := strconv.ParseFloat(first, 64)
	if err != nil || number-number != 0 {
		return 0, fmt.Errorf("%w: %s holds %q", ErrGarbage, filepath.Base(path), truncate(text, 32))
	}
	return number, nil
}

// numberOr is readNumber for a file that may be missing.
func numberOr(path string, missing float64) (float64, error) {
	number, err := readNumber(path)
	if errors.Is(err, fs.ErrNotExist) {
		return missing, nil
	}
	return number, err
}

func truncate(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// folders returns the devices of a class, in the order of their numbers.
func (c sysClass) folders(sys string) ([]string, error) {
	root := filepath.Join(sys, c.root)
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if c.anyName || strings.TrimRight(e.Name(), "0123456789") != e.Name() {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, naturally)
	for i, name := range names {
		names[i] = filepath.Join(root, name)
	}
	return names, nil
}

// named returns the folders that begin with a prefix, by the name of their device.
func (c sysClass) named(sys, prefix string) map[string]string {
	folders, _ := filepath.Glob(filepath.Join(sys, c.root, prefix+"*")) // the pattern is well formed
	byName := make(map[string]string)
	for _, folder := range folders {
		byName[c.name(folder)] = folder
	}
	return byName
}

// naturally compares names that end in a number.
func naturally(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// name returns what the kernel calls the device in folder, or "".
func (c sysClass) name(folder string) string {
	for _, attribute := range c.names {
		if name, err := readAttribute(filepath.Join(folder, attribute)); err == nil && name != "" {
			return name
		}
	}
	return ""
}

// find returns the folder of the device that the configuration calls wanted:
// by a name, by its folder's name or by a path.
func (c sysClass) find(sys, wanted string) (string, error) {
	if filepath.IsAbs(wanted) {
		folder := wanted
		if rest, ok := strings.CutPrefix(wanted, "/sys/"); ok {
			folder = filepath.Join(sys, rest)
		}
		_, err := os.Stat(folder)
		return folder, nodeError(wanted, err)
	}
	folders, err := c.folders(sys)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nodeError(filepath.Join(sys, c.root), err)
	}
	for _, folder := range folders {
		if filepath.Base(folder) == wanted {
			return folder, nil
		}
		for _, attribute := range c.names {
			if name, err := readAttribute(filepath.Join(folder, attribute)); err == nil && name == wanted {
				return folder, nil
			}
		}
	}
	return "", &fault{wanted + " " + ErrNoBus.Error(), ErrNoBus, fs.ErrNotExist}
}

// sysSensor is a device of a class.
type sysSensor struct {
	access   *access
	class    sysClass
	known    []Channel
	channels []sysChannel // while it is open
}

// newSysSensor makes a sensor whose channels are known as far as the
// configuration speaks of them.
func newSysSensor(a *access, class sysClass) (device, error) {
	s := &sysSensor{access: a, class: class}
	for _, wanted := range a.cfg.Channels {
		channel, ok := class.known(wanted.Name)
		if !ok {
			return nil, fmt.Errorf("%s has no channel that is called %q", a.cfg.Driver, wanted.Name)
		}
		s.known = append(s.known, channel)
	}
	return s, nil
}

func (s *sysSensor) Channels() []Channel { return s.known }

func (s *sysSensor) Open(ctx context.Context) error {
	channels, err := blocking(ctx, s.access, func() ([]sysChannel, error) {
		folder, err := s.class.find(s.access.sys, s.access.cfg.Device)
		if err != nil {
			return nil, err
		}
		channels, err := s.class.list(folder)
		return channels, nodeError(s.access.cfg.Device, err)
	})
	if err != nil {
		return err
	}
	known := make([]Channel, len(channels))
	for i, c := range channels {
		known[i] = c.Channel
	}
	if err := hasChannels(known, s.access.cfg.Channels); err != nil {
		return err
	}
	s.channels, s.known = channels, known
	return nil
}

// hasChannels checks that a device measures what the configuration speaks of.
func hasChannels(channels []Channel, wanted []ChannelConfig) error {
	if len(channels) == 0 {
		return fmt.Errorf("%w: it measures nothing", ErrWrongDevice)
	}
	if len(channels) > maxChannels {
		return fmt.Errorf("%w: it has %d channels", ErrGarbage, len(channels))
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(channels, func(c Channel) bool { return c.Name == w.Name }) {
			return fmt.Errorf("%w: it has no channel %q; it has: %s", ErrWrongDevice, w.Name, channelNames(channels))
		}
	}
	return nil
}

func (s *sysSensor) Close(context.Context) { s.channels = nil }

// Sample reads every channel. A channel that fails alone is Invalid alone.
func (s *sysSensor) Sample(ctx context.Context) ([]Reading, error) {
	readings := make([]Reading, 0, len(s.channels))
	var failure error
	failed := 0
	for _, c := range s.channels {
		value, err := blocking(ctx, s.access, c.read)
		if errors.Is(err, ErrHung) || ctx.Err() != nil {
			return nil, err
		}
		if err == nil {
			readings = append(readings, Reading{Channel: c.Name, Value: Float(value), Quality: Good})
			continue
		}
		reading := failedReading(c.Name, s.access.cfg.Device, err)
		if reading.Quality == Invalid {
			failure = cmp.Or(failure, i2cError(s.access.cfg.Device, err))
			failed++
		}
		readings = append(readings, reading)
	}
	if failed == len(readings) {
		return nil, failure
	}
	return readings, nil
}

// failedReading is the reading of a channel that failed alone. While the kernel
// is busy with the device the last value is just not renewed.
func failedReading(channel, device string, err error) Reading {
	r := Reading{Channel: channel, Quality: Invalid, Reason: channel + ": " + i2cError(device, err).Error()}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EBUSY) {
		r.Quality = Stale
	}
	return r
}

var errFault = errors.New("the sensor reports a fault")

func (c sysChannel) read() (float64, error) {
	if c.fault != "" {
		if broken, err := numberOr(c.fault, 0); err != nil || broken != 0 {
			return 0, cmp.Or(err, errFault)
		}
	}
	number, err := readNumber(c.file)
	return c.value(number), err
}

// value is what a number of the device stands for.
func (c sysChannel) value(number float64) float64 {
	return (number + c.offset) * c.scale * math.Pow10(max(c.exp, 0)) / math.Pow10(max(-c.exp, 0))
}

package hw

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/hw/iiodev"
)

// nonblock makes Go's poller wait for a device node.
const nonblock = unix.O_NONBLOCK

// writable reports whether err is none of a file that this process may not
// write: sysfs is read-only for a service that is kept from the kernel's settings.
func writable(err error) bool {
	return !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS)
}

// iioScan is how the buffer of a device is to be: its channels, its records and
// its trigger.
type iioScan struct {
	folder   string
	channels []scanChannel
	elements map[string]string // "1" or "0" for each scan element's file
	layout   iiodev.Layout
	stamped  bool // the last number of a record is the time
	clock    stampClock
	trigger  string        // to be set, or "" for a device that needs none
	rate     string        // the file of the samples in a second
	period   time.Duration // between two of them, 0 if not known
}

// scanChannel is a channel with the place of its number in a record.
type scanChannel struct {
	sysChannel
	number int
}

func (s *iioScan) file(name string) string { return filepath.Join(s.folder, name) }

// scanElement is one of the folder scan_elements.
type scanElement struct {
	name   string // "accel_x"
	index  int
	format iiodev.Format
}

func (e scanElement) place() int {
	if e.name == stamp {
		return math.MaxInt
	}
	return e.index
}

// stamp is the scan element that is the time of the record.
const stamp = "timestamp"

// findIIOScan looks at the device that is configured, and writes nothing.
func findIIOScan(a *access) (*iioScan, error) {
	folder, err := iioClass().find(a.sys, a.cfg.Device)
	if err != nil {
		return nil, err
	}
	s := &iioScan{folder: folder, elements: make(map[string]string)}
	if s.folder, err = filepath.EvalSymlinks(folder); err != nil {
		return nil, err
	}
	elements, err := s.scanElements()
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(elements) == 0 {
		return nil, fmt.Errorf(`%w: it has no buffer; use driver = "iio"`, ErrWrongDevice)
	}
	if err != nil {
		return nil, err
	}
	if err := s.layOut(elements, a.cfg); err != nil {
		return nil, err
	}
	return s, s.findTrigger(a)
}

// scanElements are those of the device, in the order of their index. The time
// stamp is last in a record, whatever its index.
func (s *iioScan) scanElements() ([]scanElement, error) {
	entries, err := os.ReadDir(s.file("scan_elements"))
	if err != nil {
		return nil, err
	}
	var found []scanElement
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), "_index")
		name, input := strings.CutPrefix(name, "in_")
		if !ok || !input || len(found) == maxChannels {
			continue
		}
		e := scanElement{name: name}
		index, err := readNumber(s.file("scan_elements/in_" + name + "_index"))
		if err != nil {
			return nil, err
		}
		text, err := readAttribute(s.file("scan_elements/in_" + name + "_type"))
		if err != nil {
			return nil, err
		}
		if e.format, err = iiodev.ParseFormat(text); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrGarbage, name, err)
		}
		e.index = int(index)
		found = append(found, e)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].place() < found[j].place() })
	return found, nil
}

// layOut chooses the wanted channels and the time stamp, and finds their places.
func (s *iioScan) layOut(elements []scanElement, cfg Config) error {
	var formats []iiodev.Format
	numbers := 0
	for _, e := range elements {
		enable := s.file("scan_elements/in_" + e.name + "_en")
		s.elements[enable] = "0"
		channel, ok := iioChannel(e.name)
		if e.name != stamp && (!ok || !cfg.wants(e.name) || e.format.Repeat > 1) {
			continue
		}
		s.elements[enable] = "1"
		formats = append(formats, e.format)
		numbers += e.format.Repeat
		if e.name == stamp {
			s.stamped = true
			continue
		}
		c, err := iioScaled(s.folder, "in_"+e.name+"_raw", channel)
		if err != nil {
			return err
		}
		s.channels = append(s.channels, scanChannel{c, numbers - 1})
	}
	if len(s.channels) == 0 {
		return fmt.Errorf("%w: its buffer has: %s", ErrWrongDevice, elementNames(elements))
	}
	clock, err := readAttribute(s.file("current_timestamp_clock"))
	if s.clock = stampClock(clock); err != nil {
		s.clock = stampRealtime // before Linux 4.8
	}
	if s.clock != stampRealtime && s.clock != stampMonotonic {
		s.stamped = false // then it is in the record all the same
	}
	if s.layout, err = iiodev.NewLayout(formats); err != nil {
		return fmt.Errorf("%w: %w", ErrGarbage, err)
	}
	if s.layout.Size() > maxRecord {
		return fmt.Errorf("%w: records of %d bytes; name fewer channels", ErrGarbage, s.layout.Size())
	}
	return nil
}

func elementNames(elements []scanElement) string {
	names := make([]string, len(elements))
	for i, e := range elements {
		names[i] = e.name
	}
	return strings.Join(names, ", ")
}

// findTrigger chooses what makes the device take a sample, and finds how often.
// A device without a folder for it takes samples by itself.
func (s *iioScan) findTrigger(a *access) error {
	rates := []string{s.file("sampling_frequency")}
	for _, name := range iioShared(s.channels[0].Name) {
		rates = append(rates, s.file("in_"+name+"_sampling_frequency"))
	}
	current, err := readAttribute(s.file("trigger/current_trigger"))
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil && a.cfg.Trigger != "":
		return fmt.Errorf("%w: it takes its samples without a trigger; leave trigger out", ErrWrongDevice)
	case err == nil:
		triggers := sysClass{root: "bus/iio/devices", names: []string{"name"}}.named(a.sys, "trigger")
		own := "-dev" + strings.TrimPrefix(filepath.Base(s.folder), "iio:device")
		s.trigger = cmp.Or(a.cfg.Trigger, current)
		for name := range triggers {
			if s.trigger == "" && strings.HasSuffix(name, own) {
				s.trigger = name
			}
		}
		folder, ok := triggers[s.trigger]
		if !ok {
			return &fault{missingTrigger(s.trigger, triggers), ErrNoBus, fs.ErrNotExist}
		}
		rates = append([]string{filepath.Join(folder, "sampling_frequency")}, rates...)
	}
	for _, rate := range rates {
		hertz, err := readNumber(rate)
		if err != nil || !(hertz > 0) {
			continue
		}
		hertz = cmp.Or(a.cfg.Frequency, hertz)
		s.rate, s.period = rate, time.Duration(math.Round(1e9/hertz))
		return nil
	}
	if a.cfg.Frequency != 0 {
		return fmt.Errorf("%w: neither it nor its trigger has a frequency; leave frequency out", ErrWrongDevice)
	}
	return nil
}

// missingTrigger says that there is no such trigger, and what to do.
func missingTrigger(wanted string, triggers map[string]string) string {
	names := make([]string, 0, len(triggers))
	for name := range triggers {
		names = append(names, strconv.Quote(name))
	}
	slices.Sort(names)
	there := "there are none"
	if len(names) > 0 {
		there = "there are: " + strings.Join(names, ", ")
	}
	text := "no trigger is set and the device has none of its own; set trigger"
	if wanted != "" {
		text = fmt.Sprintf("trigger %q %v", wanted, ErrNoBus)
	}
	return text + "; " + there + "; a timer is made by root: mkdir /sys/kernel/config/iio/triggers/hrtimer/NAME"
}

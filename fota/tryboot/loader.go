// Package tryboot drives the slots of a Raspberry Pi, whose firmware tries a
// partition once: autoboot.txt on the first partition names the one to boot, and the
// one to boot when the reboot was made with the argument "0 tryboot".
//
// It knows autoboot.txt and what the firmware says in the device tree. It must not
// know images, nor how an update goes on.
//
// # One attempt
//
// The attempt is lost with any other reboot: a power cut between the switch and the
// confirmation ends with the old system. The file is replaced when a slot is marked
// good, and only then ("Raspberry Pi documentation, config.txt, autoboot.txt" and
// "tryboot"; the device tree has chosen/bootloader/partition).
package tryboot

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/plain"
)

// RebootArgument is what reboot(2) is told so that the firmware tries the other
// partition (LINUX_REBOOT_CMD_RESTART2).
const RebootArgument = "0 tryboot"

// Options are what a Loader stands on. All is required.
type Options struct {
	Partitions map[string]int // slots' boot partitions, two, counted from 1
	File       string         // autoboot.txt
	Dir        string         // a folder for what autoboot.txt does not say; made when it is needed
}

// Loader is the firmware of a Raspberry Pi.
type Loader struct{ opts Options }

var _ plain.Loader = (*Loader)(nil)

// New returns a Loader.
func New(o Options) *Loader { return &Loader{o} }

// Booted returns the slot whose partition the firmware has booted, by the device
// tree in root, the files of the system.
func (l *Loader) Booted(root fs.FS) (string, error) {
	const name = "proc/device-tree/chosen/bootloader/partition"
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return "", fmt.Errorf("which slot runs: %w: is this a Raspberry Pi with a firmware that knows tryboot?", err)
	}
	if len(b) != 4 { // a cell (Devicetree Specification, 2.2.4)
		return "", fmt.Errorf("which slot runs: /%s has %d bytes, not 4", name, len(b))
	}
	partition := binary.BigEndian.Uint32(b)
	for slot, p := range l.opts.Partitions {
		if uint32(p) == partition { //nolint:gosec // it is small
			return slot, nil
		}
	}
	return "", fmt.Errorf("which slot runs: partition %d has been booted, which is no slot's", partition)
}

// boots is what autoboot.txt says.
type boots struct{ all, try int }

// read reads autoboot.txt.
func (l *Loader) read() (boots, error) {
	text, err := os.ReadFile(l.opts.File)
	if err != nil {
		return boots{}, fmt.Errorf("read the boot configuration: %w", err)
	}
	b, err := parse(string(text))
	if err != nil {
		return b, fmt.Errorf("read the boot configuration %s: %w", l.opts.File, err)
	}
	return b, nil
}

// maxFile is what the firmware reads of autoboot.txt, in bytes.
const maxFile = 512

func parse(text string) (b boots, err error) {
	if len(text) > maxFile {
		return b, fmt.Errorf("it has more than %d bytes, which the firmware does not read", maxFile)
	}
	section, ab := "[all]", false
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		to := map[string]*int{"[all]": &b.all, "[tryboot]": &b.try}[section]
		switch {
		case line == "":
		case key == "tryboot_a_b" && section == "[all]":
			ab = value == "1"
		case key == "boot_partition" && to != nil:
			if *to, err = strconv.Atoi(value); err != nil {
				return b, fmt.Errorf("boot_partition=%.20q is no number", value)
			}
		default:
			return b, fmt.Errorf("%.40q in section %.20q is not understood, and would be lost when the file is replaced", line, section)
		}
	}
	if !ab || b.all == 0 || b.try == 0 || b.all == b.try {
		return b, errors.New(`it needs, in [all], tryboot_a_b=1 and boot_partition= of one slot, and in [tryboot] boot_partition= of the other one`)
	}
	return b, nil
}

// slot returns the slot of a partition.
func (l *Loader) slot(partition int) (string, error) {
	for name, p := range l.opts.Partitions {
		if p == partition {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s has boot_partition=%d, which is no slot's", l.opts.File, partition)
}

// standing returns the slot that is booted and the one that is tried.
func (l *Loader) standing() (primary, other string, err error) {
	b, err := l.read()
	if err == nil {
		primary, err = l.slot(b.all)
	}
	if err == nil {
		other, err = l.slot(b.try)
	}
	return primary, other, err
}

// nextFile says which slot is tried at the next reboot.
const nextFile = "tryboot"

func (l *Loader) next() (string, error) {
	b, err := os.ReadFile(filepath.Join(l.opts.Dir, nextFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("which slot is tried next: %w", err)
	}
	return string(b), nil
}

func (l *Loader) setNext(slot string) error {
	now, err := l.next()
	if err == nil && now != slot {
		if err = os.MkdirAll(l.opts.Dir, 0o700); err == nil {
			err = fota.Replace(filepath.Join(l.opts.Dir, nextFile), []byte(slot), 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("note which slot is tried next: %w", err)
	}
	return nil
}

// Standings implements plain.Loader: the slot that autoboot.txt has in [all] is
// good; the other one is forbidden unless it is tried next.
func (l *Loader) Standings(context.Context) (map[string]plain.Standing, error) {
	primary, other, err := l.standing()
	if err != nil {
		return nil, err
	}
	next, err := l.next()
	if err != nil {
		return nil, err
	}
	out := map[string]plain.Standing{primary: plain.Good, other: plain.Forbidden}
	if next == other {
		out[other] = plain.OnTrial
	}
	return out, nil
}

// Activate implements plain.Loader. autoboot.txt stays: only a reboot with the
// argument tries the other slot.
func (l *Loader) Activate(_ context.Context, slot string) error {
	primary, other, err := l.standing()
	switch {
	case err != nil:
		return err
	case slot == primary:
		return l.setNext("")
	case slot == other:
		return l.setNext(slot)
	}
	return fmt.Errorf("there is no slot %q", slot)
}

// Mark implements plain.Loader. A good slot is that of [all] from now on.
func (l *Loader) Mark(_ context.Context, slot string, good bool) error {
	primary, other, err := l.standing()
	switch {
	case err != nil:
		return err
	case slot != primary && slot != other:
		return fmt.Errorf("there is no slot %q", slot)
	case !good && slot == primary:
		return fmt.Errorf("slot %q is the one that is booted: it is not forbidden", slot)
	case !good:
		return l.setNext("")
	case slot == other:
		text := fmt.Sprintf("[all]\ntryboot_a_b=1\nboot_partition=%d\n[tryboot]\nboot_partition=%d\n", l.opts.Partitions[other], l.opts.Partitions[primary])
		if err := fota.Replace(l.opts.File, []byte(text), 0o644); err != nil {
			return fota.Failf(fota.UpdateFailed, "write the boot configuration: %v", err)
		}
	}
	return l.setNext("")
}

// RebootArgument returns what the next reboot has to be told; "": nothing.
func (l *Loader) RebootArgument() (string, error) {
	_, other, err := l.standing()
	if err != nil {
		return "", err
	}
	next, err := l.next()
	if err == nil && next != "" && next == other {
		return RebootArgument, nil
	}
	return "", err
}

// Probe implements plain.Prober.
func (l *Loader) Probe(_ context.Context, booted string) error {
	primary, _, err := l.standing()
	if err != nil {
		return err
	}
	if primary != booted {
		return fmt.Errorf("slot %q runs, and %s has %q: it is being tried, or was booted by hand", booted, l.opts.File, primary)
	}
	f, err := os.OpenFile(l.opts.File, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("the boot configuration cannot be written: %w: mount the partition for writing", err)
	}
	return f.Close()
}

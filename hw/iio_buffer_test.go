package hw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const iioFolder = "bus/iio/devices/iio:device0"

// accelerometer is the files of a part with three axes, a time stamp and a
// trigger of its own, beside a timer.
func accelerometer() map[string]string {
	files := map[string]string{
		"name": "lis2dh12", "in_accel_scale": "0.01", "in_accel_x_raw": "0", "sampling_frequency": "100", "current_timestamp_clock": "realtime\n",
		"buffer/enable": "0", "buffer/length": "2", "buffer/watermark": "1", "trigger/current_trigger": "\n",
		"scan_elements/in_timestamp_index": "3", "scan_elements/in_timestamp_type": "le:s64/64>>0", "scan_elements/in_timestamp_en": "0",
	}
	for i, axis := range []string{"x", "y", "z"} {
		element := "scan_elements/in_accel_" + axis
		files[element+"_index"], files[element+"_type"], files[element+"_en"] = fmt.Sprint(i), "le:s12/16>>4", "1"
	}
	tree := map[string]string{
		"bus/iio/devices/trigger0/name": "lis2dh12-dev0",
		"bus/iio/devices/trigger1/name": "timer", "bus/iio/devices/trigger1/sampling_frequency": "10.000",
	}
	for name, content := range files {
		tree[iioFolder+"/"+name] = content
	}
	return tree
}

// buffered is a board whose accelerometer fills a pipe.
type buffered struct {
	*Board
	sys, dev string
	pipe     *os.File
	r        *record
}

func newBuffered(t *testing.T, tree map[string]string) *buffered {
	t.Helper()
	b := &buffered{sys: sysTree(t, tree), dev: t.TempDir(), r: newRecord()}
	b.plug(t)
	b.Board = NewBoard(b.r, Options{Sys: b.sys, Dev: b.dev, Jitter: func() float64 { return 0 }})
	return b
}

func (b *buffered) plug(t *testing.T) {
	t.Helper()
	path := filepath.Join(b.dev, "iio:device0")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.pipe, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.pipe.Close() })
}

func (b *buffered) run(t *testing.T, cfg Config) (end func() error) {
	t.Helper()
	cfg.Name, cfg.Driver = "pump", "iio-buffer"
	if err := b.Apply(t.Context(), Setup{Sensors: []Config{cfg}}); err != nil {
		t.Fatal(err)
	}
	return start(t, b.Board)
}

// write writes a record of one axis and a time stamp.
func (b *buffered) write(t *testing.T, digits int16, ns int64) {
	t.Helper()
	raw := make([]byte, 16)
	binary.LittleEndian.PutUint16(raw, uint16(digits)<<4|0x5)
	binary.LittleEndian.PutUint64(raw[8:], uint64(ns))
	if _, err := b.pipe.Write(raw); err != nil {
		t.Fatal(err)
	}
}

func (b *buffered) attribute(t *testing.T, name string) string {
	t.Helper()
	text, err := readAttribute(filepath.Join(b.sys, iioFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var onlyX = []ChannelConfig{{Name: "accel_x"}}

// The buffer is set up as it is wanted, all samples come with their times, and
// it is switched off at the end.
func TestIIOBuffer(t *testing.T) {
	b := newBuffered(t, accelerometer())
	end := b.run(t, Config{Device: "lis2dh12", Interval: 20 * time.Millisecond, Channels: onlyX, Frequency: 400})
	pump := sensorUnit("pump")
	const samples = 3 * maxRecords
	for i := range samples {
		b.write(t, int16(i%4096-2048), int64(i+1)*2_500_000)
	}
	last := time.Unix(0, samples*2_500_000)
	b.r.until(t, pump, "accel_x", func(r Reading) bool { return r.Time.Equal(last) })
	all := b.r.of(pump, "accel_x")
	if len(all) != samples {
		t.Fatalf("%d samples", len(all))
	}
	for i, r := range all {
		want := Reading{Channel: "accel_x", Value: Float(float64(i%4096-2048) * 0.01), Time: time.Unix(0, int64(i+1)*2_500_000), Quality: Good}
		if r != want {
			t.Fatalf("sample %d: %+v, want %+v", i, r, want)
		}
	}
	for name, want := range map[string]string{
		"scan_elements/in_accel_x_en": "1", "scan_elements/in_accel_y_en": "0", "scan_elements/in_accel_z_en": "0", "scan_elements/in_timestamp_en": "1",
		"trigger/current_trigger": "lis2dh12-dev0", "sampling_frequency": "400", "buffer/length": "2048", "buffer/watermark": "8", "buffer/enable": "1",
	} {
		if got := b.attribute(t, name); !strings.HasPrefix(got, want) { // a file is not cut as an attribute is
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if got := b.attribute(t, "buffer/enable"); got != "0" {
		t.Errorf("at the end the buffer is %q", got)
	}
}

// Records may come in pieces, without time stamps, and of a device that somebody
// else has set up: then nothing is written.
func TestIIOBufferOfSomebodyElse(t *testing.T) {
	tree := accelerometer()
	for name, content := range map[string]string{
		"buffer/enable": "1", "buffer/length": "2048", "buffer/watermark": "2", "trigger/current_trigger": "timer",
		"scan_elements/in_timestamp_en": "1", "scan_elements/in_accel_y_en": "0", "scan_elements/in_accel_z_en": "0",
		"current_timestamp_clock": "tai",
	} {
		tree[iioFolder+"/"+name] = content
	}
	b := newBuffered(t, tree)
	before := time.Now()
	end := b.run(t, Config{Device: "lis2dh12", Interval: 200 * time.Millisecond, Channels: onlyX})
	raw := make([]byte, 32)
	raw[1], raw[17] = 0x10, 0x20 // 256 and 512 digits
	for _, part := range [][]byte{raw[:5], raw[5:21], raw[21:]} {
		if _, err := b.pipe.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	second := b.r.until(t, sensorUnit("pump"), "accel_x", hasValue(Float(5.12)))
	first := b.r.until(t, sensorUnit("pump"), "accel_x", hasValue(Float(2.56)))
	if second.Time.Before(before) || second.Time.After(time.Now()) || first.Time.After(second.Time) {
		t.Errorf("%v, %v after %v", first.Time, second.Time, before)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if got := b.attribute(t, "buffer/enable"); got != "1" {
		t.Errorf("a buffer that runs for somebody else is %q", got)
	}
}

// A channel that measures one input against another has what it shares with its like.
func TestIIOBufferDifferential(t *testing.T) {
	tree := accelerometer()
	delete(tree, iioFolder+"/sampling_frequency")
	for name, content := range map[string]string{
		"scan_elements/in_voltage0-voltage1_index": "4", "scan_elements/in_voltage0-voltage1_type": "le:s12/16>>4", "scan_elements/in_voltage0-voltage1_en": "0",
		"in_voltage-voltage_scale": "10", "in_voltage_scale": "1", "in_voltage-voltage_sampling_frequency": "10",
	} {
		tree[iioFolder+"/"+name] = content
	}
	b := newBuffered(t, tree)
	end := b.run(t, Config{Device: "lis2dh12", Interval: 20 * time.Millisecond, Channels: []ChannelConfig{{Name: "voltage0-voltage1"}}, Frequency: 400})
	b.write(t, 100, 1)
	b.r.until(t, sensorUnit("pump"), "voltage0-voltage1", hasValue(Float(1)))
	if got := b.attribute(t, "in_voltage-voltage_sampling_frequency"); got != "400" {
		t.Errorf("the frequency is %q", got)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestIIOBufferVanishesAndReturns(t *testing.T) {
	for name, wakes := range map[string]bool{"and ends": true, "and is silent": false} {
		t.Run(name, func(t *testing.T) {
			b := newBuffered(t, accelerometer())
			end := b.run(t, Config{Device: "lis2dh12", Interval: 20 * time.Millisecond, Channels: onlyX})
			pump := sensorUnit("pump")
			b.write(t, 100, 1)
			b.r.until(t, pump, "accel_x", hasValue(Float(1)))
			folder := filepath.Join(b.sys, iioFolder)
			if err := errors.Join(os.Rename(folder, b.sys+"/away"), os.Remove(filepath.Join(b.dev, "iio:device0"))); err != nil {
				t.Fatal(err)
			}
			if wakes {
				b.pipe.Close()
			}
			b.r.until(t, pump, "accel_x", func(r Reading) bool {
				return r.Quality == Invalid && strings.Contains(r.Reason, "lis2dh12 does not exist")
			})
			if err := os.Rename(b.sys+"/away", folder); err != nil {
				t.Fatal(err)
			}
			b.plug(t)
			b.write(t, 200, 2)
			b.r.until(t, pump, "accel_x", hasValue(Float(2)))
			if err := end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A trigger that does not run is said, and the samples count when it does.
func TestIIOBufferSilent(t *testing.T) {
	b := newBuffered(t, accelerometer())
	b.platform.silence = 200 * time.Millisecond
	end := b.run(t, Config{Device: "lis2dh12", Trigger: "timer", Interval: 20 * time.Millisecond})
	b.r.until(t, sensorUnit("pump"), "accel_z", func(r Reading) bool {
		return r.Quality == Invalid && strings.Contains(r.Reason, `does its trigger "timer" run?`)
	})
	b.write(t, 1, 1)
	b.r.until(t, sensorUnit("pump"), "accel_x", func(r Reading) bool { return r.Quality == Good })
	if err := end(); err != nil {
		t.Error(err)
	}
}

// What check finds, without a file being written.
func TestIIOBufferProbe(t *testing.T) {
	with := func(changes map[string]string) map[string]string {
		tree := accelerometer()
		for name, content := range changes {
			if tree[iioFolder+"/"+name] = content; content == "" {
				delete(tree, iioFolder+"/"+name)
			}
		}
		return tree
	}
	noTriggers := with(nil)
	maps.DeleteFunc(noTriggers, func(name, _ string) bool { return strings.Contains(name, "devices/trigger") })
	tests := []struct {
		name string
		tree map[string]string
		cfg  Config
		want error
		text string
	}{
		{"well", with(nil), Config{}, nil, ""},
		{"the timer", with(nil), Config{Trigger: "timer"}, nil, ""},
		{"no such trigger", with(nil), Config{Trigger: "clock"}, ErrNoBus, `trigger "clock" does not exist; there are: "lis2dh12-dev0", "timer"; a timer is made by root: mkdir /sys/kernel/config/iio/triggers/hrtimer/NAME`},
		{"no trigger at all", noTriggers, Config{}, ErrNoBus, "no trigger is set and the device has none of its own; set trigger; there are none"},
		{"a device that needs none", with(map[string]string{"trigger/current_trigger": ""}), Config{}, nil, ""},
		{"a trigger for it", with(map[string]string{"trigger/current_trigger": ""}), Config{Trigger: "timer"}, ErrWrongDevice, "without a trigger; leave trigger out"},
		{"no such channel", with(nil), Config{Channels: []ChannelConfig{{Name: "accel_w"}}}, ErrWrongDevice, "its buffer has: accel_x, accel_y, accel_z, timestamp"},
		{"a type that is none", with(map[string]string{"scan_elements/in_accel_y_type": "le:s12/13>>0"}), Config{}, ErrGarbage, `accel_y: "le:s12/13>>0" is no type of a channel`},
		{"an index that is none", with(map[string]string{"scan_elements/in_accel_y_index": "one"}), Config{}, ErrGarbage, `in_accel_y_index holds "one"`},
		{"three numbers in one", with(map[string]string{"scan_elements/in_accel_y_type": "le:s16/16X3>>0"}), Config{}, nil, ""},
		{"no frequency to set", with(map[string]string{"sampling_frequency": ""}), Config{Frequency: 100}, ErrWrongDevice, "leave frequency out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Driver, tt.cfg.Device = "iio-buffer", "lis2dh12"
			sys := sysTree(t, tt.tree)
			_, err := sample(t, sys, tt.cfg)
			if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v", err)
			}
			for name, content := range tt.tree {
				if is, err := os.ReadFile(filepath.Join(sys, name)); err != nil || string(is) != content {
					t.Errorf("%s is %q: %v", name, is, err)
				}
			}
		})
	}
	_, err := sample(t, sysTree(t, map[string]string{iioFolder + "/name": "dps310"}), Config{Driver: "iio-buffer", Device: "dps310"})
	if !errors.Is(err, ErrWrongDevice) || !strings.Contains(err.Error(), `it has no buffer; use driver = "iio"`) {
		t.Errorf("without a buffer: %v", err)
	}
}

// What may not be written is said with what it must be.
func TestIIOBufferRefused(t *testing.T) {
	s := &iioScan{folder: "/sys/bus/iio/devices/iio:device0"}
	w := step{s.file("buffer/enable"), "1"}
	for err, want := range map[error]error{
		&fs.PathError{Op: "open", Err: unix.EACCES}: ErrPermission, unix.EROFS: ErrPermission, unix.EINVAL: unix.EINVAL,
	} {
		got := s.refused(w, err)
		if !errors.Is(got, want) || !strings.Contains(got.Error(), "buffer/enable") {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}

func TestStampClock(t *testing.T) {
	wall := time.Unix(1_800_000_000, 0)
	got := []time.Time{stampRealtime.time(wall.UnixNano()-5, wall, time.Hour), stampMonotonic.time(int64(time.Hour)-5, wall, time.Hour)}
	if diff := cmp.Diff([]time.Time{wall.Add(-5), wall.Add(-5)}, got); diff != "" {
		t.Error(diff)
	}
}

package hw

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// board files as the kernel has them: a DPS310 and an ADC behind IIO, a
// processor and a fan behind hwmon, a thermal zone and a cooling device.
func sysBoard() map[string]string {
	const (
		iio     = "bus/iio/devices/"
		hwmon   = "class/hwmon/"
		thermal = "class/thermal/"
	)
	return map[string]string{
		iio + "iio:device0/name":               "dps310\n",
		iio + "iio:device0/in_temp_input":      "24738\n",
		iio + "iio:device0/in_pressure_input":  "92.947000\n",
		iio + "iio:device0/in_temp_raw":        "-12",
		iio + "iio:device0/sampling_frequency": "1",

		iio + "iio:device1/name":                       "ads1015",
		iio + "iio:device1/label":                      "battery",
		iio + "iio:device1/in_voltage_scale":           "3.000000",
		iio + "iio:device1/in_voltage0_raw":            "1100",
		iio + "iio:device1/in_voltage0_label":          "pack",
		iio + "iio:device1/in_voltage0-voltage1_raw":   "-20",
		iio + "iio:device1/in_voltage0-voltage1_scale": "0.5",
		iio + "iio:device1/in_accel_x_raw":             "512",
		iio + "iio:device1/in_accel_scale":             "0.019",
		iio + "iio:device1/in_accel_offset":            "-2",
		iio + "iio:device1/in_intensity_both_raw":      "77",
		iio + "iio:device10/name":                      "dps310",
		iio + "iio:device10/in_temp_input":             "1000",
		iio + "trigger0/name":                          "sysfstrig",

		hwmon + "hwmon0/name":         "cpu_thermal",
		hwmon + "hwmon0/temp1_input":  "48312",
		hwmon + "hwmon0/temp1_label":  "core",
		hwmon + "hwmon1/name":         "emc2305",
		hwmon + "hwmon1/fan1_input":   "1450",
		hwmon + "hwmon1/in0_input":    "3312",
		hwmon + "hwmon1/power1_input": "2500000",
		hwmon + "hwmon1/temp1_input":  "-128000",
		hwmon + "hwmon1/temp1_fault":  "1",
		hwmon + "hwmon1/pwm1":         "128",
		hwmon + "hwmon2/name":         "nothing",

		thermal + "thermal_zone0/type":   "cpu-thermal",
		thermal + "thermal_zone0/temp":   "48312",
		thermal + "cooling_device0/type": "fan",
	}
}

// sample reads the sensor once.
func sample(t *testing.T, sys string, cfg Config) ([]Reading, error) {
	t.Helper()
	cfg.Name = "test"
	return Probe(t.Context(), RoleSensor, cfg, Options{Sys: sys})
}

func TestSysSensors(t *testing.T) {
	sys := sysTree(t, sysBoard())
	path := filepath.Join(sys, "bus/iio/devices/iio:device10")
	tests := []struct {
		name, driver, device string
		want                 map[string]float64
	}{
		{"IIO by name takes the first", "iio", "dps310", map[string]float64{"temp": 24.738, "pressure": 92947}},
		{"IIO by folder", "iio", "iio:device10", map[string]float64{"temp": 1}},
		{"IIO by path", "iio", path, map[string]float64{"temp": 1}},
		{"IIO by path of sysfs", "iio", "/sys/bus/iio/devices/iio:device10", map[string]float64{"temp": 1}},
		{"IIO by label, raw", "iio", "battery", map[string]float64{
			"voltage0": 3.3, "voltage0-voltage1": -0.01, "accel_x": 9.69, "intensity_both": 77,
		}},
		{"hwmon by name", "hwmon", "cpu_thermal", map[string]float64{"temp1": 48.312}},
		{"thermal by type", "thermal", "cpu-thermal", map[string]float64{"temperature": 48.312}},
		{"thermal by folder", "thermal", "thermal_zone0", map[string]float64{"temperature": 48.312}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			readings, err := sample(t, sys, Config{Driver: tt.driver, Device: tt.device})
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, readings, tt.want)
		})
	}
}

func TestSysValuesAreExact(t *testing.T) {
	readings, err := sample(t, sysTree(t, sysBoard()), Config{Driver: "iio", Device: "dps310"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		if want := map[string]string{"temp": "24.738", "pressure": "92947"}[r.Channel]; r.Value.String() != want {
			t.Errorf("%s is %s, want %s", r.Channel, r.Value, want)
		}
	}
}

// TestIIODifferential: what measures one input against another has the scale of its kind, its own, or that of its type.
func TestIIODifferential(t *testing.T) {
	files := map[string]string{
		"name": "ad7793", "in_voltage0-voltage0_raw": "1000", "in_voltage1-voltage2_raw": "1000", "in_voltage1-voltage2_scale": "5", "in_voltage3_raw": "1000", "in_current0-current1_raw": "1000",
		"in_voltage_scale": "3", "in_voltage-voltage_scale": "2", "in_voltage-voltage_offset": "-500", "in_current_scale": "4",
	}
	tree := make(map[string]string)
	for name, content := range files {
		tree["bus/iio/devices/iio:device0/"+name] = content
	}
	readings, err := sample(t, sysTree(t, tree), Config{Driver: "iio", Device: "ad7793"})
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, readings, map[string]float64{"voltage0-voltage0": 1, "voltage1-voltage2": 2.5, "voltage3": 3, "current0-current1": 4})
}

func TestHwmonFault(t *testing.T) {
	readings, err := sample(t, sysTree(t, sysBoard()), Config{Driver: "hwmon", Device: "emc2305"})
	if err != nil {
		t.Fatal(err)
	}
	var good []Reading
	for _, r := range readings {
		if r.Channel != "temp1" {
			good = append(good, r)
		} else if r.Quality != Invalid || r.Reason != "temp1: the sensor reports a fault" {
			t.Errorf("%+v", r)
		}
	}
	wantValues(t, good, map[string]float64{"fan1": 1450, "in0": 3.312, "power1": 2.5})
}

func TestSysChannels(t *testing.T) {
	channels, err := iioList(filepath.Join(sysTree(t, sysBoard()), "bus/iio/devices/iio:device1"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]Channel)
	for _, c := range channels {
		got[c.Name] = c.Channel
	}
	want := map[string]Channel{
		"voltage0":          {Name: "voltage0", Label: "pack", Quantity: Voltage, Unit: "V", Kind: KindFloat},
		"voltage0-voltage1": {Name: "voltage0-voltage1", Quantity: Voltage, Unit: "V", Kind: KindFloat},
		"accel_x":           {Name: "accel_x", Quantity: Acceleration, Axis: "x", Unit: "m/s2", Kind: KindFloat},
		"intensity_both":    {Name: "intensity_both", Quantity: Generic, Kind: KindFloat},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSysRefuses(t *testing.T) {
	sys := sysTree(t, sysBoard())
	write := func(path, content string) {
		path = filepath.Join(sys, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("class/hwmon/hwmon3/name", "odd")
	write("class/hwmon/hwmon3/temp1_input", "warm\n")
	write("class/hwmon/hwmon4/name", "odder")
	write("class/hwmon/hwmon4/temp1_input", "nan\n")
	write("class/hwmon/hwmon5/name", "oddest")
	write("class/hwmon/hwmon5/temp1_input", strings.Repeat("1", 5000))
	tests := []struct {
		name string
		cfg  Config
		want error
		text string
	}{
		{"no such device", Config{Driver: "iio", Device: "bmp581"}, ErrNoBus, `iio at bmp581: bmp581 does not exist; run "lwm2m-agent scan"`},
		{"no such path", Config{Driver: "iio", Device: "/sys/bus/iio/devices/iio:device9"}, ErrNoBus, "iio:device9 does not exist"},
		{"no such channel", Config{Driver: "iio", Device: "dps310", Channels: []ChannelConfig{{Name: "humidityrelative"}}}, ErrWrongDevice, `it has no channel "humidityrelative"; it has: temp, pressure`},
		{"nothing to measure", Config{Driver: "hwmon", Device: "nothing"}, ErrWrongDevice, "it measures nothing"},
		{"a cooling device", Config{Driver: "thermal", Device: "fan"}, ErrNoBus, "does not exist"},
		{"no number", Config{Driver: "hwmon", Device: "odd"}, ErrGarbage, `temp1_input holds "warm"`},
		{"not a number", Config{Driver: "hwmon", Device: "odder"}, ErrGarbage, `temp1_input holds "nan"`},
		{"too much of a number", Config{Driver: "hwmon", Device: "oddest"}, ErrGarbage, "temp1_input holds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := sample(t, sys, tt.cfg)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || len(err.Error()) > 300 {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A device that is unbound and comes back under another number.
func TestSysDeviceVanishesAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := sysTree(t, map[string]string{
			"bus/iio/devices/iio:device0/name":              "dps310",
			"bus/iio/devices/iio:device0/in_pressure_input": "92.947",
		})
		air := sensorUnit("air")
		_, r, end := runBoard(t, nil, Options{Sys: sys}, Setup{Sensors: []Config{{
			Name: "air", Driver: "iio", Device: "dps310", Interval: 10 * time.Second,
		}}})
		sleep(t, time.Second)
		if diff := cmp.Diff([]Channel{{Name: "pressure", Quantity: Pressure, Unit: "Pa", Kind: KindFloat}}, r.described[air]); diff != "" {
			t.Error(diff)
		}
		folder := filepath.Join(sys, "bus/iio/devices/iio:device0")
		away := filepath.Join(sys, "away")
		if err := os.Rename(folder, away); err != nil {
			t.Fatal(err)
		}
		sleep(t, 15*time.Second)
		if got := r.last(t, air, "pressure"); got.Quality != Invalid || !strings.Contains(got.Reason, "dps310 does not exist") {
			t.Errorf("%+v", got)
		}
		if err := os.Rename(away, folder[:len(folder)-1]+"4"); err != nil {
			t.Fatal(err)
		}
		sleep(t, maxRetry)
		if got := r.last(t, air, "pressure"); got.Quality != Good || got.Value != Float(92947) {
			t.Errorf("%+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestChannelsKnownBeforeTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sensorUnit("air")
		_, r, end := runBoard(t, nil, Options{Sys: t.TempDir()}, Setup{Sensors: []Config{{
			Name: "air", Driver: "iio", Device: "dps310", Channels: []ChannelConfig{{Name: "pressure"}},
		}}})
		sleep(t, time.Second)
		if got := r.last(t, air, "pressure"); got.Quality != Invalid {
			t.Errorf("%+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestSysErrors(t *testing.T) {
	// What reading an attribute can give, and what it means.
	tests := []struct {
		err  error
		want error
	}{
		{&fs.PathError{Op: "read", Err: unix.ENXIO}, ErrNoAnswer},
		{&fs.PathError{Op: "read", Err: unix.EREMOTEIO}, ErrNoAnswer},
		{&fs.PathError{Op: "read", Err: unix.ENODEV}, ErrNoBus},
		{&fs.PathError{Op: "open", Err: unix.ENOENT}, ErrNoBus},
		{&fs.PathError{Op: "open", Err: unix.EACCES}, ErrPermission},
		{&fs.PathError{Op: "open", Err: unix.EPERM}, ErrPermission},
		{&fs.PathError{Op: "read", Err: unix.EBUSY}, ErrBusy},
		{unix.EIO, unix.EIO},
		{unix.ETIMEDOUT, ErrNoAnswer},
		{nil, nil},
	}
	for _, tt := range tests {
		if got := i2cError("x", tt.err); !errors.Is(got, tt.want) || tt.err != nil && !errors.Is(got, tt.err) {
			t.Errorf("%v becomes %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestSysStale(t *testing.T) {
	sys := sysTree(t, map[string]string{"a": "1"})
	busy := sysChannel{Channel: Channel{Name: "busy"}, file: filepath.Join(sys, "a"), scale: 1, fault: filepath.Join(sys, "a")}
	s := &sysSensor{access: &access{platform: newPlatform(Options{})}, channels: []sysChannel{busy}}
	s.access.take(sensorUnit("x"), hwmonDriver())
	defer s.access.give()
	if _, err := s.Sample(t.Context()); !errors.Is(err, errFault) {
		t.Errorf("all channels at fault: %v", err)
	}
	for err, want := range map[error]Quality{unix.EAGAIN: Stale, unix.EBUSY: Stale, unix.EIO: Invalid} {
		if got := failedReading("busy", "dev", err); got.Quality != want || !strings.HasPrefix(got.Reason, "busy: ") {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

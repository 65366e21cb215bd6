package hw

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// asked is an adapter for Scan.
type asked struct {
	answers map[uint16]bool
	errs    map[uint16]error
	block   chan struct{}
	timeout time.Duration
	asked   []uint16
	closed  bool
}

func (a *asked) Probe(address uint16) (bool, error) {
	if a.block != nil {
		<-a.block
	}
	if errors.Is(a.errs[address], unix.ETIMEDOUT) {
		if err := pause(context.Background(), a.timeout); err != nil {
			return false, err
		}
	}
	a.asked = append(a.asked, address)
	return a.answers[address], a.errs[address]
}

func (a *asked) Close() error {
	a.closed = true
	return nil
}

func TestScanI2C(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := sysTree(t, map[string]string{"i2c-10": "", "i2c-2": "", "i2c-0": "", "i2c-11": "", "i2c": ""})
		sys := sysTree(t, map[string]string{
			"class/i2c-dev/i2c-0/name":         "21a0000.i2c\n",
			"bus/i2c/devices/0-001d/name":      "mma8451\n",
			"bus/i2c/devices/0-001d/driver/x":  "",
			"bus/i2c/devices/i2c-0/new_device": "",
		})
		release := make(chan struct{})
		adapters := map[string]*asked{
			"i2c-0":  {answers: map[uint16]bool{0x48: true, 0x76: true, 0x50: true}, errs: map[uint16]error{0x1d: unix.EBUSY, 0x52: unix.EOPNOTSUPP}},
			"i2c-2":  {block: release},
			"i2c-10": {errs: map[uint16]error{}, timeout: time.Second},
			"i2c-11": {errs: map[uint16]error{}}, // pulled out
		}
		for address := uint16(0x08); address <= 0x77; address++ {
			adapters["i2c-10"].errs[address] = unix.ETIMEDOUT
			adapters["i2c-11"].errs[address] = unix.ENODEV
		}
		adapters["i2c-0"].errs[0x4a] = unix.ETIMEDOUT
		adapters["i2c-0"].errs[0x4b] = unix.ENODEV // i2c-stub's word for nobody
		p := newPlatform(Options{Sys: sys, Dev: dev})
		inv := p.scan(t.Context(), func(path string) (prober, error) { return adapters[filepath.Base(path)], nil })
		want := []I2CBus{
			{Path: "/dev/i2c-0", Name: "21a0000.i2c", Devices: []I2CDevice{
				{Address: 0x1d, Drivers: driversAt(0x1d), Kernel: "mma8451"},
				{Address: 0x48, Drivers: driversAt(0x48)},
				{Address: 0x50, Drivers: driversAt(0x50)},
				{Address: 0x76, Drivers: driversAt(0x76)},
			}},
			{Path: "/dev/i2c-2"},
			{Path: "/dev/i2c-10"},
			{Path: "/dev/i2c-11"},
		}
		for i, wantErr := range []error{nil, ErrHung, unix.ETIMEDOUT, unix.ENODEV} {
			if !errors.Is(inv.I2C[i].Err, wantErr) {
				t.Errorf("%s: error %v", inv.I2C[i].Path, inv.I2C[i].Err)
			}
			inv.I2C[i].Err = nil
		}
		if diff := cmp.Diff(want, inv.I2C); diff != "" {
			t.Error(diff)
		}
		first := adapters["i2c-0"]
		if n := len(first.asked); n != 0x78-8 || !knownFirst(first.asked) || !first.closed {
			t.Errorf("asked %d addresses: %#x, closed %v", n, first.asked, first.closed)
		}
		slices.Sort(first.asked)
		if first.asked[0] != 0x08 || first.asked[0x77-8] != 0x77 || len(slices.Compact(first.asked)) != 0x78-8 {
			t.Errorf("asked addresses %#x", first.asked)
		}
		if n := len(adapters["i2c-10"].asked); n != 30+1 {
			t.Errorf("a stuck bus was asked for %d addresses", n)
		}
		close(release)
		synctest.Wait()
		if !adapters["i2c-2"].closed || !adapters["i2c-10"].closed {
			t.Error("an adapter is left open")
		}
	})
}

func TestScanEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(Options{Sys: t.TempDir(), Dev: sysTree(t, map[string]string{"i2c-0": "", "i2c-1": ""})})
		release := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		inv := p.scan(ctx, func(string) (prober, error) { <-release; return nil, unix.EIO })
		if took := time.Since(begin); took != time.Second || len(inv.I2C) != 2 || inv.I2C[0].Err == nil || inv.I2C[1].Err == nil {
			t.Errorf("took %v: %+v", took, inv.I2C)
		}
		close(release)
		synctest.Wait()
	})
}

func TestScanSys(t *testing.T) {
	sys := sysTree(t, sysBoard())
	for path, content := range map[string]string{
		"bus/w1/devices/28-00000a3b4c5d/w1_slave":     "",
		"bus/w1/devices/10-000802824e58/w1_slave":     "",
		"bus/w1/devices/w1_bus_master1/w1_master_add": "",
		"bus/w1/devices/xyz-1/x":                      "",
		"drivers/cp210x/x":                            "",
		"drivers/serial8250/x":                        "",
		"class/tty/console/dev":                       "",
		"class/tty/ttyS0/type":                        "4\n",
		"class/tty/ttyS1/type":                        "0\n",
	} {
		path = filepath.Join(sys, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for tty, driver := range map[string]string{"ttyUSB0": "cp210x", "ttyS0": "serial8250", "ttyS1": "serial8250"} {
		device := filepath.Join(sys, "class/tty", tty, "device")
		if err := errors.Join(os.MkdirAll(device, 0o700), os.Symlink(filepath.Join(sys, "drivers", driver), filepath.Join(device, "driver"))); err != nil {
			t.Fatal(err)
		}
	}
	inv := Scan(t.Context(), Options{Sys: sys, Dev: t.TempDir()})
	names := func(devices []SysDevice) (names []string) {
		for _, d := range devices {
			if d.Err != nil {
				t.Errorf("%s: %v", d.Folder, d.Err)
			}
			names = append(names, d.Folder+" "+d.Name+": "+channelNames(d.Channels))
		}
		return names
	}
	for _, found := range []struct{ got, want []string }{
		{names(inv.IIO), []string{
			"iio:device0 dps310: temp, pressure", "iio:device1 battery: accel_x, voltage0, intensity_both, voltage0-voltage1",
			"iio:device10 dps310: temp",
		}},
		{names(inv.HWMon), []string{"hwmon0 cpu_thermal: temp1", "hwmon1 emc2305: in0, fan1, temp1, power1"}},
		{names(inv.Thermal), []string{"thermal_zone0 cpu-thermal: temperature"}},
	} {
		if diff := cmp.Diff(found.want, found.got); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff([]OneWireDevice{{"10-000802824e58", 0x10}, {"28-00000a3b4c5d", 0x28}}, inv.OneWire); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]SerialPort{{"/dev/ttyS0", "serial8250"}, {"/dev/ttyUSB0", "cp210x"}}, inv.Serial); diff != "" {
		t.Error(diff)
	}
}

func TestScanOfNothing(t *testing.T) {
	inv := Scan(t.Context(), Options{Sys: t.TempDir(), Dev: t.TempDir()})
	if diff := cmp.Diff(Inventory{I2C: []I2CBus{}, SPI: []SPIDevice{}, GPIO: []GPIOChip{}}, inv); diff != "" {
		t.Error(diff)
	}
}

// What is suggested can be applied as it is.
func TestSuggest(t *testing.T) {
	inv := Scan(t.Context(), Options{Sys: sysTree(t, sysBoard()), Dev: t.TempDir()})
	inv.I2C = []I2CBus{{Path: "/dev/i2c-1", Devices: []I2CDevice{
		{Address: 0x76, Drivers: driversAt(0x76)},
		{Address: 0x48, Drivers: []string{"lm75"}, Kernel: "lm75"},
		{Address: 0x50},
	}}}
	setup := inv.Suggest()
	if problems := Validate(setup); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
	got := make([]string, 0, len(setup.Sensors))
	for _, c := range setup.Sensors {
		got = append(got, strings.Join([]string{c.Name, c.Driver, c.Where()}, " | "))
	}
	want := []string{
		"i2c-1 76 | bme280 | /dev/i2c-1 0x76",
		"iio iio:device0 | iio | iio:device0",
		"iio iio:device1 | iio | battery",
		"iio iio:device10 | iio | iio:device10",
		"hwmon hwmon0 | hwmon | cpu_thermal",
		"hwmon hwmon1 | hwmon | emc2305",
		"thermal thermal_zone0 | thermal | cpu-thermal",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProbe(t *testing.T) {
	readings, err := Probe(t.Context(), RoleSensor, Config{Name: "door", Driver: "sim", Wave: WaveContact}, Options{})
	if err != nil || len(readings) != 2 || readings[0].Value != Bool(false) {
		t.Errorf("a watcher: %+v, %v", readings, err)
	}
	readings, err = Probe(t.Context(), RoleActuator, Config{Name: "lamp", Driver: "sim", Safe: Safe{Value: Bool(true)}}, Options{})
	if err != nil || len(readings) != 2 || readings[0].Value != Bool(true) {
		t.Errorf("an actuator: %+v, %v", readings, err)
	}
	var problem *Problem
	if _, err = Probe(t.Context(), RoleSensor, Config{Name: "x", Driver: "bme280"}, Options{}); !errors.As(err, &problem) {
		t.Errorf("not valid: %v", err)
	}
	_, err = Probe(t.Context(), RoleSensor, Config{Name: "x", Driver: "lm75", Bus: "/dev/i2c-7", Address: 0x48}, Options{Dev: t.TempDir()})
	if err == nil || !strings.HasSuffix(err.Error(), `i2c-7 does not exist; run "lwm2m-agent scan"`) || !errors.Is(err, ErrNoBus) {
		t.Errorf("no bus: %v", err)
	}
}

func TestProbeOfABusThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		release := make(chan struct{})
		w.buses[bus0].block = release
		p := newPlatform(Options{})
		p.buses.openI2C = w.openI2C
		begin := time.Now()
		_, err := p.probe(t.Context(), sensorUnit("cold room"), lm75Driver(), lm75At("cold room", bus0, 0x48))
		if !errors.Is(err, ErrHung) || time.Since(begin) > sampleLimit {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		close(release)
		synctest.Wait()
	})
}

// knownFirst reports whether addresses that drivers know come before all others.
func knownFirst(asked []uint16) bool {
	unknown := slices.IndexFunc(asked, func(a uint16) bool { return len(sensorsAt(a)) == 0 })
	return unknown > 0 && !slices.ContainsFunc(asked[unknown:], func(a uint16) bool { return len(sensorsAt(a)) > 0 })
}

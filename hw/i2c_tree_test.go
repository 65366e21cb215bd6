package hw

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// muxes is sysfs of a bus 21a0000.i2c with a multiplexer at 0x70, whose channel 2
// has one at 0x71, and one that is switched by GPIO lines. first is the number of
// the first channel's adapter.
func muxes(t *testing.T, first int) string {
	t.Helper()
	name := func(n int) string { return fmt.Sprintf("i2c-%d", n) }
	adapters := []struct{ node, name, mux string }{
		{"i2c-1", "21a0000.i2c", ""},
		{"i2c-2", "21a4000.i2c", ""},
		{"i2c-3", "twin", ""},
		{"i2c-4", "twin", ""},
		{name(first), "i2c-1-mux (chan_id 0)", "1-0070"},
		{name(first + 1), "i2c-1-mux (chan_id 2)", "1-0070"},
		{name(first + 2), fmt.Sprintf("i2c-%d-mux (chan_id 1)", first+1), fmt.Sprintf("%d-0071", first+1)},
		{name(first + 3), "i2c-1-mux (chan_id 0)", "i2cmux"},
	}
	files := map[string]string{"devices/platform/21a4000.i2c/i2c-2/x": ""}
	for _, a := range adapters {
		files["class/i2c-dev/"+a.node+"/name"] = a.name + "\n"
		files["bus/i2c/devices/"+a.node+"/name"] = a.name + "\n"
	}
	sys := sysTree(t, files)
	for _, a := range adapters {
		if a.mux != "" {
			if err := os.Symlink("../"+a.mux, filepath.Join(sys, "bus/i2c/devices", a.node, "mux_device")); err != nil {
				t.Fatal(err)
			}
		}
	}
	return sys
}

func TestI2CNode(t *testing.T) {
	p := newPlatform(Options{Sys: muxes(t, 5)})
	for bus, want := range map[string]string{
		"/dev/i2c-1":                        "i2c-1",
		"i2c-9":                             "i2c-9", // which need not be there
		"21a0000.i2c":                       "i2c-1",
		"/sys/devices/platform/21a4000.i2c": "i2c-2",
		"/sys/devices/platform/21a4000.i2c/i2c-2":  "i2c-2",
		"/dev/i2c-1/0x70/0":                        "i2c-5",
		"i2c-1/0x70/2":                             "i2c-6",
		"21a0000.i2c/0x70/2":                       "i2c-6",
		"21a0000.i2c/112/2/0x71/1":                 "i2c-7",
		"21a0000.i2c/i2cmux/0":                     "i2c-8",
		"i2c-1-mux (chan_id 2)":                    "i2c-6",
		"/dev/i2c-1/0x70/1":                        "! the bus /dev/i2c-1/0x70/1 does not exist",
		"/dev/i2c-1/0x72/0":                        "! the bus /dev/i2c-1/0x72/0 does not exist",
		"/dev/i2c-2/0x70/0":                        "! the bus /dev/i2c-2/0x70/0 does not exist",
		"21a0000.i2c/0x70":                         "! the bus 21a0000.i2c/0x70 does not exist",
		"21a8000.i2c":                              "! the bus 21a8000.i2c does not exist",
		"twin":                                     `! "twin" is the name of several adapters: i2c-3, i2c-4; say which`,
		"/sys/devices/platform/21a8000.i2c":        "! the bus /sys/devices/platform/21a8000.i2c does not exist",
		"/sys/devices/platform/21a4000.i2c/0x70/0": "! the bus /sys/devices/platform/21a4000.i2c/0x70/0 does not exist",
		"/sys/devices/platform/[":                  "! the bus /sys/devices/platform/[ does not exist",
	} {
		got, err := p.i2cNode(bus)
		if err != nil {
			got = "! " + err.Error()
		}
		if got != want {
			t.Errorf("%s is %s, want %s", bus, got, want)
		}
	}
	if _, err := p.i2cNode("21a8000.i2c"); !errors.Is(err, ErrNoBus) {
		t.Errorf("an adapter that is not there: %v", err)
	}
}

func TestI2CPlace(t *testing.T) {
	adapters := newPlatform(Options{Sys: muxes(t, 5)}).i2cAdapters()
	got := make(map[string]string)
	for node, a := range adapters {
		got[node] = a.place(adapters)
	}
	want := map[string]string{
		"i2c-1": "/dev/i2c-1", "i2c-2": "/dev/i2c-2", "i2c-3": "/dev/i2c-3", "i2c-4": "/dev/i2c-4",
		"i2c-5": "/dev/i2c-1/0x70/0", "i2c-6": "/dev/i2c-1/0x70/2", "i2c-7": "/dev/i2c-1/0x70/2/0x71/1", "i2c-8": "/dev/i2c-1/i2cmux/0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A sensor behind a multiplexer is read through the adapter that the channel has
// just now, also when it comes back under another number.
func TestMultiplexedSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := muxes(t, 5)
		w := newWire("/dev/i2c-6")
		w.buses["/dev/i2c-6"].parts[0x48] = thermometer
		_, r, end := runBoard(t, w, Options{Sys: sys}, Setup{Sensors: []Config{lm75At("cold room", "21a0000.i2c/0x70/2", 0x48)}})
		sleep(t, time.Second)
		unit := sensorUnit("cold room")
		if got := r.last(t, unit, "temperature"); got.Quality != Good {
			t.Fatalf("%+v", got)
		}
		bus := w.remove("/dev/i2c-6")
		other := muxes(t, 15)
		for _, folder := range []string{"bus", "class"} {
			if err := errors.Join(os.RemoveAll(filepath.Join(sys, folder)), os.Rename(filepath.Join(other, folder), filepath.Join(sys, folder))); err != nil {
				t.Fatal(err)
			}
		}
		sleep(t, DefaultInterval)
		if got := r.last(t, unit, "temperature"); got.Quality != Invalid || !strings.Contains(got.Reason, "lm75 at 21a0000.i2c/0x70/2 0x48: ") {
			t.Errorf("%+v", got)
		}
		w.add("/dev/i2c-16", bus)
		sleep(t, 2*DefaultInterval)
		if got := r.last(t, unit, "temperature"); got.Quality != Good {
			t.Errorf("%+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestConflicts(t *testing.T) {
	at := lm75At
	tests := []struct {
		name string
		cfg  []Config
		want []string
	}{
		{"side by side", []Config{at("a", "/dev/i2c-1", 0x48), at("b", "i2c-5", 0x49), at("c", "i2c-6", 0x49), at("d", "/dev/i2c-2", 0x49)}, nil},
		{"above and below", []Config{at("a", "21a0000.i2c/0x70/2/0x71/1", 0x48), at("b", "/dev/i2c-1", 0x48)}, []string{
			`sensor "a": 0x48 is used by sensor "b" on /dev/i2c-1 too, from which the channel 21a0000.i2c/0x70/2/0x71/1 is reached: both answer; give one another address`,
		}},
		{"two names", []Config{at("a", "/dev/i2c-1", 0x48), at("b", "21a0000.i2c", 0x48)}, []string{
			`sensor "b": 21a0000.i2c and /dev/i2c-1, of sensor "a", are one bus; call it by one name, and give each part its own address`,
		}},
		{"the multiplexer's own", []Config{{Name: "a", Driver: "pca9685", Bus: "i2c-5", Address: 0x70, Line: LineOffset(0)}}, []string{
			`sensor "a": 0x70 is the multiplexer 0x70 itself, through which i2c-5 is reached; give the part another address`,
		}},
		{"not there", []Config{at("a", "21a8000.i2c", 0x48), at("b", "21a8000.i2c/0x70/0", 0x48)}, nil},
	}
	opts := Options{Sys: muxes(t, 5)}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range Conflicts(Setup{Sensors: tt.cfg}, opts) {
				got = append(got, p.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A part that a kernel driver holds on a bus above is not read from a channel.
func TestHeldAboveTheChannel(t *testing.T) {
	sys := muxes(t, 5)
	if err := os.MkdirAll(filepath.Join(sys, "bus/i2c/devices/1-0048"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../drivers/lm75", filepath.Join(sys, "bus/i2c/devices/1-0048/driver")); err != nil {
		t.Fatal(err)
	}
	_, err := Probe(t.Context(), RoleSensor, lm75At("a", "/dev/i2c-1/0x70/2", 0x48), Options{Sys: sys, Dev: t.TempDir()})
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "in use by the kernel's driver lm75") {
		t.Errorf("%v", err)
	}
}

// What answers on a bus answers on the channels of its multiplexers as well, and
// is listed once.
func TestScanMultiplexers(t *testing.T) {
	dev := sysTree(t, map[string]string{"i2c-1": "", "i2c-5": "", "i2c-6": ""})
	adapters := map[string]*asked{
		"i2c-1": {answers: map[uint16]bool{0x76: true}, errs: nil},
		"i2c-5": {answers: map[uint16]bool{0x76: true, 0x48: true}},
		"i2c-6": {answers: map[uint16]bool{0x76: true, 0x48: true}},
	}
	p := newPlatform(Options{Sys: muxes(t, 5), Dev: dev})
	inv := p.scan(t.Context(), func(path string) (prober, error) { return adapters[filepath.Base(path)], nil })
	suggested := inv.Suggest().Sensors
	got := make([]string, 0, len(suggested))
	for _, s := range suggested {
		got = append(got, s.Where())
	}
	if diff := cmp.Diff([]string{"/dev/i2c-1 0x76", "/dev/i2c-1/0x70/0 0x48", "/dev/i2c-1/0x70/2 0x48"}, got); diff != "" {
		t.Error(diff)
	}
	if inv.I2C[0].Channel != "" || inv.I2C[2].Channel != "/dev/i2c-1/0x70/2" {
		t.Errorf("%+v", inv.I2C)
	}
}

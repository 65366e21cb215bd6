package hw

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// meters are two counters as Documentation/ABI/testing/sysfs-bus-counter has them: pulses of
// an interrupt line, and an encoder beside pulses of a timer with 16 bits.
func meters() map[string]string {
	return map[string]string{
		"bus/counter/devices/counter0/name":            "interrupt-counter\n",
		"bus/counter/devices/counter0/count0/name":     "IRQ 42\n",
		"bus/counter/devices/counter0/count0/function": "increase\n",
		"bus/counter/devices/counter0/count0/count":    "1000\n",
		"bus/counter/devices/counter0/count0/enable":   "0\n",
		"bus/counter/devices/counter1/name":            "timer\n",
		"bus/counter/devices/counter1/count0/function": "quadrature x4\n",
		"bus/counter/devices/counter1/count0/count":    "18446744073709551609\n",
		"bus/counter/devices/counter1/count1/function": "increase\n",
		"bus/counter/devices/counter1/count1/count":    "65530\n",
		"bus/counter/devices/counter1/count1/ceiling":  "65535\n",
	}
}

func TestCounter(t *testing.T) {
	sys := sysTree(t, meters())
	file := func(rest string) string { return filepath.Join(sys, "bus/counter/devices", rest) }
	synctest.Test(t, func(t *testing.T) {
		pulses, timer := sensorUnit("pulses"), sensorUnit("timer")
		b, r, end := runBoard(t, nil, Options{Sys: sys}, Setup{Sensors: []Config{
			{Name: "pulses", Driver: "counter", Device: "interrupt-counter", Interval: time.Second},
			{Name: "timer", Driver: "counter", Device: "counter1", Interval: time.Second},
		}})
		<-b.Ready()
		wants := func(u Unit, channel string, want int64) {
			t.Helper()
			if got := r.last(t, u, channel); got.Value != Integer(want) || got.Quality != Good {
				t.Errorf("%s of %s: %+v, want %d", channel, u.Name, got, want)
			}
		}
		counts := func(rest, n string) {
			t.Helper()
			if err := os.WriteFile(file(rest), []byte(n+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			sleep(t, time.Second)
		}
		wants(pulses, "count0", 0)
		wants(timer, "count0", -7)
		wants(timer, "count1", 0)
		if on, err := readAttribute(file("counter0/count0/enable")); on != "1" || err != nil {
			t.Errorf("enable holds %q, %v", on, err)
		}
		if c := r.described[timer]; len(c) != 2 || c[0].Quantity != Generic || c[1].Quantity != Count {
			t.Errorf("described as %+v", c)
		}
		if c := r.described[pulses]; len(c) != 1 || c[0].Label != "IRQ 42" {
			t.Errorf("described as %+v", c)
		}
		counts("counter0/count0/count", "1042")
		wants(pulses, "count0", 42)
		counts("counter0/count0/count", "3") // its driver was loaded anew
		wants(pulses, "count0", 45)
		counts("counter1/count1/count", "4") // past its ceiling
		wants(timer, "count1", 10)
		counts("counter1/count1/count", "10000")
		counts("counter1/count1/count", "2") // too far for a round
		wants(timer, "count1", 10+9996+2)
		counts("counter1/count0/count", "5")
		wants(timer, "count0", 5)
		counts("counter1/count0/count", "x")
		if got := r.last(t, timer, "count1"); got.Quality != Invalid || !strings.Contains(got.Reason, ErrGarbage.Error()) {
			t.Errorf("garbage: %+v", got)
		}
		counts("counter1/count0/count", "6")
		sleep(t, time.Minute)
		wants(timer, "count1", 10+9996+2)
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// TestCounterLength: counts of 32 bits that the kernel tells in 64, with their sign, and those that have 64.
func TestCounterLength(t *testing.T) {
	for name, counts := range map[string][][2]uint64{ // what the kernel tells, and what has come since the first
		"past the 31st bit":            {{1<<31 - 8, 0}, {1<<31 - 1, 7}, {0xffffffff_80000002, 10}, {0xffffffff_80000003, 11}},
		"past the 32nd bit":            {{0xffffffff_fffffffa, 0}, {0xffffffff_ffffffff, 5}, {5, 11}, {6, 12}},
		"anew past the 31st bit":       {{0xffffffff_80000000, 0}, {0xffffffff_80000001, 1}},
		"64 bits":                      {{1<<31 - 8, 0}, {1<<31 + 2, 10}, {1<<32 + 1, 9 + 1<<31}},
		"anew":                         {{1 << 30, 0}, {3, 3}},
		"a leap":                       {{5, 0}, {1 << 40, 0}, {1<<40 + 1, 1}},
		"back, past the 31st bit":      {{0xffffffff_fffffffa, 0}, {0xffffffff_fffffff0, 0}, {0xffffffff_fffffff1, 1}},
		"as far as it can in a sample": {{0, 0}, {1<<31 - 1, 1<<31 - 1}},
		"one further":                  {{0, 0}, {0xffffffff_80000000, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			sys := sysTree(t, meters())
			c := &counters{folder: filepath.Join(sys, "bus/counter/devices/counter0"), last: make(map[string]uint64), sum: make(map[string]int64)}
			for _, count := range counts {
				if err := os.WriteFile(filepath.Join(c.folder, "count0/count"), []byte(strconv.FormatUint(count[0], 10)+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if got, err := c.count(countChannel("count0")); got != int64(count[1]) || err != nil {
					t.Errorf("at %#x: %d, %v, want %d", count[0], got, err, count[1])
				}
			}
		})
	}
}

func TestCounterRefusals(t *testing.T) {
	tree := meters()
	delete(tree, "bus/counter/devices/counter0/count0/function")
	sys := sysTree(t, tree)
	for _, tt := range []struct {
		device, channel string
		want            error
	}{
		{"counter1", "count2", ErrWrongDevice}, {"counter2", "", ErrNoBus}, {"counter0", "", fs.ErrNotExist},
	} {
		cfg := Config{Name: "c", Driver: "counter", Device: tt.device}
		if tt.channel != "" {
			cfg.Channels = []ChannelConfig{{Name: tt.channel}}
		}
		if _, err := Probe(t.Context(), RoleSensor, cfg, Options{Sys: sys}); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	bad := Config{Name: "c", Driver: "counter", Device: "counter0", Channels: []ChannelConfig{{Name: "countx"}}}
	if problems := Validate(Setup{Sensors: []Config{bad}}); len(problems) != 1 || !strings.Contains(problems[0].Text, "it has count0, count1") {
		t.Error(problems)
	}
	if got, err := Probe(t.Context(), RoleSensor, Config{Name: "c", Driver: "counter", Device: "timer"}, Options{Sys: sys}); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	inv := newPlatform(Options{Sys: sysTree(t, meters())}).scan(t.Context(), nil)
	if s := inv.Suggest().Sensors; len(s) != 2 || s[0].Driver != "counter" || s[0].Device != "interrupt-counter" {
		t.Errorf("suggested %+v", s)
	}
}

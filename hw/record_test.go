package hw

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/hw/playback"
)

// playbackFile reads a file of testdata/playback.
func playbackFile(t *testing.T, path string) *playback.File {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f, err := playback.Parse(file)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return f
}

// TestPlaybacks runs each driver on the transfers that are kept for it.
func TestPlaybacks(t *testing.T) {
	paths, err := filepath.Glob("testdata/playback/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	played := make(map[string]bool)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			f := playbackFile(t, path)
			driver := strings.Join(f.Get(keyDriver), " ")
			if played[driver] = true; !strings.HasPrefix(filepath.Base(path), driver) || len(f.Get(keyOrigin)) != 1 {
				t.Errorf("it is of driver %q, origin %q", driver, f.Get(keyOrigin))
			}
			synctest.Test(t, func(t *testing.T) {
				if _, err := Replay(t.Context(), f); err != nil {
					t.Error(err)
				}
			})
		})
	}
	for _, d := range Drivers() {
		if (d.Bus == BusI2C || d.Bus == BusSPI) && !played[d.Name] {
			t.Errorf("driver %s has no testdata/playback/%s.txt", d.Name, d.Name)
		}
	}
}

// recordOn records on a wire, and returns the file as read from its text.
func recordOn(t *testing.T, w *wire, cfg Config, samples int) *playback.File {
	t.Helper()
	p := newPlatform(Options{Sys: t.TempDir()})
	p.buses.openI2C = w.openI2C
	f, err := p.record(t.Context(), cfg, samples, "a test")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := f.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	again, err := playback.Parse(&text)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// What is recorded on a bus is what replays: also that the part was away for a
// while, and answered nonsense.
func TestRecordReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		transfer := 0
		w.buses[bus0].parts[0x48] = func(out, in []byte) error {
			switch transfer++; transfer {
			case 3, 4:
				return unix.ENXIO
			case 6:
				copy(in, []byte{0x80, 0x00}) // -128 °C
				return nil
			}
			return thermometer(out, in)
		}
		cfg := lm75At("cold room", bus0, 0x48)
		cfg.Interval = time.Minute
		began := time.Now()
		f := recordOn(t, w, cfg, 5)
		if took := time.Since(began); took != 4*time.Minute {
			t.Errorf("five samples, a minute apart, took %v", took)
		}
		got := make([]string, 0, len(f.Steps))
		for _, s := range f.Steps {
			got = append(got, strings.Join(slices.Concat([]string{s.String()}, s.Readings, []string{s.Failure}), "|"))
		}
		const good, away = "sample|temperature 21.5 Cel good|", "no device answers"
		want := []string{"open|", good, "sample|" + away, "open|" + away, "open|", "sample|impossible answer: -128 °C", "open|", good}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("steps %q, want %q", got, want)
			}
		}
		steps, err := Replay(t.Context(), f)
		if err != nil || len(steps) != len(f.Steps) {
			t.Errorf("%d of %d steps: %v", len(steps), len(f.Steps), err)
		}
	})
}

// A driver that has changed since is told with the line of the file.
func TestReplayDiffers(t *testing.T) {
	const head = "lwm2m-agent playback 1\ndriver = lm75\naddress = 0x48\n"
	const open = "open\n> 01 < 00\nsample\n"
	for _, tt := range []struct {
		name, text string
		other      bool
		want       string
	}{
		{"other bytes", head + "open\n> 02 < 00\n", true, `it writes [01] and reads 1 bytes; line 5 has "> 02 < 00"`},
		{"another length", head + open + "> 00 < 15\n", true, `it writes [00] and reads 2 bytes; line 7`},
		{"more in the file", head + open + "> 00 < 15 80\n> 00 < 15 80\n= temperature 21.5 Cel good\n", true, `line 8, "> 00 < 15 80", and what follows in this step is left over`},
		{"less in the file", head + "open\n", true, "a transfer more, writing [01]"},
		{"another value", head + open + "> 00 < 15 80\n= temperature 21.6 Cel good\n", false, `line 6, sample: the reading is "temperature 21.5 Cel good", in the file "temperature 21.6 Cel good"`},
		{"a reading more", head + open + "> 00 < 15 80\n= temperature 21.5 Cel good\n= humidity 1 %RH good\n", false, `in the file "humidity 1 %RH good"`},
		{"no failure", head + open + "> 00 < 15 80\n! no device answers\n", false, `it fails with "", in the file with "no device answers"`},
		{"not opened", head + "sample\n", false, `must stand before`},
		{"a set on a sensor", head + open[:len(open)-7] + "set temperature 1\n", false, `lm75 cannot do \"set temperature 1\"`},
		{"another driver", "lwm2m-agent playback 1\ndriver = lm76\naddress = 0x48\n", false, `no driver "lm76"`},
		{"not on I2C", "lwm2m-agent playback 1\ndriver = sim\n", false, "only transfers over I2C"},
		{"an unknown setting", "lwm2m-agent playback 1\ndriver = lm75\ncolour = red\n", false, "colour = red: no such setting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := playback.Parse(strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			_, err = Replay(t.Context(), f)
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, playback.ErrOther) != tt.other {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestRecordRefuses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no such driver": {Name: "x", Driver: "lm76"},
		"no address":     {Name: "x", Driver: "lm75", Bus: bus0},
		"not on I2C":     {Name: "x", Driver: "sim"},
	} {
		if f, err := Record(t.Context(), cfg, 1, "", Options{}); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// That the adapter was not there is part of a recording too.
func TestRecordNoAdapter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := recordOn(t, newWire(), lm75At("x", bus0, 0x48), 1)
		if len(f.Steps) != 1 || f.Steps[0].Failure != bus0+" does not exist" {
			t.Errorf("%+v", f)
		}
		if _, err := Replay(t.Context(), f); err != nil {
			t.Error(err)
		}
	})
}

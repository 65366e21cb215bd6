package hw

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// w1Pad is w1_slave for a scratchpad and a temperature.
func w1Pad(pad, crc, celsius string) string {
	return pad + " : crc=" + pad[len(pad)-2:] + " " + crc + "\n" + pad + " t=" + celsius + "\n"
}

func TestDS18B20(t *testing.T) {
	tests := []struct {
		name, text string
		want       float64
		err        error
		says       string
	}{
		{"of the kernel's documentation", w1Pad("72 01 4b 46 7f ff 0e 10 57", "YES", "23125"), 23.125, nil, ""},
		{"below zero", w1Pad("5e ff 4b 46 7f ff 02 10 00", "YES", "-10125"), -10.125, nil, ""},
		{"85 °C measured", w1Pad("50 05 4b 46 7f ff 10 10 00", "YES", "85000"), 85, nil, ""},
		{"85 °C after a loss of power", w1Pad("50 05 4b 46 7f ff 0c 10 1c", "YES", "85000"), 0, ErrGarbage, "lost its power"},
		{"wrong checksum", w1Pad("72 01 4b 46 7f ff 0e 10 58", "NO", "23125"), 0, ErrGarbage, "checksum"},
		{"no part", w1Pad("ff ff ff ff ff ff ff ff ff", "NO", "-62"), 0, ErrGarbage, "checksum"},
		{"shorted", w1Pad("00 00 00 00 00 00 00 00 00", "YES", "0"), 0, ErrGarbage, "shorted"},
		{"out of range", w1Pad("72 01 4b 46 7f ff 0e 10 57", "YES", "126000"), 0, ErrGarbage, "126"},
		{"half a file", "72 01 4b 46 7f ff", 0, ErrGarbage, "72 01"},
		{"an empty file", "", 0, ErrNoAnswer, "no device answers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sys := sysTree(t, map[string]string{"bus/w1/devices/28-00000a3b4c5d/w1_slave": tt.text})
			readings, err := probeW1(t.Context(), sys, "28-00000a3b4c5d")
			if !errors.Is(err, tt.err) || tt.err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error %v", err)
			}
			if tt.err == nil {
				wantValues(t, readings, map[string]float64{"temperature": tt.want})
			}
		})
	}
	if _, err := probeW1(t.Context(), t.TempDir(), "28-1"); !errors.Is(err, ErrNoBus) {
		t.Errorf("not there: %v", err)
	}
}

func probeW1(ctx context.Context, sys, device string) ([]Reading, error) {
	return Probe(ctx, RoleSensor, Config{Name: "w1", Driver: "ds18b20", Device: device}, Options{Sys: sys})
}

func TestSuggestOneWire(t *testing.T) {
	sys := t.TempDir()
	for _, id := range []string{"28-00000a3b4c5d", "01-000000000001", "w1_bus_master1"} {
		if err := os.MkdirAll(filepath.Join(sys, "bus/w1/devices", id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	setup := Inventory{OneWire: newPlatform(Options{Sys: sys}).scanOneWire()}.Suggest()
	if len(setup.Sensors) != 1 || setup.Sensors[0].Driver != "ds18b20" || setup.Sensors[0].Device != "28-00000a3b4c5d" {
		t.Errorf("%+v", setup.Sensors)
	}
}

func FuzzW1(f *testing.F) {
	f.Add(w1Pad("72 01 4b 46 7f ff 0e 10 57", "YES", "23125"))
	f.Add(" : YES\nt=")
	f.Fuzz(func(t *testing.T, text string) {
		if celsius, err := decodeW1(text); err == nil && (celsius < -55 || celsius > 125) {
			t.Errorf("%v °C", celsius)
		}
	})
}

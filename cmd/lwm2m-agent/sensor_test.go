package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const thermometerFile = `lwm2m-agent playback 1
driver = lm75
address = 0x48

open
> 01 < 00
sample
> 00 < 15 80
= temperature 21.5 Cel good
`

func TestSensorReplay(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, other := file("good", thermometerFile), file("other", strings.Replace(thermometerFile, "15 80", "15 00", 1))
	for _, tt := range []struct {
		args     []string
		out      string
		problems string
		code     int
	}{
		{[]string{"replay", good}, "temperature 21.5 Cel good\n", "", exitDone},
		{[]string{"replay", "-json", good}, `["temperature 21.5 Cel good"]` + "\n", "", exitDone},
		{[]string{"replay", other}, "temperature 21 Cel good\n", `line 7, sample: the reading is "temperature 21 Cel good", in the file "temperature 21.5 Cel good"`, exitFailed},
		{[]string{"replay", file("empty", "")}, "", "the file is empty", exitFailed},
		{[]string{"replay", filepath.Join(dir, "absent")}, "", "no such file", exitFailed},
		{[]string{"replay"}, "", "needs the playback FILE", exitUsage},
		{[]string{"replay", good, other}, "", "unexpected argument", exitUsage},
		{[]string{"erase", good}, "", `no subcommand "erase"`, exitUsage},
		{[]string{"record"}, "", "needs the NAME", exitUsage},
		{[]string{"record", "-driver", "lm75"}, "", "-address is an I2C address", exitUsage},
		{[]string{"record", "-driver", "lm75", "-address", "0x148"}, "", "-address is an I2C address", exitUsage},
		{[]string{"record", "-driver", "lm75", "-address", "0x48", "door"}, "", "needs the NAME", exitUsage},
		{[]string{"record", "-samples", "0", "door"}, "", "more than 0", exitUsage},
	} {
		t.Run(tt.args[0]+" "+tt.problems, func(t *testing.T) {
			out, problems, code := run(t.Context(), append([]string{"sensor"}, tt.args...)...)
			if out != tt.out || !strings.Contains(problems, tt.problems) || code != tt.code {
				t.Errorf("exit %d, out %q, problems %q", code, out, problems)
			}
		})
	}
}

// TestSensorRecord: an adapter that is not there is recorded as that, under the
// settings of the configuration; what was recorded replays.
func TestSensorRecord(t *testing.T) {
	dir := t.TempDir()
	cfg, file := filepath.Join(dir, "agent.toml"), filepath.Join(dir, "supply.txt")
	text := "[[sensor]]\nname = \"supply\"\ndriver = \"ina219\"\nbus = \"/dev/i2c-77\"\naddress = 0x41\nshunt = 0.01\n"
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	record := []string{"sensor", "record", "-config", cfg, "-samples", "1", "-o", file, "supply"}
	if _, problems, code := run(t.Context(), record...); code != exitFailed || !strings.Contains(problems, "nothing was measured: /dev/i2c-77 does not exist") {
		t.Errorf("exit %d, problems %q", code, problems)
	}
	got, err := os.ReadFile(file)
	want := "lwm2m-agent playback 1\ndriver = ina219\nbus = /dev/i2c-77\naddress = 0x41\nshunt = 0.01\n" +
		"origin = recorded on /dev/i2c-77 0x41 at 2026-03-01T12:00:00Z\n\nopen\n> ! ENOENT\n! /dev/i2c-77 does not exist\n"
	if err != nil || string(got) != want {
		t.Errorf("recorded %s, %v", got, err)
	}
	if out, problems, code := run(t.Context(), "sensor", "replay", file); code != exitDone || out != "failed: /dev/i2c-77 does not exist\n" {
		t.Errorf("replay: exit %d, out %q, problems %q", code, out, problems)
	}
	if _, problems, code := run(t.Context(), record...); code != exitFailed || !strings.Contains(problems, "exists") {
		t.Errorf("over a file that is there: exit %d, problems %q", code, problems)
	}
	record[len(record)-1] = "door"
	if _, problems, _ := run(t.Context(), append(record, "-o", "-")...); !strings.Contains(problems, `has no sensor "door"; it has: "supply"`) {
		t.Errorf("another name: %q", problems)
	}
}

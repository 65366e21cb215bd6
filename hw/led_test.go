package hw

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/test/process"
)

func TestLED(t *testing.T) {
	sys := sysTree(t, map[string]string{
		"class/leds/green:status/max_brightness": "255\n",
		"class/leds/green:status/brightness":     "255\n",
		"class/leds/green:status/trigger":        "[heartbeat] none\n",
	})
	file := func(name string) string {
		data, err := os.ReadFile(filepath.Join(sys, "class/leds/green:status", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(data))
	}
	truncate := func() { // as sysfs does, a write replaces all
		if err := os.Truncate(filepath.Join(sys, "class/leds/green:status/brightness"), 0); err != nil {
			t.Fatal(err)
		}
	}
	cfg := Config{Name: "lamp", Driver: "led", Device: "green:status"}
	if _, err := Probe(t.Context(), RoleActuator, cfg, Options{Sys: sys}); err != nil || !strings.HasPrefix(file("trigger"), "[heartbeat]") {
		t.Errorf("a probe changes it: %v, trigger %s", err, file("trigger"))
	}
	truncate()
	b, r, end := runBoard(t, nil, Options{Sys: sys}, Setup{Actuators: []Config{cfg}})
	<-r.news
	if got := file("brightness"); got != "0" || !strings.HasPrefix(file("trigger"), "none") {
		t.Errorf("it begins with brightness %s, trigger %s", got, file("trigger"))
	}
	for _, tt := range []struct {
		channel string
		v       Value
		want    string
		level   float64
	}{{"level", Float(50), "128", 50.2}, {"state", Bool(false), "0", 0}, {"state", Bool(true), "128", 50.2}, {"level", Float(0.1), "1", 0.39}} {
		truncate()
		if err := b.Set(t.Context(), "lamp", tt.channel, tt.v); err != nil {
			t.Fatal(err)
		}
		<-r.news
		if got := file("brightness"); got != tt.want {
			t.Errorf("%s %s: brightness %s, want %s", tt.channel, tt.v, got, tt.want)
		}
		if got, _ := r.last(t, actuatorUnit("lamp"), "level").Value.Float(); got < tt.level-0.1 || got > tt.level+0.1 {
			t.Errorf("%s %s: level %v, want %v", tt.channel, tt.v, got, tt.level)
		}
	}
	truncate()
	if err := end(); err != nil || file("brightness") != "0" {
		t.Errorf("at the end: %v, brightness %s", err, file("brightness"))
	}
	if _, err := Probe(t.Context(), RoleActuator, Config{Name: "x", Driver: "led", Device: "red"}, Options{Sys: sys}); !errors.Is(err, ErrNoBus) {
		t.Errorf("not there: %v", err)
	}
	if problems := Validate(Setup{Actuators: []Config{{Name: "x", Driver: "led", Device: "../../x"}}}); len(problems) != 1 {
		t.Errorf("a path: %v", problems)
	}
}

// TestLEDByHelper: what this process may not write, somebody else is asked to write; without anybody it is an
// error that says so. Its safe state, a level, is taken at once.
func TestLEDByHelper(t *testing.T) {
	if os.Geteuid() == 0 {
		process.AsNobody(t)
		return
	}
	sys := sysTree(t, map[string]string{
		"class/leds/red/max_brightness": "10\n", "class/leds/red/brightness": "0\n", "class/leds/red/trigger": "[none]\n",
	})
	for _, name := range []string{"brightness", "trigger"} {
		if err := os.Chmod(filepath.Join(sys, "class/leds/red", name), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	asked := make(chan string, 16)
	ask := func(_ context.Context, name, attribute, value string) error {
		asked <- name + " " + attribute + " " + value
		return nil
	}
	b, r, end := runBoard(t, nil, Options{Sys: sys, WriteLED: ask}, Setup{Actuators: []Config{{Name: "lamp", Driver: "led", Device: "red", Safe: Safe{Value: Float(30)}}}})
	<-r.news
	for _, set := range []Reading{{Channel: "level", Value: Float(80)}, {Channel: "state", Value: Bool(false)}} {
		if err := b.Set(t.Context(), "lamp", set.Channel, set.Value); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Safe(t.Context(), "lamp"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"red trigger none", "red brightness 3", "red brightness 8", "red brightness 0",
		"red brightness 3", "red brightness 3", // not by the level that it had last
	} {
		if got := <-asked; got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

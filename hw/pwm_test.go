package hw

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lwm2m-agent/test/process"
)

// pwmTree is a chip with a channel that was exported and one that was not.
type pwmTree struct {
	*testing.T
	root string
}

func newPWMTree(t *testing.T, period, duty, polarity, enable string) pwmTree {
	t.Helper()
	channel := "class/pwm/pwmchip0/pwm0/"
	return pwmTree{t, sysTree(t, map[string]string{
		"class/pwm/pwmchip0/npwm": "2\n", "class/pwm/pwmchip0/export": "",
		channel + "period": period, channel + "duty_cycle": duty, channel + "polarity": polarity, channel + "enable": enable,
	})}
}

func (p pwmTree) path(name string) string {
	return filepath.Join(p.root, "class/pwm/pwmchip0", name)
}

func (p pwmTree) wants(files map[string]string) {
	p.Helper()
	for name, want := range files {
		data, err := os.ReadFile(p.path(name))
		if got := strings.TrimSpace(string(data)); err != nil || got != want {
			p.Errorf("%s is %q, want %q (%v)", name, got, want, err)
		}
	}
}

// protect lets nobody write the channel's files.
func (p pwmTree) protect() {
	p.Helper()
	for _, name := range []string{"period", "duty_cycle", "polarity", "enable"} {
		if err := os.Chmod(p.path("pwm0/"+name), 0o400); err != nil {
			p.Fatal(err)
		}
	}
}

// apply writes to the channel as the kernel lets it be written (Documentation/ABI/testing/sysfs-class-pwm, drivers/pwm/core.c): not without
// a period, not to more than the period, and no other polarity while it runs.
func (p pwmTree) apply(attribute, value string) error {
	state := make(map[string]string)
	for _, name := range []string{"period", "duty_cycle", "polarity", "enable"} {
		text, err := readAttribute(p.path("pwm0/" + name))
		if err != nil {
			return err
		}
		state[name] = text
	}
	if attribute == "polarity" && state["enable"] == "1" {
		return unix.EBUSY
	}
	state[attribute] = value
	period, err := strconv.Atoi(state["period"])
	duty, err2 := strconv.Atoi(state["duty_cycle"])
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if period == 0 || duty > period {
		return unix.EINVAL
	}
	path := p.path("pwm0/" + attribute)
	return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte(value), 0o600), os.Chmod(path, 0o400))
}

func fanOn(line int) Config {
	return Config{Name: "fan", Driver: "pwm", Device: "pwmchip0", Line: LineOffset(line), Frequency: 1000}
}

func TestPWM(t *testing.T) {
	p := newPWMTree(t, "0", "0", "normal", "0")
	if readings, err := Probe(t.Context(), RoleActuator, fanOn(0), Options{Sys: p.root}); err != nil || readings[1].Value != Float(0) {
		t.Errorf("a probe: %v, %v", readings, err)
	}
	p.wants(map[string]string{"pwm0/period": "0", "pwm0/enable": "0", "export": ""})
	cfg := fanOn(0)
	cfg.Active = ActiveLow
	b, r, end := runBoard(t, nil, Options{Sys: p.root}, Setup{Actuators: []Config{cfg}})
	<-r.news
	p.wants(map[string]string{"pwm0/period": "1000000", "pwm0/duty_cycle": "0", "pwm0/polarity": "inversed", "pwm0/enable": "1"})
	for _, tt := range []struct {
		channel string
		v       Value
		want    string
		level   float64
	}{{"level", Float(25), "250000", 25}, {"state", Bool(true), "250000", 25}, {"level", Float(100), "1000000", 100}} {
		if err := b.Set(t.Context(), "fan", tt.channel, tt.v); err != nil {
			t.Fatal(err)
		}
		<-r.news
		p.wants(map[string]string{"pwm0/duty_cycle": tt.want})
		if got, _ := r.last(t, actuatorUnit("fan"), "level").Value.Float(); got != tt.level {
			t.Errorf("%s %s: level %v, want %v", tt.channel, tt.v, got, tt.level)
		}
	}
	if err := os.Truncate(p.path("pwm0/duty_cycle"), 0); err != nil { // as sysfs does, a write replaces all
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	p.wants(map[string]string{"pwm0/duty_cycle": "0"})
}

// What is to be kept keeps its share of another period.
func TestPWMKeeps(t *testing.T) {
	p := newPWMTree(t, "2000", "1000", "normal", "1")
	cfg := fanOn(0)
	cfg.Safe = Safe{Keep: true}
	_, r, end := runBoard(t, nil, Options{Sys: p.root}, Setup{Actuators: []Config{cfg}})
	<-r.news
	p.wants(map[string]string{"pwm0/period": "1000000", "pwm0/duty_cycle": "500000", "pwm0/polarity": "normal"})
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestPWMFaults(t *testing.T) {
	p := newPWMTree(t, "0", "0", "normal", "0")
	for name, cfg := range map[string]Config{"no such chip": {Device: "pwmchip7"}, "no such channel": {Line: LineOffset(2)}, "a path": {Device: "/sys/devices/x"}} {
		at := fanOn(1)
		if cfg.Device != "" {
			at.Device = cfg.Device
		}
		if cfg.Line.Given() {
			at.Line = cfg.Line
		}
		if _, err := Probe(t.Context(), RoleActuator, at, Options{Sys: p.root}); !errors.Is(err, ErrNoBus) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, r, end := runBoard(t, nil, Options{Sys: p.root}, Setup{Actuators: []Config{fanOn(1)}})
	<-r.news
	if err := b.Status()[0].Err; !errors.Is(err, ErrNoBus) {
		t.Errorf("a channel that does not come: %v", err)
	}
	p.wants(map[string]string{"export": "1"})
	if err := end(); err != nil {
		t.Error(err)
	}
	other := fanOn(1)
	other.Name = "other"
	if problems := Validate(Setup{Actuators: []Config{fanOn(1), other}}); len(problems) != 1 {
		t.Errorf("one channel twice: %v", problems)
	}
	other.Line = LineName("fan")
	if problems := Validate(Setup{Actuators: []Config{other}}); len(problems) != 1 {
		t.Errorf("a channel by name: %v", problems)
	}
}

// TestPWMByHelper: what this process may not write, somebody else is asked to write, and
// why that was not done is said.
func TestPWMByHelper(t *testing.T) {
	if os.Geteuid() == 0 {
		process.AsNobody(t)
		return
	}
	p := newPWMTree(t, "0", "0", "normal", "0")
	p.protect()
	var refused error
	ask := func(_ context.Context, chip string, channel uint16, attribute, value string) error {
		if refused != nil {
			return refused
		}
		if chip != "pwmchip0" || channel != 0 {
			return fmt.Errorf("asked for %s %d", chip, channel)
		}
		return p.apply(attribute, value)
	}
	b, r, end := runBoard(t, nil, Options{Sys: p.root, WritePWM: ask}, Setup{Actuators: []Config{fanOn(0)}})
	<-r.news
	if err := b.Set(t.Context(), "fan", "level", Float(25)); err != nil {
		t.Fatal(err)
	}
	p.wants(map[string]string{"pwm0/period": "1000000", "pwm0/duty_cycle": "250000", "pwm0/enable": "1"})
	if err := end(); err != nil {
		t.Error(err)
	}
	refused = errors.New("the helper: user 1 may not ask for anything")
	b, r, end = runBoard(t, nil, Options{Sys: p.root, WritePWM: ask}, Setup{Actuators: []Config{fanOn(0)}})
	<-r.news
	if err := b.Set(t.Context(), "fan", "level", Float(50)); !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "may not ask for anything") {
		t.Errorf("refused: %v", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestPWMOrder: whatever the channel was, what is written to it comes in an order that the kernel takes.
func TestPWMOrder(t *testing.T) {
	if os.Geteuid() == 0 {
		process.AsNobody(t)
		return
	}
	for name, was := range map[string][4]string{
		"never used":      {"0", "0", "normal", "0"},
		"a long period":   {"2000000", "1900000", "normal", "1"},
		"a short one":     {"1000", "1000", "normal", "1"},
		"the same":        {"1000000", "300000", "normal", "1"},
		"inverted, short": {"1000", "0", "inversed", "0"},
	} {
		for _, active := range []Active{"", ActiveLow} {
			p := newPWMTree(t, was[0], was[1], was[2], was[3])
			p.protect()
			cfg := fanOn(0)
			cfg.Active = active
			b, r, end := runBoard(t, nil, Options{Sys: p.root, WritePWM: func(_ context.Context, _ string, _ uint16, attribute, value string) error {
				return p.apply(attribute, value)
			}},
				Setup{Actuators: []Config{cfg}})
			<-r.news
			if err := b.Status()[0].Err; err != nil {
				t.Errorf("%s, active %q: %v", name, active, err)
			}
			p.wants(map[string]string{"pwm0/period": "1000000", "pwm0/duty_cycle": "0", "pwm0/enable": "1"})
			if active == ActiveLow {
				p.wants(map[string]string{"pwm0/polarity": "inversed"})
			}
			if err := end(); err != nil {
				t.Error(err)
			}
		}
	}
}

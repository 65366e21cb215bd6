package helper

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sysfs is a tree with one LED, as the kernel has it: a link from the class to the device.
func sysfs(t *testing.T) string {
	t.Helper()
	sys := t.TempDir()
	device := filepath.Join(sys, "devices/platform/leds/leds/green:status")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(device, 0o755))
	check(os.MkdirAll(filepath.Join(sys, "class/leds"), 0o755))
	check(os.Symlink("../../devices/platform/leds/leds/green:status", filepath.Join(sys, "class/leds/green:status")))
	for name, text := range map[string]string{"brightness": "0\n", "max_brightness": "255\n", "trigger": "[heartbeat] none\n"} {
		check(os.WriteFile(filepath.Join(device, name), []byte(text), 0o600))
	}
	outside := t.TempDir()
	check(os.WriteFile(filepath.Join(outside, "brightness"), []byte("mine"), 0o600))
	check(os.WriteFile(filepath.Join(outside, "max_brightness"), []byte("255"), 0o600))
	check(os.Symlink(outside, filepath.Join(sys, "class/leds/away")))
	return sys
}

// serving serves until the test ends, and returns the socket and a channel that receives what Serve
// returned.
func serving(t *testing.T, o Options) (string, <-chan error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	o.Log = quiet()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	ended := make(chan struct{})
	go func() { done <- Serve(ctx, l, o); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return path, done
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func me() []uint32 { return []uint32{uint32(os.Geteuid())} }

func TestWriteLED(t *testing.T) {
	sys := sysfs(t)
	path, _ := serving(t, Options{Users: me(), Sys: sys})
	c := Client{path}
	for _, tt := range []struct{ name, attribute, value, want string }{
		{"green:status", "trigger", "none", ""},
		{"green:status", "brightness", "255", ""},
		{"green:status", "brightness", "256", `"256" is no brightness from 0 to 255`},
		{"green:status", "brightness", "-1", "no brightness"},
		{"green:status", "brightness", "1\n", "no brightness"},
		{"green:status", "trigger", "timer", "none"},
		{"green:status", "max_brightness", "1", "no attribute"},
		{"green:status", "../../../../x", "1", "no attribute"},
		{"red", "brightness", "1", `no "red" in class/leds`},
		{"away", "brightness", "1", "not in sysfs"},
		{"..", "brightness", "1", "name of an LED"},
		{"../../class/leds/green:status", "brightness", "1", "name of an LED"},
		{"", "brightness", "1", "name of an LED"},
		{strings.Repeat("x", 65), "brightness", "1", "name of an LED"},
	} {
		err := c.WriteLED(t.Context(), tt.name, tt.attribute, tt.value)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	for name, want := range map[string]string{"brightness": "255", "trigger": "none"} {
		if text, err := os.ReadFile(filepath.Join(sys, "class/leds/green:status", name)); err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(sys, "class/leds/away/brightness")); string(text) != "mine" {
		t.Errorf("outside of sysfs is %q", text)
	}
}

func TestWritePWM(t *testing.T) {
	sys := sysfs(t)
	chip := filepath.Join(sys, "class/pwm/pwmchip0")
	for name, text := range map[string]string{"npwm": "2\n", "export": "", "pwm1/period": "0", "pwm1/duty_cycle": "0", "pwm1/polarity": "normal", "pwm1/enable": "0"} {
		path := filepath.Join(chip, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	path, _ := serving(t, Options{Users: me(), Sys: sys})
	c := Client{path}
	for _, tt := range []struct {
		chip             string
		channel          uint16
		attribute, value string
		want             string
	}{
		{"pwmchip0", 1, "export", "1", ""},
		{"pwmchip0", 1, "period", "1000000", ""},
		{"pwmchip0", 1, "duty_cycle", "500000", ""},
		{"pwmchip0", 1, "polarity", "inversed", ""},
		{"pwmchip0", 1, "enable", "1", ""},
		{"pwmchip0", 1, "export", "0", `"0" is no value of export`},
		{"pwmchip0", 2, "export", "2", "pwmchip0 has 2 channels, and no 2"},
		{"pwmchip0", 1, "period", "100000000001", "no value of period"},
		{"pwmchip0", 1, "duty_cycle", "-1", "no value of duty_cycle"},
		{"pwmchip0", 1, "enable", "1\n", "no value of enable"},
		{"pwmchip0", 1, "polarity", "other", "no value of polarity"},
		{"pwmchip0", 1, "unexport", "1", "no attribute"},
		{"pwmchip0", 1, "../../../../x", "1", "no attribute"},
		{"pwmchip0", 0, "enable", "1", "no such file"}, // it was not exported
		{"pwmchip1", 0, "enable", "1", `no "pwmchip1" in class/pwm`},
		{"pwmchip0/pwm1", 0, "enable", "1", "name of a PWM chip"},
		{"", 0, "enable", "1", "name of a PWM chip"},
	} {
		err := c.WritePWM(t.Context(), tt.chip, tt.channel, tt.attribute, tt.value)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	for name, want := range map[string]string{"export": "1", "pwm1/period": "1000000", "pwm1/duty_cycle": "500000", "pwm1/polarity": "inversed", "pwm1/enable": "1"} {
		if text, err := os.ReadFile(filepath.Join(chip, name)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
}

// TestRefusals: who may not ask, and what is no request.
func TestRefusals(t *testing.T) {
	path, _ := serving(t, Options{Users: []uint32{uint32(os.Geteuid()) + 1}, Sys: sysfs(t)})
	if err := (Client{path}).WriteLED(t.Context(), "green:status", "brightness", "1"); err == nil || !strings.Contains(err.Error(), "may not ask for anything") {
		t.Errorf("a stranger: %v", err)
	}
	path, _ = serving(t, Options{Users: me(), Sys: sysfs(t)})
	for request, want := range map[string]string{
		`{"verb":"shell"}` + "\n":                            `no verb \"shell\"`,
		`{"verb":"led","path":"/etc"}` + "\n":                "unknown field",
		`{"verb":"led"}` + "\n":                              "name of an LED",
		`{"verb":"led"} {"verb":"led"}` + "\n":               "something behind",
		"\x00\n":                                             "one line of JSON",
		`{"verb":"` + strings.Repeat("x", maxLine) + "\"}\n": "at most 4096 bytes",
	} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(request)) // a part of what is too long may not be taken
		answer, err := bufio.NewReader(c).ReadString('\n')
		if err != nil && len(request) < maxLine || !strings.Contains(answer, want) && len(request) < maxLine {
			t.Errorf("%.40q: %q, %v", request, answer, err)
		}
		_ = c.Close()
	}
	if err := (Client{filepath.Join(t.TempDir(), "none")}).WriteLED(t.Context(), "a", "brightness", "1"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "lwm2m-agent-helper.socket") {
		t.Errorf("without a helper: %v", err)
	}
}

// TestEndsWhenIdle: its socket unit starts it again.
func TestEndsWhenIdle(t *testing.T) {
	_, done := serving(t, Options{Users: me(), Sys: sysfs(t), Idle: 50 * time.Millisecond})
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it does not end")
	}
}

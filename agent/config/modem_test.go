package config

import (
	"strings"
	"testing"
	"time"
)

func TestModems(t *testing.T) {
	read := func(text string) (*Config, error) {
		return build(sources(text), Options{}, nil)
	}
	cfg, err := read("[[modem]]\nname = \"wwan\"\ndriver = \"at\"\nport = \"/dev/ttyUSB2\"\npin = \"0815\"\n")
	if err != nil {
		t.Fatal(err)
	}
	m := cfg.Modems[0]
	if m.Name != "wwan" || m.Driver != ModemAT || m.Port != "/dev/ttyUSB2" || m.Speed != 115200 || m.Signal != time.Minute || string(m.PIN.Reveal()) != "0815" {
		t.Errorf("%+v", m)
	}
	if cfg, err := read("[[modem]]\nname = \"wwan\"\ndriver = \"modemmanager\"\nheal = true\n"); err != nil || cfg.Modems[0].Driver != ModemManager || cfg.Modems[0].Port != "" || !cfg.Modems[0].Heal || m.Heal {
		t.Errorf("ModemManager: %v", err)
	}
	for text, want := range map[string]string{
		"[[modem]]\nname = \"w\"\ndriver = \"at\"\n":                             "port is missing",
		"[[modem]]\nname = \"w\"\ndriver = \"qmi\"\nport = \"x\"\n":              `allowed: "at", "modemmanager"`,
		"[[modem]]\nname = \"w\"\ndriver = \"at\"\nport = \"x\"\npin = 815\n":    "4 to 8 digits",
		"[[modem]]\nname = \"w\"\ndriver = \"at\"\nport = \"x\"\npin = \"12x4\"": "4 to 8 digits",
		"[[modem]]\nname = \"w\"\ndriver = \"at\"\nport = \"x\"\nspeed = 9\n":    "1200",
		"[[modem]]\nname = \"w\"\ndriver = \"modemmanager\"\nrelease = true\n":   "no interface for it",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "12x4") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

package hw

import (
	"errors"
	"testing"
)

func TestPowerSupply(t *testing.T) {
	sys := sysTree(t, map[string]string{
		"class/power_supply/BAT0/capacity":    "87\n",
		"class/power_supply/BAT0/voltage_now": "12345000\n",
		"class/power_supply/BAT0/current_now": "-1500000\n",
		"class/power_supply/BAT0/temp":        "253\n",
		"class/power_supply/AC/online":        "1\n",
	})
	read := func(device string, channels ...ChannelConfig) ([]Reading, error) {
		return Probe(t.Context(), RoleSensor, Config{Name: "p", Driver: "power_supply", Device: device, Channels: channels}, Options{Sys: sys})
	}
	for device, want := range map[string]map[string]float64{
		"BAT0": {"capacity": 87, "voltage": 12.345, "current": -1.5, "temperature": 25.3}, "AC": {"online": 1},
	} {
		readings, err := read(device)
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, readings, want)
	}
	if _, err := read("AC", ChannelConfig{Name: "power"}); !errors.Is(err, ErrWrongDevice) {
		t.Errorf("a channel that it has not: %v", err)
	}
	if _, err := read("BAT1"); !errors.Is(err, ErrNoBus) {
		t.Errorf("not there: %v", err)
	}
	inv := newPlatform(Options{Sys: sys}).scan(t.Context(), nil)
	setup := inv.Suggest()
	if len(inv.PowerSupply) != 2 || len(setup.Sensors) != 2 || setup.Sensors[0].Device != "AC" || setup.Sensors[0].Driver != "power_supply" {
		t.Errorf("%+v suggests %+v", inv.PowerSupply, setup)
	}
}

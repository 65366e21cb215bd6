package at

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem"
)

// TestModemSleepsUnsaid: silence of a modem that does not say when it begins to save power is that, once it may have begun, and until it has to be awake.
// Telit's say it when they are told to.
func TestModemSleepsUnsaid(t *testing.T) {
	for name, c := range map[string]struct {
		silent time.Duration // after how long
		until  time.Duration
		is     modem.Presence
	}{
		"in its active time":        {0, time.Minute, modem.Silent},
		"after it":                  {3 * time.Minute, 15 * time.Hour, modem.Asleep},
		"longer than the network's": {3 * time.Minute, 21 * time.Hour, modem.Silent},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "hl7800", func(c *Config) { c.Signal = 50 * time.Second })
			const granted = `+CEREG: 5,"2C8F","0B2D5D01",9,,,"00100010","01000010"` // for two minutes, and twenty hours
			_ = d.sim.Say(granted)
			time.Sleep(c.silent)
			d.sim.Silence(true)
			time.Sleep(c.until)
			if s, _ := d.look(); s.Presence != c.is {
				t.Errorf("%s: %v, %v", name, s.Presence, s.Trouble)
			}
			d.sim.Silence(false)
			_ = d.sim.Say(granted)
			time.Sleep(2 * time.Minute)
			if s, _ := d.look(); s.Presence != modem.Ready {
				t.Errorf("%s, awake: %v, %v", name, s.Presence, s.Trouble)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "me910", nil)
		_ = d.sim.Say("#PSMURC: 60,3600")
		if s, _ := d.look(); s.Presence != modem.Asleep || !slices.Contains(d.sim.Commands(), "AT#PSMURC=1") {
			t.Errorf("ME910: %v", s.Presence)
		}
	})
}

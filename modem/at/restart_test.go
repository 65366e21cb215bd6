package at

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem"
)

// TestModemReboots: after the line by which a module says that it has started, it is told and asked everything again.
func TestModemReboots(t *testing.T) {
	for _, line := range []string{"RDY", "^SYSSTART", "+SYSSTART", "+KSUP: 0"} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "bg95", nil)
			d.look()
			d.sim.Set("AT+CEREG?", "+CEREG: 4,2", "OK")
			before := len(d.sim.Commands())
			_ = d.sim.Say(line)
			s, _ := d.look()
			if s.Network.Registration != modem.Searching || s.Presence != modem.Ready || !slices.Contains(d.sim.Commands()[before:], "AT+CEREG=4") {
				t.Errorf("%s: %+v after %q", line, s, d.sim.Commands()[before:])
			}
		})
	}
}

// TestModemRebootsUnsaid: of a module that does not say so, a restart is seen by the next measurement, and one that it was told to make at once. It then
// tells by itself again what happens to it.
func TestModemRebootsUnsaid(t *testing.T) {
	for name, told := range map[string]bool{"by itself": false, "told to": true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "sara-r4", func(c *Config) { c.Signal = time.Minute })
			first, _ := d.look()
			d.sim.Set("AT+CFUN=15", "OK")
			d.sim.Handle("AT+CEREG=4", func(string) string {
				d.sim.Set("AT+CEREG?", "+CEREG: 4,2", "OK")
				return "OK"
			})
			if !told {
				d.sim.Echo(true)
				d.sim.Set("AT+CEREG?", "+CEREG: 0,2", "OK")
			} else if err := d.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := len(d.sim.Commands())
			wait := map[bool]time.Duration{true: modem.FirstPause, false: time.Minute + modem.FirstPause}[told]
			time.Sleep(wait + time.Second)
			s, _ := d.look()
			if s.Presence != modem.Ready || s.Starts != first.Starts+1 || s.Network.Registration != modem.Searching || !slices.Contains(d.sim.Commands()[before:], "AT+CEREG=4") {
				t.Errorf("%s: %v, %d starts, %v", name, s.Presence, s.Starts, s.Network.Registration)
			}
			time.Sleep(time.Hour)
			if s, _ := d.look(); s.Starts != first.Starts+1 {
				t.Errorf("%s: %d starts in an hour", name, s.Starts-first.Starts)
			}
		})
	}
}

package at

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"lwm2m-agent/modem"
)

// TestRelease tells a modem that nothing more is to come: not without a network, while it sleeps, or when something is under way
// again; and one that refuses not until it has restarted.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bc660", func(c *Config) { c.Release = true })
		quiet := func() bool { return true }
		told := func() int {
			n := 0
			for _, c := range d.sim.Commands() {
				if c == "AT+CNMPSD" {
					n++
				}
			}
			return n
		}
		check := func(what string, silent func() bool, want error, commands int, offered modem.Release) {
			t.Helper()
			err := d.Release(t.Context(), silent)
			s, _ := d.look()
			if !errors.Is(err, want) || told() != commands || s.Release != offered {
				t.Errorf("%s: %v, told %d times, %v; want %v, %d, %v", what, err, told(), s.Release, want, commands, offered)
			}
		}
		say := func(line string) {
			t.Helper()
			if err := d.sim.Say(line); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		check("at rest", quiet, nil, 1, modem.ReleaseOffered)
		check("awake again", func() bool { return false }, modem.ErrNoRelease, 1, modem.ReleaseOffered)

		d.sim.Set("AT+CEREG?", "+CEREG: 5,2", "OK")
		say("+CEREG: 2")
		check("no network", quiet, modem.ErrNoRelease, 1, modem.ReleaseOffered)
		d.sim.Set("AT+CEREG?", `+CEREG: 5,1,"6D31","0A3F5D11",9`, "OK")
		say(`+CEREG: 1,"6D31","0A3F5D11",9`)
		check("network again", quiet, nil, 2, modem.ReleaseOffered)

		say(`+QNBIOTEVENT: "ENTER PSM"`)
		check("asleep", quiet, modem.ErrNoRelease, 2, modem.ReleaseOffered)
		say(`+QNBIOTEVENT: "EXIT PSM"`)
		check("awake", quiet, nil, 3, modem.ReleaseOffered)

		d.sim.Set("AT+CNMPSD", "+CME ERROR: 3")
		d.sim.Set("AT+CPSMS?", "+CPSMS: 0", "OK")
		if err := d.Release(t.Context(), quiet); !refused(err) {
			t.Errorf("refused: %v", err)
		}
		check("after a refusal", quiet, modem.ErrNoRelease, 4, modem.ReleaseRefused)
		if err := d.SetPSM(t.Context(), modem.PSM{}); err == nil || told() != 4 { // reads how power is saved
			t.Error(err)
		}
		check("read again", quiet, modem.ErrNoRelease, 4, modem.ReleaseRefused)

		d.sim.Set("AT+CNMPSD", "OK")
		say("RDY")
		check("restarted", quiet, nil, 5, modem.ReleaseOffered)
		d.sim.Set("AT+CNMPSD=?", "ERROR")
		say("RDY")
		if s, _ := d.look(); s.Release != modem.ReleaseInDoubt {
			t.Errorf("another one, which does not say whether it can: %v", s.Release)
		}
		check("tried", quiet, nil, 6, modem.ReleaseOffered)
		d.sim.Set("AT+CNMPSD", "ERROR")
		say("RDY")
		if err := d.Release(t.Context(), quiet); !refused(err) {
			t.Errorf("one without the command: %v", err)
		}
		check("one without the command", quiet, modem.ErrNoRelease, 7, modem.ReleaseRefused)

		d.unplug(errors.New("gone"))
		synctest.Wait()
		if err := d.Release(t.Context(), quiet); err == nil {
			t.Error("gone: told")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Release(ctx, quiet); err == nil {
			t.Error("ended: told")
		}
	})
}

// TestNoRelease shows that nobody asks a modem for what is not configured.
func TestNoRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bc660", nil)
		if err := d.Release(t.Context(), func() bool { return true }); !errors.Is(err, modem.ErrNoRelease) {
			t.Error(err)
		}
		for _, c := range d.sim.Commands() {
			if c == "AT+CNMPSD" || c == "AT+CNMPSD=?" {
				t.Errorf("sent %s", c)
			}
		}
	})
}

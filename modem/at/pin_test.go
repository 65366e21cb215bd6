package at

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem"
)

// TestPIN gives the PIN once, however often the modem comes back.
func TestPIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "telit", func(c *Config) { c.PIN = modem.NewPIN("4711", nil, nil) })
		d.unplug(nil)
		time.Sleep(modem.MaxPause)
		s, _ := d.look()
		given := 0
		for _, c := range d.sim.Commands() {
			if c == `AT+CPIN="4711"` {
				given++
			}
		}
		if given != 1 || s.SIM.State != modem.SIMPIN {
			t.Errorf("given %d times, %+v", given, s.SIM)
		}
	})
}

func TestPINIsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "telit", nil)
		d.sim.Handle(`AT+CPIN="`, func(string) string {
			d.sim.Set("AT+CPIN?", "+CPIN: READY", "OK")
			return "OK"
		})
		d.mu.Lock()
		d.cfg.PIN = modem.NewPIN("4711", nil, nil)
		d.mu.Unlock()
		d.unplug(nil)
		time.Sleep(modem.MaxPause)
		if s, _ := d.look(); s.SIM.State != modem.SIMReady {
			t.Errorf("%+v", s.SIM)
		}
	})
}

// TestPINIsNotJudged: what a modem answers while it is busy with the card, or where the card has been unlocked meanwhile, says nothing of the PIN.
func TestPINIsNotJudged(t *testing.T) {
	for name, answers := range map[string][]string{
		"busy":     {"+CME ERROR: 14", "OK"},
		"unlocked": {"+CME ERROR: 3"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var kept []string
			d := newDesk(t, "bg95", func(c *Config) { c.PIN = modem.NewPIN("4711", nil, func(refused []string) { kept = refused }) })
			given := 0
			d.sim.Set("AT+CPIN?", "+CPIN: SIM PIN", "OK")
			d.sim.Set("AT+CCID", "+CCID: 89490200001234567890", "OK")
			d.sim.Handle(`AT+CPIN="4711"`, func(string) string {
				if given++; given == len(answers) {
					d.sim.Set("AT+CPIN?", "+CPIN: READY", "OK")
				}
				return answers[given-1]
			})
			if err := d.sim.Say("RDY"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if s, _ := d.look(); s.SIM.State != modem.SIMReady || given != len(answers) || len(kept) > 0 {
				t.Errorf("%s: %+v, given %d times, refused by %q", name, s.SIM, given, kept)
			}
		})
	}
}

// TestPINOfCards: a card that takes the PIN gets it after each restart of the modem, one that refuses it never again, and one that is put in its place
// is tried.
func TestPINOfCards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept []string
		keep := func(refused []string) { kept = refused }
		pin := modem.NewPIN("4711", nil, keep)
		right, given := true, 0
		prepare := func(d *desk, card string) {
			d.sim.Set("AT+CPIN?", "+CPIN: SIM PIN", "OK")
			d.sim.Set("AT+CCID", "+CCID: "+card, "OK")
			d.sim.Handle(`AT+CPIN="4711"`, func(string) string {
				if given++; !right {
					return "+CME ERROR: 16"
				}
				d.sim.Set("AT+CPIN?", "+CPIN: READY", "OK")
				return "OK"
			})
		}
		d := newDesk(t, "bg95", func(c *Config) { c.PIN = pin })
		check := func(what, card string, state modem.SIMState, refused bool, times int) {
			t.Helper()
			prepare(d, card)
			if err := d.sim.Say("RDY"); err != nil {
				t.Fatal(err)
			}
			if s, _ := d.look(); s.SIM.State != state || s.SIM.PINRefused != refused || given != times {
				t.Errorf("%s: %+v, given %d times; want %v, %v, %d", what, s.SIM, given, state, refused, times)
			}
		}
		const first, second, third = "89490200001234567890", "89490200001234567891", "89490200001234567892"
		check("right", first, modem.SIMReady, false, 1)
		check("after a restart", first, modem.SIMReady, false, 2)
		right = false
		check("wrong", second, modem.SIMPIN, true, 3)
		check("wrong, after a restart", second, modem.SIMPIN, true, 3)
		right = true
		check("the first one again", first, modem.SIMReady, false, 4)

		d = newDesk(t, "bg95", func(c *Config) { c.PIN = modem.NewPIN("4711", kept, keep) })
		check("the wrong one in the next life", second, modem.SIMPIN, true, 4)
		d.sim.Handle(`AT+CPIN="`, func(string) string { return "" }) // the line is lost
		d.sim.Set("AT+CCID", "+CCID: "+third, "OK")
		if err := d.sim.Say("RDY"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		check("not known whether it was seen", third, modem.SIMPIN, false, 4)
	})
}

// TestPINBeforeTheCardIsKnown: while a module does not tell the number of the card yet, the PIN waits; a card that it never tells of is given it all the
// same. A wrong one is given once.
func TestPINBeforeTheCardIsKnown(t *testing.T) {
	for name, told := range map[string]int64{"soon": 3, "never": 1000} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "bg95", func(c *Config) { c.PIN = modem.NewPIN("4711", nil, nil) })
			var given, asked atomic.Int64
			d.sim.Set("AT+CPIN?", "+CPIN: SIM PIN", "OK")
			d.sim.Handle("AT+CCID", func(string) string {
				if asked.Add(1) < told {
					return "+CME ERROR: 14"
				}
				return "+CCID: 89490200001234567890\nOK"
			})
			d.sim.Handle(`AT+CPIN="4711"`, func(string) string {
				given.Add(1)
				return "+CME ERROR: 16"
			})
			_ = d.sim.Say("RDY")
			synctest.Wait()
			if given.Load() != 0 {
				t.Errorf("%s: given at once", name)
			}
			time.Sleep(simTries * simPause)
			_ = d.sim.Say("+CPIN: SIM PIN")
			if s, _ := d.look(); given.Load() != 1 || !s.SIM.PINRefused {
				t.Errorf("%s: given %d times, %+v", name, given.Load(), s.SIM)
			}
		})
	}
}

// TestPINInDoubt: a card that was given the PIN in an earlier life, which ended meanwhile, is given it again only when the modem says that it has all its
// tries, or has seen it ready since.
func TestPINInDoubt(t *testing.T) {
	const card = "89490200001234567890"
	for name, c := range map[string]struct {
		counter, answer string
		ready, given    bool
	}{
		"no counter":     {"AT+CSQ", "+CSQ: 3", false, false},
		"all tries":      {`AT+CPINR="SIM PIN"`, "+CPINR: SIM PIN,3,3", false, true},
		"one less":       {`AT+CPINR="SIM PIN"`, "+CPINR: SIM PIN,2,3", false, false},
		"all at Quectel": {`AT+QPINC="SC"`, `+QPINC: "SC",3,10`, false, true},
		"all at u-blox":  {"AT+UPINCNT", "+UPINCNT: 3,3,10,10", false, true},
		"was ready":      {"AT+CSQ", "+CSQ: 3", true, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var kept []string
			keep := func(refused []string) { kept = refused }
			if _, err := modem.NewPIN("4711", nil, keep).Give(card, func(modem.Secret) (modem.Verdict, error) { return modem.PINInDoubt, nil }); err != nil {
				t.Fatal(err)
			}
			d := newDesk(t, "bg95", func(cfg *Config) { cfg.PIN = modem.NewPIN("4711", kept, keep) })
			d.sim.Set("AT+CCID", "+CCID: "+card, "OK")
			if c.ready {
				_ = d.sim.Say("+CPIN: READY")
				synctest.Wait()
			}
			given := false
			d.sim.Set("AT+CPIN?", "+CPIN: SIM PIN", "OK")
			d.sim.Set(c.counter, c.answer, "OK")
			d.sim.Handle(`AT+CPIN="4711"`, func(string) string {
				given = true
				d.sim.Set("AT+CPIN?", "+CPIN: READY", "OK")
				return "OK"
			})
			_ = d.sim.Say("RDY")
			if s, _ := d.look(); given != c.given || s.SIM.PINDoubted == c.given || (s.SIM.State == modem.SIMReady) != c.given {
				t.Errorf("%s: given %v, %+v", name, given, s.SIM)
			}
		})
	}
}

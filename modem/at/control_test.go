package at

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem"
)

// sentBy returns what a method of the modem has sent that changes something.
func sentBy(d *desk, do func() error) ([]string, error) {
	before := len(d.sim.Commands())
	err := do()
	synctest.Wait()
	sent := slices.DeleteFunc(d.sim.Commands()[before:], func(c string) bool {
		return !strings.Contains(c, "=") && c != "AT+NRB" && c != "AT+CRESET" || strings.HasSuffix(c, "?") || strings.HasPrefix(c, "AT+COPS=3") || strings.HasPrefix(c, "AT+CGCONTRDP") || strings.HasPrefix(c, "AT+CGPADDR") || c == "AT+UCGED=5" || strings.HasPrefix(c, "AT+QENG=")
	})
	return sent, err
}

func TestWrites(t *testing.T) {
	login := modem.Profile{APN: "iot.lab", Type: modem.IPv4v6, Login: &modem.Login{Authentication: modem.CHAP, User: "u", Password: "p w"}}
	open := modem.Profile{APN: "iot.lab", Type: modem.IPv4, Login: &modem.Login{}}
	same := modem.Profile{APN: "iot.lab", Type: modem.IPv4}
	tests := []struct {
		module string
		do     func(ctx context.Context, d *desk) error
		sent   []string
	}{
		{"bg95", func(ctx context.Context, d *desk) error { return d.SetProfile(ctx, 1, login) }, []string{`AT+CGDCONT=1,"IPV4V6","iot.lab"`, `AT+QICSGP=1,3,"iot.lab","u","p w",2`}},
		{"bc660", func(ctx context.Context, d *desk) error { return d.SetProfile(ctx, 0, login) }, []string{`AT+CGDCONT=0,"IPV4V6","iot.lab"`, `AT+CGAUTH=0,2,"u","p w"`}},
		{"sara-r4", func(ctx context.Context, d *desk) error { return d.SetProfile(ctx, 1, login) }, []string{`AT+CGDCONT=1,"IPV4V6","iot.lab"`, `AT+UAUTHREQ=1,2,"u","p w"`}},
		{"sim7600", func(ctx context.Context, d *desk) error { return d.SetProfile(ctx, 1, login) }, []string{`AT+CGDCONT=1,"IPV4V6","iot.lab"`, `AT+CGAUTH=1,2,"p w","u"`}},
		{"telit", func(ctx context.Context, d *desk) error { return d.SetProfile(ctx, 1, open) }, []string{`AT+CGDCONT=1,"IP","iot.lab"`, `AT+CGAUTH=1,0`}},
		{"bg95", func(ctx context.Context, d *desk) error { return d.SetProfile(ctx, 1, same) }, []string{`AT+CGDCONT=1,"IP","iot.lab"`}},
		{"bg95", func(ctx context.Context, d *desk) error {
			return d.SetPSM(ctx, modem.PSM{On: true, Periodic: 24 * time.Hour, Active: 30 * time.Second})
		}, []string{`AT+CPSMS=1,,,"00111000","00001111"`}},
		{"bg95", func(ctx context.Context, d *desk) error { return d.SetPSM(ctx, modem.PSM{}) }, []string{"AT+CPSMS=0"}},
		{"bg95", func(ctx context.Context, d *desk) error {
			return d.SetEDRX(ctx, modem.EDRX{Mode: modem.WBS1, On: true, Cycle: 5})
		}, []string{`AT+CEDRXS=2,4,"0101"`}},
		{"bg95", func(ctx context.Context, d *desk) error { return d.SetEDRX(ctx, modem.EDRX{Mode: modem.NBS1}) }, []string{"AT+CEDRXS=0,5"}},
		{"bg95", func(ctx context.Context, d *desk) error { return d.Register(ctx) }, []string{"AT+COPS=0"}},
		{"bg95", func(ctx context.Context, d *desk) error { return d.SetRadio(ctx, false) }, []string{"AT+CFUN=4"}},
		{"bg95", func(ctx context.Context, d *desk) error { return d.Reconnect(ctx, 1) }, []string{"AT+CGATT=0", "AT+CGATT=1"}},
		{"ec25", func(ctx context.Context, d *desk) error { return d.Reconnect(ctx, 2) }, []string{"AT+CGATT=0", "AT+CGATT=1", "AT+CGACT=1,2"}},
		{"bg95", func(ctx context.Context, d *desk) error { return d.Reset(ctx) }, []string{"AT+CFUN=1,1"}},
		{"sara-n3", func(ctx context.Context, d *desk) error { return d.Reset(ctx) }, []string{"AT+NRB"}},
		{"sim7600", func(ctx context.Context, d *desk) error { return d.Reset(ctx) }, []string{"AT+CRESET"}},
	}
	for _, tt := range tests {
		t.Run(tt.module+" "+tt.sent[0], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, tt.module, nil)
				for _, c := range tt.sent {
					d.sim.Set(c, "OK")
				}
				sent, err := sentBy(d, func() error { return tt.do(t.Context(), d) })
				if err != nil || !slices.Equal(sent, tt.sent) {
					t.Errorf("sent %q, %v; want %q", sent, err, tt.sent)
				}
			})
		})
	}
}

// TestOwed: an end between the radio off and on, or between the detachment and the attachment, has the second go out before the port is closed. What a
// life that was killed has left, the next one sends.
func TestOwed(t *testing.T) {
	for name, c := range map[string]struct {
		owed string
		end  func(t *testing.T, d *desk)
		kept []string
	}{
		"flight mode": {"AT+CFUN=1", func(t *testing.T, d *desk) {
			t.Helper()
			if err := d.SetRadio(t.Context(), false); err != nil {
				t.Error(err)
			}
		}, []string{"+CFUN=1"}},
		"reconnect": {"AT+CGATT=1", func(t *testing.T, d *desk) {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			d.sim.Handle("AT+CGATT=0", func(string) string {
				cancel()
				return "OK"
			})
			if err := d.Reconnect(ctx, 1); err == nil {
				t.Error("ended, and no error")
			}
		}, []string{"+CGATT=1"}},
		"killed": {"AT+CFUN=1", nil, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var d *desk
			var kept []string
			t.Cleanup(func() { // when Run has ended
				if n := sentTimes(d.sim.Commands(), c.owed); n != 1 || len(kept) > 0 {
					t.Errorf("%s: %s was sent %d times, and %q is owed", name, c.owed, n, kept)
				}
			})
			d = newDesk(t, "bg95", func(cfg *Config) {
				cfg.Owe = func(owed []string) { kept = owed }
				if c.end == nil {
					cfg.Owed = []string{"+CFUN=1", "+QPOWD"}
				}
			})
			for _, command := range []string{"AT+CFUN=4", "AT+CFUN=1", "AT+CGATT=1"} {
				d.sim.Set(command, "OK")
			}
			if n := sentTimes(d.sim.Commands(), c.owed); c.end == nil && n != 1 {
				t.Errorf("%s: %s was sent %d times at the start", name, c.owed, n)
			}
			if c.end != nil {
				c.end(t, d)
				if !slices.Equal(kept, c.kept) {
					t.Errorf("%s: %q is owed", name, kept)
				}
			}
		})
	}
}

// sentTimes returns how often a command was sent.
func sentTimes(sent []string, command string) (n int) {
	for _, s := range sent {
		if s == command {
			n++
		}
	}
	return n
}

// TestWrittenIsRead has what was written appear in the state.
func TestWrittenIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		d.sim.Handle("AT+CPSMS=", func(string) string {
			d.sim.Set("AT+CPSMS?", `+CPSMS: 1,,,"00111000","00001111"`, "OK")
			return "OK"
		})
		if err := d.SetPSM(t.Context(), modem.PSM{On: true, Periodic: 24 * time.Hour, Active: 30 * time.Second}); err != nil {
			t.Fatal(err)
		}
		if s, p := d.look(); s.Sleep.PSM != (modem.PSM{On: true, Periodic: 24 * time.Hour, Active: 30 * time.Second}) || p&modem.PartSleep == 0 {
			t.Errorf("%+v, %b", s.Sleep, p)
		}
	})
}

// TestProfileIsRead: a context is read as it is defined; one that is not has no APN, and one that the modem does not tell of is not known.
func TestProfileIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		s, _ := d.look()
		for cid, want := range map[int]modem.Profile{1: {APN: s.Bearers[0].APN, Type: s.Bearers[0].Type}, 5: {Type: modem.IPv4v6}} {
			if p, err := d.Profile(t.Context(), cid); err != nil || p != want {
				t.Errorf("%d: %+v, %v; want %+v", cid, p, err, want)
			}
		}
		d.sim.Set("AT+CGDCONT?", "+CME ERROR: 14")
		if _, err := d.Profile(t.Context(), 1); err == nil {
			t.Error("refused, and no error")
		}
	})
}

// TestLoginRefused: a profile whose login a module refuses is what it was.
func TestLoginRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		now, _ := d.look()
		want := []string{`AT+CGDCONT=1,"IP","other.lab"`, `AT+QICSGP=1,1,"other.lab","u","p",1`, fmt.Sprintf(`AT+CGDCONT=1,"IPV4V6",%q`, now.Bearers[0].APN)}
		d.sim.Set(want[0], "OK")
		d.sim.Set(want[1], "ERROR")
		d.sim.Set(want[2], "OK")
		p := modem.Profile{APN: "other.lab", Type: modem.IPv4, Login: &modem.Login{Authentication: modem.PAP, User: "u", Password: "p"}}
		if sent, err := sentBy(d, func() error { return d.SetProfile(t.Context(), 1, p) }); err == nil || !slices.Equal(sent, want) {
			t.Errorf("sent %q, %v; want %q", sent, err, want)
		}
	})
}

// TestCycleGranted: what the network grants of eDRX is known as soon as the modem is registered, and when it has another cell.
func TestCycleGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		d.sim.Set("AT+CEREG?", "+CEREG: 4,2", "OK")
		d.sim.Set("AT+CGREG?", "+CGREG: 2,2", "OK")
		d.sim.Set("AT+CEDRXRDP", "+CEDRXRDP: 0", "OK")
		if err := d.sim.Say("RDY"); err != nil {
			t.Fatal(err)
		}
		if s, _ := d.look(); len(s.Sleep.EDRX) != 1 || s.Sleep.EDRX[0].Granted {
			t.Errorf("searching: %+v", s.Sleep.EDRX)
		}
		for i, cycle := range []string{"1010", "1001"} {
			place := fmt.Sprintf(`1,"1A2B","01A2D00%d",8`, i)
			d.sim.Set("AT+CEREG?", "+CEREG: 4,"+place, "OK")
			d.sim.Set("AT+CEDRXRDP", `+CEDRXRDP: 4,"0101","`+cycle+`","0001"`, "OK")
			if err := d.sim.Say("+CEREG: " + place); err != nil {
				t.Fatal(err)
			}
			if s, _ := d.look(); len(s.Sleep.EDRX) != 1 || !s.Sleep.EDRX[0].Granted || s.Sleep.EDRX[0].GrantedCycle != byte(10-i) {
				t.Errorf("cell %d: %+v", i, s.Sleep.EDRX)
			}
		}
	})
}

// TestCycleWithoutNews: a module that cannot tell of eDRX by itself is asked for it all the same.
func TestCycleWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		want := []string{`AT+CEDRXS=2,4,"0101"`, `AT+CEDRXS=1,4,"0101"`}
		d.sim.Set(want[0], "+CME ERROR: 50")
		d.sim.Set(want[1], "OK")
		sent, err := sentBy(d, func() error { return d.SetEDRX(t.Context(), modem.EDRX{Mode: modem.WBS1, On: true, Cycle: 5}) })
		if err != nil || !slices.Equal(sent, want) {
			t.Errorf("sent %q, %v; want %q", sent, err, want)
		}
	})
}

// TestNoCycle: a modem that lists no kind of cell while eDRX is off, or type 0, has it all the same; one that refuses to be asked has not.
func TestNoCycle(t *testing.T) {
	for answer, has := range map[string]bool{"": true, "+CEDRXS: 0": true, `+CEDRXS: 0,"0000"`: true, "ERROR": false} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "bg95", nil)
			d.look()
			d.sim.Set("AT+CEDRXS?", slices.DeleteFunc([]string{answer, "OK"}, func(s string) bool { return s == "" })...)
			if err := d.sim.Say("+CEDRXP: 0"); err != nil {
				t.Fatal(err)
			}
			if s, _ := d.look(); s.Sleep.HasEDRX != has || len(s.Sleep.EDRX) > 0 {
				t.Errorf("%q: %+v", answer, s.Sleep)
			}
		})
	}
}

// TestActivationRefused says why: the cause of the error, or what AT+CEER has.
func TestActivationRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "ec25", nil)
		for _, c := range []string{"AT+CGATT=0", "AT+CGATT=1"} {
			d.sim.Set(c, "OK")
		}
		d.sim.Set("AT+CGACT=1,2", "+CME ERROR: 133")
		err := d.Reconnect(t.Context(), 2)
		if s, _ := d.look(); err == nil || !strings.Contains(err.Error(), "SM cause 33") || s.Bearers[1].Reject == nil || s.Bearers[1].Reject.Code != 33 {
			t.Errorf("%v, %+v", err, s.Bearers)
		}
		d.sim.Set("AT+CGACT=1,2", "ERROR")
		d.sim.Set("AT+CEER", "+CEER: 5,27", "OK")
		if err := d.Reconnect(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "5,27") {
			t.Error(err)
		}
	})
}

// TestForeignCharacters keeps what servers write from becoming commands.
func TestForeignCharacters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		for _, p := range []modem.Profile{
			{APN: "a\"\rAT+CFUN=0"},
			{APN: "a", Login: &modem.Login{Authentication: modem.PAP, User: "u\"", Password: "secret"}},
			{APN: "a", Login: &modem.Login{Authentication: modem.PAP, User: "u", Password: "secret\n"}},
		} {
			sent, err := sentBy(d, func() error { return d.SetProfile(t.Context(), 1, p) })
			if err == nil || len(sent) > 0 || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q, %v", sent, err)
			}
			if before := d.CheckProfile(1, p); p.Login != nil && (before == nil || before.Error() != err.Error()) {
				t.Errorf("%v, before %v", err, before)
			}
		}
	})
}

func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		got, err := d.Time(t.Context())
		if want := time.Date(2026, 11, 23, 1, 55, 0, 0, time.UTC); err != nil || !got.Equal(want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
		d.sim.Set("AT+CCLK?", `+CCLK: "80/01/06,00:01:10+00"`, "OK")
		if _, err := d.Time(t.Context()); !errors.Is(err, ErrAnswer) {
			t.Errorf("1980: %v", err)
		}
	})
	for text, ok := range map[string]bool{"26/11/23,02:55:00-32": true, "26/11/23,02:55:00": true, "26/11/23,02:55:00+97": false, "26/13/23,02:55:00": false, "": false, "04/01/01,00:00:00": false} {
		if _, got := clock(text); got != ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestRefusalOfAnother: why a context was refused is forgotten with the card and with the APN that it was about.
func TestRefusalOfAnother(t *testing.T) {
	const first, second = "89490200001234567890", "89490200001234567891"
	for name, change := range map[string]func(t *testing.T, d *desk){
		"another card": func(t *testing.T, d *desk) {
			t.Helper()
			d.sim.Set("AT+CPIN?", "+CME ERROR: 10")
			if err := d.sim.Say("+CPIN: NOT INSERTED"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			d.sim.Set("AT+CPIN?", "+CPIN: READY", "OK")
			d.sim.Set("AT+CCID", "+CCID: "+second, "OK")
			if err := d.sim.Say("+CPIN: READY"); err != nil {
				t.Fatal(err)
			}
		},
		"another APN": func(t *testing.T, d *desk) {
			t.Helper()
			d.sim.Handle("AT+CGDCONT=1,", func(string) string {
				d.sim.Set("AT+CGDCONT?", `+CGDCONT: 1,"IP","other.lab"`, "OK")
				return "OK"
			})
			if err := d.SetProfile(t.Context(), 1, modem.Profile{APN: "other.lab", Type: modem.IPv4}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "bg95", nil)
			d.sim.Set("AT+CCID", "+CCID: "+first, "OK")
			if err := d.sim.Say("+CPIN: READY"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			d.sim.Set("AT+CGACT?", "+CGACT: 1,0", "OK")
			d.sim.Set("AT+CGACT=1,1", "+CME ERROR: 133")
			for _, c := range []string{"AT+CGATT=0", "AT+CGATT=1"} {
				d.sim.Set(c, "OK")
			}
			if err := d.Reconnect(t.Context(), 1); err == nil {
				t.Error("it is not refused")
			}
			if err := d.sim.Say("+CPIN: READY", "+CGEV: NW PDN DEACT 1"); err != nil { // the same one
				t.Fatal(err)
			}
			if s, _ := d.look(); s.Bearers[0].Reject == nil {
				t.Errorf("%s: %+v", name, s.Bearers[0])
			}
			change(t, d)
			if s, _ := d.look(); s.Bearers[0].Reject != nil {
				t.Errorf("%s: still refused: %v", name, s.Bearers[0].Reject)
			}
		})
	}
}

package at

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at/attest"
)

var update = flag.Bool("update", false, "write what is compared with")

// desk is a Modem with a simulated one behind it, in the time of a synctest bubble.
type desk struct {
	*Modem
	sim *attest.Modem

	mu     sync.Mutex
	state  modem.State
	parts  modem.Part // changed since the last look
	absent error      // the port cannot be opened
	ports  []net.Conn
}

func module(t *testing.T, name string) []attest.Exchange {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata/module", name+".at"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	exchanges, err := attest.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return exchanges
}

func newDesk(t *testing.T, name string, change func(*Config)) *desk {
	t.Helper()
	d := &desk{sim: attest.New(module(t, name))}
	cfg := Config{
		Port: "/dev/ttyUSB2", Speed: 115200, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Changed: func(s modem.State, p modem.Part) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.state, d.parts = s, d.parts|p
		},
	}
	if change != nil {
		change(&cfg)
	}
	d.Modem = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	d.dial = func(context.Context) (Port, string, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.absent != nil {
			return nil, "", d.absent
		}
		near, far := net.Pipe()
		d.ports = append(d.ports, far)
		wait.Go(func() { d.sim.Serve(far) })
		return near, cfg.Port, nil
	}
	wait.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wait.Wait()
	})
	synctest.Wait()
	return d
}

// look returns what is known, and what has changed since the last look.
func (d *desk) look() (modem.State, modem.Part) {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.parts
	d.parts = 0
	return d.state, p
}

// unplug ends the present connection.
func (d *desk) unplug(absent error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.absent = absent
	_ = d.ports[len(d.ports)-1].Close()
}

// foreign is how commands begin for a carrier's LwM2M client in a module, and for updates of its firmware: Quectel's, u-blox's,
// Telit's and SIMCom's.
var foreign = regexp.MustCompile(`^AT(\+QLW|\+NCDP|\+MLW|\+QFOTA|\+QCFG="lwm2m|\+ULWM2M|\+UFWUPD|\+UFWINSTALL|\+UFOTA|#LWM2M|#OTA|\+CLWM2M|\+CFOTA)`)

// TestModules reads all that modules of each family say.
func TestModules(t *testing.T) {
	files, err := filepath.Glob("testdata/module/*.at")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".at")
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, name, nil)
				s, _ := d.look()
				got := describe(&s)
				golden := strings.TrimSuffix(file, ".at") + ".txt"
				if *update {
					if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil || got != string(want) {
					t.Errorf("%v\n%s\nwant\n%s", err, got, want)
				}
				if sent := d.sim.Commands(); slices.ContainsFunc(sent, foreign.MatchString) {
					t.Errorf("the carrier's client is spoken to: %q", sent)
				}
			})
		})
	}
	t.Run("README", listed)
}

func describe(s *modem.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %s, %s, %s, IMEI %s: %s\n", s.Presence, s.Identity.Manufacturer, s.Identity.Model, s.Identity.Revision, s.Identity.IMEI, dialectOf(&s.Identity).name)
	fmt.Fprintf(&b, "SIM %v %s %s %s\n", s.SIM.State, s.SIM.ICCID, s.SIM.IMSI, s.SIM.MSISDN)
	n := &s.Network
	fmt.Fprintf(&b, "%v, %v, %q %s %s, area %s, cell %s, band %d, TDD %v, reject %v\n",
		n.Registration, n.Technology, n.Operator, n.MCC, n.MNC, shown(n.Area), shown(n.Cell), n.Band, n.TDD(), n.Reject)
	sig := &s.Signal
	fmt.Fprintf(&b, "RSSI %s RSRP %s RSRQ %s SNR %s coverage %s\n", shown(sig.RSSI), shown(sig.RSRP), shown(sig.RSRQ), shown(sig.SNR), shown(sig.Coverage))
	if sig.Srxlev != nil {
		fmt.Fprintf(&b, "Srxlev %d\n", *sig.Srxlev)
	}
	for _, c := range s.Bearers {
		fmt.Fprintf(&b, "bearer %d %q type %d active %v %v via %v DNS %v", c.CID, c.APN, c.Type, c.Active, c.Addresses, c.Gateways, c.DNS)
		if c.Traffic != nil {
			fmt.Fprintf(&b, " %+v", *c.Traffic)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "sleep %+v\n", s.Sleep)
	return b.String()
}

func shown[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(*p)
}

// TestAnswerOfAnother has the answer come first that somebody else was owed who had the port before.
func TestAnswerOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		want, _ := d.look()
		d.sim.Set("AT+CFUN?", "+CFUN: 1", "OK")
		// Each answer comes when the next command has gone out, until the modem is asked what tells.
		owed, answer, first, told := "\r\nOK\r\n", "", true, false
		d.sim.Mangle(func(chunk string) string {
			if told {
				return chunk
			}
			if answer += chunk; !strings.HasSuffix(answer, "OK\r\n") && !strings.HasSuffix(answer, "ERROR\r\n") {
				return ""
			}
			out := owed
			if owed, answer = answer, ""; strings.Contains(owed, question[2:len(question)-1]+":") {
				out, told = out+owed, true
			}
			first = false
			return out
		})
		d.unplug(nil)
		time.Sleep(modem.MaxPause)
		if s, _ := d.look(); first || s.Identity != want.Identity || s.SIM != want.SIM {
			t.Errorf("%+v, want %+v", s.Identity, want.Identity)
		}
	})
}

// TestNewsAmongAnswers: what a module says on its way up, without a prefix as its answers, is not taken for its maker or model.
func TestNewsAmongAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		want, _ := d.look()
		for _, news := range bareURCs {
			if strings.HasSuffix(news, "DOWN") {
				continue // it says no more then
			}
			d.sim.Handle("AT+CGMI", func(string) string { return news + "\nQuectel\nOK" })
			d.sim.Handle("AT+CGMM", func(string) string { return news + "\nBG95-M3\nOK" })
			if err := d.sim.Say("RDY"); err != nil {
				t.Fatal(err)
			}
			if s, _ := d.look(); s.Identity != want.Identity {
				t.Errorf("%s: %+v, want %+v", news, s.Identity, want.Identity)
			}
		}
	})
}

// TestFollowed has a modem say what happens to it.
func TestFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		d.look()
		say := func(lines ...string) (modem.State, modem.Part) {
			t.Helper()
			if err := d.sim.Say(lines...); err != nil {
				t.Fatal(err)
			}
			return d.look()
		}
		d.sim.Set("AT+COPS?")
		if s, p := say("+CEREG: 2"); s.Network.Registration != modem.Searching || p&modem.PartNetwork == 0 || s.Network.MCC != "" || s.Network.Cell != nil {
			t.Errorf("lost: %+v, %b", s.Network, p)
		}
		if s, _ := say(`+CEREG: 3,"1A2B","01A2D003",8,0,15`); s.Network.Reject == nil || s.Network.Reject.Code != 15 || s.Network.Registration != modem.Denied {
			t.Errorf("refused: %+v", s.Network)
		}
		d.sim.Set("AT+COPS?", `+COPS: 0,2,"26202",8`, "OK")
		d.sim.Set("AT+CEREG?", `+CEREG: 4,5,"1A2C","01A2D004",8`, "OK")
		if s, _ := say(`+CEREG: 5,"1A2C","01A2D004",8`); s.Network.Registration != modem.Roaming || *s.Network.Area != 0x1a2c || s.Network.MNC != "02" || s.Network.Reject != nil {
			t.Errorf("roaming: %+v", s.Network)
		}
		for _, act := range []string{"13", "8"} {
			d.sim.Set("AT+CEREG?", `+CEREG: 4,5,"1A2C","01A2D004",`+act, "OK")
			if s, p := say(`+CEREG: 5,"1A2C","01A2D004",` + act); s.Network.Dual != (act == "13") || p&modem.PartNetwork == 0 {
				t.Errorf("<AcT> %s: %+v, %b", act, s.Network, p)
			}
		}
		d.sim.Set("AT+QCSQ", `+QCSQ: "eMTC",-85,-117,60,-15`, "OK")
		if s, p := say(`+QIND: "csq",9,99`); *s.Signal.RSRP != -117 || *s.Signal.SNR != -8 || p != modem.PartSignal {
			t.Errorf("signal: %+v, %b", s.Signal, p)
		}
		d.sim.Set("AT+CGACT?", "+CGACT: 1,0", "OK")
		if s, p := say("+CGEV: NW PDN DEACT 1"); len(s.Bearers) != 1 || s.Bearers[0].Active || p&modem.PartBearers == 0 {
			t.Errorf("bearer: %+v, %b", s.Bearers, p)
		}
		d.sim.Set("AT+CPIN?", "+CME ERROR: 10")
		if s, p := say("+CPIN: NOT INSERTED"); s.SIM != (modem.SIM{State: modem.SIMMissing}) || p&modem.PartSIM == 0 {
			t.Errorf("SIM: %+v, %b", s.SIM, p)
		}
		if _, p := say("RING", "+CMTI: \"ME\",1", "garbage \xff"); p != 0 {
			t.Errorf("no news, and %b has changed", p)
		}
	})
}

// TestIdle counts what is sent while nothing happens.
func TestIdle(t *testing.T) {
	for _, every := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "bg95", func(c *Config) { c.Signal = every })
			before := len(d.sim.Commands())
			time.Sleep(time.Hour)
			synctest.Wait()
			want := 0
			if every > 0 {
				want = 3 * int(time.Hour/every) // AT+CEREG?, AT+QCSQ, AT+QENG
			}
			if sent := d.sim.Commands()[before:]; len(sent) != want {
				t.Errorf("measured every %v: %d commands in an hour, want %d", every, len(sent), want)
			}
		})
	}
}

// TestWrongSpeed: bytes that are no text are told from silence, with the speed. A modem that then speaks is taken.
func TestWrongSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		d.sim.Mangle(func(string) string { return "\x00\xf8\x80\x1c\xe0" }) // as 115,200 baud look at 9,600
		d.unplug(nil)
		time.Sleep(time.Minute)
		const want = "the modem does not answer: what comes is no text, as at a wrong speed, or while the port is dialled (speed is 115200)"
		if s, _ := d.look(); s.Presence != modem.Silent || s.Trouble == nil || !strings.Contains(s.Trouble.Error(), want) {
			t.Errorf("%v: %v", s.Presence, s.Trouble)
		}
		d.sim.Mangle(nil)
		time.Sleep(2 * modem.MaxPause)
		if s, _ := d.look(); s.Presence != modem.Ready {
			t.Errorf("%v: %v", s.Presence, s.Trouble)
		}
	})
}

func TestModemGoesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		d.unplug(errors.New("there is no such port"))
		s, _ := d.look()
		if s.Presence != modem.Missing || s.Trouble == nil || s.SIM.ICCID != "" {
			t.Errorf("%+v", s)
		}
		if err := d.Register(t.Context()); !errors.Is(err, ErrAbsent) {
			t.Error(err)
		}
		d.mu.Lock()
		d.absent = nil
		d.mu.Unlock()
		time.Sleep(2 * modem.MaxPause)
		if s, _ := d.look(); s.Presence != modem.Ready || s.Trouble != nil || s.SIM.ICCID == "" {
			t.Errorf("%+v", s)
		}
		d.sim.Silence(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := d.SetRadio(ctx, true); !errors.Is(err, ErrSilent) {
			t.Error(err)
		}
		time.Sleep(modem.MaxPause)
		if s, _ := d.look(); s.Presence != modem.Silent || !errors.Is(s.Trouble, ErrSilent) {
			t.Errorf("silent: %+v", s)
		}
	})
}

// TestModemSleeps lets a modem save power: it is not measured, nor taken for broken.
func TestModemSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bc660", func(c *Config) { c.Signal = time.Minute })
		_ = d.sim.Say(`+QNBIOTEVENT: "ENTER PSM"`)
		if s, _ := d.look(); s.Presence != modem.Asleep {
			t.Fatalf("%+v", s)
		}
		d.sim.Silence(true)
		before := len(d.sim.Commands())
		time.Sleep(24 * time.Hour)
		if s, _ := d.look(); s.Presence != modem.Asleep || len(d.sim.Commands()) != before {
			t.Errorf("%+v, asked %q", s, d.sim.Commands()[before:])
		}
		d.sim.Silence(false)
		_ = d.sim.Say(`+QNBIOTEVENT: "EXIT PSM"`)
		if s, _ := d.look(); s.Presence != modem.Ready {
			t.Errorf("%+v", s)
		}
	})
}

// TestDialectOf: a module of a maker whose family is not in the table gets the standard's commands.
func TestDialectOf(t *testing.T) {
	for model, want := range map[string]*dialect{"SIMCOM_SIM7600E": &simcomLTE, "A7670E-FASE": &simcomLTE, "SIM8202G": &simcomLTE, "SIM7020E": &standard, "SIM7022": &standard, "SIM7080": &simcomCat} {
		if got := dialectOf(&modem.Identity{Manufacturer: "SIMCOM_Ltd", Model: model}); got != want {
			t.Errorf("%s: %s", model, got.name)
		}
	}
}

// TestModemFallsAsleep has the modem save power from the very moment on when a command goes out to it, which it does not answer: it sleeps, and is left
// alone. One that has just restarted is started when it wakes up.
func TestModemFallsAsleep(t *testing.T) {
	for name, meet := range map[string]func(d *desk, asleep func(string) string){
		"measured": func(d *desk, asleep func(string) string) {
			d.sim.Handle("AT+QENG=0", asleep)
			time.Sleep(time.Minute)
		},
		"started": func(d *desk, asleep func(string) string) {
			d.sim.Handle("AT+CGMM", asleep)
			_ = d.sim.Say("RDY")
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "bc660", func(c *Config) { c.Signal = time.Minute })
			sleeps := true
			meet(d, func(string) string {
				if !sleeps {
					return "BC660K-GL\nOK"
				}
				d.sim.Silence(true)
				return `+QNBIOTEVENT: "ENTER PSM"`
			})
			time.Sleep(20 * time.Second)
			if s, _ := d.look(); s.Presence != modem.Asleep || s.Trouble != nil {
				t.Errorf("%s: %v, %v", name, s.Presence, s.Trouble)
			}
			before := len(d.sim.Commands())
			time.Sleep(24 * time.Hour)
			if s, _ := d.look(); s.Presence != modem.Asleep || len(d.sim.Commands()) != before {
				t.Errorf("%s, a day later: %v, asked %d times", name, s.Presence, len(d.sim.Commands())-before)
			}
			sleeps = false
			d.sim.Silence(false)
			_ = d.sim.Say(`+QNBIOTEVENT: "EXIT PSM"`)
			time.Sleep(20 * time.Second)
			if s, _ := d.look(); s.Presence != modem.Ready || slices.Contains(d.sim.Commands()[before:], "AT+CGMM") != (name == "started") {
				t.Errorf("%s, awake: %v, asked %d times", name, s.Presence, len(d.sim.Commands())-before)
			}
		})
	}
}

// TestFlood has more said than can be understood: what it would have told is read.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		lines := make([]string, 5*maxUnheard)
		for i := range lines {
			lines[i] = "+QURC: \"recv\",0"
		}
		d.sim.Set("AT+CEREG?", "+CEREG: 4,2", "OK")
		_ = d.sim.Say(lines...)
		time.Sleep(time.Second)
		if s, _ := d.look(); s.Presence != modem.Ready {
			t.Errorf("%+v", s)
		}
	})
}

// TestNoise loses and doubles lines of all that the modem says; at the end, when the
// line is good again, all is as it should be.
func TestNoise(t *testing.T) {
	for seed := range 20 {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, "bg95", nil)
			n := seed
			var mu sync.Mutex
			d.sim.Mangle(func(chunk string) string {
				mu.Lock()
				defer mu.Unlock()
				n = (n*1103515245 + 12345) & 0x7fffffff
				switch n >> 16 % 8 {
				case 0:
					return ""
				case 1:
					return chunk + chunk
				case 2:
					return chunk[:len(chunk)/2]
				case 3:
					return chunk + "\r\n+CEREG: 1,\"1A2B\",\"01A2D003\",8\r\n"
				}
				return chunk
			})
			_ = d.sim.Say("+CPIN: READY", "+CGEV: ME PDN ACT 1", "+CEREG: 2", `+QIND: "csq",1,99`)
			time.Sleep(10 * time.Minute)
			d.sim.Mangle(nil)
			_ = d.sim.Say("RDY")
			time.Sleep(2 * modem.MaxPause)
			s, _ := d.look()
			want, err := os.ReadFile("testdata/module/bg95.txt")
			if got := describe(&s); err != nil || got != string(want) {
				t.Errorf("seed %d: %v\n%s", seed, err, got)
			}
		})
	}
}

package bind

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/gnss"
	"lwm2m-agent/host"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/modem/heal"
)

// atWard is a BG95 that a healer looks after by AT commands, with a power line, in the time of a bubble.
type atWard struct {
	sim    *attest.Modem
	modem  *at.Modem
	health *health.Tracker
	log    bytes.Buffer

	mu      sync.Mutex
	ports   []net.Conn
	powered bool
	cuts    int
	stuck   bool // but for its power
}

func newATWard(t *testing.T, change ...func(*Healer)) *atWard {
	t.Helper()
	sim, err := attest.Open("../../modem/at/testdata/module/bg95.at")
	if err != nil {
		t.Fatal(err)
	}
	w := &atWard{sim: sim, health: health.NewTracker(time.Now), powered: true}
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	var wait sync.WaitGroup
	dial := func(context.Context) (at.Port, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.powered {
			return nil, errors.New("there is no such port")
		}
		near, far := net.Pipe()
		w.ports = append(w.ports, far)
		wait.Go(func() { w.sim.Serve(far) })
		return near, nil
	}
	var h *Healer
	m := at.New(at.Config{Port: "/dev/ttyUSB2", Log: log, Now: time.Now, Dial: dial, Changed: func(s modem.State, _ modem.Part) { h.Take(s) }})
	w.modem = m
	h = NewHealer(m, "wwan", log, w.health, time.Now, func() float64 { return 0.5 })
	h.Power = w.power
	for _, c := range change {
		c(h)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for _, run := range []func(context.Context) error{m.Run, h.Run} {
		wait.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		wait.Wait()
	})
	synctest.Wait()
	return w
}

// power is what the power line does: without it the ports vanish, and what hangs is over.
func (w *atWard) power(_ context.Context, on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.powered = on
	if on {
		if w.stuck {
			w.sim.Silence(false)
		}
		return nil
	}
	w.cuts++
	for _, p := range w.ports {
		_ = p.Close()
	}
	w.ports = nil
	return nil
}

// switched returns how often the power was cut, and whether it is on.
func (w *atWard) switched() (cuts int, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cuts, w.powered
}

// hang has the modem answer no more, or not before its power was off.
func (w *atWard) hang(untilSwitched bool) {
	w.mu.Lock()
	w.stuck = untilSwitched
	w.mu.Unlock()
	w.sim.Silence(true)
	_ = w.sim.Say("+QIND: \"csq\",20,99") // it is asked for the signal, and says nothing
}

func (w *atWard) count(prefix string) int {
	n := 0
	for _, c := range w.sim.Commands() {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

func (w *atWard) trouble() string {
	for _, tr := range w.health.Troubles() {
		if tr.Code == health.LinkLost {
			return tr.Detail
		}
	}
	return ""
}

// TestHungModemIsSwitched has a modem answer no more: its power is switched off for ten seconds, and it is back.
func TestHungModemIsSwitched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newATWard(t)
		w.hang(true)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		text := w.trouble()
		if cuts, _ := w.switched(); cuts != 0 || !strings.Contains(text, "does not answer") {
			t.Fatalf("cut %d times: %q", cuts, text)
		}
		time.Sleep(40 * time.Minute)
		synctest.Wait()
		if cuts, _ := w.switched(); cuts != 1 || w.trouble() != "" || !strings.Contains(w.log.String(), `stage="power off and on" why="the modem does not answer"`) {
			t.Errorf("cut %d times: %q\n%s", cuts, w.trouble(), &w.log)
		}
	})
}

// TestUpdateInStages has a module restart twice to update itself, and search for a cell in between: neither what is waited for then, nor the first silence,
// has its power switched in the second one. Half an hour of that does.
func TestUpdateInStages(t *testing.T) {
	for _, first := range []time.Duration{2 * time.Minute, 35*time.Minute + 45*time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newATWard(t)
			w.hang(true)
			time.Sleep(first)
			w.loseCell()
			w.sim.Silence(false)
			time.Sleep(65 * time.Second)
			synctest.Wait()
			if text := w.trouble(); !strings.Contains(text, "no cell") {
				t.Fatalf("%v, between the stages: %q", first, text)
			}
			w.hang(true)
			time.Sleep(29 * time.Minute)
			synctest.Wait()
			if cuts, _ := w.switched(); cuts != 0 || !strings.Contains(w.trouble(), "does not answer") {
				t.Errorf("%v: cut %d times: %q", first, cuts, w.trouble())
			}
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			if cuts, _ := w.switched(); cuts != 1 {
				t.Errorf("%v: cut %d times: %q", first, cuts, w.trouble())
			}
		})
	}
}

// TestDayOfHungModem has nothing help for a day: the power is switched twice, and the budget is told.
func TestDayOfHungModem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newATWard(t)
		w.hang(false)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if cuts, on := w.switched(); cuts != 2 || !on {
			t.Errorf("cut %d times, on: %v", cuts, on)
		}
		if text := w.trouble(); !strings.Contains(text, "attempts in 24 hours: 2 of 36, for up to 2560 bytes of 49152") {
			t.Errorf("told: %q", text)
		}
	})
}

// TestDayWithoutBearerOfNetifd has netifd own the connection: it is asked to make it anew, and the modem is not.
func TestDayWithoutBearerOfNetifd(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	if err := os.WriteFile(filepath.Join(dir, "ubus"), []byte("#!/bin/sh\necho \"$@\" >> "+log+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newATWard(t, func(h *Healer) {
			h.Bearer = func(ctx context.Context) error { return host.Reconnect(ctx, "wwan") }
		})
		w.loseBearer()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := w.count("AT+CGATT="); n != 0 {
			t.Errorf("the modem was told %d times", n)
		}
	})
	asked, err := os.ReadFile(log)
	pair := "call network.interface.wwan down\ncall network.interface.wwan up\n"
	if n := strings.Count(string(asked), pair); err != nil || n < 5 || n > 24 || string(asked) != strings.Repeat(pair, n) {
		t.Errorf("netifd was asked %d times: %v, %q", n, err, asked)
	}
}

// TestConnectionOfNetifd has netifd say how the connection is, as with a modem that it speaks to by QMI (uqmi): the modem's own contexts stay active.
func TestConnectionOfNetifd(t *testing.T) {
	for name, c := range map[string]struct {
		says []host.Netifd
		asks bool
	}{
		"up":                   {[]host.Netifd{{Up: true, Wanted: true}}, false},
		"lost":                 {[]host.Netifd{{Up: true, Wanted: true}, {Wanted: true}}, true},
		"never there":          {[]host.Netifd{{Wanted: true}}, true},
		"taken down":           {[]host.Netifd{{Up: true, Wanted: true}, {}}, false},
		"it comes back itself": {[]host.Netifd{{Up: true, Wanted: true}, {Wanted: true}, {Up: true, Wanted: true}}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			w := newATWard(t, func(h *Healer) {
				h.Bearer = func(context.Context) error { asked++; return nil }
				h.Netifd = func(ctx context.Context, told func(host.Netifd)) error {
					for _, n := range c.says {
						time.Sleep(time.Second)
						told(n)
					}
					<-ctx.Done()
					return nil
				}
			})
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if (asked > 0) != c.asks || (w.trouble() != "") != c.asks {
				t.Errorf("%s: asked %d times to reconnect; %q", name, asked, w.trouble())
			}
		})
	}
}

// TestNetifdIsNotHeard has the modem's word count then, and again when netifd has been heard.
func TestNetifdIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		w := newATWard(t, func(h *Healer) {
			h.Bearer = func(context.Context) error { return nil }
			h.Netifd = func(_ context.Context, told func(host.Netifd)) error {
				tries++
				told(host.Netifd{Wanted: true})
				return errors.New("there is no program ubus")
			}
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := strings.Count(w.log.String(), "netifd is not heard"); n != 1 || tries < 50 || tries > 61 {
			t.Errorf("told %d times, tried %d times", n, tries)
		}
		if text := w.trouble(); text != "" {
			t.Errorf("the modem is connected: %q", text)
		}
	})
}

// TestNoFix has a receiver that sees no satellite for hours: it is asked, and nothing is done to the modem.
func TestNoFix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newATWard(t)
		w.sim.Set("AT+QGPS=1", "OK")
		w.sim.Set("AT+QGPSEND", "OK")
		w.sim.Set("AT+QGPSLOC=2", "+CME ERROR: 516")
		before := len(w.sim.Commands())
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		if err := w.modem.Locate(ctx, func(gnss.Report) {}); err != nil {
			t.Fatal(err)
		}
		told := w.sim.Commands()[before:]
		asks := func(c string) bool { return strings.HasPrefix(c, "AT+QGPS") || c == "AT+CMEE?" } // whether an error was the answer
		if i := slices.IndexFunc(told, func(c string) bool { return !asks(c) }); i >= 0 || len(told) < 1000 {
			t.Errorf("it was told %d times, also %q", len(told), told[max(i, 0)])
		}
		if cuts, _ := w.switched(); cuts != 0 || w.trouble() != "" {
			t.Errorf("cut %d times: %q", cuts, w.trouble())
		}
	})
}

// loseBearer takes the connection back for good.
func (w *atWard) loseBearer() {
	w.sim.Set("AT+CGACT?", "+CGACT: 1,0", "OK")
	w.sim.Set("AT+CGCONTRDP=1", "OK")
	w.sim.Set("AT+CGATT=0", "OK")
	w.sim.Set("AT+CGATT=1", "ERROR")
	w.sim.Set("AT+CFUN=4", "OK")
	w.sim.Set("AT+CFUN=1", "OK")
	w.sim.Set("AT+CFUN=1,1", "OK")
	_ = w.sim.Say("+CGEV: NW DETACH")
}

// TestDayWithoutBearerByAT leaves a modem without its connection for a day: what is sent to it stays within the
// limits of each step and within the budget.
func TestDayWithoutBearerByAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newATWard(t)
		w.loseBearer()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		cuts, _ := w.switched()
		got := map[string]int{"reconnected": w.count("AT+CGATT=1"), "flight mode": w.count("AT+CFUN=4"), "reset": w.count("AT+CFUN=1,1"), "power": cuts}
		for what, most := range map[string]int{"reconnected": 24, "flight mode": 8, "reset": 3, "power": 2} {
			if n := got[what]; n < 1 || n > most {
				t.Errorf("%s %d times, want 1 to %d", what, n, most)
			}
		}
		if n := got["reconnected"] + got["flight mode"] + got["reset"] + got["power"]; n > heal.PerDay.Attachments {
			t.Errorf("%d attachments: %v", n, got)
		}
		if text := w.trouble(); !strings.Contains(text, "attempts in 24 hours: ") {
			t.Errorf("told: %q", text)
		}
	})
}

// TestAnotherFault has the modem away first, against which nothing helps without a power line, and then something else be lost: that is mended as soon as
// if it had come first, and told at once. Faults that take turns do not put that off.
func TestAnotherFault(t *testing.T) {
	for name, c := range map[string]struct {
		lose  func(*atWard)
		again func(*testing.T, *atWard)
		tells string
		due   time.Duration
		sent  string
	}{
		"no cell":   {(*atWard).loseCell, func(*testing.T, *atWard) {}, "no cell", 150 * time.Second, "AT+COPS=0"},
		"no bearer": {(*atWard).loseBearer, func(*testing.T, *atWard) {}, "the connection is gone", 40 * time.Second, "AT+CGATT=1"},
		"in turns": {(*atWard).loseCell, func(t *testing.T, w *atWard) {
			t.Helper()
			_ = w.power(t.Context(), false)
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if text := w.trouble(); !strings.Contains(text, "does not answer") {
				t.Errorf("in turns: told %q", text)
			}
			_ = w.power(t.Context(), true)
			time.Sleep(40 * time.Second)
		}, "no cell", 100 * time.Second, "AT+COPS=0"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newATWard(t, func(h *Healer) { h.Power = nil })
			_ = w.power(t.Context(), false)
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if text := w.trouble(); !strings.Contains(text, "does not answer") {
				t.Fatalf("%s: %q", name, text)
			}
			c.lose(w)
			_ = w.power(t.Context(), true)
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if text := w.trouble(); !strings.Contains(text, c.tells) {
				t.Errorf("%s: told %q", name, text)
			}
			c.again(t, w)
			time.Sleep(c.due)
			synctest.Wait()
			if n := w.count(c.sent); n != 1 {
				t.Errorf("%s: %s was sent %d times; %q", name, c.sent, n, w.trouble())
			}
		})
	}
}

// TestOperatorsConnectionStays has the connection lost while the operator's own is up: that does not stand for it, and what is made anew is the one that
// is lost.
func TestOperatorsConnectionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newATWard(t)
		w.sim.Set("AT+CGDCONT?", `+CGDCONT: 1,"IPV4V6","iot.lab"`, `+CGDCONT: 2,"IPV4V6","ims"`, "OK")
		w.sim.Set("AT+CGACT?", "+CGACT: 1,1", "+CGACT: 2,1", "OK")
		_ = w.sim.Say("+CGEV: ME PDN ACT 2")
		synctest.Wait()
		w.sim.Set("AT+CGACT?", "+CGACT: 1,0", "+CGACT: 2,1", "OK")
		for _, c := range []string{"AT+CGATT=0", "AT+CGATT=1", "AT+CGACT=1,1"} {
			w.sim.Set(c, "OK")
		}
		_ = w.sim.Say("+CGEV: NW PDN DEACT 1")
		time.Sleep(time.Minute)
		synctest.Wait()
		if text := w.trouble(); !strings.Contains(text, "the connection is gone") || w.count("AT+CGACT=1,1") != 1 {
			t.Errorf("told %q, connected %d times", text, w.count("AT+CGACT=1,1"))
		}
	})
}

// loseCell has the modem search without end.
func (w *atWard) loseCell() {
	w.sim.Set("AT+CEREG?", "+CEREG: 4,2", "OK")
	w.sim.Set("AT+CGREG?", "+CGREG: 2,2", "OK")
}

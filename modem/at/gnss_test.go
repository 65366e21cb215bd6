package at

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/gnss"
)

// located is a report in short.
func located(r gnss.Report) string {
	if r.Fix == nil {
		return r.Why.Error()
	}
	s := fmt.Sprintf("%.6f %.6f %s", r.Fix.Latitude, r.Fix.Longitude, r.Fix.Time.Format("2006-01-02T15:04:05"))
	for _, v := range []*float64{r.Fix.Altitude, r.Fix.Radius, r.Fix.Speed, r.Fix.Course} {
		if v == nil {
			s += " -"
		} else {
			s += fmt.Sprintf(" %.2f", *v)
		}
	}
	return s
}

// followed is what a modem's receiver reports, while it is followed.
type followed struct {
	mu      sync.Mutex
	reports []string
	stop    func() error // ends it, and returns what Locate did
}

func (d *desk) locate(t *testing.T) *followed {
	t.Helper()
	f := new(followed)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		over <- d.Locate(ctx, func(r gnss.Report) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.reports = append(f.reports, located(r))
		})
	}()
	f.stop = sync.OnceValue(func() error {
		cancel()
		return <-over
	})
	t.Cleanup(func() { _ = f.stop() })
	synctest.Wait()
	return f
}

// take returns what was reported since the last time.
func (f *followed) take() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.reports
	f.reports = nil
	return r
}

// TestReceivers: what each family answers without a fix and with one, and that it is switched
// on and off.
func TestReceivers(t *testing.T) {
	for _, c := range []struct {
		module  string
		none    map[string][]string // answers without a fix
		fix     map[string][]string
		want    string
		on, off []string
	}{
		{
			"bg95",
			map[string][]string{"AT+QGPSLOC=2": {"+CME ERROR: 516"}},
			map[string][]string{"AT+QGPSLOC=2": {"+QGPSLOC: 120000.000,47.28523,8.56527,1.0,499.6,3,77.52,36.0,19.4,281126,08", "OK"}},
			"47.285230 8.565270 2026-11-28T12:00:00 499.60 19.00 10.00 77.52",
			[]string{"AT+QGPS=1"},
			[]string{"AT+QGPSEND"},
		},
		{
			"ec25",
			map[string][]string{"AT+QGPSLOC=2": {"+CME ERROR: 516"}},
			map[string][]string{"AT+QGPSLOC=2": {"+QGPSLOC: 120000.0,-33.85833,-151.2,,30,2,,,,281126,04", "OK"}},
			"-33.858330 -151.200000 2026-11-28T12:00:00 30.00 - - -",
			[]string{"AT+QGPS=1"},
			[]string{"AT+QGPSEND"},
		},
		{
			"sim7000",
			map[string][]string{"AT+CGNSINF": {"+CGNSINF: 1,0,19800105235952.000,,,,0.00,0.0,0,,,,,,0,0,,,,,", "OK"}},
			map[string][]string{"AT+CGNSINF": {"+CGNSINF: 1,1,20261128120000.000,47.285233,8.565265,499.600,36.00,77.5,1,,2.0,2.2,0.9,,12,8,,,42,,", "OK"}},
			"47.285233 8.565265 2026-11-28T12:00:00 499.60 38.00 10.00 77.50",
			[]string{"AT+CGNSPWR=1"},
			[]string{"AT+CGNSPWR=0"},
		},
		{
			"sim7600",
			map[string][]string{"AT+CGPSINFO": {"+CGPSINFO: ,,,,,,,,", "OK"}},
			map[string][]string{"AT+CGPSINFO": {"+CGPSINFO: 4717.113990,N,00833.915900,E,281126,120000.0,499.6,10.0,77.5", "OK"}},
			"47.285233 8.565265 2026-11-28T12:00:00 499.60 - 5.14 77.50",
			[]string{"AT+CGPS=1", "AT+CGNSSPWR=1"},
			[]string{"AT+CGPS=0", "AT+CGNSSPWR=0"},
		},
		{
			"sara-r5",
			map[string][]string{"AT+UGRMC?": {"+UGRMC: 1,$GPRMC,,V,,,,,,,,,,N*53", "OK"}, "AT+UGGGA?": {"+CME ERROR: 4"}},
			map[string][]string{
				"AT+UGRMC?": {"+UGRMC: 1," + sentence("GPRMC", "120000.00", "A", "4717.11399", "N", "00833.91590", "E", "10.0", "77.52", "281126", "", "", "A"), "OK"},
				"AT+UGGGA?": {"+UGGGA: 1," + sentence("GPGGA", "120000.00", "4717.11399", "N", "00833.91590", "E", "1", "08", "1.00", "499.6", "M", "48.0", "M", "", ""), "OK"},
			},
			"47.285233 8.565265 2026-11-28T12:00:00 499.60 19.00 5.14 77.52",
			[]string{"AT+UGPS=1,0", "AT+UGRMC=1", "AT+UGGGA=1"},
			[]string{"AT+UGPS=0"},
		},
	} {
		t.Run(c.module, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, c.module, nil)
				before := len(d.sim.Commands())
				set := func(answers map[string][]string) {
					for command, lines := range answers {
						d.sim.Set(command, lines...)
					}
				}
				set(c.none)
				f := d.locate(t)
				if got := f.take(); !slices.Equal(got, []string{gnss.ErrNoFix.Error()}) {
					t.Errorf("without a fix %q", got)
				}
				set(c.fix)
				time.Sleep(2 * askEvery)
				if got := f.take(); !slices.Equal(got, []string{c.want, c.want}) {
					t.Errorf("%q, want twice %q", got, c.want)
				}
				if err := f.stop(); err != nil {
					t.Error(err)
				}
				sent := d.sim.Commands()[before:]
				if !slices.Equal(sent[:len(c.on)], c.on) || !slices.Equal(sent[len(sent)-len(c.off):], c.off) || len(sent) != len(c.on)+len(c.off)+3*len(c.fix) {
					t.Errorf("sent %q", sent)
				}
			})
		})
	}
}

// TestReceiverRests: a modem that sleeps is not woken for a position; after a restart its
// receiver is switched on again; one that is gone, or has none, is an error.
func TestReceiverRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		d.sim.Set("AT+QGPSLOC=2", "+QGPSLOC: 120000.000,47.28523,8.56527,1.0,499.6,3,77.52,36.0,19.4,281126,08", "OK")
		f := d.locate(t)
		f.take()
		switchedOn := func() (n int) {
			for _, c := range d.sim.Commands() {
				if c == "AT+QGPS=1" {
					n++
				}
			}
			return n
		}
		_ = d.sim.Say("+QPSMTIMER: 3600,10")
		synctest.Wait()
		sent := len(d.sim.Commands())
		time.Sleep(2 * askEvery)
		if got := f.take(); len(got) != 2 || got[1] != gnss.ErrResting.Error() || len(d.sim.Commands()) != sent {
			t.Errorf("asleep: %q, sent %q", got, d.sim.Commands()[sent:])
		}
		_ = d.sim.Say("APP RDY")
		time.Sleep(askEvery)
		synctest.Wait()
		if got := f.take(); len(got) != 1 || !strings.HasPrefix(got[0], "47.") || switchedOn() != 2 {
			t.Errorf("awake: %q, switched on %d times", got, switchedOn())
		}
		d.unplug(fmt.Errorf("there is no such port"))
		time.Sleep(2 * askEvery)
		synctest.Wait()
		if err := f.stop(); err == nil || !strings.Contains(err.Error(), "ask the modem for its position") {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bc660", nil)
		f := d.locate(t)
		synctest.Wait()
		if err := f.stop(); err == nil || !strings.Contains(err.Error(), "no command for the receiver of Quectel") {
			t.Error(err)
		}
	})
}

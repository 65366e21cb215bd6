package client

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

const (
	dayFile  = "../../docs/queue-mode.md"
	dayBegin = "<!-- Made by TestDay in lwm2m/client by go generate. -->\n"
	dayEnd   = "<!-- End. -->\n"
)

// aDay is a day of a device in queue mode behind DTLS with a Connection ID, which tells a
// temperature every ten minutes and gathers for a time, over a modem in power saving mode unless
// that is nil. It returns what was accounted for and how often the device woke up.
func aDay(t *testing.T, gather time.Duration, modem *psm) (flows Flows, wakeUps uint64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := new(meter)
		l := newSecureLab(t, m, 0, 6)
		p := Params{QueueMode: true, Gather: gather}
		if modem != nil {
			p.Reachable, l.client.config.Trace = modem.active, modem.passes
		}
		l.client.config.Params = func(uint16) Params { return p }
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(2*86400)) })
		l.run()
		l.wantState(Registered)
		w := l.observe(temperature, senmlCBOR)
		for i := range 24 * 6 {
			for range 10 {
				l.after(time.Minute)
				if modem != nil && modem.updates() {
					l.client.RadioOn(modem.periodic)
					synctest.Wait()
				}
			}
			l.temperature(0, 21+float64(i%10)/10)
		}
		l.after(gather + 2*time.Minute)
		l.wantState(Asleep)
		if told := len(datedAll(t, w.began, senmlCBOR, w.payloads())); told != 24*6 {
			t.Errorf("%d values were told, want %d", told, 24*6)
		}
		flows = l.status().Traffic
		if sum := flows.Sum(); sum != m.flow {
			t.Errorf("accounted for %+v, the socket had %+v", sum, m.flow)
		}
		l.stop()
	})
	return flows, flows[ForUpdate].SentDatagrams
}

// TestDay compares a day's bytes with those that the messages themselves need, and with
// those of a client that makes a handshake and a Register at each wake-up; and what
// docs/queue-mode.md says of it.
func TestDay(t *testing.T) {
	each, eachWakes := aDay(t, 0, nil)
	gathered, wakes := aDay(t, 55*time.Minute, nil)
	modem := &psm{active: 20 * time.Second, periodic: time.Hour}
	saving, savingWakes := aDay(t, 70*time.Minute, modem)
	if modem.deaf > 0 || savingWakes > 26 {
		t.Errorf("%d wake-ups beside those of the modem, which did not hear %d messages", savingWakes, modem.deaf)
	}
	if eachWakes != 24*6 || wakes != 24 {
		t.Errorf("%d and %d wake-ups", eachWakes, wakes)
	}
	for _, f := range []*Flows{&each, &gathered, &saving} {
		needed := f[ForUpdate]
		needed.add(f[ForNotification])
		if all, need := bytesOf(f.Sum()), bytesOf(needed); float64(all) > 1.3*float64(need) {
			t.Errorf("%d bytes for messages that need %d", all, need)
		}
	}
	if n := gathered[ForNotification]; n.SentDatagrams != wakes || n.ReceivedDatagrams != wakes {
		t.Errorf("notifications took %+v in %d wake-ups", n, wakes)
	}
	anew := gathered
	for _, p := range []Purpose{ForHandshake, ForRegistration} {
		one := gathered[p]
		for range wakes - 1 {
			anew[p].add(one)
		}
	}
	for range wakes - 1 { // a new registration is observed anew
		anew[ForRequest].add(gathered[ForRequest])
	}
	anew[ForUpdate] = Flow{}

	file, err := os.ReadFile(dayFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(file), dayBegin)
	_, after, ok := strings.Cut(rest, dayEnd)
	if !ok {
		t.Fatalf("%s lacks the lines %q and %q", dayFile, dayBegin, dayEnd)
	}
	want := before + dayBegin + dayTable(&each, &gathered, &saving, &anew) + dayEnd + after
	switch {
	case want == string(file):
	case *update:
		if err := os.WriteFile(dayFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s tells another day; run: go generate ./lwm2m/client", dayFile)
	}
}

func bytesOf(f Flow) uint64 { return f.SentBytes + f.ReceivedBytes }

func dayTable(columns ...*Flows) string {
	var b strings.Builder
	b.WriteString("\n| bytes for | a wake-up for each value | gathered for 55 minutes | gathered for 70 minutes, over a modem with PSM | a handshake at each wake-up of the second column |\n|---|---|---|---|---|\n")
	row := func(what string, of func(*Flows) Flow) {
		fmt.Fprintf(&b, "| %s |", what)
		for _, c := range columns {
			fmt.Fprintf(&b, " %d |", bytesOf(of(c)))
		}
		b.WriteString("\n")
	}
	for _, p := range []Purpose{ForHandshake, ForRegistration, ForRequest, ForUpdate, ForNotification} {
		row(map[Purpose]string{ForRequest: "observe"}[p]+map[bool]string{true: p.String()}[p != ForRequest], func(f *Flows) Flow { return f[p] })
	}
	row("**all**", (*Flows).Sum)
	b.WriteString("\n")
	return b.String()
}

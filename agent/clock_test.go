package agent

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/server"
)

var buildDay = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// in1970 starts an agent on a machine whose clock was never set, as a Raspberry Pi is
// when it has been switched on.
func in1970(t *testing.T, cfg *config.Config) (a *Agent, stop func()) {
	t.Helper()
	machine := &demo.Machine{Say: func(string) {}}
	if err := machine.SetTime(t.Context(), time.Unix(12, 0)); err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Config: cfg, Built: buildDay, Control: machine, Now: machine.Now, Log: slog.New(slog.DiscardHandler), Simulated: true})
	if err != nil {
		t.Fatal(err)
	}
	return a, start(t, a)
}

func (a *Agent) clockTrouble() string {
	for _, tr := range a.health.Troubles() {
		if tr.Code == health.ClockWrong {
			return tr.Detail
		}
	}
	return ""
}

// TestClockIn1970: the agent registers, shows what is wrong, is put right by the server,
// and knows that time after the next start without a battery.
func TestClockIn1970(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	a, stop := in1970(t, cfg)
	l.next(t, server.Registered)
	if got := a.clockTrouble(); !strings.Contains(got, "it says 1970-01-01") {
		t.Errorf("trouble %q", got)
	}
	if now := a.clock.Now(); now.Before(buildDay) || now.After(buildDay.Add(time.Hour)) {
		t.Errorf("certificates are judged by %v", now)
	}
	right := buildDay.AddDate(0, 5, 0)
	path := lwm2m.MustPath("/3/0/13")
	if err := l.client(t).Replace(t.Context(), path, lwm2m.FormatText, []lwm2m.Node{{Path: path, Value: lwm2m.Time(right)}}); err != nil {
		t.Fatal(err)
	}
	if now := a.clock.Now(); now.Before(right) || now.After(right.Add(time.Hour)) || a.clockTrouble() != "" {
		t.Errorf("it is %v after it was written; trouble %q", now, a.clockTrouble())
	}
	stop()
	a, stop = in1970(t, cfg)
	defer stop()
	l.back(t)
	if now := a.clock.Now(); now.Before(right) || now.After(right.Add(time.Hour)) || a.clockTrouble() == "" {
		t.Errorf("after a restart it is %v; trouble %q", now, a.clockTrouble())
	}
}

// TestCertificateIn1970: a server's certificate is judged by what is known, so that a
// machine whose clock was never set gets to the server that sets it.
func TestCertificateIn1970(t *testing.T) {
	c := newCertified(t)
	a, stop := in1970(t, c.load(t, "sni = 'server.example.com'"))
	defer stop()
	await(t, a, "registered", func(s client.AccountStatus) bool { return s.State == client.Registered })
	if a.clockTrouble() == "" {
		t.Error("the clock is believed")
	}
}

// TestOwnCertificateIn1970: what is told of the own certificate goes by the time that is known, also when that changes.
func TestOwnCertificateIn1970(t *testing.T) {
	cfg := newLab(t).config()
	account := &cfg.Servers[0].Account
	account.NotBefore, account.NotAfter = buildDay.AddDate(0, 1, 0), buildDay.AddDate(1, 0, 0)
	a, stop := in1970(t, cfg)
	defer stop()
	outdated := func(there bool, want string) {
		t.Helper()
		if tr := a.await(t, health.ConfigurationUnsafe, there); !strings.Contains(tr.Detail, want) {
			t.Errorf("%+v, want %q", tr, want)
		}
	}
	outdated(true, "the certificate is not valid before 2026-07-01")
	a.clock.Told(buildDay.AddDate(0, 5, 0))
	outdated(false, "")
	a.clock.Told(buildDay.AddDate(2, 0, 0))
	outdated(true, "the certificate expired at 2027-06-01")
}

// TestKeyIn1970: a pre-shared key asks for no clock, known or not.
func TestKeyIn1970(t *testing.T) {
	psk := []byte("0123456789abcdef")
	l := newSecureLab(t, "gw-17", psk)
	cfg := l.config()
	account := &cfg.Servers[0].Account
	account.Security, account.Identity, account.Key = config.SecurityPSK, "gw-17", config.NewSecret(psk)
	_, stop := in1970(t, cfg)
	defer stop()
	l.next(t, server.Registered)
}

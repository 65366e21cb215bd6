package bind

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/modem"
	"lwm2m-agent/objects"
)

func registered() modem.State {
	return modem.State{
		Presence: modem.Ready,
		SIM:      modem.SIM{State: modem.SIMReady},
		Network:  modem.Network{Registration: modem.Roaming, Technology: modem.LTE, Band: 40, MCC: "262", MNC: "01", Area: new(int64(5)), Cell: new(int64(9))},
		Signal:   modem.Signal{RSSI: new(-60.0), RSRP: new(-97.5), RSRQ: new(-11.2), SNR: new(-1.6), Coverage: new(int64(0))},
		Bearers:  []modem.Bearer{{CID: 1, APN: "iot.lab", Active: true, Addresses: []netip.Addr{netip.MustParseAddr("10.45.0.2")}}, {CID: 2, APN: "ims"}},
	}
}

func modems(t *testing.T) (*Modems, *health.Tracker) {
	t.Helper()
	h := health.NewTracker(time.Now)
	m := &Modems{Health: h, Log: slog.New(slog.DiscardHandler), Now: time.Now, Changed: func() {}, Woke: func(*modem.State) {}, Used: func(string) bool { return false }}
	m.Add(&config.Modem{Name: "wwan"})
	return m, h
}

func TestModemIsTheBearer(t *testing.T) {
	m, _ := modems(t)
	m.take(0, registered())
	wired := netip.MustParseAddr("192.168.1.2")
	tests := []struct {
		name      string
		in        objects.Connectivity
		bearer    objects.Bearer
		available []objects.Bearer
		signal    *int64
	}{
		{"its network interface", objects.Connectivity{Bearer: objects.BearerLTEFDD, Available: []objects.Bearer{objects.BearerLTEFDD}}, objects.BearerLTETDD, []objects.Bearer{objects.BearerLTETDD}, new(int64(-98))},
		{"its address", objects.Connectivity{Bearer: objects.BearerEthernet, Available: []objects.Bearer{objects.BearerEthernet}, Addresses: []netip.Addr{netip.MustParseAddr("10.45.0.2")}}, objects.BearerLTETDD, []objects.Bearer{objects.BearerLTETDD}, new(int64(-98))},
		{"another way", objects.Connectivity{Bearer: objects.BearerEthernet, Available: []objects.Bearer{objects.BearerEthernet}, Addresses: []netip.Addr{wired}}, objects.BearerEthernet, []objects.Bearer{objects.BearerLTETDD, objects.BearerEthernet}, nil},
	}
	for _, tt := range tests {
		c := tt.in
		m.Enter(&c)
		if _, carried := m.Carrier(false); carried != (tt.signal != nil) {
			t.Errorf("%s: carried by the modem: %v", tt.name, carried)
		}
		if s, carried := m.Carrier(true); !carried || s.Network.MCC != "262" {
			t.Errorf("%s: of a bearer that is said to be the modem's: %+v", tt.name, s)
		}
		if c.Bearer != tt.bearer || !slices.Equal(c.Available, tt.available) || (c.Signal == nil) != (tt.signal == nil) || c.Signal != nil && *c.Signal != *tt.signal {
			t.Errorf("%s: %+v", tt.name, c)
		}
		if c.Cell == nil || *c.Cell.ID != 9 || *c.Cell.LAC != 5 || *c.Cell.MNC != 1 || *c.Cell.MCC != 262 || *c.Cell.SINR != -2 || *c.Cell.Coverage != 1 || !slices.Equal(c.Cell.APN, []string{"iot.lab"}) {
			t.Errorf("%s: cell %+v", tt.name, c.Cell)
		}
	}
	m.take(0, modem.State{Presence: modem.Ready, Network: modem.Network{Registration: modem.Searching}})
	c := tests[2].in
	if m.Enter(&c); c.Cell != nil || len(c.Available) != 1 {
		t.Errorf("not registered: %+v", c)
	}
	if s, carried := m.Carrier(true); carried {
		t.Errorf("not registered: carried by %+v", s)
	}
}

func TestModemTroubles(t *testing.T) {
	tests := []struct {
		code   health.Code
		change func(*modem.State)
		detail string
	}{
		{"", func(*modem.State) {}, ""},
		{health.ModemMissing, func(s *modem.State) { *s = modem.State{Trouble: errors.New("no such port")} }, "no such port"},
		{"", func(s *modem.State) { *s = modem.State{} }, ""}, // not looked for yet
		{health.ModemSilent, func(s *modem.State) { s.Presence, s.Trouble = modem.Silent, errors.New("silent") }, "silent"},
		{health.SIMMissing, func(s *modem.State) { s.SIM.State = modem.SIMMissing; s.Identity.Model = "BG95" }, "there is no card in BG95"},
		{
			health.SIMMissing, func(s *modem.State) {
				s.SIM = modem.SIM{State: modem.SIMMissing, EID: "89049032000001000000000000000042"}
				s.Identity.Model = "RG500"
			},
			"the eSIM 89049032000001000000000000000042 in RG500 has no profile that is enabled",
		},
		{health.SIMUnusable, func(s *modem.State) { s.SIM.State = modem.SIMPIN }, "the card wants its PIN"},
		{
			health.SIMUnusable, func(s *modem.State) { s.SIM.State, s.SIM.PINRefused = modem.SIMPIN, true },
			"the card wants its PIN; it has refused the one of the configuration, which it is not given again",
		},
		{
			health.SIMUnusable, func(s *modem.State) { s.SIM.State, s.SIM.PINDoubted = modem.SIMPIN, true },
			"the card wants its PIN; it was given the one of the configuration, and it is not known what became of that: it is not given again",
		},
		{health.NetworkRefuses, func(s *modem.State) { s.Network.Registration = modem.Denied }, "no cause was given"},
		{health.NetworkRefuses, func(s *modem.State) {
			s.Network.Registration, s.Network.Reject = modem.Searching, &modem.Cause{Protocol: modem.EMM, Code: 15}
		}, "no suitable cells in tracking area (EMM cause 15)"},
		{health.NetworkRefuses, func(s *modem.State) {
			s.Bearers[0].Active, s.Bearers[0].Reject = false, &modem.Cause{Protocol: modem.SM, Code: 27}
		}, `the APN "iot.lab": missing or unknown APN (SM cause 27)`},
		{health.NetworkRefuses, func(s *modem.State) { // the operator's own is none that carries
			s.Bearers[0].Active, s.Bearers[0].Reject = false, &modem.Cause{Protocol: modem.SM, Code: 27}
			s.Bearers = append(s.Bearers, modem.Bearer{CID: 9, APN: "ims", Active: true})
		}, `the APN "iot.lab": missing or unknown APN (SM cause 27)`},
		{"", func(s *modem.State) { s.Bearers[1].Reject = &modem.Cause{Protocol: modem.SM, Code: 27} }, ""}, // another one is active
		{"", func(*modem.State) {}, ""},
	}
	m, h := modems(t)
	for i, tt := range tests {
		s := registered()
		tt.change(&s)
		m.take(0, s)
		var want []string
		if tt.code != "" {
			want = []string{string(tt.code) + " wwan: " + tt.detail}
		}
		troubles := h.Troubles()
		got := make([]string, 0, len(troubles))
		for _, tr := range troubles {
			got = append(got, string(tr.Code)+" "+tr.On+": "+tr.Detail)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
}

func TestModemWakes(t *testing.T) {
	m, _ := modems(t)
	woke := 0
	m.Woke = func(s *modem.State) {
		woke++
		if s.Sleep.Granted.Periodic != time.Hour {
			t.Errorf("%+v", s.Sleep)
		}
	}
	for i, p := range []modem.Presence{modem.Ready, modem.Asleep, modem.Ready, modem.Ready, modem.Asleep, modem.Missing, modem.Ready} {
		s := registered()
		s.Presence, s.Sleep.Granted.Periodic = p, time.Hour
		m.take(0, s)
		if want := map[bool]int{true: 1}[i >= 2]; woke != want {
			t.Errorf("%d: woke %d times, want %d", i, woke, want)
		}
	}
}

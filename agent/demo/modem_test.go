package demo

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at"
)

func TestModem(t *testing.T) {
	given := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
	m, err := NewModem(given)
	if err != nil {
		t.Skip(err)
	}
	defer m.Close()
	s, err := at.Probe(t.Context(), at.Config{Port: m.Port, Speed: 115200, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if s.Presence != modem.Ready || s.SIM.State != modem.SIMReady || !s.Network.Registration.Registered() || s.Network.Technology != modem.LTEM {
		t.Errorf("it stands at %+v", s)
	}
	if s.Signal.RSRP == nil || *s.Signal.RSRP != -95 || s.Signal.SNR == nil {
		t.Errorf("its signal is %+v", s.Signal)
	}
	if len(s.Bearers) != 1 || s.Bearers[0].APN != "iot.demo" || !slices.Equal(s.Bearers[0].Addresses, given) {
		t.Errorf("its bearers are %+v", s.Bearers)
	}
}

func TestModemWanders(t *testing.T) {
	m, err := NewModem(nil)
	if err != nil {
		t.Skip(err)
	}
	defer m.Close()
	down := func(int) int { return 0 }
	var news []string
	for len(news) < 2 {
		if m.rsrp < weakest {
			t.Fatal("it stays where nothing is heard")
		}
		news = m.wander(down)
	}
	if want := []string{`+CEREG: 1,"1A2B","01A2D10A",8`, `+QIND: "csq",25,99`}; !slices.Equal(news, want) {
		t.Errorf("it says %q, want %q", news, want)
	}
	up := func(n int) int { return n - 1 }
	for range 20 {
		m.wander(up)
	}
	if m.rsrp != strongest {
		t.Errorf("it hears %d dBm", m.rsrp)
	}
}

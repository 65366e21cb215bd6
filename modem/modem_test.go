package modem

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestTimersThereAndBack covers each octet of both timers.
func TestTimersThereAndBack(t *testing.T) {
	for octet := range 256 {
		for name, f := range map[string]struct {
			decode func(byte) (time.Duration, bool)
			encode func(time.Duration) (byte, time.Duration)
		}{"active": {DecodeActive, EncodeActive}, "periodic": {DecodePeriodic, EncodePeriodic}} {
			d, ok := f.decode(byte(octet))
			if ok != (octet>>5 != 7) {
				t.Errorf("%s %08b: runs: %v", name, octet, ok)
			}
			if again, exact := f.encode(d); ok && exact != d {
				t.Errorf("%s %08b: %v comes back as %08b, %v", name, octet, d, again, exact)
			}
		}
	}
}

func TestTimers(t *testing.T) {
	tests := []struct {
		encode func(time.Duration) (byte, time.Duration)
		in     time.Duration
		octet  string
		out    time.Duration
	}{
		{EncodeActive, 0, "00000000", 0},
		{EncodeActive, 6 * time.Second, "00000011", 6 * time.Second},
		{EncodeActive, 62 * time.Second, "00011111", 62 * time.Second},
		{EncodeActive, 63 * time.Second, "00100001", time.Minute},
		{EncodeActive, 31 * time.Minute, "00111111", 31 * time.Minute},
		{EncodeActive, 32 * time.Minute, "01000101", 30 * time.Minute},
		{EncodeActive, 24 * time.Hour, "01011111", 186 * time.Minute},
		{EncodePeriodic, time.Hour, "00000110", time.Hour},
		{EncodePeriodic, 31 * time.Minute, "10111111", 31 * time.Minute},
		{EncodePeriodic, 6 * time.Hour, "00100110", 6 * time.Hour},
		{EncodePeriodic, 310 * time.Hour, "01011111", 310 * time.Hour},
		{EncodePeriodic, 413 * 24 * time.Hour, "11011111", 9920 * time.Hour},
	}
	for _, tt := range tests {
		octet, out := tt.encode(tt.in)
		if Bits(octet, 8) != tt.octet || out != tt.out {
			t.Errorf("%v: %s, %v; want %s, %v", tt.in, Bits(octet, 8), out, tt.octet, tt.out)
		}
	}
}

func TestNumbersOfCards(t *testing.T) {
	for in, want := range map[string]string{
		"89490200001234567890": "89490200001234567890", `"8949020000123456789F"`: "8949020000123456789",
		"894902000012345678": "894902000012345678", "8949": "", "89490200001234ABCDEF": "", "": "",
	} {
		if got := ICCIDOf(in); got != want {
			t.Errorf("ICCID %q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"89049032000001000000000000000042": "89049032000001000000000000000042", "8904903200000100000000000000004": "", "8904903200000100000000000000004F": "", "": ""} {
		if got := EIDOf(in); got != want {
			t.Errorf("EID %q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"490154203237518": "490154203237518", "4901542032375101": "490154203237518", `"49015420323751"`: "490154203237518",
		"867": "", "49015420323751X": "",
	} {
		if got := IMEIOf(in); got != want {
			t.Errorf("IMEI %q: %q, want %q", in, got, want)
		}
	}
}

func TestSameAPN(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"iot.lab", "iot.lab", true},
		{"IoT.Lab", "iot.lab", true},
		{"iot.lab.mnc001.mcc262.gprs", "iot.lab", true},
		{"iot.lab.MNC001.MCC262.GPRS", "IOT.LAB", true},
		{"", "", true},
		{"iot.lab", "", false},
		{"iot.lab", "iot", false},
		{"iot.lab.gprs", "iot.lab", false},
		{"iot.mnc001.mcc262.gprs.lab", "iot", false},
	} {
		if got := SameAPN(tt.a, tt.b); got != tt.want {
			t.Errorf("%q and %q: %v", tt.a, tt.b, got)
		}
	}
}

func TestSecretIsNotTold(t *testing.T) {
	p := Login{User: "u", Password: "hunter2"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("profile", p), slog.Any("password", p.Password))
	text, err := json.Marshal(p)
	told := fmt.Sprintf("%v %+v %#v %s %q %s %s", p, p, p, p.Password, p.Password, log.String(), text)
	if err != nil || strings.Contains(told, "hunter") {
		t.Errorf("told: %s, %v", told, err)
	}
}

func TestCauses(t *testing.T) {
	if got := (Cause{EMM, 15}).String(); got != "no suitable cells in tracking area (EMM cause 15)" {
		t.Error(got)
	}
	if got := (Cause{SM, 33}).String(); got != "service option not subscribed (SM cause 33)" {
		t.Error(got)
	}
	if got := (Cause{GMM, 99}).String(); got != "refused by the network (GMM cause 99)" {
		t.Error(got)
	}
	if !(Cause{EMM, 3}).Permanent() || (Cause{EMM, 15}).Permanent() || !(Cause{SM, 33}).Permanent() || (Cause{SM, 26}).Permanent() {
		t.Error("which causes are for good is wrong")
	}
}

func TestBands(t *testing.T) {
	for _, tt := range []struct {
		technology Technology
		band       int
		tdd        bool
	}{{LTE, 20, false}, {LTE, 40, true}, {NR, 78, true}, {LTE, 78, false}, {NR, 28, false}, {LTEM, 0, false}} {
		if n := (Network{Technology: tt.technology, Band: tt.band}); n.TDD() != tt.tdd {
			t.Errorf("%v band %d: time division %v", tt.technology, tt.band, n.TDD())
		}
	}
}

// TestDifferences changes one part after the other.
func TestDifferences(t *testing.T) {
	now := time.Now()
	for want, change := range map[Part]func(*State){
		0:             func(s *State) { s.Network.Time, s.Signal.Time = now, now },
		PartPresence:  func(s *State) { s.Trouble = errors.New("gone") },
		PartIdentity:  func(s *State) { s.Identity.Model = "BG95" },
		PartSIM:       func(s *State) { s.SIM.State = SIMPIN },
		PartNetwork:   func(s *State) { s.Network.Cell = new(int64(2)) },
		PartSignal:    func(s *State) { s.Signal.RSRP = nil },
		PartBearers:   func(s *State) { s.Bearers = nil },
		PartSleep:     func(s *State) { s.Sleep.Granted.On = true },
		PartSelection: func(s *State) { s.Selection.Order = []Technology{LTE} },
	} {
		state := func() State {
			return State{Network: Network{Cell: new(int64(1))}, Signal: Signal{RSRP: new(-97.0)}, Bearers: []Bearer{{CID: 1}}}
		}
		a, b := state(), state()
		change(&b)
		if got := Differences(&a, &b); got != want {
			t.Errorf("%b, want %b", got, want)
		}
	}
}

func TestReachable(t *testing.T) {
	const second = time.Second
	psm := PSM{On: true, Periodic: time.Hour, Active: 16 * second}
	edrx := func(mode EDRXMode, cycle uint8) []EDRX {
		return []EDRX{{Mode: AGb, Granted: true, GrantedCycle: 15}, {Mode: mode, On: true, Granted: true, GrantedCycle: cycle}}
	}
	for name, tt := range map[string]struct {
		technology Technology
		sleep      Sleep
		want       time.Duration
		bound      bool
	}{
		"nothing":              {LTEM, Sleep{PSM: psm, HasPSM: true}, 0, false},
		"PSM":                  {LTEM, Sleep{PSM: psm, Granted: psm}, 16 * second, true},
		"PSM at once":          {NBIoT, Sleep{Granted: PSM{On: true}}, 0, true},
		"PSM and eDRX":         {LTEM, Sleep{Granted: psm, EDRX: edrx(WBS1, 13)}, 16 * second, true},
		"eDRX of 81.92 s":      {LTEM, Sleep{EDRX: edrx(WBS1, 5)}, 0, false},
		"eDRX of 102.4 s":      {LTEM, Sleep{EDRX: edrx(WBS1, 6)}, 0, true},
		"which NB-IoT has not": {NBIoT, Sleep{EDRX: edrx(NBS1, 6)}, 0, false},
		"eDRX of 163.84 s":     {NBIoT, Sleep{EDRX: edrx(NBS1, 9)}, 0, true},
		"of another cell":      {NBIoT, Sleep{EDRX: edrx(WBS1, 13)}, 0, false},
		"asked for":            {LTEM, Sleep{EDRX: []EDRX{{Mode: WBS1, On: true, Cycle: 13}}}, 0, false},
	} {
		s := State{Network: Network{Technology: tt.technology}, Sleep: tt.sleep}
		if got, bound := s.Reachable(93 * second); got != tt.want || bound != tt.bound {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, bound, tt.want, tt.bound)
		}
	}
	for cycle, want := range map[uint8]time.Duration{0: 5120 * time.Millisecond, 9: 163840 * time.Millisecond, 13: 2621440 * time.Millisecond, 15: 10485760 * time.Millisecond} {
		if e := (EDRX{Mode: WBS1, Granted: true, GrantedCycle: cycle}); e.Duration() != want {
			t.Errorf("cycle %d: %v, want %v", cycle, e.Duration(), want)
		}
	}
}

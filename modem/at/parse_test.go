package at

import (
	"net/netip"
	"testing"
	"time"

	"lwm2m-agent/modem"
)

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"10.45.0.2": "10.45.0.2", "10.45.0.2.255.255.255.0": "10.45.0.2", "2001:db8::2/64": "2001:db8::2", "2001:db8::2 ffff::": "2001:db8::2",
		"32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.2":                                                 "2001:db8::2",
		"32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.2.255.255.255.255.255.255.255.255.0.0.0.0.0.0.0.0": "2001:db8::2",
		"0.0.0.0": "", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0": "", "": "", "10.45.0": "", "10.45.0.256": "", "a.b.c.d": "",
	} {
		got, ok := address(text)
		if ok != (want != "") || ok && got != netip.MustParseAddr(want) {
			t.Errorf("%q: %v, %v; want %q", text, got, ok, want)
		}
	}
}

func TestReadFormAndURC(t *testing.T) {
	for rest, want := range map[string]bool{
		`2,1,"1A2B","01A2D003",7`: true, "0,1": true, "2, 5": true, "2,10": true,
		"1": false, `1,"1A2B","01A2D003",7`: false, "5,1A2B,01A2D003,7": false, "3,,,,0,15": false, "": false, `4,"FFFF"`: false,
	} {
		if got := readForm(rest); got != want {
			t.Errorf("%q: an answer: %v", rest, got)
		}
	}
}

// TestExtendedSignal has the ends of the ranges of 3GPP TS 27.007, clause 8.69.
func TestExtendedSignal(t *testing.T) {
	tests := []struct {
		f    string
		want modem.Signal
	}{
		{"99,99,255,255,255,255", modem.Signal{}},
		{"0,0,255,255,0,0", modem.Signal{RSSI: new(-111.0), RSRQ: new(-20.0), RSRP: new(-141.0)}},
		{"63,0,255,255,34,97", modem.Signal{RSSI: new(-48.0), RSRQ: new(-3.0), RSRP: new(-44.0)}},
		{"99,99,96,49,255,255", modem.Signal{RSSI: new(-25.0)}},
		{"99,99,255,255,255,255,65,76,87", modem.Signal{RSRQ: new(-11.0), RSRP: new(-81.0), SNR: new(20.0)}},
		{"99,99,255,255,35,98", modem.Signal{}},
		{"", modem.Signal{}},
	}
	for _, tt := range tests {
		var got modem.Signal
		extended(fields(tt.f), &got)
		for name, pair := range map[string][2]*float64{"RSSI": {got.RSSI, tt.want.RSSI}, "RSRP": {got.RSRP, tt.want.RSRP}, "RSRQ": {got.RSRQ, tt.want.RSRQ}, "SNR": {got.SNR, tt.want.SNR}} {
			if shown(pair[0]) != shown(pair[1]) {
				t.Errorf("%s: %s is %s, want %s", tt.f, name, shown(pair[0]), shown(pair[1]))
			}
		}
	}
}

// FuzzState has anything told by a modem: the state stays one that can be shown.
func FuzzState(f *testing.F) {
	for _, s := range []string{
		"+CEREG: 2,1,\"1A2B\",\"01A2D003\",7", "+C5GREG: 1,\"1A\",\"2B\",11,0,,0,15", "+CGEV: ME PDN ACT 1", "+QIND: \"csq\"",
		"+CEREG: 5,\"FFFFFFFFFFFFFFFFFFFF\",,9,0,99999999999,\"111111111\",\"2\"", "+CPIN: READY", "+CSQ: 1,2", "^RESET", ":", "+",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		m := New(Config{Changed: func(modem.State, modem.Part) {}, Now: func() (now time.Time) { return now }})
		s := &session{m: m, dialect: &quectelCat, signal: time.NewTimer(time.Hour)}
		s.urc(line)
		_ = describe(&m.state)
		for _, f := range fields(line) {
			address(f)
			bandOf(f)
			modem.ICCIDOf(f)
			modem.IMEIOf(f)
			clock(f)
		}
	})
}

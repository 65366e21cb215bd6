package at

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"lwm2m-agent/modem"
)

// ubloxCat are modules for LTE-M and NB-IoT (SARA-R4 and SARA-R5 AT Commands Manuals).
var ubloxCat = dialect{
	name: "u-blox SARA-R4, SARA-R5", manufacturer: "U-BLOX", models: []string{"SARA-R4", "SARA-R5", "LARA-R6", "LEXI-R4"},
	setup:        []string{"+UPSMR=1"}, // URC +UUPSMR when power saving begins
	reset:        "+CFUN=15",           // the module, and not the card
	technologies: map[int]modem.Technology{7: modem.LTEM, 8: modem.LTEM, 9: modem.NBIoT},
	signal:       ubloxSignal, login: ubloxLogin, receiver: &ubloxReceiver, udp: &ubloxUDP, asleep: []string{"+UUPSMR: 1"},
}

// ubloxNB are modules for NB-IoT alone (SARA-N2 and SARA-N3 AT Commands Manuals).
var ubloxNB = dialect{
	name: "u-blox SARA-N2, SARA-N3", manufacturer: "U-BLOX", models: []string{"SARA-N"},
	setup:        []string{"+NPSMR=1"},
	reset:        "+NRB",
	technologies: map[int]modem.Technology{7: modem.NBIoT, 9: modem.NBIoT},
	signal:       ubloxNBSignal, login: cgauth, asleep: []string{"+NPSMR: 1", "+NPSMR:1"},
	udp: &ubloxUDP, noUDP: []string{"SARA-N2"}, // whose commands are others
}

// ubloxSignal asks AT+UCGED?. In mode 5, which SARA-R4 has alone, it answers
// "+RSRP: <cell>,<channel>,"<dBm>"" and "+RSRQ: …" in decibels, finer than +CESQ; other
// modules are left to that.
func ubloxSignal(ctx context.Context, s *session) (modem.Signal, error) {
	var sig modem.Signal
	if !strings.HasPrefix(strings.ToUpper(s.m.state.Identity.Model), "SARA-R4") {
		return sig, nil
	}
	if err := s.try(ctx, "+UCGED=5"); err != nil {
		return sig, err
	}
	lines, err := s.do(ctx, Command{Text: "+UCGED?", Prefix: "+RSR", MayBeEmpty: true})
	if err != nil && !refused(err) {
		return sig, err
	}
	for _, l := range lines {
		name, rest, _ := strings.Cut(l, ":")
		switch f := fields(rest); name {
		case "+RSRP":
			sig.RSRP = decibels(f, 2)
		case "+RSRQ":
			sig.RSRQ = decibels(f, 2)
		}
	}
	return sig, nil
}

// ubloxNBSignal asks AT+NUESTATS="RADIO", which answers lines of a name and a number:
// powers in tenths of dBm, ratios in tenths of a decibel, the coverage level.
func ubloxNBSignal(ctx context.Context, s *session) (modem.Signal, error) {
	var sig modem.Signal
	lines, err := s.do(ctx, Command{Text: `+NUESTATS="RADIO"`, Prefix: "NUESTATS:", MayBeEmpty: true})
	if err != nil && !refused(err) {
		return sig, err
	}
	for _, l := range lines {
		_, rest, _ := strings.Cut(l, ":")
		f := fields(rest) // "RADIO","Signal power",-965
		n, err := strconv.Atoi(field(f, len(f)-1))
		if err != nil || n < -2000 {
			continue
		}
		tenth := float64(n) / 10
		switch strings.ToLower(field(f, len(f)-2)) {
		case "signal power":
			sig.RSRP = &tenth
		case "total power":
			sig.RSSI = &tenth
		case "snr":
			sig.SNR = &tenth
		case "rsrq":
			sig.RSRQ = &tenth
		case "ecl":
			if n >= 0 && n <= 3 {
				sig.Coverage = new(int64(n))
			}
		}
	}
	return sig, nil
}

// ubloxLogin is AT+UAUTHREQ=<cid>,<auth_type>[,<username>,<password>].
func ubloxLogin(cid int, p modem.Profile) (string, error) {
	user, password, err := loginParts(p)
	if err != nil || p.Login.Authentication == modem.AuthenticationNone {
		return fmt.Sprintf("+UAUTHREQ=%d,0", cid), err
	}
	return fmt.Sprintf("+UAUTHREQ=%d,%d,%s,%s", cid, p.Login.Authentication, user, password), nil
}

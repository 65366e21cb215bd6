package at

import (
	"context"
	"fmt"
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

// ubloxN2 and ubloxN3 are modules for NB-IoT alone (SARA-N2 / SARA-N3 AT commands manual, UBX-16014887).
var (
	ubloxN2 = ubloxNB("u-blox SARA-N2", "SARA-N2", neulUDP(`"`))
	ubloxN3 = ubloxNB("u-blox SARA-N3", "SARA-N", &ubloxUDP)
)

func ubloxNB(name, model string, sockets *udp) dialect {
	return dialect{
		name: name, manufacturer: "U-BLOX", models: []string{model},
		setup: []string{"+NPSMR=1"}, reset: "+NRB", technologies: map[int]modem.Technology{7: modem.NBIoT, 9: modem.NBIoT},
		signal: func(ctx context.Context, s *session) (modem.Signal, error) {
			return radioStatistics(ctx, s, `+NUESTATS="RADIO"`)
		},
		login: cgauth, asleep: []string{"+NPSMR: 1", "+NPSMR:1"}, udp: sockets,
	}
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

// ubloxLogin is AT+UAUTHREQ=<cid>,<auth_type>[,<username>,<password>].
func ubloxLogin(cid int, p modem.Profile) (string, error) {
	user, password, err := loginParts(p)
	if err != nil || p.Login.Authentication == modem.AuthenticationNone {
		return fmt.Sprintf("+UAUTHREQ=%d,0", cid), err
	}
	return fmt.Sprintf("+UAUTHREQ=%d,%d,%s,%s", cid, p.Login.Authentication, user, password), nil
}

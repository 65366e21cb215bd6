package at

import (
	"context"
	"fmt"
	"strings"

	"lwm2m-agent/modem"
)

// simcomCat are modules for LTE-M and NB-IoT (SIM7000 and SIM7070/7080/7090 Series AT
// Command Manuals).
var simcomCat = dialect{
	name: "SIMCom SIM7000, SIM7070, SIM7080, SIM7090", manufacturer: "SIMCOM",
	models:       []string{"SIM7000", "SIM7070", "SIM7080", "SIM7090"},
	setup:        []string{"+CPSMSTATUS=1"},
	reset:        "+CFUN=1,1",
	technologies: map[int]modem.Technology{7: modem.LTEM, 9: modem.NBIoT},
	signal:       simcomSignal, cell: simcomCell, login: cgauth, receiver: &simcomCatReceiver, asleep: []string{`+CPSMSTATUS: "ENTER PSM"`},
	udp: &simcomUDP, otherUDP: map[string]*udp{"SIM7000": &simcomOldUDP},
}

// simcomGSM are modules for GSM alone, which name no technology (SIM800 Series AT Command Manual).
var simcomGSM = dialect{
	name: "SIMCom SIM800, SIM900", manufacturer: "SIMCOM", models: []string{"SIM800", "SIM808", "SIM868", "SIM900"}, reset: "+CFUN=1,1", login: cgauth,
	cell: func(_ context.Context, s *session) error {
		s.m.state.Network.Technology = modem.GSM
		return nil
	},
}

// simcomLTE are modules for LTE and 5G (SIM7500/7600 Series and A76XX Series AT Command Manuals).
var simcomLTE = dialect{
	name: "SIMCom SIM7500, SIM7600, SIM8200, A76xx", manufacturer: "SIMCOM", models: []string{"SIM75", "SIM76", "SIM82", "SIM83", "A76", "A79"},
	setup:  []string{"+AUTOCSQ=1,1"}, // URC +CSQ when the signal has changed
	reset:  "+CRESET",
	signal: simcomSignal, cell: simcomCell, heard: simcomHeard, login: simcomLogin,
	receiver: &simcomReceiver,
	udp:      &simcomLTEUDP,
}

// simcomMode is how AT+CPSI? begins: the technology.
var simcomModes = []struct {
	word string
	is   modem.Technology
}{{"NR5G", modem.NR}, {"LTE CAT-M", modem.LTEM}, {"LTE NB", modem.NBIoT}, {"LTE", modem.LTE}, {"WCDMA", modem.UMTS}, {"GSM", modem.GSM}}

// simcomInfo asks AT+CPSI?, which answers for LTE <mode>,<operation mode>,<MCC-MNC>,<TAC>,
// <cell>,<physical cell>,<band>,<channel>,<dlbw>,<ulbw>,<RSRQ>,<RSRP>,<RSSI>,<RSSNR>.
func simcomInfo(ctx context.Context, s *session) ([]string, modem.Technology, error) {
	f, err := s.one(ctx, "+CPSI?")
	if err != nil || len(f) < 3 || f[1] != "Online" {
		return nil, modem.TechnologyUnknown, err
	}
	for _, m := range simcomModes {
		if strings.HasPrefix(strings.ToUpper(f[0]), m.word) {
			return f, m.is, nil
		}
	}
	return nil, modem.TechnologyUnknown, nil
}

func simcomSignal(ctx context.Context, s *session) (modem.Signal, error) {
	var sig modem.Signal
	f, t, err := simcomInfo(ctx, s)
	if err != nil || len(f) < 14 || t != modem.LTE && t != modem.LTEM && t != modem.NBIoT {
		return sig, err
	}
	scale := 1.0
	if rsrp, ok := number(f, 11); ok && rsrp < -200 { // SIM7600 counts in tenths
		scale = 0.1
	}
	for i, to := range []**float64{&sig.RSRQ, &sig.RSRP, &sig.RSSI} {
		if n, ok := number(f, 10+i); ok && n < 0 {
			*to = new(float64(n) * scale)
		}
	}
	sig.SNR = decibels(f, 13)
	return sig, nil
}

func simcomCell(ctx context.Context, s *session) error {
	f, t, err := simcomInfo(ctx, s)
	if err != nil || f == nil {
		return err
	}
	s.m.state.Network.Technology = t
	s.m.state.Network.Band = bandOf(field(f, 6))
	return nil
}

func simcomHeard(s *session, name, _ string) bool {
	if name == "+CSQ" {
		s.due |= modem.PartSignal
	}
	return name == "+CSQ"
}

// simcomLogin is AT+CGAUTH=<cid>,<auth_type>,<password>,<user>: the other way round than
// in the standard (SIM7500/7600 Series AT Command Manual, AT+CGAUTH).
func simcomLogin(cid int, p modem.Profile) (string, error) {
	user, password, err := loginParts(p)
	if err != nil || p.Login.Authentication == modem.AuthenticationNone {
		return fmt.Sprintf("+CGAUTH=%d,0", cid), err
	}
	return fmt.Sprintf("+CGAUTH=%d,%d,%s,%s", cid, p.Login.Authentication, password, user), nil
}

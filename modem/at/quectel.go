package at

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lwm2m-agent/modem"
)

// quectelCat are modules for LTE-M and NB-IoT (BG95 & BG77 AT Commands Manual).
var quectelCat = dialect{
	name: "Quectel BG95, BG96, BG77", manufacturer: "QUECTEL", models: []string{"BG9", "BG77", "BG600"},
	// Signal and PSM are told by themselves: sections on AT+QINDCFG and AT+QCFG="psm/urc".
	setup:        []string{`+QINDCFG="csq",1`, `+QCFG="psm/urc",1`},
	reset:        "+CFUN=1,1",
	technologies: map[int]modem.Technology{7: modem.LTEM, 8: modem.LTEM, 9: modem.NBIoT},
	signal:       quectelSignal, cell: quectelCell, traffic: quectelTraffic, heard: quectelHeard, login: quectelLogin,
	order: quectelOrder, setOrder: quectelSetOrder, sequence: map[modem.Technology]string{modem.GSM: "01", modem.LTEM: "02", modem.NBIoT: "03"},
	asleep:   []string{"PSM POWER DOWN", "+QPSMTIMER"},
	receiver: &quectelReceiver,
	udp:      &quectelUDP,
}

// quectelNB are modules for NB-IoT alone (BC660K-GL AT Commands Manual): no +QCSQ, no
// counters of traffic.
var quectelNB = dialect{
	name: "Quectel BC660, BC66", manufacturer: "QUECTEL", models: []string{"BC"},
	setup:        []string{"+QNBIOTEVENT=1,1"},
	reset:        "+QRST=1",
	technologies: map[int]modem.Technology{7: modem.NBIoT, 9: modem.NBIoT},
	signal:       quectelNBSignal, login: cgauth, heard: quectelHeard,
	udp:    &quectelNBUDP,
	asleep: []string{`+QNBIOTEVENT: "ENTER PSM"`, `+QNBIOTEVENT:"ENTER PSM"`},
}

// quectelNeul are modules for NB-IoT alone whose commands are those of SARA-N2 rather than of BC660 (BC95-G & BC68 AT Commands
// Manual, chapter 5: AT+NRB, AT+NUESTATS, AT+NPSMR).
var quectelNeul = dialect{
	name: "Quectel BC95, BC28, BC68", manufacturer: "QUECTEL", models: []string{"BC95", "BC28", "BC68"},
	setup:        []string{"+NPSMR=1"},
	reset:        "+NRB",
	technologies: map[int]modem.Technology{7: modem.NBIoT, 9: modem.NBIoT},
	signal: func(ctx context.Context, s *session) (modem.Signal, error) {
		return radioStatistics(ctx, s, "+NUESTATS=RADIO")
	},
	login: cgauth, asleep: []string{"+NPSMR: 1", "+NPSMR:1"}, udp: neulUDP(""),
}

// quectelLTE are modules for LTE and 5G (EC25 & EC21, RG500Q & RM500Q AT Commands Manuals).
var quectelLTE = dialect{
	name: "Quectel EC25, EG25, RG500, RM500", manufacturer: "QUECTEL",
	setup:  []string{`+QINDCFG="csq",1`},
	reset:  "+CFUN=1,1",
	signal: quectelSignal, cell: quectelCell, traffic: quectelTraffic, heard: quectelHeard, login: quectelLogin,
	receiver: &quectelReceiver, udp: &quectelUDP,
	order: quectelOrder, setOrder: quectelSetOrder, sequence: map[modem.Technology]string{modem.GSM: "01", modem.UMTS: "03", modem.LTE: "04"},
}

// quectelSetOrder takes effect at once, and is kept by the module.
const quectelSetOrder = `+QCFG="nwscanseq",%s,1`

// quectelOrder asks AT+QCFG="nwscanseq", which answers the technologies as two digits each; 00 is
// the module's own order. RG500 does not have it.
func quectelOrder(ctx context.Context, s *session, now *modem.Selection) error {
	lines, err := s.do(ctx, Command{Text: `+QCFG="nwscanseq"`, Prefix: `+QCFG: "nwscanseq"`, MayBeEmpty: true})
	if err != nil || len(lines) == 0 {
		return unlessRefused(err)
	}
	_, rest, _ := strings.Cut(lines[0], ",")
	text := strings.TrimSpace(before(rest, ","))
	now.Choices = s.dialect.choices()
	now.Most = len(now.Choices)
	for ; len(text) >= 2; text = text[2:] {
		for _, t := range now.Choices {
			if s.dialect.sequence[t] == text[:2] && !slices.Contains(now.Order, t) {
				now.Order = append(now.Order, t)
			}
		}
	}
	return nil
}

// quectelSignal asks AT+QCSQ, which answers "<sysmode>",<rssi>,<rsrp>,<sinr>,<rsrq> for
// LTE, LTE-M and NB-IoT, with sinr from 0 to 250 in fifths of a decibel from -20 dB on;
// "NR5G",<rsrp>,<sinr>,<rsrq>; "GSM",<rssi>; "WCDMA",<rssi>,<rscp>,<ecio>.
func quectelSignal(ctx context.Context, s *session) (modem.Signal, error) {
	var sig modem.Signal
	f, err := s.one(ctx, "+QCSQ")
	if err != nil || len(f) < 2 {
		return sig, err
	}
	switch strings.ToUpper(f[0]) {
	case "LTE", "EMTC", "CAT-M1", "CAT-NB1", "NBIOT":
		sig.RSSI, sig.RSRP, sig.RSRQ = decibels(f, 1), decibels(f, 2), decibels(f, 4)
		sig.SNR = scaled(f, 3, 250, 0.2, -20)
		return sig, quectelServing(ctx, s, f[0], &sig)
	case "NR5G":
		sig.RSRP, sig.RSRQ = decibels(f, 1), decibels(f, 3)
	case "GSM", "WCDMA":
		sig.RSSI = decibels(f, 1)
	}
	return sig, nil
}

// quectelServing asks what AT+QCSQ does not tell: AT+QENG="servingcell", which in E-UTRA answers "servingcell",<state>,<RAT>,…,<SINR>,<srxlev>, with
// <CQI>,<tx_power> before the last in some modules, and, in NB-IoT, AT+QCFG="celevel", which answers "celevel",<level> from 0 to 2 (BG95&BG77, EC25&EC21
// and RG500Q AT Commands Manuals; BG95&BG77 QCFG AT Commands Manual). Modules that have it elsewhere, or do not know it, do not tell it.
func quectelServing(ctx context.Context, s *session, mode string, sig *modem.Signal) error {
	f, err := s.one(ctx, `+QENG="servingcell"`)
	if err != nil {
		return err
	}
	if n := len(f); n == 18 || n == 20 {
		if level, ok := number(f, n-1); ok && f[0] == "servingcell" {
			sig.Srxlev = new(int64(level))
		}
	}
	if !strings.Contains(strings.ToUpper(mode), "NB") {
		return nil
	}
	if f, err = s.one(ctx, `+QCFG="celevel"`); err != nil {
		return err
	}
	sig.Coverage = coverage(f, 1)
	return nil
}

// quectelNBSignal asks AT+QENG=0, which answers for the cell 0,<EARFCN>,<offset>,<PCI>,<cell>,<RSRP>,<RSRQ>,<RSSI>,<SINR>,<band>,<TAC>,<ECL>,<power>,
// <operation mode>, with an EARFCN of 0 where there is none, and more lines for its neighbours (BC660K-GL AT Commands Manual, AT+QENG).
func quectelNBSignal(ctx context.Context, s *session) (modem.Signal, error) {
	var sig modem.Signal
	lines, err := s.read(ctx, "+QENG=0")
	for _, f := range lines {
		if len(f) >= 14 && f[0] == "0" && f[1] != "0" {
			sig.RSRP, sig.RSRQ, sig.RSSI, sig.SNR, sig.Coverage = decibels(f, 5), decibels(f, 6), decibels(f, 7), decibels(f, 8), coverage(f, 11)
		}
	}
	return sig, err
}

// quectelTechnologies are how AT+QNWINFO begins its <Act>: "FDD LTE", "TDD NR5G"; those with CAT are of BG96.
var quectelTechnologies = []struct {
	word string
	is   modem.Technology
}{{"NR5G", modem.NR}, {"EMTC", modem.LTEM}, {"CAT-M", modem.LTEM}, {"NBIOT", modem.NBIoT}, {"CAT-NB", modem.NBIoT}, {"LTE", modem.LTE}, {"WCDMA", modem.UMTS}, {"HS", modem.UMTS}, {"GSM", modem.GSM}, {"GPRS", modem.GSM}, {"EDGE", modem.GSM}}

// quectelCell asks AT+QNWINFO: <Act>,<oper>,<band>,<channel>.
func quectelCell(ctx context.Context, s *session) error {
	f, err := s.one(ctx, "+QNWINFO")
	if err != nil || len(f) < 3 {
		return err
	}
	act := strings.ToUpper(f[0])
	for _, t := range quectelTechnologies {
		if strings.Contains(act, t.word) {
			s.m.state.Network.Technology = t.is
			break
		}
	}
	s.m.state.Network.Band = bandOf(f[2])
	return nil
}

// quectelTraffic asks AT+QGDCNT?: <bytes_sent>,<bytes_recv>.
func quectelTraffic(ctx context.Context, s *session) (*modem.Traffic, error) {
	f, err := s.one(ctx, "+QGDCNT?")
	if err != nil {
		return nil, err
	}
	sent, ok := count(f, 0)
	received, also := count(f, 1)
	if !ok || !also {
		return nil, nil //nolint:nilnil // not counted, says Bearer.Traffic
	}
	return &modem.Traffic{Sent: sent, Received: received}, nil
}

// quectelHeard takes +QIND: "csq",…: the signal has changed; "act": the technology.
func quectelHeard(s *session, name, rest string) bool {
	switch f := fields(rest); {
	case name != "+QIND":
		return false
	case field(f, 0) == "csq":
		s.due |= modem.PartSignal
	case field(f, 0) == "act":
		s.due |= modem.PartNetwork
	}
	return true
}

// quectelLogin is AT+QICSGP=<contextID>,<type>,<APN>,<user>,<password>,<authentication>,
// which defines the context as +CGDCONT does and keeps the login, unlike +CGAUTH, over a
// restart.
func quectelLogin(cid int, p modem.Profile) (string, error) {
	user, password, err := loginParts(p)
	if err != nil {
		return "", err
	}
	apn, err := quote("the APN", p.APN)
	if err != nil {
		return "", err
	}
	types := map[modem.PDNType]int{modem.IPv6: 2, modem.IPv4v6: 3}
	return fmt.Sprintf("+QICSGP=%d,%d,%s,%s,%s,%d", cid, max(types[p.Type], 1), apn, user, password, p.Login.Authentication), nil
}

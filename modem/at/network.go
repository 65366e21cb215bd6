package at

import (
	"cmp"
	"context"
	"strings"
	"time"

	"lwm2m-agent/modem"
)

// domainNames are the commands that tell of registration: 5G, EPS and GPRS (3GPP TS
// 27.007, clauses 10.1.47, 10.1.22 and 10.1.20). Circuit switched registration
// (+CREG) carries no data and is not looked at.
var domainNames = [...]string{"C5GREG", "CEREG", "CGREG"}

// registration is what one of them says.
type registration struct {
	known      bool // the modem has this domain
	state      modem.Registration
	technology modem.Technology
	dual       bool
	area, cell *int64
	reject     *modem.Cause
	granted    *modem.PSM
}

// stats are the values of <stat> (clause 10.1.22): 6 and 7 are for SMS only, 8 for
// emergency calls, 9 and 10 without CSFB.
var stats = map[int]modem.Registration{
	0: modem.Unregistered, 1: modem.Home, 2: modem.Searching, 3: modem.Denied, 4: modem.RegistrationUnknown, 5: modem.Roaming,
	6: modem.Home, 7: modem.Roaming, 8: modem.Emergency, 9: modem.Home, 10: modem.Roaming, 11: modem.Emergency,
}

// technologies are the values of <AcT> (clause 10.1.22).
var technologies = map[int]modem.Technology{
	0: modem.GSM, 1: modem.GSM, 2: modem.UMTS, 3: modem.GSM, 4: modem.UMTS, 5: modem.UMTS, 6: modem.UMTS,
	7: modem.LTE, 8: modem.GSM, 9: modem.NBIoT, 10: modem.LTE, 11: modem.NR, 12: modem.NR, 13: modem.LTE,
}

// dualConnectivity is the <AcT> of LTE with 5G beside it.
const dualConnectivity = "13"

// technology reads an <AcT>; module families differ in what they call LTE-M.
func (s *session) technology(f []string, i int) modem.Technology {
	n, ok := number(f, i)
	if !ok {
		return modem.TechnologyUnknown
	}
	if t, ok := s.dialect.technologies[n]; ok {
		return t
	}
	return technologies[n]
}

// readForm tells "<n>,<stat>,…" of an answer from "<stat>,…" of a URC: only an answer
// has a second number without quotes, of one or two digits.
func readForm(rest string) bool {
	_, rest, ok := strings.Cut(rest, ",")
	stat, _, _ := strings.Cut(rest, ",")
	stat = strings.TrimSpace(stat)
	return ok && len(stat) > 0 && len(stat) <= 2 && strings.Trim(stat, "0123456789") == ""
}

// registration takes a line of one of the domains, in either form. It reports whether
// it was one.
func (s *session) registration(name, rest string) bool {
	for i, domain := range domainNames {
		if name != domain {
			continue
		}
		if readForm(rest) {
			_, rest, _ = strings.Cut(rest, ",")
		}
		if r, ok := s.parseRegistration(domain, fields(rest)); ok {
			s.domains[i] = r
			s.enterNetwork()
		}
		return true
	}
	return false
}

// parseRegistration reads <stat>[,[<tac>],[<ci>],[<AcT>]…: then +CGREG has a routing
// area, +C5GREG the allowed slices in two parameters; then <cause_type>,<reject_cause>,
// then, of +CEREG and +CGREG, <Active-Time>,<Periodic-TAU>.
func (s *session) parseRegistration(domain string, f []string) (registration, bool) {
	r := registration{known: true}
	n, ok := number(f, 0)
	if !ok {
		return r, false
	}
	if r.state, ok = stats[n]; !ok {
		return r, false
	}
	r.area, r.cell = hexadecimal(field(f, 1)), hexadecimal(field(f, 2))
	r.technology = s.technology(f, 3)
	r.dual = field(f, 3) == dualConnectivity
	cause := map[string]int{"CEREG": 4, "CGREG": 5, "C5GREG": 6}[domain]
	protocol := map[string]modem.Protocol{"CEREG": modem.EMM, "CGREG": modem.GMM, "C5GREG": modem.MM5G}[domain]
	if kind, ok := number(f, cause); ok && kind == 0 { // else it is the vendor's own
		if code, ok := number(f, cause+1); ok && code > 0 {
			r.reject = &modem.Cause{Protocol: protocol, Code: code}
		}
	}
	if domain == "CEREG" {
		r.granted = granted(field(f, cause+2), field(f, cause+3))
	}
	return r, true
}

// granted reads the timers that the network gave; nil if it gave none.
func granted(active, periodic string) *modem.PSM {
	a, ok := bits(active)
	if !ok || len(active) != 8 {
		return nil
	}
	var p modem.PSM
	p.Active, p.On = modem.DecodeActive(a)
	if octet, ok := bits(periodic); ok && len(periodic) == 8 {
		p.Periodic, _ = modem.DecodePeriodic(octet)
	}
	return &p
}

// enterNetwork makes one registration of the domains: the first that is registered,
// else what says most.
func (s *session) enterNetwork() {
	best := registration{}
	for _, r := range s.domains {
		if rank(r.state) > rank(best.state) {
			best = r
		}
	}
	n := &s.m.state.Network
	old := *n
	n.Dual = best.dual
	n.Registration, n.Area, n.Cell, n.Reject = best.state, best.area, best.cell, best.reject
	if best.technology != modem.TechnologyUnknown || !best.state.Registered() {
		n.Technology = best.technology
	}
	if !best.state.Registered() {
		n.Operator, n.MCC, n.MNC, n.Band = "", "", "", 0
		best.granted = new(modem.PSM) // it ends with the registration
	}
	if sleep := &s.m.state.Sleep; best.granted != nil && *best.granted != sleep.Granted {
		sleep.Granted, s.awake = *best.granted, time.Now()
		s.changed |= modem.PartSleep
	}
	if same(n, &old) {
		return
	}
	n.Time = s.m.cfg.Now()
	s.changed |= modem.PartNetwork
	if old.Registration.Registered() != n.Registration.Registered() {
		s.due |= modem.PartBearers
	}
	if n.Registration.Registered() {
		s.due |= modem.PartNetwork | modem.PartSignal | modem.PartSleep // eDRX is granted with the registration
	}
}

func rank(r modem.Registration) int {
	return map[modem.Registration]int{
		modem.Unregistered: 1, modem.Searching: 2, modem.Emergency: 3, modem.Denied: 4, modem.Roaming: 5, modem.Home: 5,
	}[r]
}

// same compares all but the time.
func same(a, b *modem.Network) bool {
	x, y := *a, *b
	x.Time, y.Time = b.Time, b.Time
	equal := func(p, q *int64) bool { return p == q || p != nil && q != nil && *p == *q }
	ok := equal(x.Area, y.Area) && equal(x.Cell, y.Cell) && (x.Reject == y.Reject || x.Reject != nil && y.Reject != nil && *x.Reject == *y.Reject)
	x.Area, x.Cell, x.Reject = y.Area, y.Cell, y.Reject
	return ok && x == y
}

// readNetwork asks each domain, and the operator.
func (s *session) readNetwork(ctx context.Context) error {
	for i := range domainNames {
		if !s.domains[i].known {
			continue
		}
		form, err := s.readDomain(ctx, i)
		if err != nil {
			return err
		}
		s.forms[i] = cmp.Or(s.forms[i], form)
	}
	s.due &^= modem.PartNetwork
	if !s.m.state.Network.Registration.Registered() {
		return nil
	}
	old := s.m.state.Network
	if err := s.readOperator(ctx); err != nil {
		return err
	}
	if s.dialect.cell != nil {
		if err := s.dialect.cell(ctx, s); err != nil {
			return err
		}
	}
	if !same(&old, &s.m.state.Network) {
		s.m.state.Network.Time = s.m.cfg.Now()
		s.changed |= modem.PartNetwork
	}
	return nil
}

// readDomain asks one, and returns which form of it the modem tells by itself: <n>.
func (s *session) readDomain(ctx context.Context, i int) (form string, err error) {
	domain := domainNames[i]
	lines, err := s.do(ctx, Command{Text: "+" + domain + "?", Prefix: "+" + domain + ":", Accept: readForm})
	if err != nil && !refused(err) {
		return "", err
	}
	for _, l := range lines {
		_, rest, _ := strings.Cut(l, ":")
		form, _, _ = strings.Cut(strings.TrimSpace(rest), ",")
		s.registration(domain, strings.TrimSpace(rest))
	}
	return form, nil
}

// readOperator asks for number and name of the operator (3GPP TS 27.007, clause 7.3).
// The number comes first: some modules take the format of the last command for that
// of what they show elsewhere, which shall be the name.
func (s *session) readOperator(ctx context.Context) error {
	n := &s.m.state.Network
	for _, format := range []string{"2", "0"} {
		if err := s.try(ctx, "+COPS=3,"+format); err != nil {
			return err
		}
		f, err := s.one(ctx, "+COPS?")
		if err != nil {
			return err
		}
		name := field(f, 2)
		switch {
		case len(f) < 3 || field(f, 1) != format: // none, or in another form than asked for
		case format == "0":
			n.Operator = strings.ToValidUTF8(name[:min(len(name), maxText)], "")
		case len(name) == 5 || len(name) == 6:
			n.MCC, n.MNC = name[:3], name[3:]
		}
		if t := s.technology(f, 3); t != modem.TechnologyUnknown && n.Technology == modem.TechnologyUnknown {
			n.Technology = t
		}
	}
	return nil
}

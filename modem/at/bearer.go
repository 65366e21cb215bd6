package at

import (
	"context"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"lwm2m-agent/modem"
)

// maxBearers bounds the contexts: the standard has 11 in EPS, modules up to 24.
const maxBearers = 24

// pdnTypes are the words for them (3GPP TS 27.007, clause 10.1.1).
var pdnTypes = map[string]modem.PDNType{"IP": modem.IPv4, "IPV6": modem.IPv6, "IPV4V6": modem.IPv4v6, "Non-IP": modem.NonIP, "NONIP": modem.NonIP}

func pdnWord(t modem.PDNType) string {
	return [...]string{"IP", "IP", "IPV6", "IPV4V6", "Non-IP"}[min(t, modem.NonIP)]
}

// readBearers reads the contexts that are defined (clause 10.1.1), which are active
// (10.1.10), and what the network gave those (10.1.23, else 10.1.14).
func (s *session) readBearers(ctx context.Context) error {
	contexts, err := s.read(ctx, "+CGDCONT?")
	if err != nil {
		return err
	}
	states, err := s.read(ctx, "+CGACT?")
	if err != nil {
		return err
	}
	var bearers []modem.Bearer
	for _, f := range contexts {
		if b, ok := defined(f); ok && len(bearers) < maxBearers {
			bearers = append(bearers, b)
		}
	}
	for _, f := range states {
		cid, ok := number(f, 0)
		i := slices.IndexFunc(bearers, func(b modem.Bearer) bool { return b.CID == cid })
		if state, _ := number(f, 1); ok && state == 1 && i < 0 && len(bearers) < maxBearers {
			bearers = append(bearers, modem.Bearer{CID: cid, Active: true})
		} else if i >= 0 {
			bearers[i].Active = state == 1
		}
	}
	sort.Slice(bearers, func(i, j int) bool { return bearers[i].CID < bearers[j].CID })
	for i := range bearers {
		if err := s.readBearer(ctx, &bearers[i]); err != nil {
			return err
		}
	}
	s.enterBearers(bearers)
	if s.m.cfg.Explain {
		return s.explain(ctx)
	}
	return nil
}

// defined reads <cid>,<PDP_type>,<APN>,….
func defined(f []string) (modem.Bearer, bool) {
	cid, ok := number(f, 0)
	return modem.Bearer{CID: cid, Type: pdnTypes[field(f, 1)], APN: field(f, 2)}, ok
}

// reports are how modems word in +CEER why a session was refused (3GPP TS 24.008, clause 10.5.6.6), in small letters.
var reports = []struct {
	text  string
	cause int
}{
	{"operator determined barring", 8},
	{"insufficient resources", 26},
	{"missing or unknown apn", 27},
	{"unknown apn", 27},
	{"unknown pdn type", 28},
	{"unknown pdp address or pdp type", 28},
	{"user authentication", 29},
	{"service option not supported", 32},
	{"service option not subscribed", 33},
	{"temporarily out of order", 34},
}

// explain asks a modem that is registered and has nothing connected why (3GPP TS 27.007, clause 6.10).
func (s *session) explain(ctx context.Context) error {
	bearers := s.m.state.Bearers
	if !s.m.state.Network.Registration.Registered() || len(bearers) == 0 || slices.ContainsFunc(bearers, func(b modem.Bearer) bool { return b.Active || b.Reject != nil }) {
		return nil
	}
	lines, err := s.do(ctx, Command{Text: "+CEER", Prefix: "+CEER:"})
	if err != nil {
		return unlessRefused(err)
	}
	text := strings.ToLower(lines[0])
	for _, r := range reports {
		if strings.Contains(text, r.text) {
			s.enterReject(bearers[0].CID, modem.Cause{Protocol: modem.SM, Code: r.cause})
			break
		}
	}
	return nil
}

func (s *session) readBearer(ctx context.Context, b *modem.Bearer) error {
	if !b.Active {
		return nil
	}
	cid := strconv.Itoa(b.CID)
	given, err := s.read(ctx, "+CGCONTRDP="+cid)
	if err != nil {
		return err
	}
	for _, f := range given { // <cid>,<bearer_id>,<apn>,<address and mask>,<gateway>,<DNS>,<DNS>,…: a line for each of IPv4 and IPv6
		if b.APN == "" { // the network chose
			b.APN = field(f, 2)
		}
		b.Addresses = appendAddress(b.Addresses, field(f, 3))
		b.Gateways = appendAddress(b.Gateways, field(f, 4))
		b.DNS = appendAddress(appendAddress(b.DNS, field(f, 5)), field(f, 6))
	}
	if len(b.Addresses) == 0 {
		f, err := s.one(ctx, "+CGPADDR="+cid)
		if err != nil {
			return err
		}
		b.Addresses = appendAddress(appendAddress(nil, field(f, 1)), field(f, 2))
	}
	if s.dialect.traffic != nil {
		b.Traffic, err = s.dialect.traffic(ctx, s)
	}
	return err
}

func appendAddress(list []netip.Addr, text string) []netip.Addr {
	if a, ok := address(text); ok && !slices.Contains(list, a) {
		return append(list, a)
	}
	return list
}

// enterBearers takes over since when each is what it is, and why it was refused.
func (s *session) enterBearers(bearers []modem.Bearer) {
	for i := range bearers {
		b := &bearers[i]
		b.Since = s.m.cfg.Now()
		for _, old := range s.m.state.Bearers {
			if old.CID != b.CID {
				continue
			}
			if old.Active == b.Active {
				b.Since = old.Since
			}
			if !b.Active && modem.SameAPN(b.APN, old.APN) {
				b.Reject = old.Reject
			}
		}
	}
	s.m.state.Bearers = bearers
	s.changed |= modem.PartBearers
}

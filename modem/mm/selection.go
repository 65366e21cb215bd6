package mm

import (
	"context"
	"errors"
	"slices"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
)

// mode is which generations of networks a modem may use and which one it prefers (MMModemMode).
type mode struct{ Allowed, Preferred uint32 }

// modeNone is no generation.
const modeNone = 0

// modes are the bits of MMModemMode. LTE-M and NB-IoT are not told apart from LTE.
var modes = map[modem.Technology]uint32{modem.GSM: 1 << 1, modem.UMTS: 1 << 2, modem.LTE: 1 << 3, modem.NR: 1 << 4}

// modesOf returns what a modem can be told.
func modesOf(o object) []mode {
	var out []mode
	for _, pair := range get[[][]any](o, ifaceModem, "SupportedModes") {
		if m, ok := modeOf(pair); ok && len(out) < maxObjects {
			out = append(out, m)
		}
	}
	return out
}

func modeOf(pair []any) (mode, bool) {
	if len(pair) != 2 {
		return mode{}, false
	}
	allowed, ok := pair[0].(uint32)
	preferred, is := pair[1].(uint32)
	return mode{allowed, preferred}, ok && is
}

// readSelection reads which technology the modem prefers, and which it could. That needs a mode in
// which it prefers none, to go back to. Then it reads the operators that the user of the card prefers.
func readSelection(o, card object) modem.Selection {
	var s modem.Selection
	readOperators(&s, card)
	all := modesOf(o)
	now, _ := modeOf(get[[]any](o, ifaceModem, "CurrentModes"))
	if !slices.ContainsFunc(all, func(m mode) bool { return m.Preferred == modeNone }) {
		return s
	}
	for t := range modem.NR + 1 {
		bit := modes[t]
		if bit == 0 {
			continue
		}
		if slices.ContainsFunc(all, func(m mode) bool { return m.Preferred == bit }) {
			s.Choices, s.Most = append(s.Choices, t), 1
		}
		if now.Preferred == bit {
			s.Order = []modem.Technology{t}
		}
	}
	return s
}

// maxOperators bounds the list of a SIM. How many it has room for ModemManager tells when there are too many.
const maxOperators = 100

// operator is an entry of the list: MCC and MNC, and the bits of MMModemAccessTechnology.
type operator struct {
	Code         string
	Technologies uint32
}

// readOperators reads the list that the card's user prefers (Sim.PreferredNetworks, since 1.18). ModemManager does not
// tell a card without one from an empty list.
func readOperators(s *modem.Selection, card object) {
	list, has := card[ifaceSIM]["PreferredNetworks"].Value().([][]any)
	if !has {
		return
	}
	s.MaxOperators = maxOperators
	for _, entry := range list[:min(len(list), maxOperators)] {
		if code, ok := entry[0].(string); ok && (len(code) == 5 || len(code) == 6) && !slices.Contains(s.Operators, code) {
			s.Operators = append(s.Operators, code)
		}
	}
}

// The technologies that an operator is preferred with, as far as the modem has them: what it can (MMModemCapability), and
// the bits of MMModemAccessTechnology.
const (
	canLTE, canNR   = 1 << 3, 1 << 6
	withGSMAndUMTS  = 1<<1 | 1<<5
	withLTE, withNR = 1 << 14, 1 << 15
	withNone        = 0
)

// preferredWith returns them.
func preferredWith(o object) uint32 {
	with := uint32(withGSMAndUMTS)
	can := get[uint32](o, ifaceModem, "CurrentCapabilities")
	if can&canLTE != 0 {
		with |= withLTE
	}
	if can&canNR != 0 {
		with |= withNR
	}
	return with
}

// SetOperators makes a list the one of the card's user, who prefers its operators with each technology. What an older entry says of
// technologies is gone.
func (m *Modem) SetOperators(ctx context.Context, operators []string) error {
	here, err := m.here()
	if err != nil {
		return err
	}
	for _, with := range []uint32{here.with, withNone} {
		list := make([]operator, len(operators))
		for i, code := range operators {
			list[i] = operator{code, with}
		}
		err = call(ctx, here.conn, here.sim, ifaceSIM+".SetPreferredNetworks", commandTime, list).Err
		if e, ok := errors.AsType[dbus.Error](err); !ok || e.Name != errorName+"Core.Unsupported" {
			break // else the card keeps no technologies
		}
	}
	if err != nil {
		return explain("prefer operators", err)
	}
	return nil
}

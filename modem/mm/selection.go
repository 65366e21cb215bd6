package mm

import (
	"slices"

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
// which it prefers none, to go back to.
func readSelection(o object) modem.Selection {
	var s modem.Selection
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

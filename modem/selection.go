package modem

import "slices"

// Selection is what a modem goes by when it looks for a network.
type Selection struct {
	Order   []Technology // the first is tried first; none: the modem chooses
	Choices []Technology // that can be in the order; none: the modem always chooses
	Most    int          // how many of them the modem can be told

	// Operators are those that the SIM's user prefers (3GPP TS 31.102, EF PLMNwAcT), MCC and MNC in
	// digits: "26201"; the first is tried first. There is room for MaxOperators, 0 if there is no
	// such list.
	Operators    []string
	MaxOperators int
}

func (s *Selection) clone() Selection {
	out := *s
	out.Order, out.Choices, out.Operators = slices.Clone(s.Order), slices.Clone(s.Choices), slices.Clone(s.Operators)
	return out
}

package at

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/modem"
)

// readSelection reads in which order the modem looks for technologies, where its dialect has
// that, and the operators that the SIM's user prefers (3GPP TS 27.007, clause 7.19).
func (s *session) readSelection(ctx context.Context) error {
	old := s.m.state.Selection
	var now modem.Selection
	if s.dialect.order != nil {
		if err := s.dialect.order(ctx, s, &now); err != nil {
			return err
		}
	}
	if s.m.state.SIM.State == modem.SIMReady {
		if err := s.readOperators(ctx, &now); err != nil {
			return err
		}
	}
	if !slices.Equal(now.Order, old.Order) || !slices.Equal(now.Choices, old.Choices) || !slices.Equal(now.Operators, old.Operators) || now.MaxOperators != old.MaxOperators {
		s.m.state.Selection = now
		s.changed |= modem.PartSelection
	}
	return nil
}

// maxOperators bounds the list of a SIM.
const maxOperators = 100

// readOperators reads AT+CPOL=?: (list of indices),(list of formats), and AT+CPOL?: <index>,
// <format>,<oper>[,<AcT>…].
func (s *session) readOperators(ctx context.Context, now *modem.Selection) error {
	f, err := s.read(ctx, "+CPOL=?")
	if err != nil || len(f) == 0 {
		return err
	}
	_, last, _ := strings.Cut(f[0][0], "-")
	size, _ := strconv.Atoi(strings.Trim(last, ")")) // 0 for what is no number
	if size < 1 {
		return nil
	}
	if err := s.set(ctx, "+CPOL=,2"); err != nil {
		return unlessRefused(err)
	}
	list, err := s.read(ctx, "+CPOL?")
	if err != nil {
		return err
	}
	now.MaxOperators = min(size, maxOperators)
	for _, f := range list {
		if o := field(f, 2); field(f, 1) == "2" && len(o) >= 5 && len(o) <= 6 && !slices.Contains(now.Operators, o) && len(now.Operators) < maxOperators {
			now.Operators = append(now.Operators, o)
		}
	}
	return nil
}

// SetOperators makes a list the one of the SIM's user, who prefers its operators with each
// technology. What an older entry says of technologies is gone.
func (m *Modem) SetOperators(ctx context.Context, operators []string) error {
	return m.ask(ctx, func(s *session) error {
		s.due |= modem.PartSelection
		if err := s.set(ctx, "+CPOL=,2"); err != nil {
			return err
		}
		list, err := s.read(ctx, "+CPOL?")
		if err != nil {
			return err
		}
		for i, o := range operators {
			name, err := quote("the operator", o)
			if err == nil {
				err = s.setOperator(ctx, i+1, name)
			}
			if err != nil {
				return err
			}
		}
		for _, f := range list {
			if i, ok := number(f, 0); ok && i > len(operators) {
				if err := s.set(ctx, fmt.Sprintf("+CPOL=%d", i)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// setOperator writes an entry: GSM, not compact, UTRAN, E-UTRAN; older modules know fewer.
func (s *session) setOperator(ctx context.Context, i int, quoted string) error {
	var err error
	for _, technologies := range []string{",1,0,1,1", ",1,0,1", ""} {
		if err = s.set(ctx, fmt.Sprintf("+CPOL=%d,2,%s%s", i, quoted, technologies)); !refused(err) {
			return err
		}
	}
	return err
}

// SetOrder has the modem try technologies in an order; none leaves that to it. Those that are not
// named come last: the modem is never kept from the only network there is.
func (m *Modem) SetOrder(ctx context.Context, order []modem.Technology) error {
	return m.ask(ctx, func(s *session) error {
		if s.dialect.setOrder == "" {
			return fmt.Errorf("modem of %s: the agent knows no command for the order of technologies", s.dialect.name)
		}
		text := "00"
		if len(order) > 0 {
			text = ""
			for _, t := range append(slices.Clone(order), s.dialect.choices()...) {
				if code := s.dialect.sequence[t]; code != "" && !strings.Contains(text, code) {
					text += code
				}
			}
		}
		s.due |= modem.PartSelection | modem.PartNetwork
		return s.set(ctx, fmt.Sprintf(s.dialect.setOrder, text))
	})
}

// choices are the technologies that can be ordered.
func (d *dialect) choices() []modem.Technology {
	var out []modem.Technology
	for t := range modem.NR + 1 {
		if d.sequence[t] != "" {
			out = append(out, t)
		}
	}
	return out
}

package at

import (
	"context"
	"errors"
	"slices"
)

// What a modem is owed while it is off the network: the radio (3GPP TS 27.007, clause 8.2), and the attachment (10.1.9).
const (
	radioOn = "+CFUN=1"
	attach  = "+CGATT=1"
)

// owe notes a command that has to follow, before the one that makes it necessary goes out. Whatever ends in between, it is given to the modem: before the
// port is closed, or when the modem is found next.
func (m *Modem) owe(command string) {
	if !slices.Contains(m.owed, command) {
		m.keepOwed(append(m.owed, command))
	}
}

// paid notes that it has gone.
func (m *Modem) paid(command string) {
	if slices.Contains(m.owed, command) {
		m.keepOwed(slices.DeleteFunc(m.owed, func(o string) bool { return o == command }))
	}
}

func (m *Modem) keepOwed(owed []string) {
	slices.Sort(owed) // the radio comes first
	m.owed = owed
	if m.cfg.Owe != nil {
		m.cfg.Owe(slices.Clone(owed))
	}
}

// answer takes what has become of a command that was owed: one that is refused has gone, too.
func (m *Modem) answer(command string, err error) {
	if err == nil || refused(err) || errors.Is(err, ErrSilent) {
		m.paid(command)
	}
}

// pay sends what is owed.
func (s *session) pay(ctx context.Context) error {
	for _, command := range slices.Clone(s.m.owed) {
		_, err := s.do(ctx, Command{Text: command, Limit: attachTime})
		s.m.answer(command, err)
		if err != nil && !refused(err) {
			return err
		}
	}
	return nil
}

// part leaves the modem as it is to be without anybody who follows it, as far as it still answers.
func (s *session) part() {
	_ = s.stopReceiver()
	ctx, cancel := context.WithTimeout(context.Background(), offTime) //nolint:forbidigo // that of Run has ended
	defer cancel()
	_ = s.pay(ctx)
}

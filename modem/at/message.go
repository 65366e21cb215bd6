package at

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/sms"
)

// messages is what a session knows of short messages.
type messages struct {
	asked     *modem.SIM // with which card the modem was asked to tell of them; nil: not yet
	told      bool       // it does
	unread    bool       // there may be some that were not read
	direct    bool       // the next line is one
	storage   string     // from which they are read
	elsewhere string     // where the last one came to, if that is another
	joiner    sms.Joiner
}

// subscribeMessages has the modem keep short messages, hand them over in binary, and tell of
// each that comes (3GPP TS 27.005, clauses 3.2.3 and 3.4.1). A modem without them refuses.
func (s *session) subscribeMessages(ctx context.Context) error {
	s.messages = messages{asked: new(s.m.state.SIM)}
	if err := s.set(ctx, "+CMGF=0"); err != nil {
		return unlessRefused(err)
	}
	err := s.set(ctx, "+CNMI=2,1")
	if refused(err) {
		err = s.set(ctx, "+CNMI=1,1")
	}
	if err != nil {
		return unlessRefused(err)
	}
	f, err := s.one(ctx, "+CPMS?") // used and size, of what is read, written, received (clause 3.2.2)
	if err != nil {
		return err
	}
	s.messages.told, s.messages.unread = true, true
	if s.messages.storage = field(f, 0); field(f, 6) != s.messages.storage {
		return s.useStorage(ctx, field(f, 6))
	}
	return nil
}

func unlessRefused(err error) error {
	if refused(err) {
		return nil
	}
	return err
}

// useStorage has messages read from another storage: "SM", "ME" (clause 3.1).
func (s *session) useStorage(ctx context.Context, name string) error {
	if len(name) != 2 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return nil
	}
	s.messages.storage = name
	_, err := s.do(ctx, Command{Text: fmt.Sprintf(`+CPMS="%s"`, name), Prefix: "+CPMS:", MayBeEmpty: true})
	return unlessRefused(err)
}

// listTime is how long a modem may take to read the messages of its card.
const listTime = 30 * time.Second

// readMessages hands on the messages that were not read yet, which reading marks (clause
// 3.4.2), and deletes those that somebody takes. A modem that had none to tell of is asked
// again with each card, and when it says that it is ready.
func (s *session) readMessages(ctx context.Context) error {
	m := &s.messages
	if card := &s.m.state.SIM; s.m.cfg.Received != nil && !m.told && card.State <= modem.SIMReady && (m.asked == nil || *m.asked != *card) {
		if err := s.subscribeMessages(ctx); err != nil {
			return err
		}
	}
	if !m.unread {
		return nil
	}
	m.unread = false
	if name := m.elsewhere; name != "" {
		m.elsewhere = ""
		if err := s.useStorage(ctx, name); err != nil {
			return err
		}
	}
	lines, err := s.do(ctx, Command{Text: "+CMGL=0", Prefix: "+CMGL:", MayBeEmpty: true, Below: true, Limit: listTime})
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(lines); i++ {
		_, rest, ok := strings.Cut(lines[i], "+CMGL:")
		place, is := number(fields(rest), 0)
		if !ok || !is || !isPDU(lines[i+1]) {
			continue
		}
		i++
		for _, p := range s.receive(lines[i], place) {
			if err := s.try(ctx, fmt.Sprintf("+CMGD=%d", p)); err != nil {
				return err
			}
		}
	}
	return s.makeRoom(ctx)
}

// makeRoom deletes all messages that were read (clause 3.5.4) when there is no room for
// another one but that for the next: the modem would refuse what is for the agent.
func (s *session) makeRoom(ctx context.Context) error {
	f, err := s.one(ctx, "+CPMS?")
	if err != nil {
		return err
	}
	used, ok := number(f, 1)
	size, is := number(f, 2)
	if !ok || !is || used+1 < size {
		return nil
	}
	s.m.cfg.Log.Warn("the modem's storage for short messages is full: those that were read are deleted", slog.Int("messages", used))
	return s.try(ctx, "+CMGD=1,1")
}

// messagesReady reports whether a modem says that it can read the messages of its card:
// SIMCom, Quectel.
func messagesReady(line string) bool { return line == "SMS Ready" || line == "+QIND: SMS DONE" }

// messageStored takes +CMTI: <mem>,<index>.
func (s *session) messageStored(rest string) {
	if !s.messages.told {
		return
	}
	s.messages.unread = true
	if name := field(fields(rest), 0); name != s.messages.storage {
		s.messages.elsewhere = name
	}
}

// receive hands on a message in hexadecimal, and returns where it is kept if it is to be
// deleted. Who sent it and what it says is not logged.
func (s *session) receive(line string, places ...int) []int {
	if s.m.cfg.Received == nil {
		return nil
	}
	pdu, err := hex.DecodeString(line)
	p, parseErr := sms.Parse(pdu)
	if err := errors.Join(err, parseErr); err != nil {
		s.m.cfg.Log.Debug("message not understood", slog.Any("error", err))
		return nil
	}
	m, places, ok := s.messages.joiner.Add(p, places...)
	if !ok || !s.m.cfg.Received(m) {
		return nil
	}
	return places
}

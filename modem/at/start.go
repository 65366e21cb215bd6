package at

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/modem"
)

// start makes the modem talk as this package understands it, learns what it is, and
// reads everything.
func (s *session) start(ctx context.Context) error {
	if err := greet(ctx, s.channel); errors.Is(err, errGarbled) {
		return fmt.Errorf("%w (speed is %d)", err, s.m.cfg.Speed)
	} else if err != nil {
		return err
	}
	if err := s.align(ctx); err != nil {
		return err
	}
	// Echo off (ITU-T V.250, clause 6.2.4), errors as numbers (3GPP TS 27.007, clause 9.1).
	for _, text := range []string{"E0", "+CMEE=1"} {
		if err := s.try(ctx, text); err != nil {
			return err
		}
	}
	if err := s.identify(ctx); err != nil {
		return err
	}
	s.dialect = dialectOf(&s.m.state.Identity)
	for _, text := range s.dialect.setup {
		if err := s.try(ctx, text); err != nil {
			return err
		}
	}
	if err := s.subscribe(ctx); err != nil {
		return err
	}
	if s.m.cfg.Release {
		if err := s.askRelease(ctx); err != nil {
			return err
		}
	}
	s.messages = messages{}
	s.m.starts++
	s.m.state.Presence, s.m.state.Trouble, s.m.state.Starts = modem.Ready, nil, s.m.starts
	s.changed |= modem.PartPresence
	s.due = modem.AllParts &^ modem.PartIdentity
	s.tries, s.receiving, s.awake = 0, false, time.Now()
	return s.pay(ctx)
}

// align asks what only its own answer answers (3GPP TS 27.007, clause 8.2): whoever had the port
// before may not have waited for a result code, which then was taken for the first one here. The
// channel finds its feet if so.
func (s *session) align(ctx context.Context) error {
	_, err := s.do(ctx, Command{Text: "+CFUN?", Prefix: "+CFUN:"})
	if errors.Is(err, ErrAnswer) {
		return nil
	}
	return unlessRefused(err)
}

// try sends a command that a modem may refuse.
func (s *session) try(ctx context.Context, text string) error {
	if err := s.set(ctx, text); err != nil && !refused(err) {
		return err
	}
	return nil
}

// subscribe asks for what the modem shall say by itself: registration with place,
// cause and timers, as much of it as the modem has (3GPP TS 27.007, clauses 10.1.20,
// 10.1.22 and 10.1.47), and changes of contexts (10.1.19).
func (s *session) subscribe(ctx context.Context) error {
	for i, name := range domainNames {
		s.domains[i], s.forms[i] = registration{}, ""
		for _, n := range subscriptions {
			err := s.set(ctx, "+"+name+"="+n)
			if err == nil {
				s.domains[i].known = true
				break
			}
			if !refused(err) {
				return err
			}
		}
	}
	return s.try(ctx, "+CGEREP=2,1")
}

// subscriptions are the forms of +CEREG=<n>, the fullest first.
var subscriptions = []string{"5", "4", "3", "2", "1"}

// checkStart asks a modem that is measured anyway whether it still tells what it was asked to tell: not every one says that it has restarted.
func (s *session) checkStart(ctx context.Context) error {
	i := slices.IndexFunc(s.forms[:], func(form string) bool { return form != "" })
	if !s.doubt || i < 0 || s.m.state.Presence == modem.Asleep {
		return nil
	}
	s.doubt = false
	form, err := s.readDomain(ctx, i)
	s.anew = s.anew || form != "" && form != s.forms[i]
	return err
}

// identify asks what the modem is (3GPP TS 27.007, clauses 5.1 to 5.4).
func (s *session) identify(ctx context.Context) error {
	var id modem.Identity
	for _, q := range []struct {
		text string
		to   *string
	}{{"+CGMI", &id.Manufacturer}, {"+CGMM", &id.Model}, {"+CGMR", &id.Revision}, {"+CGSN", &id.IMEI}} {
		text, err := s.text(ctx, q.text)
		if err != nil {
			return err
		}
		*q.to = text
	}
	if id.IMEI = modem.IMEIOf(id.IMEI); id.IMEI == "" { // +CGSN alone is a serial number, the IMEI if the maker wants
		f, err := s.one(ctx, "+CGSN=1")
		if err != nil {
			return err
		}
		id.IMEI = modem.IMEIOf(field(f, 0))
	}
	if id != s.m.state.Identity {
		s.m.state.Identity = id
		s.changed |= modem.PartIdentity
	}
	return nil
}

// maxText bounds what a modem says of itself, in bytes.
const maxText = 128

// text asks a command that a line without prefix answers; "" if the modem refuses.
func (s *session) text(ctx context.Context, command string) (string, error) {
	lines, err := s.do(ctx, Command{Text: command, Prefix: Bare})
	if refused(err) || errors.Is(err, ErrAnswer) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(strings.TrimPrefix(lines[0], command+":"))
	if strings.HasPrefix(text, `"`) {
		text = field(fields(text), 0) // Fibocom has another name behind it
	}
	return strings.ToValidUTF8(text[:min(len(text), maxText)], ""), nil
}

// refresh reads what is due.
func (s *session) refresh(ctx context.Context) error {
	for _, r := range []struct {
		part modem.Part
		read func(context.Context) error
	}{
		{modem.PartSIM, s.readSIM},
		{modem.PartNetwork, s.readNetwork},
		{modem.PartSignal, s.readSignal},
		{modem.PartBearers, s.readBearers},
		{modem.PartSleep, s.readSleep},
		{modem.PartSelection, s.readSelection},
	} {
		if s.due&r.part == 0 {
			continue
		}
		s.due &^= r.part
		if err := s.tolerate(r.read(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// tolerate lets pass what the next reading may put right: an answer that cannot be
// understood, a restart, and silence of a modem that sleeps, which it may have said while a command went out.
func (s *session) tolerate(err error) error {
	for errors.Is(err, ErrSilent) && len(s.lines) > 0 {
		s.urc(<-s.lines)
	}
	switch {
	case err == nil, refused(err), errors.Is(err, ErrAnswer):
		return nil
	case errors.Is(err, ErrRestarted), errors.Is(err, ErrSilent) && (s.m.state.Presence == modem.Asleep || s.dozes()):
		s.due = 0
		return nil
	}
	return err
}

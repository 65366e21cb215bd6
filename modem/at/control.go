package at

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/modem"
)

// How long the network may take (what vendors' manuals give as the longest).
const (
	attachTime   = 140 * time.Second
	activateTime = 150 * time.Second
	registerTime = 180 * time.Second
	radioTime    = 30 * time.Second
)

// SetProfile defines a context: its APN, type and who it is for (3GPP TS 27.007,
// clauses 10.1.1 and 10.1.31). It holds from the next activation on; see Reconnect.
func (m *Modem) SetProfile(ctx context.Context, cid int, p modem.Profile) error {
	apn, err := quote("the APN", p.APN)
	if err != nil {
		return err
	}
	return m.ask(ctx, func(s *session) error {
		login := ""
		if p.Login != nil {
			var err error
			if login, err = s.dialect.login(cid, p); err != nil {
				return err
			}
		}
		s.due |= modem.PartBearers
		if err := s.define(ctx, cid, p.Type, apn); err != nil || login == "" {
			return err
		}
		err := s.set(ctx, login)
		if refused(err) && p.Login.Authentication == modem.AuthenticationNone {
			return nil // there was none to take back
		}
		if refused(err) {
			err = errors.Join(err, s.redefine(ctx, cid))
		}
		return err
	})
}

// Profile returns a context as it is defined (clause 10.1.1), without its login; one that is not has no APN.
func (m *Modem) Profile(ctx context.Context, cid int) (modem.Profile, error) {
	p := modem.Profile{Type: modem.IPv4v6}
	err := m.ask(ctx, func(s *session) error {
		lines, err := s.do(ctx, Command{Text: "+CGDCONT?", Prefix: "+CGDCONT:", MayBeEmpty: true})
		for _, l := range lines {
			if b, ok := defined(fields(l[len("+CGDCONT:"):])); ok && b.CID == cid {
				p.APN, p.Type = b.APN, b.Type
			}
		}
		return err
	})
	return p, err
}

// CheckProfile says what of a login no modem can be told, and tells it nothing.
func (*Modem) CheckProfile(_ int, p modem.Profile) error {
	if p.Login == nil {
		return nil
	}
	_, _, err := loginParts(p)
	return err
}

// define defines the APN, which is quoted, and the type of a context.
func (s *session) define(ctx context.Context, cid int, t modem.PDNType, apn string) error {
	return s.set(ctx, fmt.Sprintf(`+CGDCONT=%d,"%s",%s`, cid, pdnWord(t), apn))
}

// redefine defines a context as it was last seen.
func (s *session) redefine(ctx context.Context, cid int) error {
	for i := range s.m.state.Bearers {
		if b := &s.m.state.Bearers[i]; b.CID == cid {
			apn, err := quote("the former APN", b.APN)
			if err != nil {
				return err
			}
			return s.define(ctx, cid, b.Type, apn)
		}
	}
	return nil
}

// Reconnect activates a context anew. The first one of LTE comes with the attachment
// (3GPP TS 23.401, clause 5.3.2), which is what is renewed then.
func (m *Modem) Reconnect(ctx context.Context, cid int) error {
	return m.ask(ctx, func(s *session) error {
		s.due |= modem.PartBearers | modem.PartNetwork
		s.m.owe(attach)
		for _, text := range []string{"+CGATT=0", attach} { // clause 10.1.9
			_, err := s.do(ctx, Command{Text: text, Limit: attachTime})
			if text == attach || refused(err) {
				s.m.answer(attach, err)
			}
			if err != nil {
				return s.refusal(ctx, cid, err)
			}
		}
		states, err := s.read(ctx, "+CGACT?")
		if err != nil {
			return err
		}
		active := func(f []string) bool { return field(f, 0) == strconv.Itoa(cid) && field(f, 1) == "1" }
		if slices.ContainsFunc(states, active) {
			return nil
		}
		_, err = s.do(ctx, Command{Text: fmt.Sprintf("+CGACT=1,%d", cid), Limit: activateTime}) // clause 10.1.10
		return s.refusal(ctx, cid, err)
	})
}

// sessionErrors are the errors of contexts (clause 9.2.2) as causes of sessions.
var sessionErrors = map[int]int{
	cmeServiceRefused: 32, cmeNotSubscribed: 33, cmeOutOfOrder: 34, cmeAuthentication: 29,
}

// refusal adds why the network refused: the cause that the error stands for, or what
// the modem says of the last refusal (clause 6.10).
func (s *session) refusal(ctx context.Context, cid int, err error) error {
	if !refused(err) {
		return err
	}
	if code, ok := sessionErrors[cme(err)]; ok {
		cause := modem.Cause{Protocol: modem.SM, Code: code}
		s.enterReject(cid, cause)
		return fmt.Errorf("%w: %s", err, cause)
	}
	lines, readErr := s.do(ctx, Command{Text: "+CEER", Prefix: "+CEER:"})
	if readErr != nil {
		return err
	}
	_, text, _ := strings.Cut(lines[0], ":")
	return fmt.Errorf("%w: %s", err, unquote(text[:min(len(text), maxText)]))
}

func (s *session) enterReject(cid int, cause modem.Cause) {
	for i := range s.m.state.Bearers {
		if s.m.state.Bearers[i].CID == cid {
			s.m.state.Bearers[i].Reject = &cause
			s.changed |= modem.PartBearers
		}
	}
}

// SetPSM asks the network for power saving mode with these timers, or for none (3GPP
// TS 27.007, clause 7.38). A time that the timers cannot say is rounded to the nearest.
func (m *Modem) SetPSM(ctx context.Context, p modem.PSM) error {
	text := "+CPSMS=0"
	if p.On {
		periodic, _ := modem.EncodePeriodic(p.Periodic)
		active, _ := modem.EncodeActive(p.Active)
		text = fmt.Sprintf(`+CPSMS=1,,,"%s","%s"`, modem.Bits(periodic, 8), modem.Bits(active, 8))
	}
	return m.ask(ctx, func(s *session) error {
		s.due |= modem.PartSleep
		return s.set(ctx, text)
	})
}

// SetEDRX asks the network for extended discontinuous reception in a kind of cell, or
// for none (clause 7.40). The modem is to tell what the network grants (mode 2).
func (m *Modem) SetEDRX(ctx context.Context, e modem.EDRX) error {
	return m.ask(ctx, func(s *session) error {
		s.due |= modem.PartSleep
		if !e.On {
			return s.set(ctx, fmt.Sprintf("+CEDRXS=0,%d", e.Mode))
		}
		parameters := fmt.Sprintf(`%d,"%s"`, e.Mode, modem.Bits(e.Cycle&15, 4))
		err := s.set(ctx, "+CEDRXS=2,"+parameters)
		if refused(err) { // it may not know this mode
			err = s.set(ctx, "+CEDRXS=1,"+parameters)
		}
		return err
	})
}

// Register has the modem search for a network by itself (clause 7.3).
func (m *Modem) Register(ctx context.Context) error {
	return m.ask(ctx, func(s *session) error {
		s.due |= modem.PartNetwork
		_, err := s.do(ctx, Command{Text: "+COPS=0", Limit: registerTime})
		return err
	})
}

// SetRadio switches the radio off and on (clause 8.2: flight mode and full).
func (m *Modem) SetRadio(ctx context.Context, on bool) error {
	return m.ask(ctx, func(s *session) error {
		s.due |= fleeting
		text := radioOn
		if !on {
			text = "+CFUN=4"
			m.owe(radioOn)
		}
		_, err := s.do(ctx, Command{Text: text, Limit: radioTime})
		if on {
			m.answer(radioOn, err)
		}
		return err
	})
}

// Reset restarts the modem, which is then looked for anew: not every one says that it has started.
func (m *Modem) Reset(ctx context.Context) error {
	return m.ask(ctx, func(s *session) error {
		_, err := s.do(ctx, Command{Text: s.dialect.reset, Limit: radioTime})
		s.anew = err == nil
		return err
	})
}

// Time returns what the modem takes for the time, in UTC: the network's, where that
// tells it (clause 8.15). The zone is given in quarters of an hour.
func (m *Modem) Time(ctx context.Context) (time.Time, error) {
	var out time.Time
	err := m.ask(ctx, func(s *session) error {
		f, err := s.one(ctx, "+CCLK?")
		if err != nil {
			return err
		}
		var ok bool
		if out, ok = clock(field(f, 0)); !ok {
			return fmt.Errorf("AT+CCLK: %w", ErrAnswer)
		}
		return nil
	})
	return out, err
}

// firstYear is the first of which a network's time can be: without one, modems begin
// in 1970, 1980, 2000 or 2004.
const firstYear = 2020

// clock reads "26/11/23,02:55:00+04".
func clock(text string) (time.Time, bool) {
	const layout = "06/01/02,15:04:05"
	if len(text) < len(layout) {
		return time.Time{}, false
	}
	t, err := time.Parse(layout, text[:len(layout)])
	if err != nil || t.Year() < firstYear {
		return time.Time{}, false
	}
	if zone := text[len(layout):]; zone != "" {
		quarters, err := strconv.Atoi(zone)
		if err != nil || quarters < -96 || quarters > 96 {
			return time.Time{}, false
		}
		t = t.Add(-time.Duration(quarters) * 15 * time.Minute)
	}
	return t, true
}

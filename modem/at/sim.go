package at

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"lwm2m-agent/modem"
)

// pins are the answers to +CPIN? (3GPP TS 27.007, clause 8.3).
var pins = map[string]modem.SIMState{
	"READY": modem.SIMReady, "SIM PIN": modem.SIMPIN, "SIM PUK": modem.SIMPUK,
	"PH-SIM PIN": modem.SIMLocked, "PH-NET PIN": modem.SIMLocked, "PH-NETSUB PIN": modem.SIMLocked, "PH-SP PIN": modem.SIMLocked, "PH-CORP PIN": modem.SIMLocked,
	"NOT INSERTED": modem.SIMMissing, "NOT READY": modem.SIMFailed,
}

// pinErrors are the errors in its place (clause 9.2).
var pinErrors = map[int]modem.SIMState{
	cmeSIMNotInserted: modem.SIMMissing, cmeSIMPINRequired: modem.SIMPIN, cmeSIMPUKRequired: modem.SIMPUK,
	cmeSIMFailure: modem.SIMFailed, cmeSIMBusy: modem.SIMFailed, cmeSIMWrong: modem.SIMFailed,
}

// A card that is not ready yet is asked again; a modem takes a few seconds to read it.
const (
	simPause = 2 * time.Second
	simTries = 5
)

// readSIM asks for the card, gives it its PIN, and reads who it is.
func (s *session) readSIM(ctx context.Context) error {
	state, err := s.simState(ctx)
	if err != nil {
		return err
	}
	sim := modem.SIM{State: state}
	if state == modem.SIMPIN && s.m.cfg.PIN != nil {
		if err := s.unlock(ctx, &sim); err != nil {
			return err
		}
	}
	if sim.State == modem.SIMReady {
		s.tries = 0
		if err := s.readCard(ctx, &sim); err != nil {
			return err
		}
		s.m.cfg.PIN.Settle(sim.ICCID)
	} else if s.tries++; (sim.State == modem.SIMFailed || sim.State == modem.SIMUnknown) && s.tries < simTries {
		s.again.Reset(simPause)
	}
	if sim != s.m.state.SIM {
		if sim.ICCID != "" {
			s.cardCame(sim.ICCID)
		}
		s.m.state.SIM = sim
		s.changed |= modem.PartSIM
		s.due |= modem.PartSelection
	}
	return nil
}

// cardCame forgets what another card was refused.
func (s *session) cardCame(iccid string) {
	if s.card != "" && s.card != iccid {
		for i := range s.m.state.Bearers {
			s.m.state.Bearers[i].Reject = nil
		}
		s.changed |= modem.PartBearers
		s.due |= modem.PartBearers
	}
	s.card = iccid
}

func (s *session) simState(ctx context.Context) (modem.SIMState, error) {
	lines, err := s.do(ctx, Command{Text: "+CPIN?", Prefix: "+CPIN:"})
	if refused(err) {
		return pinErrors[cme(err)], nil // SIMUnknown for what is not in the table
	}
	if err != nil {
		return modem.SIMUnknown, err
	}
	_, text, _ := strings.Cut(lines[len(lines)-1], ":")
	return pins[unquote(text)], nil
}

// unlock gives the PIN to a card that may be given it.
func (s *session) unlock(ctx context.Context, sim *modem.SIM) error {
	card, err := s.readICCID(ctx) // whose file anybody may read (3GPP TS 31.102, clause 4.2.1)
	if err != nil {
		return err
	}
	if card == "" && s.tries+1 < simTries { // it may be told soon; by another name it would be given the PIN once more
		s.again.Reset(simPause)
		return nil
	}
	if s.m.cfg.PIN.Doubted(card) {
		left, err := s.pinTries(ctx)
		if err != nil {
			return err
		}
		if left >= modem.PINTries {
			s.m.cfg.PIN.Settle(card)
		}
	}
	_, err = s.m.cfg.PIN.Give(card, func(pin modem.Secret) (modem.Verdict, error) {
		text, err := quote("the PIN", string(pin))
		if err != nil {
			return modem.PINUnseen, err
		}
		verdict, err := pinVerdict(s.set(ctx, "+CPIN="+text))
		if err == nil {
			sim.State, err = s.simState(ctx)
		}
		switch {
		case sim.State == modem.SIMReady: // whatever was answered: somebody else may have been faster
			verdict = modem.PINTaken
		case sim.State == modem.SIMPIN && verdict == modem.PINUnseen:
			sim.State = pinErrors[cmeSIMBusy] // it is asked again
		}
		return verdict, err
	})
	sim.PINRefused = sim.State == modem.SIMPIN && s.m.cfg.PIN.Refused(card)
	sim.PINDoubted = sim.State == modem.SIMPIN && s.m.cfg.PIN.Doubted(card)
	return err
}

// pinCounters ask how often a PIN may still be given: 3GPP TS 27.007, clause 8.65, and the commands of Quectel, u-blox, SIMCom and Telit. The first number
// of their answers tells.
var pinCounters = []string{`+CPINR="SIM PIN"`, `+QPINC="SC"`, "+UPINCNT", "+SPIC", "#PCT"}

// pinTries returns it, 0 if the modem does not tell.
func (s *session) pinTries(ctx context.Context) (int, error) {
	for _, text := range pinCounters {
		lines, err := s.read(ctx, text)
		if err != nil {
			return 0, err
		}
		for _, f := range lines {
			for i := range f {
				if n, ok := number(f, i); ok {
					return n, nil
				}
			}
		}
	}
	return 0, nil
}

// pinVerdict reads what answers a PIN. A modem that refuses without saying why has been told a wrong one, as a
// rule.
func pinVerdict(err error) (modem.Verdict, error) {
	switch {
	case err == nil:
		return modem.PINTaken, nil
	case !refused(err):
		return modem.PINInDoubt, err
	}
	switch cme(err) {
	case cmeSIMBusy:
		return modem.PINUnseen, nil
	case cmeSIMFailure, cmeSIMWrong, cmeSIMNotInserted:
		return modem.PINInDoubt, nil
	}
	return modem.PINWrong, nil
}

// cards are the commands of vendors for the number of the card; the first that answers counts.
var cards = []Command{
	{Text: "+CCID", Prefix: Bare},
	{Text: "+ICCID", Prefix: Bare},
	{Text: "+QCCID", Prefix: Bare},
	{Text: "+CICCID", Prefix: "+ICCID:"},
	{Text: "+NCCID", Prefix: Bare},
}

// iccidFile is AT+CRSM=<READ BINARY>,<EF ICCID>,<P1>,<P2>,<length> (3GPP TS 27.007, clause 8.18; ETSI TS 102 221, clause 13.2).
const iccidFile = "+CRSM=176,12258,0,0,10"

// iccidOfFile reads <sw1>,<sw2>,<response>: in each octet the second digit comes first.
func iccidOfFile(f []string) string {
	file := []byte(field(f, 2))
	if field(f, 0) != "144" || len(file)%2 != 0 {
		return ""
	}
	for i := 0; i < len(file); i += 2 {
		file[i], file[i+1] = file[i+1], file[i]
	}
	return modem.ICCIDOf(string(file))
}

// readICCID reads the number of the card, "" if the modem does not tell it.
func (s *session) readICCID(ctx context.Context) (iccid string, err error) {
	for _, command := range cards {
		lines, err := s.do(ctx, command)
		if err != nil && !refused(err) && !errors.Is(err, ErrAnswer) {
			return "", err
		}
		for _, l := range lines {
			iccid = cmp.Or(iccid, modem.ICCIDOf(l[strings.LastIndexByte(l, ':')+1:]))
		}
		if iccid != "" {
			return iccid, nil
		}
	}
	f, err := s.one(ctx, iccidFile)
	return iccidOfFile(f), err
}

// readCard reads the numbers: of the card, of the subscription (clause 5.6), and the
// telephone number (clause 7.1).
func (s *session) readCard(ctx context.Context, sim *modem.SIM) (err error) {
	if sim.ICCID, err = s.readICCID(ctx); err != nil {
		return err
	}
	imsi, err := s.text(ctx, "+CIMI")
	if err != nil {
		return err
	}
	if len(imsi) >= 6 && len(imsi) <= 15 && strings.Trim(imsi, "0123456789") == "" {
		sim.IMSI = imsi
	}
	f, err := s.one(ctx, "+CNUM")
	if err != nil {
		return err
	}
	sim.MSISDN = strings.TrimPrefix(field(f, 1), "+")
	return nil
}

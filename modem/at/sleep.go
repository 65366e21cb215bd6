package at

import (
	"context"
	"slices"
	"time"

	"lwm2m-agent/modem"
)

// sleepsUnsaid reports whether the modem is of a family that does not say when it begins to save power.
func (s *session) sleepsUnsaid() bool { return s.dialect != nil && len(s.dialect.asleep) == 0 }

// dozes takes silence for power saving mode where the modem does not say that it begins: when it has been awake for as long as T3324 runs, and until T3412 has
// run since it said something (3GPP TS 23.682, clause 4.5.4). Then it has to be awake, or is out of order.
func (s *session) dozes() bool {
	granted := s.m.state.Sleep.Granted
	left := granted.Periodic - time.Since(s.answered)
	if s.nap == nil || !s.sleepsUnsaid() || !granted.On || left <= 0 || time.Since(s.awake) < granted.Active {
		return false
	}
	s.presence(modem.Asleep)
	s.receiving = false
	s.nap.Reset(left)
	return true
}

// wake has the modem be asked whatever may be another thing.
func (s *session) wake() {
	s.presence(modem.Ready)
	s.due |= fleeting
}

// readSleep reads what is asked of the network: power saving mode (3GPP TS 27.007,
// clause 7.38) and extended discontinuous reception (7.40), and what it gave of the
// latter (7.41). What it gave of the former comes with +CEREG.
func (s *session) readSleep(ctx context.Context) error {
	old := s.m.state.Sleep
	sleep := modem.Sleep{Granted: old.Granted}
	f, err := s.one(ctx, "+CPSMS?")
	if err != nil {
		return err
	}
	sleep.HasPSM = f != nil
	sleep.PSM = asked(f)
	wanted, err := s.read(ctx, "+CEDRXS?")
	if err != nil {
		return err
	}
	sleep.HasEDRX = wanted != nil // while it is off, modems list no kind of cell, or one of type 0
	for _, f := range wanted {
		mode, ok := number(f, 0)
		cycle, valid := bits(field(f, 1))
		if ok && valid && mode >= int(modem.ECGSM) && mode <= int(modem.NBS1) {
			sleep.EDRX = append(sleep.EDRX, modem.EDRX{Mode: modem.EDRXMode(mode), On: true, Cycle: cycle & 15})
		}
	}
	if sleep.HasEDRX {
		f, err := s.one(ctx, "+CEDRXRDP")
		if err != nil {
			return err
		}
		given(f, sleep.EDRX)
	}
	if sleep.PSM != old.PSM || sleep.HasPSM != old.HasPSM || sleep.HasEDRX != old.HasEDRX || !slices.Equal(sleep.EDRX, old.EDRX) {
		s.m.state.Sleep = sleep
		s.changed |= modem.PartSleep
	}
	return nil
}

// asked reads <mode>,[<RAU>],[<GPRS-READY>],[<Periodic-TAU>],[<Active-Time>].
func asked(f []string) modem.PSM {
	p := modem.PSM{On: field(f, 0) == "1"}
	if octet, ok := bits(field(f, 3)); ok {
		p.Periodic, _ = modem.DecodePeriodic(octet)
	}
	if octet, ok := bits(field(f, 4)); ok {
		p.Active, _ = modem.DecodeActive(octet)
	}
	return p
}

// given reads <AcT-type>,<Requested>,<NW-provided>,<Paging_time_window>; 0 is none.
func given(f []string, to []modem.EDRX) {
	mode, ok := number(f, 0)
	cycle, hasCycle := bits(field(f, 2))
	window, hasWindow := bits(field(f, 3))
	for i := range to {
		if ok && hasCycle && hasWindow && int(to[i].Mode) == mode {
			to[i].Granted, to[i].GrantedCycle, to[i].GrantedPTW = true, cycle&15, window&15
		}
	}
}

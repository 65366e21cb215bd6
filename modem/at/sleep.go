package at

import (
	"context"
	"slices"

	"lwm2m-agent/modem"
)

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

package at

import (
	"context"

	"lwm2m-agent/modem"
)

// readSignal measures: with what the dialect has, for all of which 3GPP TS 27.007 has
// no words such as the ratio of signal to noise, then with +CESQ (clause 8.69), then
// with +CSQ (clause 8.5).
func (s *session) readSignal(ctx context.Context) error {
	var (
		sig modem.Signal
		err error
	)
	if s.dialect.signal != nil {
		if sig, err = s.dialect.signal(ctx, s); err != nil {
			return err
		}
	}
	if sig.Strength() == nil {
		f, err := s.one(ctx, "+CESQ")
		if err != nil {
			return err
		}
		extended(f, &sig)
	}
	if sig.RSSI == nil && sig.RSRP == nil {
		f, err := s.one(ctx, "+CSQ")
		if err != nil {
			return err
		}
		sig.RSSI = scaled(f, 0, 31, 2, -113)
	}
	s.enterSignal(sig)
	return nil
}

func (s *session) enterSignal(sig modem.Signal) {
	sig.Time = s.m.cfg.Now()
	s.m.state.Signal = sig
	s.changed |= modem.PartSignal
}

// extended reads <rxlev>,<ber>,<rscp>,<ecno>,<rsrq>,<rsrp>[,<ss_rsrq>,<ss_rsrp>,
// <ss_sinr>]. Each number stands for a range, of which the lower end is taken; 0 is
// what lies below all, 99 or 255 what is not known.
func extended(f []string, sig *modem.Signal) {
	sig.RSSI = scaled(f, 0, 63, 1, -111)
	if rscp := scaled(f, 2, 96, 1, -121); rscp != nil {
		sig.RSSI = rscp
	}
	if rsrq := scaled(f, 4, 34, 0.5, -20); rsrq != nil && sig.RSRQ == nil {
		sig.RSRQ = rsrq
	}
	sig.RSRP = scaled(f, 5, 97, 1, -141)
	if ss := scaled(f, 7, 126, 1, -157); ss != nil {
		sig.RSRP, sig.RSRQ, sig.SNR = ss, scaled(f, 6, 126, 0.5, -43.5), scaled(f, 8, 127, 0.5, -23.5)
	}
}

// scaled reads a number from 0 to high as step × number + offset.
func scaled(f []string, i, high int, step, offset float64) *float64 {
	n, ok := number(f, i)
	if !ok || n < 0 || n > high {
		return nil
	}
	v := float64(n)*step + offset
	return &v
}

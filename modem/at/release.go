package at

import (
	"context"
	"log/slog"

	"lwm2m-agent/modem"
)

// noMoreData says that no application expects to exchange data, so that the modem may have the
// connection of the radio released (3GPP TS 27.007, "No more PS data"). It goes with no datagram,
// and over whatever bearer.
const noMoreData = "+CNMPSD"

// askRelease asks whether the modem has the command, which changes nothing. Some modules have commands without this
// form of them.
func (s *session) askRelease(ctx context.Context) error {
	err := s.set(ctx, noMoreData+"=?")
	if err != nil && !refused(err) {
		return err
	}
	s.enterRelease(modem.ReleaseInDoubt, err)
	return nil
}

// enterRelease enters what an answer shows: that the modem can be told, or what stands for a refusal.
func (s *session) enterRelease(otherwise modem.Release, err error) {
	if err == nil {
		otherwise = modem.ReleaseOffered
	}
	if s.m.state.Release != otherwise {
		s.m.state.Release = otherwise
		s.changed |= modem.PartSleep
	}
}

// Release tells the modem that nothing more is to be exchanged for now. silent is asked at the
// moment at which the command would go out, from Run's goroutine. Where nothing is told, the error
// is modem.ErrNoRelease. A modem that refuses is not told again until it starts anew.
func (m *Modem) Release(ctx context.Context, silent func() bool) error {
	return m.ask(ctx, func(s *session) error {
		state := &s.m.state
		can := state.Release == modem.ReleaseOffered || state.Release == modem.ReleaseInDoubt
		if !can || state.Presence != modem.Ready || !state.Network.Registration.Registered() || !silent() {
			return modem.ErrNoRelease
		}
		err := s.set(ctx, noMoreData)
		if refused(err) {
			m.cfg.Log.Warn("the modem refuses to release the radio; it is not told again until it starts anew", slog.Any("error", err))
		}
		if err == nil || refused(err) {
			s.enterRelease(modem.ReleaseRefused, err)
		}
		return err
	})
}

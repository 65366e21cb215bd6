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

// askRelease asks whether the modem has the command, which changes nothing.
func (s *session) askRelease(ctx context.Context) error {
	err := s.set(ctx, noMoreData+"=?")
	if err != nil && !refused(err) {
		return err
	}
	s.enterRelease(err == nil)
	return nil
}

func (s *session) enterRelease(offered bool) {
	s.m.state.Release = modem.ReleaseRefused
	if offered {
		s.m.state.Release = modem.ReleaseOffered
	}
	s.changed |= modem.PartSleep
}

// Release tells the modem that nothing more is to be exchanged for now. silent is asked at the
// moment at which the command would go out, from Run's goroutine. Where nothing is told, the error
// is modem.ErrNoRelease. A modem that refuses is not told again until it starts anew.
func (m *Modem) Release(ctx context.Context, silent func() bool) error {
	return m.ask(ctx, func(s *session) error {
		state := &s.m.state
		if state.Presence != modem.Ready || !state.Network.Registration.Registered() || state.Release != modem.ReleaseOffered || !silent() {
			return modem.ErrNoRelease
		}
		err := s.set(ctx, noMoreData)
		if refused(err) {
			m.cfg.Log.Warn("the modem refuses to release the radio; it is not asked again until it starts anew", slog.Any("error", err))
			s.enterRelease(false)
		}
		return err
	})
}

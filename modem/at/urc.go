package at

import (
	"strings"
	"time"

	"lwm2m-agent/modem"
)

// urc understands a line that the modem said by itself. What it tells is entered, or
// is read as soon as the modem has finished speaking. Unknown lines are no news.
func (s *session) urc(line string) {
	s.answered = time.Now()
	if s.m.state.Presence == modem.Asleep {
		s.presence(modem.Ready)
		s.due |= fleeting
	}
	name, rest, _ := strings.Cut(line, ":")
	rest = strings.TrimSpace(rest)
	below := s.messages.direct
	s.messages.direct = name == "+CMT"
	switch {
	case below && isPDU(line):
		s.receive(line)
	case s.messages.direct:
	case messagesReady(line):
		s.messages.asked = nil
	case name == "+CMTI":
		s.messageStored(rest)
	case restarted(line):
		s.restart = true
	case s.dialect.sleeps(line):
		s.presence(modem.Asleep)
		s.due, s.receiving = 0, false
	case strings.HasPrefix(name, "+") && s.registration(name[1:], rest):
	case name == "+CPIN", name == "+QSIMSTAT", name == "+SIMSTAT", name == "+QUSIM":
		s.due |= modem.PartSIM | modem.PartNetwork
	case name == "+CGEV": // 3GPP TS 27.007, clause 10.1.19
		s.due |= modem.PartBearers
	case name == "+CEDRXP":
		s.due |= modem.PartSleep
	case s.dialect.heard != nil && s.dialect.heard(s, name, rest):
	}
}

// fleeting is what may be another thing at any time without being told.
const fleeting = modem.AllParts &^ (modem.PartIdentity | modem.PartSelection)

func (s *session) presence(p modem.Presence) {
	if s.m.state.Presence == p {
		return
	}
	if s.m.state.Presence = p; p == modem.Ready {
		s.awake = time.Now()
		if s.nap != nil {
			s.nap.Stop()
		}
	}
	s.changed |= modem.PartPresence
	s.measureLater()
}

package agent

import (
	"fmt"
	"strconv"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/modem"
	"lwm2m-agent/objects"
)

// profile is what suits a bearer: how messages are repeated, and how often somebody tries to
// register who was not let in.
type profile struct {
	bearer       objects.Bearer // as object 500 knows it
	transmission objects.Transmission
	retry        client.Retry
	keepAlive    bool // traffic without content is no harm
}

// The retransmission times follow what the bearers take: NB-IoT needs 10 to 15 s for a
// message and its answer in bad coverage, and RFC 7925, section 11, wants 9 s for a
// handshake there. What is metered is not tried for ever.
var profiles = map[config.Bearer]profile{
	config.BearerEthernet: {objects.BearerEthernet, transmission(2, 1), client.Retry{}, true},
	config.BearerWLAN:     {objects.BearerWLAN, transmission(2, 1), client.Retry{}, true},
	config.BearerLTE:      {objects.BearerLTEFDD, transmission(3, 2), client.Retry{First: 10 * time.Second, Max: time.Hour}, true},
	config.BearerLTEM:     {objects.BearerLTEFDD, transmission(6, 4), metered, false},
	config.BearerNBIoT:    {objects.BearerNBIoT, transmission(10, 9), metered, false},
}

// metered is the policy that OMA has for all (Core, table of Registration Procedures Default
// Values).
var metered = client.Retry{First: time.Minute, Max: -1, Attempts: 5, SequenceDelay: 24 * time.Hour}

func transmission(ackTimeout, dtlsTimeout int) objects.Transmission {
	return objects.Transmission{
		AckTimeout: time.Duration(ackTimeout) * time.Second, AckRandomFactor: 1.5, MaxRetransmit: 4, NStart: 1,
		DTLSTimeout: time.Duration(dtlsTimeout) * time.Second,
	}
}

// transmissions returns what object 500 begins with.
func transmissions() map[objects.Bearer]objects.Transmission {
	out := make(map[objects.Bearer]objects.Transmission)
	for _, name := range []config.Bearer{config.BearerEthernet, config.BearerWLAN, config.BearerLTE, config.BearerNBIoT} {
		p := profiles[name]
		out[p.bearer] = p.transmission
	}
	return out
}

// byBearer fills in parameters of a server account: the profile of the configured bearer
// or of that in use, and what object 500 has of it. LTE-M shares its number with LTE there:
// what servers have not changed is for LTE, not for it.
func byBearer(p *client.Params, wanted config.Bearer, inUse objects.Bearer, c *objects.CoAPConfig) {
	chosen, ok := profiles[wanted]
	if !ok {
		chosen = profiles[profileFor(inUse)]
		chosen.bearer = inUse
	}
	t := chosen.transmission
	if written, ok := c.Of(chosen.bearer); ok && written != transmissions()[chosen.bearer] {
		t = written
	} else if p.Awake == 0 {
		p.Awake = patience // however patient the client is: servers do not know the bearer
	}
	p.CoAP = coap.Params{
		AckTimeout: t.AckTimeout, AckRandomFactor: t.AckRandomFactor, MaxRetransmit: t.MaxRetransmit, NStart: t.NStart, ResponseWait: t.ResponseWait,
	}
	p.DTLSTimeout, p.Retry = t.DTLSTimeout, chosen.retry
	p.KeepAlive = chosen.keepAlive
	p.Network = fmt.Sprint(chosen.bearer)
}

// cellularBearers are those of which a modem can be the way.
var cellularBearers = []config.Bearer{config.BearerLTE, config.BearerLTEM, config.BearerNBIoT}

// byModem returns the bearer to go by where nobody has chosen one and the modem carries the
// connection: object 4 has the same number for LTE-M as for LTE.
func byModem(wanted config.Bearer, s *modem.State) config.Bearer {
	if wanted == "" && s.Network.Technology == modem.LTEM {
		return config.BearerLTEM
	}
	return wanted
}

// cellular reports whether an account is reached over a cellular network now; 0: what no account has is.
func (a *Agent) cellular(id uint16) bool {
	bearer, err := strconv.Atoi(a.params(id).Network)
	return err == nil && objects.Bearer(bearer) < objects.BearerWLAN
}

// patience is how long a server waits for the answer to a request: MAX_TRANSMIT_WAIT with the
// default parameters of CoAP (RFC 7252, section 4.8.2).
const patience = 93 * time.Second

// sleepsWith has an account's times follow the power saving of the modem that carries it.
func sleepsWith(p *client.Params, s *modem.State) {
	if reachable, bound := s.Reachable(patience); bound {
		p.Reachable = max(reachable, 1) // zero is without bound
	}
}

// profileFor returns the profile of a bearer.
func profileFor(b objects.Bearer) config.Bearer {
	switch {
	case b == objects.BearerNBIoT:
		return config.BearerNBIoT
	case b < objects.BearerWLAN:
		return config.BearerLTE
	case b == objects.BearerWLAN:
		return config.BearerWLAN
	}
	return config.BearerEthernet
}

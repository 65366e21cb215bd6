package client

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/dtls"
)

// way is one way to a server: a URI and, where nothing but a Register finds out whether
// somebody is there (UDP without security), a family of addresses; 0: the system's choice.
type way struct {
	uri    string
	family int
}

// reach holds the ways to a server that an attempt goes through: /0/x/0, then those of
// /0/x/25 (Secondary LwM2M Server URI). An attempt has failed when all of them have.
type reach struct {
	ways   []way
	at     int    // of ways, the one in use
	goesOn bool   // the next dial is of the same attempt
	of     string // URI of account.session, which is continued or resumed nowhere else
	wanted string // letter of the transport that a server has asked for with /1/x/8; "": none
	family int    // of the addresses that registered last, 0: unknown
}

// ways returns the ways in the order in which they are to be tried: by the transport that the
// server wants (/1/x/8, then /1/x/22), by the others it can (/1/x/7; Core 1.2.2, section
// 6.2.1.2), then all that is left.
func (s *settings) ways(wanted string) []way {
	rank := func(uri string) int {
		switch t := transportOf(uri); {
		case t == wanted:
			return 0
		case t == s.preferred && wanted == "":
			return 1
		case strings.Contains(s.binding, t):
			return 2
		}
		return 3
	}
	uris := s.uris()
	slices.SortStableFunc(uris, func(a, b string) int { return rank(a) - rank(b) })
	ways := make([]way, len(uris))
	for i, uri := range uris {
		ways[i] = way{uri: uri}
	}
	return ways
}

// uris returns the server's URIs in their order.
func (s *settings) uris() []string { return append([]string{s.server.URI}, s.secondary...) }

// way returns the way of the next dial: the first of a new attempt, or the next one of the same. That of a session that is to be
// continued comes before all others.
func (a *account) way() way {
	r := &a.reach
	if !r.goesOn {
		r.ways, r.at = a.settings.ways(r.wanted), 0
		if i := slices.Index(r.ways, way{uri: r.of}); i > 0 && a.goesOn() {
			copy(r.ways[1:], r.ways[:i])
			r.ways[0] = way{uri: r.of}
		}
	}
	r.goesOn = false
	return r.ways[r.at]
}

// sessionAt returns the session that is to be continued or resumed at a URI, nil: none.
func (a *account) sessionAt(uri string) *dtls.Session {
	if uri != a.reach.of {
		return nil
	}
	return a.session
}

// another reports whether there is another way to try in this attempt, and makes it the next.
func (a *account) another() bool {
	r := &a.reach
	if a.connection != nil && len(r.ways) > 0 {
		a.otherFamily()
	}
	if r.at+1 >= len(r.ways) {
		return false
	}
	r.at++
	r.goesOn = true
	return true
}

// orElsewhere returns an event, or elsewhere if the account can try another way after it.
func (a *account) orElsewhere(e event) event {
	trying := a.state == Connecting || a.state == Registering
	if trying && (e == unreachable || e == silent || e == lost) && a.another() {
		return elsewhere
	}
	return e
}

// otherFamily adds a way over the other family of addresses, once, behind one whose Register
// found no answer over UDP.
func (a *account) otherFamily() {
	r := &a.reach
	now := r.ways[r.at]
	family := a.connection.family()
	if a.connection.transport != transportUDP || now.family != 0 || family == 0 || isLiteral(now.uri) {
		return
	}
	r.ways = slices.Insert(r.ways, r.at+1, way{now.uri, 10 - family})
}

// isLiteral reports whether a URI names an address and no host.
func isLiteral(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return false
	}
	host, _, _ := strings.Cut(u.Hostname(), "%")
	return net.ParseIP(host) != nil
}

// switchTo makes a transport that a server asked for the first one to be tried, and reports
// whether the account has to connect anew for it (Core 1.2.2, section 6.2.1.2).
func (a *account) switchTo(transport string) bool {
	a.reach.wanted = transport
	return a.connection == nil || a.connection.binding() != transport
}

// offers returns an error if a server may not have a transport: there has to be a URI for it,
// and the binding (/1/x/7) has to list it, which is taken for granted for UDP.
func (s *settings) offers(transport string) error {
	if transport != overUDP && !strings.Contains(s.binding, transport) {
		return lwm2m.Errorf(lwm2m.BadRequest, "the binding %.20q does not list the transport %.20q", s.binding, transport)
	}
	if !slices.ContainsFunc(s.uris(), func(uri string) bool { return transportOf(uri) == transport }) {
		return lwm2m.Errorf(lwm2m.BadRequest, "there is no URI for the transport %.20q", transport)
	}
	return nil
}

// uri returns the server's URI that is in use, or else the first one.
func (a *account) uri() string {
	if a.connection != nil {
		return a.connection.server.URI
	}
	return a.settings.server.URI
}

package at

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// SIM7000, and SIM7600 with those for LTE after it, hand datagrams over as they come, below a line that says how long each is. Read on demand
// (AT+CIPRXGET) they would not be told apart.

// simcomLTEUDP are the sockets of SIM7500, SIM7600 and A76xx, as programs for those modules use them: SIMCom's manual of these commands
// (SIM7500_SIM7600_SIM7800 Series TCPIP AT Command Manual) was not at hand.
var simcomLTEUDP = udp{
	most: 1460, count: 10, connect: simcomLTEConnect, open: simcomLTEOpen, send: simcomLTESend, receive: nothing,
	shut: closing("+CIPCLOSE=%d"), lookup: simcomLookup, heard: simcomLTEHeard, pushes: simcomLTEPushes,
}

// simcomLTEConnect asks AT+NETOPEN?, which answers 1 where there is a network, and opens it: +NETOPEN: <error> after OK. Datagrams are then handed over
// with their length (AT+CIPHEAD) and from whom they are (AT+CIPSRIP).
func simcomLTEConnect(ctx context.Context, p *pump) error {
	const prefix = "+NETOPEN:"
	lines, err := p.do(ctx, Command{Text: "+NETOPEN?", Prefix: prefix, MayBeEmpty: true})
	if err != nil {
		return err
	}
	if len(lines) == 0 || field(fields(lines[0][len(prefix):]), 0) != "1" {
		line, err := p.later(ctx, Command{Text: "+NETOPEN", Limit: activateTime}, activateTime, func(line string) bool { return strings.HasPrefix(line, prefix) })
		if err != nil {
			return err
		}
		if field(fields(line[len(prefix):]), 0) != "0" {
			return &Error{Command: "AT+NETOPEN", Result: line, Code: -1}
		}
	}
	for _, text := range []string{"+CIPRXGET=0", "+CIPHEAD=1", "+CIPSRIP=1"} {
		if err := p.set(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// simcomLTEOpen is AT+CIPOPEN=<link>,"UDP",,,<local port>: +CIPOPEN: <link>,<error>.
func simcomLTEOpen(ctx context.Context, p *pump, id int, s *socket) (int, error) {
	cmd := Command{Text: fmt.Sprintf(`+CIPOPEN=%d,"UDP",,,%d`, id, s.port), Limit: openTime}
	return id, p.outcome(ctx, cmd, "+CIPOPEN:", id)
}

// simcomLTESend is AT+CIPSEND=<link>,<length>,<address>,<port>: OK, and +CIPSEND: <link>,<length>,<sent>, which counts for TCP.
func simcomLTESend(ctx context.Context, p *pump, id int, s *socket, datagram []byte) error {
	_, err := p.do(ctx, Command{
		Text: fmt.Sprintf(`+CIPSEND=%d,%d,"%s",%d`, id, len(datagram), s.remote.Addr(), s.remote.Port()),
		Data: string(datagram), Exact: true, Limit: sendTime,
	})
	return err
}

// simcomLTEPushes reads +IPD<length>, below which the datagram stands.
func simcomLTEPushes(head string) int {
	length, ok := strings.CutPrefix(head, "+IPD")
	if !ok {
		return 0
	}
	return positive(length)
}

// simcomLTEHeard takes RECV FROM:<address>:<port>, above +IPD; +IPCLOSE: <link>,<reason>; +NETCLOSE or +CIPEVENT: NETWORK CLOSED …, after which
// nothing is open any more.
func simcomLTEHeard(name, rest string) (socketNews, bool) {
	switch name {
	case "RECV FROM":
		from, err := netip.ParseAddrPort(rest)
		return socketNews{kind: announced, from: from}, err == nil
	case "+IPCLOSE":
		id, ok := number(fields(rest), 0)
		return socketNews{kind: lost, id: id}, ok
	case "+NETCLOSE":
		return socketNews{kind: allLost}, true
	case "+CIPEVENT":
		return socketNews{kind: allLost}, strings.HasPrefix(rest, "NETWORK CLOSED")
	}
	return socketNews{}, false
}

// simcomOldUDP are the sockets of SIM7000 (SIM7000 Series_TCPIP_Application Note V1.01, sections 3.1, 5 and 6.1). The module chooses the local port.
var simcomOldUDP = udp{
	most: 1460, count: 8, connect: simcomOldConnect, open: simcomOldOpen, send: simcomOldSend, receive: nothing, shut: simcomOldShut,
	lookup: simcomLookup, heard: simcomOldHeard, pushes: simcomOldPushes,
}

// bringUpTime is how long AT+CIICR and AT+CIPSHUT may take (SIM7000 Series AT Command Manual, chapter 8).
const bringUpTime = 85 * time.Second

// simcomOldConnect goes through the states of the manual's figure 3: initial, by AT+CIPSHUT; with several connections; APN; wireless
// connection; address, which AT+CIFSR answers without OK.
func simcomOldConnect(ctx context.Context, p *pump) error {
	contexts, err := p.do(ctx, Command{Text: "+CGDCONT?", Prefix: "+CGDCONT:", MayBeEmpty: true})
	if err != nil && !refused(err) {
		return err
	}
	apn := ""
	if len(contexts) > 0 {
		apn = field(fields(contexts[0]), 2)
	}
	start, err := quote("the APN", apn)
	if err != nil {
		return err
	}
	address := func(line string) (bool, bool) {
		_, err := netip.ParseAddr(line)
		return err == nil, err == nil
	}
	for _, cmd := range []Command{
		{Text: "+CIPSHUT", Ends: ends("", "SHUT OK", ""), Limit: bringUpTime},
		{Text: "+CIPMUX=1"},
		{Text: "+CSTT=" + start},
		{Text: "+CIICR", Limit: bringUpTime},
		{Text: "+CIFSR", Ends: address},
	} {
		if _, err := p.do(ctx, cmd); err != nil {
			return err
		}
	}
	return nil
}

// simcomOldOpen is AT+CIPSTART=<n>,"UDP",<address>,<port>: OK, then <n>, CONNECT OK or another outcome.
func simcomOldOpen(ctx context.Context, p *pump, id int, s *socket) (int, error) {
	begin := strconv.Itoa(id) + ", "
	cmd := Command{Text: fmt.Sprintf(`+CIPSTART=%d,"UDP","%s",%d`, id, s.remote.Addr(), s.remote.Port()), Limit: openTime}
	line, err := p.later(ctx, cmd, openTime, func(line string) bool {
		outcome, ok := strings.CutPrefix(line, begin)
		return ok && strings.Contains(outcome, "CONNECT")
	})
	if err == nil && line != begin+"CONNECT OK" {
		err = &Error{Command: "AT+CIPSTART", Result: line, Code: -1}
	}
	return id, err
}

// simcomOldSend is AT+CIPSEND=<n>,<length>: <n>, SEND OK.
func simcomOldSend(ctx context.Context, p *pump, id int, _ *socket, datagram []byte) error {
	_, err := p.do(ctx, Command{
		Text: fmt.Sprintf("+CIPSEND=%d,%d", id, len(datagram)), Data: string(datagram), Exact: true, Limit: sendTime,
		Ends: ends(strconv.Itoa(id)+",", "SEND OK", "SEND FAIL"),
	})
	return err
}

// simcomOldShut is AT+CIPCLOSE=<n>: <n>, CLOSE OK.
func simcomOldShut(id int) Command {
	return Command{Text: fmt.Sprintf("+CIPCLOSE=%d", id), Ends: ends(strconv.Itoa(id)+",", "CLOSE OK", "")}
}

// simcomOldPushes reads +RECEIVE,<n>,<length>:, below which the datagram stands.
func simcomOldPushes(head string) int {
	rest, ok := strings.CutPrefix(head, "+RECEIVE,")
	if !ok || !strings.HasSuffix(rest, ":") {
		return 0
	}
	return positive(field(fields(strings.TrimSuffix(rest, ":")), 1))
}

// simcomOldHeard takes +RECEIVE,<n>,<length>:; <n>, CLOSED; +PDP: DEACT.
func simcomOldHeard(name, rest string) (socketNews, bool) {
	if places, ok := strings.CutPrefix(name, "+RECEIVE,"); ok {
		id, ok := number(fields(places), 0)
		return socketNews{kind: announced, id: id}, ok
	}
	if place, ok := strings.CutSuffix(name, ", CLOSED"); ok {
		id, ok := number([]string{place}, 0)
		return socketNews{kind: lost, id: id}, ok
	}
	return socketNews{kind: allLost}, name == "+PDP" && rest == "DEACT"
}

// positive reads a number above 0; 0 if it is none.
func positive(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

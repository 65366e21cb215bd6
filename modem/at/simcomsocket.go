package at

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The sockets of SIM7070, SIM7080 and SIM7090 (SIM7070_SIM7080_SIM7090 Series AT Command Manual, chapters on
// IP Application, TCP/UDP Application and DNS).
var simcomUDP = udp{
	most: 1460, count: 12, connect: simcomConnect, open: simcomOpen, send: simcomSend, receive: simcomReceive,
	shut: closing("+CACLOSE=%d"), lookup: simcomLookup, heard: simcomSocketHeard,
}

// simcomConnect asks AT+CNACT?, which answers <index>,<active>,<address> for each, and activates index 0:
// +APP PDP: 0,ACTIVE after OK.
func simcomConnect(ctx context.Context, p *pump) error {
	lines, err := p.do(ctx, Command{Text: "+CNACT?", Prefix: "+CNACT:", MayBeEmpty: true})
	if err != nil || slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "+CNACT: 0,1") }) {
		return err
	}
	line, err := p.later(ctx, Command{Text: "+CNACT=0,1", Limit: activateTime}, activateTime, func(line string) bool { return strings.HasPrefix(line, "+APP PDP: 0,") })
	if err == nil && !strings.HasSuffix(line, ",ACTIVE") {
		err = &Error{Command: "AT+CNACT", Result: line, Code: -1}
	}
	return err
}

// simcomOpen is AT+CAOPEN=<cid>,<index>,"UDP",<address>,<port>: +CAOPEN: <cid>,<result>, before OK or after it.
func simcomOpen(ctx context.Context, p *pump, id int, s *socket) (int, error) {
	cmd := Command{Text: fmt.Sprintf(`+CAOPEN=%d,0,"UDP","%s",%d`, id, s.remote.Addr(), s.remote.Port()), Prefix: "+CAOPEN:", MayBeEmpty: true, Limit: openTime}
	return id, p.outcome(ctx, cmd, "+CAOPEN:", id)
}

// simcomSend is AT+CASEND=<cid>,<length>.
func simcomSend(ctx context.Context, p *pump, id int, _ *socket, datagram []byte) error {
	_, err := p.do(ctx, Command{Text: fmt.Sprintf("+CASEND=%d,%d", id, len(datagram)), Data: string(datagram), Exact: true, Limit: sendTime})
	return err
}

// simcomReceive is AT+CARECV=<cid>,<length>: +CARECV: <length>,<data>.
func simcomReceive(ctx context.Context, p *pump, id int) ([]byte, netip.AddrPort, error) {
	lines, err := p.do(ctx, Command{Text: fmt.Sprintf("+CARECV=%d,%d", id, p.family.most), Prefix: "+CARECV:", MayBeEmpty: true, Counted: func(head string) int {
		length, ok := strings.CutSuffix(strings.TrimPrefix(head, "+CARECV:"), ",")
		if !ok {
			return 0
		}
		n, _ := number(fields(length), 0)
		return n
	}})
	if err != nil || len(lines) < 2 {
		return nil, netip.AddrPort{}, err
	}
	return []byte(lines[1]), netip.AddrPort{}, nil
}

// simcomLookup is AT+CDNSGIP=<name>: +CDNSGIP: 1,<name>,<address>[,<address>] after OK, or +CDNSGIP: 0,<error>.
func simcomLookup(ctx context.Context, p *pump, host string) ([]netip.Addr, error) {
	const prefix = "+CDNSGIP:"
	line, err := p.later(ctx, Command{Text: fmt.Sprintf(`+CDNSGIP="%s"`, host), Prefix: prefix, MayBeEmpty: true}, lookupTime, func(line string) bool { return strings.HasPrefix(line, prefix) })
	if err != nil {
		return nil, err
	}
	f := fields(line[len(prefix):])
	var found []netip.Addr
	for i := 2; i < len(f) && f[0] == "1"; i++ {
		if a, err := netip.ParseAddr(f[i]); err == nil {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, &Error{Command: "AT+CDNSGIP", Result: "error " + field(f, 1), Code: -1}
	}
	return found, nil
}

// simcomSocketHeard takes +CADATAIND: <cid>; +CASTATE: <cid>,0, which is closed; +APP PDP: 0,DEACTIVE.
func simcomSocketHeard(name, rest string) (socketNews, bool) {
	f := fields(rest)
	id, ok := number(f, 0)
	switch {
	case name == "+CADATAIND":
		return socketNews{kind: arrived, id: id}, ok
	case name == "+CASTATE" && field(f, 1) == "0":
		return socketNews{kind: lost, id: id}, ok
	case name == "+APP PDP" && field(f, 1) == "DEACTIVE":
		return socketNews{kind: allLost}, true
	}
	return socketNews{}, false
}

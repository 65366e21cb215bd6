package at

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The sockets of Quectel's modules (BG95&BG77&BG600L Series TCP/IP Application Note, section 2.3; that of
// EC25 and RG500 has the same). A socket of type "UDP SERVICE" tells from whom each datagram is, and
// gives one at a time.
var quectelUDP = udp{
	most: 1460, count: 12, connect: quectelConnect, open: quectelOpen, send: quectelSend, receive: quectelReceive,
	shut: closing("+QICLOSE=%d"), lookup: quectelLookup, heard: quectelSocketHeard,
}

// How long the network may take.
const (
	openTime = 150 * time.Second // section 2.3.4, AT+QIOPEN
	sendTime = 20 * time.Second  // for a datagram to be taken, not to arrive
)

// quectelConnect asks AT+QIACT? (section 2.3.2): <contextID>,<context_state>,<type>,<address>; those that are
// not active may be left out.
func quectelConnect(ctx context.Context, p *pump) error {
	lines, err := p.do(ctx, Command{Text: "+QIACT?", Prefix: "+QIACT:", MayBeEmpty: true})
	if err != nil || slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "+QIACT: 1,1") }) {
		return err
	}
	_, err = p.do(ctx, Command{Text: "+QIACT=1", Limit: activateTime})
	return err
}

// quectelOpen is AT+QIOPEN=<contextID>,<connectID>,<type>,<address>,<port>,<local port>,<access mode>, answered
// by +QIOPEN: <connectID>,<error> after OK. Mode 0 keeps what comes until it is asked for.
func quectelOpen(ctx context.Context, p *pump, id int, s *socket) (int, error) {
	cmd := Command{Text: fmt.Sprintf(`+QIOPEN=1,%d,"UDP SERVICE","127.0.0.1",0,%d,0`, id, s.port)}
	return id, p.outcome(ctx, cmd, "+QIOPEN:", id)
}

// outcome waits for "<name> <number>,0".
func (p *pump) outcome(ctx context.Context, cmd Command, name string, id int) error {
	begin := name + " " + strconv.Itoa(id) + ","
	line, err := p.later(ctx, cmd, openTime, func(line string) bool { return strings.HasPrefix(line, begin) })
	if err != nil {
		return err
	}
	if code := line[len(begin):]; code != "0" {
		return &Error{Command: cmd.name(), Result: "error " + code, Code: -1}
	}
	return nil
}

// quectelSend is AT+QISEND=<connectID>,<length>,<address>,<port> (section 2.3.8).
func quectelSend(ctx context.Context, p *pump, id int, s *socket, datagram []byte) error {
	_, err := p.do(ctx, Command{
		Text: fmt.Sprintf(`+QISEND=%d,%d,"%s",%d`, id, len(datagram), s.remote.Addr(), s.remote.Port()),
		Data: string(datagram), Exact: true, Ends: ends("", "SEND OK", "SEND FAIL"), Limit: sendTime,
	})
	return err
}

// ends tells result codes that stand behind a prefix.
func ends(prefix, success, failure string) func(string) (bool, bool) {
	return func(line string) (bool, bool) {
		code, ok := strings.CutPrefix(line, prefix)
		code = strings.TrimLeft(code, " ")
		return ok && code == success, ok && (code == success || code == failure)
	}
}

// quectelReceive is AT+QIRD=<connectID> (section 2.3.7): +QIRD: <length>,<address>,<port>, and the datagram on the
// next line.
func quectelReceive(ctx context.Context, p *pump, id int) ([]byte, netip.AddrPort, error) {
	lines, err := p.do(ctx, Command{Text: fmt.Sprintf("+QIRD=%d", id), Prefix: "+QIRD:", Counted: func(head string) int {
		rest, ok := strings.CutPrefix(head, "+QIRD:")
		if !ok || !strings.HasSuffix(rest, "\n") {
			return 0
		}
		n, _ := number(fields(rest), 0)
		return n
	}})
	if err != nil || len(lines) < 2 {
		return nil, netip.AddrPort{}, err
	}
	f := fields(strings.TrimPrefix(lines[0], "+QIRD:"))
	return []byte(lines[1]), endpoint(field(f, 1), field(f, 2)), nil
}

// endpoint reads an address and a port; the zero AddrPort if they are none.
func endpoint(address, port string) netip.AddrPort {
	a, err := netip.ParseAddr(address)
	n, failed := strconv.ParseUint(port, 10, 16)
	if err != nil || failed != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n))
}

// quectelLookup is AT+QIDNSGIP=<contextID>,<name> (section 2.3.14): +QIURC: "dnsgip",<error>,<count>,<ttl> after
// OK, then +QIURC: "dnsgip",<address> for each. The first one is enough.
func quectelLookup(ctx context.Context, p *pump, host string) ([]netip.Addr, error) {
	const begin = `+QIURC: "dnsgip",`
	line, err := p.later(ctx, Command{Text: fmt.Sprintf(`+QIDNSGIP=1,"%s"`, host)}, lookupTime, func(line string) bool {
		rest, ok := strings.CutPrefix(line, begin)
		return ok && !strings.HasPrefix(rest, "0,")
	})
	if err != nil {
		return nil, err
	}
	a, err := netip.ParseAddr(unquote(line[len(begin):]))
	if err != nil {
		return nil, &Error{Command: "AT+QIDNSGIP", Result: "error " + before(line[len(begin):], ","), Code: -1}
	}
	return []netip.Addr{a}, nil
}

// quectelSocketHeard takes +QIURC (section 2.4): "recv",<connectID>; "closed",<connectID>; "pdpdeact",<contextID>. BC660
// puts the datagram there, in hexadecimal.
func quectelSocketHeard(name, rest string) (socketNews, bool) {
	if name != "+QIURC" {
		return socketNews{}, false
	}
	f := fields(rest)
	id, ok := number(f, 1)
	switch field(f, 0) {
	case "recv":
		if len(f) < 4 {
			return socketNews{kind: arrived, id: id}, ok
		}
		d, err := hex.DecodeString(f[3])
		if n, _ := number(f, 2); err != nil || n != len(d) {
			return socketNews{}, false // the line has lost something of it
		}
		return socketNews{kind: pushed, id: id, datagram: d}, ok
	case "closed":
		return socketNews{kind: lost, id: id}, ok
	case "pdpdeact":
		return socketNews{kind: allLost}, true
	}
	return socketNews{}, false
}

// The sockets of BC660 (BC660K-GL TCP/IP Application Note): datagrams are written in hexadecimal, and what comes
// is said at once. 512 octets are what a line holds.
var quectelNBUDP = udp{
	most: 512, count: 5, connect: bcConnect, open: bcOpen, send: bcSend, receive: nothing, shut: closing("+QICLOSE=%d"), heard: quectelSocketHeard,
}

func nothing(context.Context, *pump, int) (datagram []byte, from netip.AddrPort, err error) {
	return nil, netip.AddrPort{}, nil
}

// bcConnect has datagrams in hexadecimal, either way (AT+QICFG). The module connects by itself.
func bcConnect(ctx context.Context, p *pump) error {
	_, err := p.do(ctx, Command{Text: `+QICFG="dataformat",1,1`})
	return err
}

func bcOpen(ctx context.Context, p *pump, id int, s *socket) (int, error) {
	cmd := Command{Text: fmt.Sprintf(`+QIOPEN=0,%d,"UDP","%s",%d,%d`, id, s.remote.Addr(), s.remote.Port(), s.port)}
	return id, p.outcome(ctx, cmd, "+QIOPEN:", id)
}

// bcSend is AT+QISEND=<connectID>,<length>,<data>; SEND OK comes after OK.
func bcSend(ctx context.Context, p *pump, id int, _ *socket, datagram []byte) error {
	line, err := p.later(ctx, Command{Text: fmt.Sprintf(`+QISEND=%d,%d,"%X"`, id, len(datagram), datagram)}, sendTime,
		func(line string) bool { return line == "SEND OK" || line == "SEND FAIL" })
	if err == nil && line != "SEND OK" {
		err = &Error{Command: "AT+QISEND", Result: line, Code: -1}
	}
	return err
}

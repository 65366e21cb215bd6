package at

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The sockets of u-blox's modules (SARA-R4 series AT commands manual, UBX-17003787, chapter 19; those of
// SARA-R5 and SARA-N3 have the same commands). Datagrams go as bytes, either way.
var ubloxUDP = udp{
	most: 1024, count: 7, connect: ubloxConnect, open: ubloxOpen, send: ubloxSend, receive: ubloxReceive,
	shut: closing("+USOCL=%d"), lookup: ubloxLookup, heard: ubloxSocketHeard,
}

// ubloxConnect takes the sockets back that somebody has left, and has datagrams as bytes (AT+UDCONF=1). SARA-R5
// and LARA-R6 have a profile that must be mapped to the context and activated (AT+UPSD, AT+UPSDA); the others
// refuse the question for it (AT+UPSND).
func ubloxConnect(ctx context.Context, p *pump) error {
	if len(p.open) == 0 {
		for id := range p.family.count {
			if err := p.shut(ctx, id); err != nil {
				return err
			}
		}
	}
	if err := p.set(ctx, "+UDCONF=1,0"); err != nil {
		return err
	}
	lines, err := p.do(ctx, Command{Text: "+UPSND=0,8", Prefix: "+UPSND:", MayBeEmpty: true})
	if err != nil || len(lines) == 0 || slices.Contains(lines, "+UPSND: 0,8,1") {
		return unlessRefused(err)
	}
	for _, text := range []string{"+UPSD=0,100,1", "+UPSD=0,0,0"} {
		if err := p.set(ctx, text); err != nil {
			return err
		}
	}
	line, err := p.later(ctx, Command{Text: "+UPSDA=0,3", Limit: activateTime}, activateTime, func(line string) bool { return strings.HasPrefix(line, "+UUPSDA:") })
	if err == nil && !strings.HasPrefix(line, "+UUPSDA: 0") {
		err = &Error{Command: "AT+UPSDA", Result: line, Code: -1}
	}
	return err
}

// ubloxOpen is AT+USOCR=<protocol>,<local port> (section 19.3), protocol 17: +USOCR: <socket>.
func ubloxOpen(ctx context.Context, p *pump, _ int, s *socket) (int, error) {
	const prefix = "+USOCR:"
	lines, err := p.do(ctx, Command{Text: fmt.Sprintf("+USOCR=17,%d", s.port), Prefix: prefix})
	if err != nil {
		return 0, err
	}
	id, ok := number(fields(lines[0][len(prefix):]), 0)
	if !ok {
		return 0, fmt.Errorf("AT+USOCR: %w", ErrAnswer)
	}
	return id, nil
}

// ubloxHold is how long the module is to be left alone after its prompt (section 19.10.4).
const ubloxHold = 50 * time.Millisecond

// ubloxSend is AT+USOST=<socket>,<address>,<port>,<length> (section 19.11).
func ubloxSend(ctx context.Context, p *pump, id int, s *socket, datagram []byte) error {
	_, err := p.do(ctx, Command{
		Text:   fmt.Sprintf(`+USOST=%d,"%s",%d,%d`, id, s.remote.Addr(), s.remote.Port(), len(datagram)),
		Prefix: "+USOST:", Data: string(datagram), Exact: true, Prompt: '@', Hold: ubloxHold, Limit: sendTime,
	})
	return err
}

// ubloxReceive is AT+USORF=<socket>,<length> (section 19.13): +USORF: <socket>,<address>,<port>,<length>,"<data>", one
// datagram at a time.
func ubloxReceive(ctx context.Context, p *pump, id int) ([]byte, netip.AddrPort, error) {
	lines, err := p.do(ctx, Command{Text: fmt.Sprintf("+USORF=%d,%d", id, p.family.most), Prefix: "+USORF:", MayBeEmpty: true, Counted: func(head string) int {
		f := fields(strings.TrimPrefix(head, "+USORF:"))
		if len(f) != 5 || !strings.HasSuffix(head, `,"`) {
			return 0
		}
		n, _ := number(f, 3)
		return n
	}})
	if err != nil || len(lines) < 2 {
		return nil, netip.AddrPort{}, err
	}
	f := fields(strings.TrimPrefix(lines[0], "+USORF:"))
	return []byte(lines[1]), endpoint(field(f, 1), field(f, 2)), nil
}

// ubloxLookup is AT+UDNSRN=0,<name> (chapter on DNS): +UDNSRN: <address>.
func ubloxLookup(ctx context.Context, p *pump, host string) ([]netip.Addr, error) {
	const prefix = "+UDNSRN:"
	lines, err := p.do(ctx, Command{Text: fmt.Sprintf(`+UDNSRN=0,"%s"`, host), Prefix: prefix, Limit: lookupTime})
	if err != nil {
		return nil, err
	}
	a, err := netip.ParseAddr(unquote(lines[0][len(prefix):]))
	if err != nil {
		return nil, fmt.Errorf("AT+UDNSRN: %w", ErrAnswer)
	}
	return []netip.Addr{a}, nil
}

// ubloxSocketHeard takes +UUSORF or +UUSORD: <socket>,<length>; +UUSOCL: <socket>; +UUPSDD: the profile is gone.
func ubloxSocketHeard(name, rest string) (socketNews, bool) {
	id, ok := number(fields(rest), 0)
	switch name {
	case "+UUSORF", "+UUSORD":
		return socketNews{kind: arrived, id: id}, ok
	case "+UUSOCL":
		return socketNews{kind: lost, id: id}, ok
	case "+UUPSDD":
		return socketNews{kind: allLost}, true
	}
	return socketNews{}, false
}

package at

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
)

// neulUDP are the sockets of modules with the processor that Neul designed: SARA-N2 (SARA-N2 / SARA-N3 AT commands manual,
// UBX-16014887, +NSOCR to +NSOCL), BC95, BC28 and BC68 (BC95-G & BC68 AT Commands Manual, chapter 5). Datagrams are in hexadecimal, either way; 512 octets are
// what each of them takes. The module connects by itself. mark stands around texts: u-blox has quotes, Quectel none.
func neulUDP(mark string) *udp {
	return &udp{
		most: 512, count: 7, connect: neulConnect, shut: closing("+NSOCL=%d"), heard: neulSocketHeard, receive: neulReceive,
		open: func(ctx context.Context, p *pump, _ int, s *socket) (int, error) {
			return neulOpen(ctx, p, fmt.Sprintf("+NSOCR=%[1]sDGRAM%[1]s,17,%[2]d,1", mark, s.port))
		},
		send: func(ctx context.Context, p *pump, id int, s *socket, datagram []byte) error {
			text := fmt.Sprintf("+NSOST=%[2]d,%[1]s%[3]v%[1]s,%[4]d,%[5]d,%[1]s%[6]X%[1]s", mark, id, s.remote.Addr(), s.remote.Port(), len(datagram), datagram)
			_, err := p.do(ctx, Command{Text: text, Prefix: Bare, MayBeEmpty: true, Limit: sendTime})
			return err
		},
	}
}

// neulConnect takes the sockets back that somebody has left.
func neulConnect(ctx context.Context, p *pump) error {
	for id := 0; id < p.family.count && len(p.open) == 0; id++ {
		if err := p.shut(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// neulOpen is AT+NSOCR=DGRAM,17,<port>,<receive>, answered by the number of the socket alone.
func neulOpen(ctx context.Context, p *pump, text string) (int, error) {
	lines, err := p.do(ctx, Command{Text: text, Prefix: Bare})
	if err != nil {
		return 0, err
	}
	id, ok := number(fields(lines[0]), 0)
	if !ok || id < 0 || id >= p.family.count {
		return 0, fmt.Errorf("AT+NSOCR: %w", ErrAnswer)
	}
	return id, nil
}

// neulReceive is AT+NSORF=<socket>,<length>, answered by <socket>,<address>,<port>,<length>,<data>,<remaining>, one
// datagram at a time, or by OK alone.
func neulReceive(ctx context.Context, p *pump, id int) ([]byte, netip.AddrPort, error) {
	lines, err := p.do(ctx, Command{Text: fmt.Sprintf("+NSORF=%d,%d", id, p.family.most), Prefix: Bare, MayBeEmpty: true})
	if err != nil || len(lines) == 0 {
		return nil, netip.AddrPort{}, err
	}
	f := fields(lines[0])
	d, err := hex.DecodeString(field(f, 4))
	of, _ := number(f, 0)
	if n, ok := number(f, 3); err != nil || !ok || n != len(d) || of != id {
		return nil, netip.AddrPort{}, fmt.Errorf("AT+NSORF: %w", ErrAnswer)
	}
	return d, endpoint(field(f, 1), field(f, 2)), nil
}

// neulSocketHeard takes +NSONMI: <socket>,<length>, which is not said again before that was fetched, and +NSOCLI: <socket>.
func neulSocketHeard(name, rest string) (socketNews, bool) {
	id, ok := number(fields(rest), 0)
	switch name {
	case "+NSONMI":
		return socketNews{kind: arrived, id: id}, ok
	case "+NSOCLI":
		return socketNews{kind: lost, id: id}, ok
	}
	return socketNews{}, false
}

package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/modem"
)

// throughModem begins a client.Server.Interface that is the name of a modem, through whose own UDP sockets the
// way leads. No network interface has a colon in its name.
const throughModem = "modem:"

// dialer goes through modems too.
type dialer struct {
	client.DefaultDialer
	modems *bind.Modems
}

// Dial implements client.Dialer.
func (d dialer) Dial(ctx context.Context, to client.Server) (net.Conn, error) {
	name, through := strings.CutPrefix(to.Interface, throughModem)
	if !through {
		return d.DefaultDialer.Dial(ctx, to)
	}
	sockets, ok := d.modems.Sockets(name)
	if !ok {
		return nil, fmt.Errorf("%w: there is no modem %q with sockets of its own", client.ErrAccount, name)
	}
	if uri, err := url.Parse(to.URI); err == nil && strings.HasSuffix(uri.Scheme, "+tcp") { // written by a server
		return nil, fmt.Errorf("%w: %s is over TCP, and modem %q has sockets for UDP", client.ErrAccount, to.URI, name)
	}
	own := d.DefaultDialer
	own.DialUDP, own.Resolver = sockets.DialUDP, sockets
	to.Interface = ""
	return own.Dial(ctx, to)
}

var errNoAddress = errors.New("the modem has no address")

// Local tells the client from where it would send now.
func (d dialer) Local(ctx context.Context, to client.Server, remote string) (net.Addr, error) {
	name, through := strings.CutPrefix(to.Interface, throughModem)
	if !through {
		return d.DefaultDialer.Local(ctx, to, remote)
	}
	if sockets, ok := d.modems.Sockets(name); ok {
		if a, ok := sockets.LocalIP(); ok {
			return &net.UDPAddr{IP: a.AsSlice()}, nil
		}
	}
	return nil, errNoAddress
}

// usesModem reports whether an account goes through a modem's own sockets.
func (a *Agent) usesModem(name string) bool {
	cfg := a.config.Load()
	if cfg.Bootstrap != nil && cfg.Bootstrap.Modem == name {
		return true
	}
	for i := range cfg.Servers {
		if cfg.Servers[i].Modem == name {
			return true
		}
	}
	return false
}

// through has an account go through a modem, and returns what is known of that, false if it goes another way.
func (a *Agent) through(p *client.Params, name string) (modem.State, bool) {
	if name == "" {
		return modem.State{}, false
	}
	p.Interface = throughModem + name
	return a.modems.State(name)
}

// datagramRoom is what a block shares a datagram with: IP has no part in it, but DTLS with a Connection ID and the
// options of CoAP.
const datagramRoom = 128

// leastDatagram is what the sockets of every module take. It counts while a modem has not told what it takes: its sockets can be
// used before, and a message that is too long for them is repeated in vain until it counts as unanswered.
const leastDatagram = 512

// suits has a block and what belongs to it fit into a datagram of a modem's sockets.
func suits(p *client.Params, s *modem.State) {
	p.CoAP.BlockSize = cmp.Or(s.Datagram, leastDatagram) - datagramRoom
}

// radioBearers are the kinds of network by technology; what is not here counts as LTE.
var radioBearers = map[modem.Technology]config.Bearer{modem.LTEM: config.BearerLTEM, modem.NBIoT: config.BearerNBIoT}

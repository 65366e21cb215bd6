package client

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// opener connects to an address. It calls heard as soon as the server there has shown itself.
type opener func(ctx context.Context, address string, heard func()) (net.Conn, error)

// How long an address may be silent before the next one is asked as well (RFC 8305, section
// 5, for TCP). A handshake of DTLS has its first retransmission then.
const (
	streamDelay    = 250 * time.Millisecond
	handshakeDelay = time.Second
)

// maxAddresses bounds those that are tried in one attempt.
const maxAddresses = 6

// resolve returns the addresses of a server in the order in which they are to be tried: that
// of the system (RFC 6724), the families by turns (RFC 8305, section 4).
func (d DefaultDialer) resolve(ctx context.Context, to *Server, e endpoint) ([]string, error) {
	found, err := d.lookup(ctx, e.host)
	if err != nil {
		return nil, err
	}
	families := make(map[int][]netip.Addr)
	for _, a := range found {
		families[familyOf(a)] = append(families[familyOf(a)], a)
	}
	first := to.Prefer
	if len(families[first]) == 0 {
		first = familyOf(found[0])
	}
	order := []int{first, 10 - first}
	if to.Only != 0 {
		order = []int{to.Only}
	}
	var addresses []string
	for i := range maxAddresses {
		for _, f := range order {
			if i < len(families[f]) && len(addresses) < maxAddresses {
				addresses = append(addresses, net.JoinHostPort(families[f][i].String(), e.port))
			}
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%s has no IPv%d address", e.host, to.Only)
	}
	return addresses, nil
}

// lookup asks for the addresses of a host, unless it is one.
func (d DefaultDialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	resolver := d.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found, err := resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return found, err
}

// familyOf returns 4 or 6.
func familyOf(a netip.Addr) int {
	if a.Unmap().Is4() {
		return 4
	}
	return 6
}

// race connects to the first address, to the next one too when the one before has been
// silent for a while or has failed, and so on. Who is heard first, or connected, is taken: the
// others are given up (RFC 8305, section 5). With a wait of zero the next one has its turn only when
// the one before has failed.
func race(ctx context.Context, addresses []string, wait time.Duration, open opener) (net.Conn, error) {
	r := &racing{
		addresses: addresses, open: open, wait: wait, chosen: -1,
		outcomes: make(chan outcome, len(addresses)), heard: make(chan int, len(addresses)),
	}
	defer r.end()
	r.start(ctx)
	for r.running > 0 {
		select {
		case <-r.timer:
			r.start(ctx)
		case i := <-r.heard:
			r.choose(i)
		case o := <-r.outcomes:
			r.running--
			for len(r.heard) > 0 { // before its outcome
				r.choose(<-r.heard)
			}
			if o.err == nil {
				return o.conn, nil
			}
			if r.first == nil {
				r.first = o.err
			}
			if r.chosen == o.address {
				return nil, o.err
			}
			if r.chosen < 0 && ctx.Err() == nil {
				r.start(ctx)
			}
		}
	}
	if len(addresses) > 1 {
		return nil, fmt.Errorf("none of %d addresses answers: %w", len(addresses), r.first)
	}
	return nil, r.first
}

// outcome is what came of one address.
type outcome struct {
	address int
	conn    net.Conn
	err     error
}

// racing are the attempts at the addresses of one server.
type racing struct {
	addresses []string
	open      opener
	wait      time.Duration

	outcomes chan outcome
	heard    chan int
	timer    <-chan time.Time
	cancels  []context.CancelFunc // of those that were started
	running  int
	chosen   int // that was heard first; -1: none
	first    error
}

// start begins with the next address, if there is one.
func (r *racing) start(ctx context.Context) {
	i := len(r.cancels)
	r.timer = nil
	if i == len(r.addresses) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	r.cancels = append(r.cancels, cancel)
	r.running++
	go func() {
		conn, err := r.open(ctx, r.addresses[i], sync.OnceFunc(func() { r.heard <- i }))
		r.outcomes <- outcome{i, conn, err}
	}()
	if r.wait > 0 && i+1 < len(r.addresses) {
		r.timer = time.After(r.wait)
	}
}

// choose gives all others up.
func (r *racing) choose(i int) {
	if r.chosen >= 0 {
		return
	}
	r.chosen, r.timer = i, nil
	for other, cancel := range r.cancels {
		if other != i {
			cancel()
		}
	}
}

// end waits until nothing is left of the attempts that were not taken.
func (r *racing) end() {
	for _, cancel := range r.cancels {
		cancel()
	}
	for ; r.running > 0; r.running-- {
		if o := <-r.outcomes; o.err == nil {
			_ = o.conn.Close() // nobody waits for it
		}
	}
}

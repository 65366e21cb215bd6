package at

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/modem"
)

// udp is how the modules of a family have UDP sockets of their own. The functions send commands
// through a pump; a socket is known by its number in the module.
type udp struct {
	most  int // bytes of the longest datagram
	count int // of sockets, numbered from 0

	connect func(context.Context, *pump) error // has the network's context ready
	// open opens a socket under a free number, or, where the module chooses, under the one returned.
	open    func(ctx context.Context, p *pump, id int, s *socket) (int, error)
	send    func(ctx context.Context, p *pump, id int, s *socket, datagram []byte) error
	receive func(ctx context.Context, p *pump, id int) (datagram []byte, from netip.AddrPort, err error) // no datagram: there is none
	shut    func(id int) Command                                                                         // closes one
	lookup  func(ctx context.Context, p *pump, host string) ([]netip.Addr, error)                        // nil: it cannot
	heard   func(name, rest string) (socketNews, bool)                                                   // a URC: its name and what follows the colon
	pushes  func(head string) int                                                                        // bytes of the datagram below a line; nil: none are
}

// socketNews is what a URC says of sockets.
type socketNews struct {
	kind     newsKind
	id       int
	from     netip.AddrPort // with announced and pushed, instead of id: for the sockets that are connected there
	datagram []byte         // with pushed
}

type newsKind uint8

const (
	arrived   newsKind = iota // a datagram can be fetched
	pushed                    // and this is one
	lost                      // the network or the module has closed the socket
	allLost                   // and all others
	announced                 // the datagram that comes next is for this one
)

// sockets are those of a Modem, whether there is a module or not.
type sockets struct {
	address atomic.Pointer[netip.Addr] // that the network gave
	work    chan struct{}

	mu   sync.Mutex
	list []*socket
	pump *pump // nil while the modem is away
	none bool  // it is there, and has no sockets
}

func (s *sockets) wake() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

func (s *sockets) add(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, k)
}

func (s *sockets) remove(k *socket) {
	s.mu.Lock()
	s.list = slices.DeleteFunc(s.list, func(o *socket) bool { return o == k })
	s.mu.Unlock()
	s.wake()
}

func (s *sockets) all() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// attach enters who moves datagrams now, nil for nobody.
func (s *sockets) attach(p *pump, none bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pump, s.none = p, none
}

// lose notes that no module has any of the sockets.
func (s *sockets) lose() {
	for _, k := range s.all() {
		k.lose(true)
	}
}

func (s *sockets) through() (*pump, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.pump != nil:
		return s.pump, nil
	case s.none:
		return nil, ErrNoSockets
	}
	return nil, ErrAbsent
}

// enter takes over the address of the first context that has one.
func (s *sockets) enter(state *modem.State) {
	for i := range state.Bearers {
		if b := &state.Bearers[i]; b.Active && len(b.Addresses) > 0 {
			first := b.Addresses[0]
			s.address.Store(&first)
			return
		}
	}
}

// pump moves datagrams between the sockets of a Modem and the module while the port is open. Its run sends
// the commands for them, one after the other and between those of the session, so that a port
// that is stuck holds up nobody else.
type pump struct {
	of     *sockets
	family *udp
	log    *slog.Logger
	now    func() time.Time
	do     func(context.Context, Command) ([]string, error)

	// run's own.
	open      map[*socket]int  // those that are open in the module, by their number there
	unheard   map[*socket]bool // something was sent, and nothing has come since
	connected bool
	notBefore time.Time // nothing is opened before
	pause     time.Duration

	mu      sync.Mutex // guards what the port's reader tells
	news    []socketNews
	coming  socketNews // announced
	awaited []*awaited
}

// awaited is a line that somebody waits for who has sent a command.
type awaited struct {
	fits func(line string) bool
	line chan string
}

// A module that refuses a socket, or the connection for it, is asked again after firstTry, then after
// pauses that double: TS.34 wants no device that asks again and again.
const (
	firstTry = 10 * time.Second
	maxTry   = 10 * time.Minute
)

// heard takes a line from the port's reader.
func (p *pump) heard(line string) {
	p.mu.Lock()
	p.awaited = slices.DeleteFunc(p.awaited, func(a *awaited) bool {
		if !a.fits(line) {
			return false
		}
		a.line <- line
		return true
	})
	name, rest, _ := strings.Cut(line, ":")
	news, ok := p.family.heard(name, strings.TrimSpace(rest))
	if restarted(line) {
		news, ok = socketNews{kind: allLost}, true
	}
	switch {
	case ok && news.kind == announced:
		p.coming = news
	case ok:
		p.add(news)
	}
	p.mu.Unlock()
}

// take takes the datagram that was announced, from the port's reader.
func (p *pump) take(datagram string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.coming.kind == announced {
		p.add(socketNews{kind: pushed, id: p.coming.id, from: p.coming.from, datagram: []byte(datagram)})
	}
	p.coming = socketNews{}
}

// add has run look at news. The lock must be held.
func (p *pump) add(news socketNews) {
	if len(p.news) < maxUnheard {
		p.news = append(p.news, news)
	}
	p.of.wake()
}

// later sends a command whose outcome comes in a line that fits, as a rule after the result code.
func (p *pump) later(ctx context.Context, cmd Command, limit time.Duration, fits func(line string) bool) (string, error) {
	a := &awaited{fits, make(chan string, 1)}
	p.mu.Lock()
	p.awaited = append(p.awaited, a)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.awaited = slices.DeleteFunc(p.awaited, func(o *awaited) bool { return o == a })
	}()
	lines, err := p.do(ctx, cmd)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(lines, fits); i >= 0 {
		return lines[i], nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case line := <-a.line:
		return line, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s: the outcome does not come: %w", cmd.name(), ErrSilent)
	}
}

// set sends a command that only a result code answers, and which may be refused.
func (p *pump) set(ctx context.Context, text string) error {
	_, err := p.do(ctx, Command{Text: text})
	return unlessRefused(err)
}

// shut closes a socket in the module, if it is open there.
func (p *pump) shut(ctx context.Context, id int) error {
	_, err := p.do(ctx, p.family.shut(id))
	return unlessRefused(err)
}

// closing is a command that only OK answers, by its format.
func closing(format string) func(id int) Command {
	return func(id int) Command { return Command{Text: fmt.Sprintf(format, id)} }
}

// lookupTime bounds a question for addresses.
const lookupTime = 70 * time.Second

func (p *pump) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if _, err := quote("the host's name", host); err != nil {
		return nil, err
	}
	return p.family.lookup(ctx, p, host)
}

// run moves datagrams until ctx ends.
func (p *pump) run(ctx context.Context) {
	p.of.wake() // for what has waited
	for {
		select {
		case <-p.of.work:
		case <-ctx.Done():
			return
		}
		fetch := p.listen()
		all := p.of.all()
		for s, id := range p.open {
			switch {
			case !slices.Contains(all, s): // it was closed
				delete(p.open, s)
				delete(p.unheard, s)
				p.try(s, p.shut(ctx, id))
			case fetch[id]:
				p.try(s, p.fetch(ctx, s, id))
			}
		}
		for _, s := range all {
			p.deliver(ctx, s)
		}
	}
}

// try notes what has failed: for whoever waits at the other end, it is a lost datagram.
func (p *pump) try(s *socket, err error) {
	if err != nil && !errors.Is(err, ErrClosed) {
		p.log.Debug("the modem's socket", slog.Any("remote", s.remote), slog.Any("error", err))
	}
}

// listen takes in what was heard, and returns which sockets have datagrams.
func (p *pump) listen() map[int]bool {
	p.mu.Lock()
	news := p.news
	p.news = nil
	p.mu.Unlock()
	fetch := make(map[int]bool)
	for _, n := range news {
		switch n.kind {
		case arrived:
			fetch[n.id] = true
		case pushed:
			for s, id := range p.open {
				if n.from.IsValid() && n.from == s.remote || !n.from.IsValid() && id == n.id {
					delete(p.unheard, s)
					put(s.in, n.datagram)
				}
			}
		case lost:
			p.forget(n.id)
		case announced: // it was taken with its datagram
		case allLost:
			for s := range p.open {
				s.lose(true)
			}
			clear(p.open)
			p.connected = false
		}
	}
	return fetch
}

func (p *pump) forget(id int) {
	for s, open := range p.open {
		if open == id {
			s.lose(true)
			delete(p.open, s)
		}
	}
}

// fetch takes the datagrams that a socket has in the module.
func (p *pump) fetch(ctx context.Context, s *socket, id int) error {
	for range maxQueued {
		d, from, err := p.family.receive(ctx, p, id)
		if len(d) == 0 || err != nil {
			return unlessRefused(err)
		}
		delete(p.unheard, s)
		if from.Port() == 0 || from == s.remote {
			put(s.in, d)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.news = append(p.news, socketNews{kind: arrived, id: id}) // others have their turn
	p.of.wake()
	return nil
}

// deliver sends what waits in a socket.
func (p *pump) deliver(ctx context.Context, s *socket) {
	for {
		select {
		case d := <-s.out:
			p.try(s, p.send(ctx, s, d))
		default:
			return
		}
	}
}

// send sends a datagram, opening the socket in the module if need be.
func (p *pump) send(ctx context.Context, s *socket, datagram []byte) error {
	id, before := p.open[s]
	if before && p.unheard[s] { // the word that something has come may be lost, and is not said again
		if err := p.fetch(ctx, s, id); err != nil {
			return err
		}
	}
	id, err := p.opened(ctx, s)
	if err != nil {
		return err
	}
	p.unheard[s] = true
	err = p.family.send(ctx, p, id, s, datagram)
	if !refused(err) {
		return err
	}
	delete(p.open, s)
	if !before {
		return err
	}
	return p.send(ctx, s, datagram) // the module had closed it without a word
}

var errNotYet = errors.New("the modem has refused a socket a moment ago")

// opened returns the number of a socket in the module.
func (p *pump) opened(ctx context.Context, s *socket) (int, error) {
	if id, ok := p.open[s]; ok {
		return id, nil
	}
	if p.now().Before(p.notBefore) {
		return 0, errNotYet
	}
	supposed := p.connected
	id, err := p.create(ctx, s)
	if supposed && refused(err) { // it may have ended a moment ago
		p.connected = false
		id, err = p.create(ctx, s)
	}
	if err != nil {
		p.connected = false
		p.pause = min(max(2*p.pause, firstTry), maxTry)
		p.notBefore = p.now().Add(p.pause)
		return 0, err
	}
	p.pause = 0
	p.open[s] = id
	s.lose(false)
	return id, nil
}

func (p *pump) create(ctx context.Context, s *socket) (int, error) {
	if !p.connected {
		if err := p.family.connect(ctx, p); err != nil {
			return 0, err
		}
		p.connected = true
	}
	for id := range p.family.count {
		if p.uses(id) {
			continue
		}
		if err := p.shut(ctx, id); err != nil { // left by who was here before
			return 0, err
		}
		return p.family.open(ctx, p, id, s)
	}
	return 0, fmt.Errorf("all %d sockets of the modem are in use", p.family.count)
}

func (p *pump) uses(id int) bool {
	for _, open := range p.open {
		if open == id {
			return true
		}
	}
	return false
}

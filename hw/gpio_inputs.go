package hw

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"lwm2m-agent/hw/gpio"
)

// inputs are the lines that sensors want as inputs. Those of one chip are taken
// in one request where that can be: it costs one descriptor and one goroutine,
// and one wake-up has the edges of all.
type inputs struct {
	mu     sync.Mutex
	wanted []*access          // of sensors that run
	held   map[*access]*input // requested, whether or not the sensor has come for it
}

// inputGroup is a request. Only its reader ends it.
type inputGroup struct {
	lane    *bus
	lines   *gpio.Inputs
	members []*input
	ended   chan struct{} // closed when the lines are free
	reason  error         // why it ends; guarded by inputs.mu until ended
	left    int           // members that nobody wants any more; guarded by inputs.mu
}

// input is one line of a group.
type input struct {
	owner  *access
	group  *inputGroup
	line   gpio.Input
	active bool // when it was requested

	mu      sync.Mutex
	waiting []gpio.Event // until the sensor watches
	deliver func([]gpio.Event)
}

// What ends a group beside an error of the kernel.
var (
	// errRegroup: the lines that are still wanted are to be taken anew.
	errRegroup = errors.New("the lines are taken anew without those that are gone")
	errLeft    = errors.New("nobody wants the lines")
)

// maxWaiting bounds what is kept for a sensor that does not watch yet.
const maxWaiting = 1024

func (s *inputs) want(a *access) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = append(s.wanted, a)
}

// of returns the line that is held for a, or nil.
func (s *inputs) of(a *access) *input {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[a]
}

// hold notes that g holds its members' lines.
func (s *inputs) hold(g *inputGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(map[*access]*input)
	}
	for _, in := range g.members {
		if slices.Contains(s.wanted, in.owner) {
			s.held[in.owner] = in
		} else {
			g.left++ // meanwhile
		}
	}
}

// forget gives up a's line. It returns when the line is free if it was the last
// of its request; settle frees it from one that others need.
func (s *inputs) forget(a *access) {
	s.mu.Lock()
	s.wanted = slices.DeleteFunc(s.wanted, func(w *access) bool { return w == a })
	in := s.held[a]
	delete(s.held, a)
	if in != nil {
		in.group.left++
	}
	last := in != nil && in.group.left == len(in.group.members)
	s.mu.Unlock()
	if last {
		s.end(in.group, errLeft)
		<-in.group.ended
	}
}

// settle frees the lines that were given up and are in a request with others.
// These are taken anew by their sensors, and lose no edge that the kernel has.
func (s *inputs) settle(ctx context.Context) error {
	s.mu.Lock()
	var groups []*inputGroup
	for _, in := range s.held {
		if in.group.left > 0 && !slices.Contains(groups, in.group) {
			groups = append(groups, in.group)
		}
	}
	s.mu.Unlock()
	for _, g := range groups {
		s.end(g, errRegroup)
		select {
		case <-g.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// end makes the reader of g end it.
func (s *inputs) end(g *inputGroup, reason error) {
	s.mu.Lock()
	g.reason = cmp.Or(g.reason, reason)
	s.mu.Unlock()
	g.lines.Interrupt()
}

// input returns the line of a, which it may have from a request that was made
// for another sensor.
func (p *platform) input(ctx context.Context, a *access) (*input, error) {
	if in := p.inputs.of(a); in != nil {
		return in, nil
	}
	chip, offset, err := p.openLine(a.cfg) // asks for what the kernel knows by itself
	if err != nil {
		return nil, err
	}
	lane := p.buses.lane("inputs of " + chip.Path())
	defer p.buses.put(lane)
	// If this comes too late the line is held for when a asks again.
	return blocking(ctx, &access{bus: lane}, func() (*input, error) {
		err := p.requestWanted(ctx, chip, a, offset)
		return p.inputs.of(a), errors.Join(err, chip.Close())
	})
}

// requestWanted takes the line of a, and with it those that others want on its
// chip. It runs in the lane of the chip's inputs, as all that asks for these.
func (p *platform) requestWanted(ctx context.Context, chip *gpio.Chip, a *access, offset int) error {
	if p.inputs.of(a) != nil {
		return nil // taken while this waited for its turn
	}
	members := []*input{{owner: a, line: inputOptions(a.cfg, offset)}}
	for _, other := range p.inputs.missing(a) {
		c, offset, err := p.openLine(other.cfg)
		if err != nil {
			continue // is said when its sensor asks
		}
		if c.Path() == chip.Path() {
			members = append(members, &input{owner: other, line: inputOptions(other.cfg, offset)})
		}
		_ = c.Close() // was only asked
	}
	err := p.requestInputs(ctx, chip, members[:min(len(members), gpio.MaxInputs)])
	if errors.Is(err, unix.EBUSY) {
		return busyLine(chip, offset, err)
	}
	return err
}

// missing returns those beside a that want a line and have none.
func (s *inputs) missing(a *access) []*access {
	s.mu.Lock()
	defer s.mu.Unlock()
	var missing []*access
	for _, w := range s.wanted {
		if w != a && s.held[w] == nil {
			missing = append(missing, w)
		}
	}
	return missing
}

// requestInputs takes the lines of members in as few requests as it can: where
// one is in the way, each half is tried without the other. The error is why the
// first member has no line.
func (p *platform) requestInputs(ctx context.Context, chip *gpio.Chip, members []*input) error {
	err := p.requestGroup(ctx, chip, members)
	if err == nil || len(members) == 1 || !dividing(err) {
		return err
	}
	half := (len(members) + 1) / 2
	err = p.requestInputs(ctx, chip, members[:half])
	_ = p.requestInputs(ctx, chip, members[half:]) // is said when their sensors ask
	return err
}

// dividing reports whether err can be of one line among several. One of the bus
// below the chip is of all.
func dividing(err error) bool {
	for _, single := range []error{unix.EBUSY, unix.EINVAL, unix.ENXIO, unix.EOPNOTSUPP, unix.EPERM, gpio.ErrAttributes} {
		if errors.Is(err, single) {
			return true
		}
	}
	return false
}

// requestGroup takes the lines of members in one request.
func (p *platform) requestGroup(ctx context.Context, chip *gpio.Chip, members []*input) error {
	lines := make([]gpio.Input, len(members))
	for i, in := range members {
		lines[i] = in.line
	}
	user := consumer
	if len(members) == 1 {
		user = consumerOf(members[0].owner.cfg.Name)
	}
	requested, err := chip.RequestInputs(user, lines)
	if err != nil {
		return err
	}
	active, err := requested.Values()
	if err != nil {
		return errors.Join(err, requested.Close())
	}
	g := &inputGroup{lines: requested, members: members, ended: make(chan struct{}), lane: p.buses.lane("inputs of " + chip.Path())}
	for i, in := range members {
		in.group, in.active = g, active[i]
	}
	p.inputs.hold(g)
	p.buses.wg.Go(func() { p.readInputs(context.WithoutCancel(ctx), g) })
	return nil
}

// readInputs passes on the edges of g until it ends, and frees its lines.
func (p *platform) readInputs(ctx context.Context, g *inputGroup) {
	defer p.buses.put(g.lane)
	var events []gpio.Event
	var err error
	for err == nil {
		events, err = g.lines.Events(events)
		g.pass(events)
	}
	p.inputs.mu.Lock()
	g.reason = cmp.Or(g.reason, err)
	orderly := errors.Is(g.reason, errRegroup)
	p.inputs.mu.Unlock()
	for orderly {
		events, err = g.lines.Rest(events)
		g.pass(events)
		orderly = err == nil && len(events) > 0
	}
	(&access{bus: g.lane}).discard(ctx, g.lines)
	p.inputs.mu.Lock()
	for _, in := range g.members {
		if p.inputs.held[in.owner] == in {
			delete(p.inputs.held, in.owner)
		}
	}
	p.inputs.mu.Unlock()
	close(g.ended)
}

// pass gives each member its edges.
func (g *inputGroup) pass(events []gpio.Event) {
	own := make([]gpio.Event, 0, len(events))
	for _, in := range g.members {
		own = own[:0]
		for _, e := range events {
			if e.Offset == in.line.Offset {
				own = append(own, e)
			}
		}
		if len(own) > 0 {
			in.take(own)
		}
	}
}

func (in *input) take(events []gpio.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.deliver != nil {
		in.deliver(events)
		return
	}
	in.waiting = append(in.waiting, events...)
	in.waiting = in.waiting[max(len(in.waiting)-maxWaiting, 0):] // the numbers of the others are missed
}

// watch has deliver called with the line's edges, from those that wait for it
// on, until ctx ends or the line is lost, and says why.
func (in *input) watch(ctx context.Context, deliver func([]gpio.Event)) error {
	in.mu.Lock()
	if len(in.waiting) > 0 {
		deliver(in.waiting)
	}
	in.deliver, in.waiting = deliver, nil
	in.mu.Unlock()
	select {
	case <-in.group.ended:
		return in.group.reason
	case <-ctx.Done():
		in.mu.Lock()
		in.deliver = func([]gpio.Event) {}
		in.mu.Unlock()
		return context.Cause(ctx)
	}
}

package at

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"lwm2m-agent/modem"
)

// Config says which modem, and who watches.
type Config struct {
	Port  string     // "/dev/ttyUSB2", a pattern such as "/dev/ttyUSB*", or "tcp:host:port"
	Speed uint32     // baud, of a serial port
	PIN   *modem.PIN // nil: none

	// Signal is how often the signal is measured of a modem that does not tell by
	// itself; zero is only when something else has changed.
	Signal time.Duration

	// Release has the modem asked whether it can be told that nothing more is to be exchanged; see
	// Modem.Release.
	Release bool

	// Explain has the modem asked why nothing is connected: for who looks once. What it says may be
	// of long ago, which is no ground to act on.
	Explain bool

	// Changed is given the state with each change, and what has changed. It is called
	// from Run's goroutine and must not wait for the modem.
	Changed func(modem.State, modem.Part)
	// Owe is given, likewise, what the modem has to be told, also in a later life, as it is off the network; Owed is what was given last in an
	// earlier one. nil: nobody keeps it.
	Owe  func(owed []string)
	Owed []string
	// Received is given each short message that comes, likewise, and returns whether it was
	// for the agent: then it is deleted. nil: nobody reads them.
	Received func(modem.Message) bool
	Log      *slog.Logger
	Now      func() time.Time
	Dial     func(context.Context) (Port, error) // nil: opens Port
}

// Modem is a modem at a port. Run is the only writer of what is known of it; the
// other methods hand their work to Run and may be called at any time.
type Modem struct {
	cfg     Config
	state   modem.State
	starts  int
	owed    []string // commands that the modem is to be told
	jobs    chan job
	over    chan struct{} // closed when Run has ended
	sockets sockets
	dial    func(context.Context) (Port, string, error)
}

// job is work that Run does between two lines that the modem says.
type job struct {
	do   func(*session) error
	done chan error
}

// ErrAbsent says that there is no modem to do what was asked for.
var ErrAbsent = errors.New("the modem is not there")

// New returns a modem that nobody has looked for yet.
func New(cfg Config) *Modem {
	m := &Modem{cfg: cfg, owed: slices.DeleteFunc(slices.Clone(cfg.Owed), func(o string) bool { return o != radioOn && o != attach }), jobs: make(chan job), over: make(chan struct{}), sockets: sockets{work: make(chan struct{}, 1)}}
	m.dial = m.open
	return m
}

// open opens the port, or that of several at which AT is answered.
func (m *Modem) open(ctx context.Context) (Port, string, error) {
	name := m.cfg.Port
	if m.cfg.Dial != nil {
		port, err := m.cfg.Dial(ctx)
		return port, name, err
	}
	if found := Candidates(name); len(found) != 1 || found[0] != name {
		var err error
		if name, err = Find(ctx, name, m.cfg.Speed); err != nil {
			return nil, "", err
		}
	}
	port, err := Open(ctx, name, m.cfg.Speed)
	return port, name, err
}

// Run looks for the modem and follows it until ctx ends, which gives nil.
func (m *Modem) Run(ctx context.Context) error {
	defer close(m.over)
	modem.Again(ctx, m.cfg.Now, m.follow, m.gone, m.rest)
	return nil
}

// gone enters that the modem cannot be reached.
func (m *Modem) gone(err error) {
	presence := modem.Missing
	if errors.Is(err, ErrSilent) || errors.Is(err, ErrAnswer) {
		presence = modem.Silent
	}
	if old := m.state.Trouble; old == nil || err == nil || old.Error() != err.Error() || m.state.Presence != presence {
		m.cfg.Log.Warn("modem gone", slog.String("port", m.cfg.Port), slog.Any("error", err))
		m.state = modem.State{Presence: presence, Trouble: err}
		m.changed(modem.AllParts)
	}
}

// rest lets time pass, while what is asked for fails.
func (m *Modem) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case j := <-m.jobs:
			j.done <- ErrAbsent
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

func (m *Modem) changed(p modem.Part) {
	if p != 0 {
		m.sockets.enter(&m.state)
		m.cfg.Changed(m.state.Clone(), p)
	}
}

// ask has Run do work, and waits for it.
func (m *Modem) ask(ctx context.Context, do func(*session) error) error {
	j := job{do: do, done: make(chan error, 1)}
	select {
	case m.jobs <- j:
	case <-m.over:
		return ErrAbsent
	case <-ctx.Done():
		return fmt.Errorf("the modem is busy: %w", ctx.Err())
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxUnheard bounds the lines that wait to be understood. When there are more, what
// they would have said is read instead.
const maxUnheard = 128

// follow opens the port and keeps the state up to date until the port is gone.
func (m *Modem) follow(ctx context.Context) error {
	port, name, err := m.dial(ctx)
	if err != nil {
		return err
	}
	s := &session{m: m, lines: make(chan string, maxUnheard), missed: make(chan struct{}, 1)}
	s.channel = NewChannel(port, s.hear)
	s.channel.Push(s.pushes, s.take)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx)) // parting needs it
	ended := make(chan error, 1)
	go func() { ended <- s.channel.Run(running) }() // ended by cancel and waited for
	err = s.start(ctx)
	if err == nil {
		m.cfg.Log.Info("modem found", slog.String("port", name), slog.String("model", m.state.Identity.Model), slog.String("dialect", s.dialect.name))
		stop := s.carry(running)
		err = s.serve(ctx)
		stop()
	}
	if ctx.Err() != nil {
		s.part() //nolint:contextcheck // ctx has ended
	}
	cancel()
	return errors.Join(err, <-ended)
}

// carry has datagrams moved for the modem's sockets until it is stopped.
func (s *session) carry(ctx context.Context) (stop func()) {
	m := s.m
	family := s.dialect.socketsOf(&m.state.Identity)
	if family == nil {
		m.sockets.attach(nil, true)
		return func() { m.sockets.attach(nil, false) }
	}
	m.state.Datagram = family.most
	p := &pump{of: &m.sockets, family: family, log: m.cfg.Log, now: m.cfg.Now, do: s.channel.Do, open: make(map[*socket]int), unheard: make(map[*socket]bool)}
	s.pump.Store(p)
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { // ended by cancel and waited for
		defer close(over)
		p.run(ctx)
	}()
	m.sockets.attach(p, false)
	return func() {
		m.sockets.attach(nil, false)
		cancel()
		<-over
		m.sockets.lose()
	}
}

// session is the time during which a port is open.
type session struct {
	m       *Modem
	channel *Channel
	dialect *dialect
	pump    atomic.Pointer[pump] // nil: there are no sockets
	lines   chan string          // said by the modem by itself
	missed  chan struct{}        // there were too many of them
	due     modem.Part           // to be read again
	changed modem.Part           // not told yet

	domains [len(domainNames)]registration
	signal  *time.Timer
	again   *time.Timer // for what could not be read yet
	tries   int
	card    string // the number of the last one that was ready
	restart bool
	anew    bool                     // it has restarted and may not say so: it is looked for again
	forms   [len(domainNames)]string // <n> of +CEREG? and the like, as it was after the start
	doubt   bool                     // whether it has restarted without saying so

	awake    time.Time   // since when it is, or has the timers of power saving that it has
	answered time.Time   // when it last said something
	nap      *time.Timer // until one that has fallen asleep without saying so has to be awake

	messages  messages
	receiving bool // the receiver was switched on
}

// hear takes a line from the channel's goroutine.
func (s *session) hear(line string) {
	if p := s.pump.Load(); p != nil {
		p.heard(line)
	}
	select {
	case s.lines <- line:
	default:
		select {
		case s.missed <- struct{}{}:
		default:
		}
	}
}

// pushes returns how many bytes of a datagram stand below a line, from the channel's goroutine.
func (s *session) pushes(head string) int {
	if p := s.pump.Load(); p != nil && p.family.pushes != nil {
		return p.family.pushes(head)
	}
	return 0
}

// take takes such a datagram.
func (s *session) take(datagram string) {
	if p := s.pump.Load(); p != nil {
		p.take(datagram)
	}
}

func (s *session) serve(ctx context.Context) error {
	for _, t := range []**time.Timer{&s.signal, &s.again, &s.nap} {
		*t = time.NewTimer(time.Hour)
		(*t).Stop()
		defer (*t).Stop()
	}
	s.measureLater()
	for {
		if len(s.lines) == 0 {
			if err := s.settle(ctx); err != nil {
				return err
			}
		}
		select {
		case line := <-s.lines:
			s.urc(line)
		case <-s.missed:
			s.due |= fleeting
			s.messages.unread = s.messages.told
		case j := <-s.m.jobs:
			j.done <- j.do(s)
		case <-s.signal.C:
			s.due, s.doubt = s.due|modem.PartSignal, true
			s.measureLater()
		case <-s.again.C:
			s.due |= modem.PartSIM
		case <-s.nap.C:
			s.wake()
		case <-s.channel.over:
			return nil // whose Run says why
		case <-ctx.Done():
			return nil
		}
	}
}

// measureLater sets the time of the next measurement. A modem that sleeps is not
// woken for it.
func (s *session) measureLater() {
	s.signal.Stop()
	if d := s.m.cfg.Signal; d > 0 && s.m.state.Presence == modem.Ready {
		s.signal.Reset(d)
	}
}

// settle reads what is due and tells what has changed. Only a modem that does not
// answer at all is an error.
func (s *session) settle(ctx context.Context) error {
	if err := s.tolerate(s.checkStart(ctx)); err != nil {
		return err
	}
	if s.anew {
		return ErrRestarted
	}
	if err := s.startAgain(ctx); err != nil {
		return err
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	if s.m.state.Presence != modem.Asleep {
		if err := s.tolerate(s.readMessages(ctx)); err != nil {
			return err
		}
	}
	s.m.changed(s.changed)
	s.changed = 0
	return nil
}

// startAgain starts a modem that has restarted. One that falls asleep meanwhile is started when it wakes up.
func (s *session) startAgain(ctx context.Context) error {
	if !s.restart || s.m.state.Presence == modem.Asleep {
		return nil
	}
	s.restart = false
	err := s.start(ctx)
	if errors.Is(err, ErrSilent) {
		err = s.tolerate(err)
		s.restart = true
	}
	return err
}

// do is a command of a session.
func (s *session) do(ctx context.Context, cmd Command) ([]string, error) {
	lines, err := s.channel.Do(ctx, cmd)
	if err == nil || refused(err) {
		s.answered = time.Now()
		if s.m.state.Presence == modem.Asleep && s.sleepsUnsaid() {
			s.wake()
		}
	}
	return lines, err
}

// set sends a command that only a result code answers.
func (s *session) set(ctx context.Context, text string) error {
	_, err := s.do(ctx, Command{Text: text, Prefix: ""})
	return err
}

// read asks a command that lines of its own name answer, and returns the parameters
// of each. A command that the modem does not know, or refuses now, gives none.
func (s *session) read(ctx context.Context, text string) ([][]string, error) {
	name := before(text, "=?")
	prefix := name + ":"
	lines, err := s.do(ctx, Command{Text: text, Prefix: prefix, MayBeEmpty: true})
	if refused(err) {
		return nil, nil
	}
	out := make([][]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, fields(l[len(prefix):]))
	}
	return out, err
}

// one is read for a command with one line; the last counts, should there be more.
func (s *session) one(ctx context.Context, text string) ([]string, error) {
	all, err := s.read(ctx, text)
	if len(all) == 0 {
		return nil, err
	}
	return all[len(all)-1], err
}

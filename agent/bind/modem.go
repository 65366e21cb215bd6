package bind

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/gnss"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at"
	"lwm2m-agent/modem/mm"
	"lwm2m-agent/objects"
)

// Modems are the modems of this machine: what they say goes into objects, and what is
// wrong with them into health.
type Modems struct {
	Health  *health.Tracker
	Store   *store.Store
	Log     *slog.Logger
	Now     func() time.Time
	Changed func()                 // after anything that Enter tells
	Woke    func(s *modem.State)   // a modem is awake again that was in power saving mode
	Used    func(name string) bool // servers are reached through this modem's own sockets
	Servers func() int             // how many there are

	// Open opens the ports of modems with AT commands; nil: those of this machine.
	Open func(ctx context.Context, name string) (at.Port, error)

	// Power switches what an actuator gives power to.
	Power func(ctx context.Context, actuator string, on bool) error

	// Wake is told of a trigger that came by SMS, from the telephone number of its sender. It is
	// called from Run's goroutine.
	Wake func(ctx context.Context, from string, t client.Trigger) error

	mu     sync.Mutex
	states []namedModem // in the order of the configuration
	first  *Cellular    // nil: the first one is in no objects of its own

	texts, woken, ignored atomic.Uint64
	triggers              chan wakeUp

	carrier int // of states plus one, the one that carries the machine's connection; 0: none that is known
}

// namedModem is a modem as the configuration calls it.
type namedModem struct {
	name     string
	state    modem.State
	made     Modem
	apn      *apnKeeper
	datagram int       // bytes of its longest, the last that was told
	releaser *Releaser // nil: it is not told
}

// index returns where a modem is that the configuration names. The lock must be held.
func (m *Modems) index(name string) int {
	return slices.IndexFunc(m.states, func(s namedModem) bool { return s.name == name })
}

// Modem is a modem, by whatever driver.
type Modem interface {
	CellularModem
	Run(ctx context.Context) error
	Register(ctx context.Context) error
	SetRadio(ctx context.Context, on bool) error
	Reset(ctx context.Context) error
	// Locate follows the modem's own receiver; see gnss.Source.
	Locate(ctx context.Context, report func(gnss.Report)) error
}

// atConfig is what package at makes of a [[modem]], without anybody who watches.
func atConfig(m *config.Modem, log *slog.Logger, now func() time.Time) at.Config {
	return at.Config{
		Port: m.Port, Speed: m.Speed, Signal: m.Signal, Release: m.Release,
		Log: log.With(slog.String("modem", m.Name)), Now: now,
	}
}

// mmConfig is what package mm makes of it.
func mmConfig(m *config.Modem, log *slog.Logger, now func() time.Time) mm.Config {
	return mm.Config{
		Port: m.Port, Signal: m.Signal,
		Log: log.With(slog.String("modem", m.Name)), Now: now,
	}
}

// ProbeModem looks at a modem once, and changes nothing that outlasts its restart.
func ProbeModem(ctx context.Context, section *config.Modem) (modem.State, error) {
	log := slog.New(slog.DiscardHandler)
	if section.Driver == config.ModemManager {
		return mm.Probe(ctx, mmConfig(section, log, time.Now))
	}
	return at.Probe(ctx, atConfig(section, log, time.Now))
}

// Add makes a modem of a section, and what heals it, nil if nothing shall; the caller runs
// both, and what keeps its APN.
func (m *Modems) Add(section *config.Modem) (made Modem, healer *Healer, keepAPN func(context.Context) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.triggers == nil {
		m.triggers = make(chan wakeUp, maxWakeUps)
	}
	i := len(m.states)
	m.states = append(m.states, namedModem{name: section.Name})
	keeper := &apnKeeper{
		name: section.Name, want: section.APN, store: m.Store, log: m.Log, now: m.Now, news: make(chan struct{}, 1),
		tried: newAttempts(m.Store, section.Name, m.Log), servers: m.Servers,
	}
	if m.Store != nil {
		keeper.wishes = newWishes(section.Name, m.Store, m.Log)
	}
	made = m.create(section, func(s modem.State, _ modem.Part) {
		if healer != nil {
			healer.Take(s)
		}
		keeper.take(&s)
		m.take(i, s)
	})
	keeper.modem = made
	m.states[i].made, m.states[i].apn = made, keeper
	if section.Heal {
		healer = NewHealer(made, section.Name, m.Log, m.Health, m.Now, rand.Float64)
		healer.Servers = m.Servers
		healer.tried = keeper.tried
		if section.Netifd != "" {
			healer.Bearer = func(ctx context.Context) error { return host.Reconnect(ctx, section.Netifd) }
			healer.Netifd = func(ctx context.Context, told func(host.Netifd)) error {
				return host.WatchNetifd(ctx, section.Netifd, told)
			}
		}
		if section.Power != "" {
			healer.Power = func(ctx context.Context, on bool) error { return m.Power(ctx, section.Power, on) }
		}
	}
	return made, healer, keeper.run
}

// create makes a modem by its driver.
func (m *Modems) create(section *config.Modem, changed func(modem.State, modem.Part)) Modem {
	if section.Driver == config.ModemManager {
		cfg := mmConfig(section, m.Log, m.Now)
		cfg.PIN = m.pinOf(section)
		cfg.Changed, cfg.Received = changed, m.received
		cfg.Owed, cfg.Owe = m.owedOf(section.Name)
		return mm.New(cfg)
	}
	cfg := atConfig(section, m.Log, m.Now)
	if m.Open != nil {
		cfg.Dial = func(ctx context.Context) (at.Port, error) { return m.Open(ctx, section.Port) }
	}
	cfg.PIN = m.pinOf(section)
	cfg.Changed, cfg.Received = changed, m.received
	cfg.Owed, cfg.Owe = m.owedOf(section.Name)
	return at.New(cfg)
}

// locator is the receiver of a modem, by its name.
func (m *Modems) locator(name string) func(context.Context, func(gnss.Report)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[m.index(name)].made.Locate // it is there, says the configuration
}

// Wishes are what servers have set in a modem, by its name.
func (m *Modems) Wishes(name string) *Wishes {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[m.index(name)].apn.wishes // it is there, says the configuration
}

// Join has the first modem shown in objects 10 and 11.
func (m *Modems) Join(c *Cellular) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.first = c
}

// Released returns how often a modem, by its name, was told that nothing more was to be exchanged.
func (m *Modems) Released(name string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[m.index(name)].releaser.Told()
}

// Each calls f with what is known of each modem, in the order of the configuration.
func (m *Modems) Each(f func(name string, s *modem.State)) {
	m.mu.Lock()
	states := slices.Clone(m.states)
	m.mu.Unlock()
	for i := range states {
		f(states[i].name, &states[i].state)
	}
}

func (m *Modems) take(i int, s modem.State) {
	m.mu.Lock()
	before := m.states[i].state.Presence
	m.states[i].state = s
	m.states[i].datagram = cmp.Or(s.Datagram, m.states[i].datagram)
	name, first := m.states[i].name, m.first
	m.mu.Unlock()
	m.judge(name, &s)
	if i == 0 && first != nil {
		first.publish(&s, m.Now())
	}
	m.Changed()
	if before == modem.Asleep && s.Presence == modem.Ready {
		m.Woke(&s)
	}
}

// Sockets are the UDP sockets of a modem's own.
type Sockets interface {
	// DialUDP returns one that is connected to an address, "192.0.2.1:5684"; its Write does not wait.
	DialUDP(ctx context.Context, address string) (net.Conn, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LocalIP() (netip.Addr, bool)
}

// Sockets returns those of a modem, by its name, false if there are none.
func (m *Modems) Sockets(name string) (Sockets, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.states {
		if s, ok := m.states[i].made.(Sockets); ok && m.states[i].name == name {
			return s, true
		}
	}
	return nil, false
}

// State returns what is known of a modem, by its name; with the size of its datagrams also while it is away.
func (m *Modems) State(name string) (modem.State, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.states {
		if n := &m.states[i]; n.name == name {
			s := n.state
			s.Datagram = n.datagram
			return s, true
		}
	}
	return modem.State{}, false
}

// Carrier returns what is known of the modem that carries the machine's connection, or else,
// where somebody says that one does, of the first that is registered; false if there is none.
func (m *Modems) Carrier(said bool) (modem.State, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.carrying(said); i >= 0 {
		return m.states[i].state, true
	}
	return modem.State{}, false
}

// Carries reports whether a modem is the one that Carrier returns.
func (m *Modems) Carries(name string, said bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.carrying(said)
	return i >= 0 && m.states[i].name == name
}

// carrying returns which modem Carrier returns, -1 for none.
func (m *Modems) carrying(said bool) int {
	if m.carrier > 0 {
		return m.carrier - 1
	}
	return slices.IndexFunc(m.states, func(n namedModem) bool { return said && n.state.Network.Registration.Registered() })
}

// modemCodes are what ModemTrouble returns.
var modemCodes = []health.Code{health.ModemMissing, health.ModemSilent, health.SIMMissing, health.SIMUnusable, health.NetworkRefuses}

// ModemTrouble returns what is wrong with a modem, "" for nothing.
func ModemTrouble(s *modem.State) (code health.Code, detail string) {
	switch {
	case s.Presence == modem.Missing && s.Trouble != nil:
		return health.ModemMissing, s.Trouble.Error()
	case s.Presence == modem.Silent && s.Trouble != nil:
		return health.ModemSilent, s.Trouble.Error()
	case s.SIM.State == modem.SIMMissing && s.SIM.EID != "":
		return health.SIMMissing, "the eSIM " + s.SIM.EID + " in " + s.Identity.Model + " has no profile that is enabled"
	case s.SIM.State == modem.SIMMissing:
		return health.SIMMissing, "there is no card in " + s.Identity.Model
	case s.SIM.State > modem.SIMMissing:
		detail = "the card " + s.SIM.State.String()
		switch {
		case s.SIM.PINRefused:
			detail += "; it has refused the one of the configuration, which it is not given again"
		case s.SIM.PINDoubted:
			detail += "; it was given the one of the configuration, and it is not known what became of that: it is not given again"
		}
		return health.SIMUnusable, detail
	case s.Network.Registration.Registered():
		return refusedBearer(s)
	case s.Network.Reject != nil:
		return health.NetworkRefuses, s.Network.Reject.String()
	case s.Network.Registration == modem.Denied:
		return health.NetworkRefuses, "no cause was given"
	}
	return "", ""
}

// refusedBearer returns why a modem without a connection was refused one, as with a wrong APN.
func refusedBearer(s *modem.State) (code health.Code, detail string) {
	bearers := ours(s.Bearers)
	for i := range bearers {
		b := &bearers[i]
		if b.Active {
			return "", ""
		}
		if b.Reject != nil {
			code, detail = health.NetworkRefuses, fmt.Sprintf("the APN %q: %s", b.APN, b.Reject)
		}
	}
	return code, detail
}

// judge tells what is wrong with a modem.
func (m *Modems) judge(name string, s *modem.State) {
	trouble, detail := ModemTrouble(s)
	for _, code := range modemCodes {
		if code == trouble {
			m.Health.Set(code, name, detail)
		} else {
			m.Health.Clear(code, name)
		}
	}
}

// Enter adds to how the machine is connected what the modem knows of it. Where the
// machine is connected otherwise, the cell shows all the same: it is what somebody wants
// to see before they rely on it.
func (m *Modems) Enter(c *objects.Connectivity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.carrier = 0
	for i := range m.states {
		s := &m.states[i].state
		if !s.Network.Registration.Registered() {
			continue
		}
		if enterModem(c, s, m.Used(m.states[i].name)) {
			m.carrier = i + 1
		}
		return
	}
}

// enterModem reports whether the modem carries the connection, as one does that is used.
func enterModem(c *objects.Connectivity, s *modem.State, used bool) bool {
	own := cellularBearer(&s.Network)
	carries := used || c.Bearer < objects.BearerWLAN || slices.ContainsFunc(c.Addresses, func(a netip.Addr) bool { return carriedBy(s, a) })
	if carries {
		c.Available = slices.DeleteFunc(slices.Clone(c.Available), func(b objects.Bearer) bool { return b == c.Bearer })
		c.Bearer, c.Signal, c.LinkQuality = own, whole(s.Signal.Strength()), whole(s.Signal.RSRQ)
	}
	if !slices.Contains(c.Available, own) {
		c.Available = append(c.Available, own)
		slices.Sort(c.Available)
	}
	c.Cell = cellOf(s)
	return carries
}

func carriedBy(s *modem.State, a netip.Addr) bool {
	return slices.ContainsFunc(s.Bearers, func(b modem.Bearer) bool { return b.Active && slices.Contains(b.Addresses, a) })
}

// cellularBearers are the numbers of object 4, of frequency and of time division. LTE-M
// has none of its own.
var cellularBearers = map[modem.Technology][2]objects.Bearer{
	modem.GSM: {objects.BearerGSM, objects.BearerGSM}, modem.UMTS: {objects.BearerWCDMA, objects.BearerTDSCDMA},
	modem.NBIoT: {objects.BearerNBIoT, objects.BearerNBIoT}, modem.NR: {objects.BearerNRFDD, objects.BearerNRTDD},
}

func cellularBearer(n *modem.Network) objects.Bearer {
	pair, ok := cellularBearers[n.Technology]
	if !ok {
		pair = [2]objects.Bearer{objects.BearerLTEFDD, objects.BearerLTETDD}
	}
	if n.TDD() {
		return pair[1]
	}
	return pair[0]
}

// cellOf puts a cell into the words of object 4. Its cell identity is of 28 bits, for
// the 36 of 5G there is no place. Its coverage enhancement begins with 0 for none: level 0 is 1.
func cellOf(s *modem.State) *objects.Cell {
	n := &s.Network
	c := &objects.Cell{ID: n.Cell, LAC: n.Area, MCC: decimal(n.MCC), MNC: decimal(n.MNC), SINR: whole(s.Signal.SNR)}
	if level := s.Signal.Coverage; level != nil {
		c.Coverage = new(*level + 1)
	}
	for _, b := range s.Bearers {
		if b.Active && b.APN != "" && !slices.Contains(c.APN, b.APN) {
			c.APN = append(c.APN, b.APN)
		}
	}
	return c
}

func decimal(digits string) *int64 {
	n, err := strconv.ParseInt(cmp.Or(digits, "-"), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// whole rounds to the nearest integer.
func whole(f *float64) *int64 {
	if f == nil {
		return nil
	}
	n := int64(*f + 0.5)
	if *f < 0 {
		n = int64(*f - 0.5)
	}
	return &n
}

package mm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
)

// session is the time of one connection with the bus.
type session struct {
	m       *Modem
	conn    *dbus.Conn
	signals chan *dbus.Signal

	modems map[dbus.ObjectPath]object // that ModemManager has; its object manager tells of no other objects
	parts  map[dbus.ObjectPath]object // SIM and bearers of ours, asked for by their paths
	since  map[dbus.ObjectPath]dbus.Sequence

	profiles map[int]modem.Profile    // in the modem; nil: to be asked for, if a bearer goes by one
	relist   *time.Timer              // asks for them, or for the modems, again
	pause    time.Duration            // before that; zero: they are listed
	partial  map[dbus.ObjectPath]bool // text messages of which parts are still to come
	numbers  numbers
	path     dbus.ObjectPath // of the modem that is followed
	ready    bool            // what has to be set up once the modem is enabled is
	running  sync.WaitGroup
	undo     map[string]undo // what was set up, by method
	looked   bool            // at the messages that were there
	refused  chan struct{}   // receives when a card has refused the PIN, or may have
}

// maxWaiting bounds the signals between the connection and Run; the connection keeps
// the rest in order.
const maxWaiting = 64

// follow connects with the bus and keeps the state up to date until the bus is gone.
func (m *Modem) follow(ctx context.Context) error {
	conn, err := m.cfg.Dial(context.WithoutCancel(ctx)) // parting needs it
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	s := &session{m: m, conn: conn, signals: make(chan *dbus.Signal, maxWaiting), refused: make(chan struct{}, 1), relist: time.NewTimer(time.Hour)}
	s.relist.Stop()
	defer s.relist.Stop()
	defer s.running.Wait()
	conn.Signal(s.signals)
	for _, rule := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(service), dbus.WithMatchPathNamespace(root)},
		{dbus.WithMatchSender(bus), dbus.WithMatchInterface(bus), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)},
	} {
		if err := conn.AddMatchSignalContext(ctx, rule...); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	s.list(ctx)
	for {
		select {
		case signal, open := <-s.signals:
			if !open {
				return errors.New("the connection has ended")
			}
			s.hear(ctx, signal)
		case done := <-m.looks:
			s.settle(ctx)
			close(done)
		case <-s.refused:
			s.settle(ctx)
		case <-s.relist.C:
			if s.path == "" {
				s.list(ctx)
				continue
			}
			m.stale.Store(true)
			s.settle(ctx)
		case <-conn.Context().Done():
			return errors.New("the connection has ended")
		case <-ctx.Done():
			s.part(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// errNotRunning says that nobody has ModemManager's name on the bus.
var errNotRunning = errors.New(`ModemManager does not run; start it ("systemctl enable --now ModemManager"), or use driver = "at"`)

// list asks ModemManager for its modems.
func (s *session) list(ctx context.Context) {
	s.modems, s.path = make(map[dbus.ObjectPath]object), ""
	s.since, s.partial = make(map[dbus.ObjectPath]dbus.Sequence), make(map[dbus.ObjectPath]bool)
	c := call(ctx, s.conn, root, objectManager+".GetManagedObjects", answerTime)
	var all map[dbus.ObjectPath]map[string]map[string]dbus.Variant
	if err := c.Store(&all); err != nil {
		if ctx.Err() != nil {
			return
		}
		if e, ok := errors.AsType[dbus.Error](err); ok && (strings.HasSuffix(e.Name, ".ServiceUnknown") || strings.HasSuffix(e.Name, ".NameHasNoOwner")) {
			err = errNotRunning
		} else {
			err = explain("list the modems", err)
			s.relist.Reset(modem.MaxPause)
		}
		s.m.absent(err)
		return
	}
	s.since[root] = c.ResponseSequence
	for p, o := range all {
		s.modems[p] = o
		s.since[p] = c.ResponseSequence
	}
	s.settle(ctx)
}

// hear takes a signal. One that was sent before the answer that is known already is old.
func (s *session) hear(ctx context.Context, signal *dbus.Signal) {
	if signal.Name == ownerChanged {
		s.owner(ctx, signal)
		return
	}
	if signal.Sequence <= s.since[signal.Path] {
		return
	}
	switch signal.Name {
	case added:
		var p dbus.ObjectPath
		var o map[string]map[string]dbus.Variant
		if dbus.Store(signal.Body, &p, &o) != nil || len(s.modems) >= maxObjects {
			return
		}
		if s.modems[p] == nil {
			s.modems[p] = make(object)
		}
		maps.Copy(s.modems[p], o)
	case removed:
		var p dbus.ObjectPath
		var names []string
		if dbus.Store(signal.Body, &p, &names) != nil {
			return
		}
		for _, n := range names {
			delete(s.modems[p], n)
		}
		if len(s.modems[p]) == 0 {
			delete(s.modems, p)
		}
	case changed:
		if !s.change(ctx, signal) {
			return
		}
	case profilesUpdated:
		s.profiles = nil
	case messageAdded:
		s.messageCame(ctx, signal)
		return
	default:
		return
	}
	s.settle(ctx)
}

// owner takes in that ModemManager has come or gone.
func (s *session) owner(ctx context.Context, signal *dbus.Signal) {
	var name, old, now string
	if dbus.Store(signal.Body, &name, &old, &now) != nil || name != service {
		return
	}
	if now == "" {
		s.modems, s.path = make(map[dbus.ObjectPath]object), ""
		s.m.absent(errNotRunning)
		return
	}
	s.list(ctx)
}

// change enters other values of properties, and reports whether they are of a modem or
// of what belongs to ours.
func (s *session) change(ctx context.Context, signal *dbus.Signal) bool {
	var iface string
	var values map[string]dbus.Variant
	var gone []string
	if dbus.Store(signal.Body, &iface, &values, &gone) != nil {
		return false
	}
	if s.partial[signal.Path] && iface == ifaceSMS {
		s.messageGrew(ctx, signal.Path, values)
		return false
	}
	o := s.modems[signal.Path]
	if o == nil {
		o = s.parts[signal.Path]
		if _, is := values["Connected"]; is {
			s.profiles = nil // who connects may have changed it
		}
	}
	if o == nil {
		return false
	}
	if o[iface] == nil {
		o[iface] = make(map[string]dbus.Variant)
	}
	maps.Copy(o[iface], values)
	if _, moved := values["Location"]; moved && iface == ifaceLocation && signal.Path == s.path {
		s.m.follower.Load().hear(o)
	}
	for _, name := range gone {
		delete(o[iface], name)
	}
	return true
}

// settle makes the state anew from what is known.
func (s *session) settle(ctx context.Context) {
	p := s.choose()
	if p != s.path {
		s.path, s.parts, s.profiles, s.ready, s.undo, s.looked = p, nil, nil, false, nil, false
		s.m.gave = false // what is told of the card is of now
		s.m.cfg.PIN.Again()
	}
	if p == "" {
		s.m.absent(s.noModem())
		return
	}
	o := s.modems[p]
	s.gather(ctx, o)
	if ctx.Err() != nil {
		return
	}
	here := &present{
		conn: s.conn, path: p, bearers: make(map[int]dbus.ObjectPath), own: make(map[int]modem.Profile), profiles: make(map[int]int),
		bare: spoken(o) == portAT, enabled: get[int32](o, ifaceModem, "State") >= stateEnabled,
		modes: modesOf(o), sim: get[dbus.ObjectPath](o, ifaceModem, "Sim"), with: preferredWith(o),
	}
	state, ok := s.read(o, here)
	if !ok {
		return // it is not known yet what it is
	}
	s.m.present.Store(here)
	s.m.enter(state)
	s.prepare(ctx, p, o)
	s.lookBack(ctx, o)
}

// choose returns the path of the modem that is wanted, "" if there is none.
func (s *session) choose() dbus.ObjectPath {
	for _, p := range slices.Sorted(maps.Keys(s.modems)) {
		if o := s.modems[p]; o[ifaceModem] != nil && fits(o, s.m.cfg.Port) {
			return p
		}
	}
	return ""
}

// fits reports whether a modem is the one that is asked for.
func fits(o object, wanted string) bool {
	if wanted == "" || wanted == get[string](o, ifaceModem, "Device") || wanted == get[string](o, ifaceModem, "EquipmentIdentifier") {
		return true
	}
	return slices.ContainsFunc(ports(o), func(name string) bool {
		ok, _ := path.Match(strings.TrimPrefix(wanted, "/dev/"), name)
		return ok
	})
}

// ports returns the names of a modem's ports: "cdc-wdm0".
func ports(o object) []string {
	var out []string
	for _, p := range get[[][]any](o, ifaceModem, "Ports") {
		if name, ok := p[0].(string); ok {
			out = append(out, name)
		}
	}
	return out
}

// portAT is a port that takes AT commands (MMModemPortType).
const portAT = 3

// spoken returns the type of the port by which ModemManager commands a modem.
func spoken(o object) uint32 {
	for _, p := range get[[][]any](o, ifaceModem, "Ports") {
		if p[0] == get[string](o, ifaceModem, "PrimaryPort") {
			kind, _ := p[1].(uint32)
			return kind
		}
	}
	return 0
}

func (s *session) noModem() error {
	has := make([]string, 0, len(s.modems))
	for _, p := range slices.Sorted(maps.Keys(s.modems)) {
		o := s.modems[p]
		has = append(has, fmt.Sprintf("%s (%s)", get[string](o, ifaceModem, "Model"), strings.Join(ports(o), ", ")))
	}
	if len(has) == 0 {
		return fmt.Errorf(`%w: it has none at all; see "mmcli -L" and its log`, ErrAbsent)
	}
	return fmt.Errorf("%w as %q: it has %s", ErrAbsent, s.m.cfg.Port, strings.Join(has, "; "))
}

// gather asks for the SIM and the bearers that have come, and forgets those that are gone.
func (s *session) gather(ctx context.Context, o object) {
	wanted := get[[]dbus.ObjectPath](o, ifaceModem, "Bearers")
	if sim := get[dbus.ObjectPath](o, ifaceModem, "Sim"); len(sim) > 1 { // "/" is none
		wanted = append(slices.Clone(wanted), sim)
	}
	maps.DeleteFunc(s.parts, func(p dbus.ObjectPath, _ object) bool { return !slices.Contains(wanted, p) })
	if s.parts == nil {
		s.parts = make(map[dbus.ObjectPath]object)
	}
	for _, p := range wanted[:min(len(wanted), maxObjects)] {
		if s.parts[p] != nil {
			continue
		}
		iface := ifaceBearer
		if p == get[dbus.ObjectPath](o, ifaceModem, "Sim") {
			iface = ifaceSIM
		}
		if values, ok := s.properties(ctx, p, iface); ok {
			s.parts[p] = object{iface: values}
		}
	}
	s.gatherProfiles(ctx)
}

// gatherProfiles asks for the profiles in the modem if a bearer goes by one.
func (s *session) gatherProfiles(ctx context.Context) {
	wanted := false
	for _, part := range s.parts {
		_, by := byProfile(part)
		wanted = wanted || by
	}
	if !wanted || s.profiles != nil && !s.m.stale.Load() {
		return
	}
	s.m.stale.Store(false)
	s.profiles = profilesOf(nil)
	var all []map[string]dbus.Variant
	if err := call(ctx, s.conn, s.path, ifaceProfiles+".List", answerTime).Store(&all); err != nil {
		if s.pause == 0 {
			s.m.cfg.Log.Warn("the APN of a connection is not known", slog.Any("error", explain("list the modem's profiles", err)))
		}
		s.pause = min(max(2*s.pause, modem.FirstPause), modem.MaxPause)
		s.relist.Reset(s.pause) // as a connection is made there may be no port to ask the modem by
		return
	}
	s.pause, s.profiles = 0, profilesOf(all)
}

// profilesOf reads profiles that ModemManager lists, by their numbers.
func profilesOf(all []map[string]dbus.Variant) map[int]modem.Profile {
	out := make(map[int]modem.Profile)
	for _, p := range all[:min(len(all), maxObjects)] {
		out[int(field[int32](p, "profile-id"))] = modem.Profile{APN: field[string](p, "apn"), Type: pdnTypes[field[uint32](p, "ip-type")]}
	}
	return out
}

// properties asks an object for all that it has.
func (s *session) properties(ctx context.Context, p dbus.ObjectPath, iface string) (map[string]dbus.Variant, bool) {
	c := call(ctx, s.conn, p, busProperties+".GetAll", answerTime, iface)
	var values map[string]dbus.Variant
	if err := c.Store(&values); err != nil {
		s.m.cfg.Log.Debug("object of ModemManager not read", slog.String("path", string(p)), slog.Any("error", err))
		return nil, false
	}
	s.since[p] = c.ResponseSequence
	return values, true
}

package bind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/heal"
	"lwm2m-agent/modem/mm"
)

// apnKeeper has a modem connect with the APN of the configuration. What the modem had before is
// kept in the state directory, so that it comes back when the configuration has none any more: by
// edit, or since a trial of it was reverted. What servers have set in the modem it tells it again, too.
type apnKeeper struct {
	modem  CellularModem
	name   string
	store  *store.Store
	wishes *Wishes // nil: none
	log    *slog.Logger
	now    func() time.Time
	news   chan struct{} // receives when the modem has come

	tried   *attempts
	servers func() int // how many are told after an attachment; nil is one

	setting sync.Mutex // held while the modem is told something

	mu      sync.Mutex
	want    string // "": what it had
	ready   bool
	starts  int
	started bool         // since wishes were told
	waits   bool         // until it is enabled
	taken   int          // states
	lost    map[int]bool // contexts to be connected anew
	state   modem.State  // while it is ready
	bearers []modem.Bearer
}

// formerProfile is what a modem had before the agent set its APN.
type formerProfile struct {
	CID  int           `json:"cid"`
	APN  string        `json:"apn"`
	Type modem.PDNType `json:"type"`
}

func (k *apnKeeper) key() string { return "apn/" + k.name }

// former returns what the modem had; nil if the agent has not set anything.
func (k *apnKeeper) former() (*formerProfile, error) {
	record, err := k.store.Bucket(store.Values).Load(k.key())
	if err != nil || record == nil {
		return nil, err
	}
	f := new(formerProfile)
	if err := json.Unmarshal(record, f); err != nil {
		return nil, fmt.Errorf("the former APN of modem %q: %w", k.name, err)
	}
	return f, nil
}

// keep saves what the modem had; nil forgets it.
func (k *apnKeeper) keep(f *formerProfile) error {
	var record []byte
	if f != nil {
		record, _ = json.Marshal(f) // numbers and a text
	}
	if err := k.store.Bucket(store.Values).Save(k.key(), record); err != nil {
		return fmt.Errorf("keep the former APN of modem %q: %w", k.name, err)
	}
	return nil
}

// take notes what the modem says.
func (k *apnKeeper) take(s *modem.State) {
	k.mu.Lock()
	came := s.Presence == modem.Ready && (!k.ready || k.waits || s.Starts != k.starts)
	k.ready, k.waits = s.Presence == modem.Ready, false
	k.taken++
	if s.Presence == modem.Missing || s.Presence == modem.Silent || k.ready && s.Starts != k.starts {
		k.started = true
	}
	if k.ready {
		k.starts, k.state, k.bearers = s.Starts, s.Clone(), slices.Clone(s.Bearers)
	}
	k.mu.Unlock()
	if came {
		k.tell()
	}
}

func (k *apnKeeper) tell() {
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// takenUp returns how many states were taken.
func (k *apnKeeper) takenUp() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.taken
}

// wait has the modem come with the next state, of which there were so many.
func (k *apnKeeper) wait(states int) {
	k.mu.Lock()
	k.waits = k.taken == states
	missed := !k.waits
	k.mu.Unlock()
	if missed {
		k.tell()
	}
}

// set says which APN is wanted, and has a modem that is there connect with it.
func (k *apnKeeper) set(ctx context.Context, apn string) error {
	k.mu.Lock()
	same := k.want == apn
	k.want = apn
	k.mu.Unlock()
	if same {
		return nil
	}
	return k.reconcile(ctx)
}

// run sets the APN of a modem that has come, until ctx ends.
func (k *apnKeeper) run(ctx context.Context) error {
	again := time.NewTimer(time.Hour)
	again.Stop()
	defer again.Stop()
	for {
		select {
		case <-k.news:
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
		if later := k.came(ctx); later > 0 {
			again.Reset(later)
		}
	}
}

// came sets the APN of a modem that has come. One that starts by itself again and again, with an APN that it forgets or the network refuses, may not ask
// the network each time (TS.34, 4.0_REQ_012): that counts among what heal tries. came returns how long it has to wait.
func (k *apnKeeper) came(ctx context.Context) time.Duration {
	servers, states, counted := 1, k.takenUp(), 0
	if k.servers != nil {
		servers = k.servers()
	}
	var later time.Duration
	may := func() bool {
		if later = k.tried.allow(heal.Reconnect, servers, k.now()); later == 0 {
			counted++
		}
		return later == 0
	}
	k.remind(ctx)
	err := k.settle(ctx, may)
	if again := k.reconnect(ctx, may); err == nil {
		err = again
	}
	switch {
	case errors.Is(err, errOften):
		k.log.Warn("the modem has come too often; the APN of the configuration waits", slog.String("modem", k.name), slog.Duration("for", later.Round(time.Second)))
		return later
	case errors.Is(err, mm.ErrNotEnabled):
		k.tried.takeBack(heal.Reconnect, counted) // nobody was asked anything
		k.wait(states)
	case errors.Is(err, mm.ErrNoBearer):
		k.tried.takeBack(heal.Reconnect, counted) // likewise
		k.log.Info("the modem has the APN of the configuration, for the next connection", slog.String("modem", k.name))
	case err != nil && ctx.Err() == nil:
		k.log.Error("the modem does not connect with the APN of the configuration", slog.String("modem", k.name), slog.Any("error", err))
	}
	return 0
}

// remind tells the modem what servers have set in it and it does not do.
func (k *apnKeeper) remind(ctx context.Context) {
	k.setting.Lock()
	defer k.setting.Unlock()
	k.mu.Lock()
	state, ready, started, other := k.state, k.ready, k.started, configuredAPN{apn: k.want}
	k.mu.Unlock()
	if !ready {
		return // when it comes
	}
	if k.keepsAPN() {
		other.cid = k.target()
	}
	lost, err := k.wishes.tell(ctx, k.modem, &state, started, other)
	if err != nil && ctx.Err() == nil {
		k.log.Error("the modem is not what servers have made it", slog.String("modem", k.name), slog.Any("error", err))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.started = started && err != nil || k.starts != state.Starts
	for _, cid := range lost {
		if k.lost == nil {
			k.lost = make(map[int]bool)
		}
		k.lost[cid] = true
	}
}

// keepsAPN reports whether the APN of a context is that of the configuration, or about to be what it was before.
func (k *apnKeeper) keepsAPN() bool {
	former, err := k.former()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.want != "" || former != nil || err != nil
}

// reconnect connects anew what was not what servers have made it, unless connect has.
func (k *apnKeeper) reconnect(ctx context.Context, may func() bool) error {
	k.setting.Lock()
	defer k.setting.Unlock()
	k.mu.Lock()
	first := carrying(k.bearers).CID
	var lost []int
	for _, b := range k.bearers { // one that is down and does not carry is not wanted now
		if k.lost[b.CID] && (b.Active || b.CID == first) {
			lost = append(lost, b.CID)
		}
	}
	k.mu.Unlock()
	if len(lost) == 0 {
		return nil
	}
	if !may() {
		return errOften
	}
	var problems []error
	for _, cid := range lost {
		if err := k.modem.Reconnect(ctx, cid); err != nil {
			problems = append(problems, fmt.Errorf("connect with what a server has set: %w", err))
			continue
		}
		k.connected(cid)
	}
	return errors.Join(problems...)
}

// connected notes that a context is what it is wanted to be.
func (k *apnKeeper) connected(cid int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.lost, cid)
}

// errOften says that the modem was connected as often as it may be.
var errOften = errors.New("the modem was connected as often as networks bear")

// operators are the APNs of connections that are the operator's own: for calls, and for its device management, by which a client in the
// module is reached (Verizon's classes 1 and 2).
var operators = []string{"ims", "sos", "vzwims", "vzwadmin"}

func operatorsOwn(b modem.Bearer) bool {
	return slices.ContainsFunc(operators, func(apn string) bool { return modem.SameAPN(apn, b.APN) })
}

// carrying is the connection whose APN is set: the one that is up, or else the first; an operator's own only if there is no other.
func carrying(bearers []modem.Bearer) modem.Bearer {
	bearers = ours(bearers)
	if i := slices.IndexFunc(bearers, func(b modem.Bearer) bool { return b.Active }); i >= 0 {
		return bearers[i]
	}
	if len(bearers) > 0 {
		return bearers[0]
	}
	return modem.Bearer{CID: 1, Type: modem.IPv4v6}
}

// ours are the connections that can carry what the agent and other programs send: those that are not the operator's own, or all if there is no other.
func ours(bearers []modem.Bearer) []modem.Bearer {
	out := slices.DeleteFunc(slices.Clone(bearers), operatorsOwn)
	if len(out) == 0 {
		return bearers
	}
	return out
}

// reconcile sets the modem's APN if it is not the one that is wanted.
func (k *apnKeeper) reconcile(ctx context.Context) error {
	return k.settle(ctx, func() bool { return true }) // somebody wants it now
}

// settle is reconcile as far as it may have the connection made anew.
func (k *apnKeeper) settle(ctx context.Context, may func() bool) error {
	k.setting.Lock()
	defer k.setting.Unlock()
	configures := k.wishes.configureCount()
	k.mu.Lock()
	want, ready, bearers, states := k.want, k.ready, k.bearers, k.taken
	k.mu.Unlock()
	if !ready {
		return nil // when it comes
	}
	former, err := k.former()
	if err != nil || want == "" && former == nil {
		return err
	}
	now, known := k.present(ctx, former, bearers)
	if !known {
		k.wait(states)
		return nil
	}
	next := formerProfile{now.CID, want, now.Type}
	switch {
	case want == "":
		next = *former
	case former == nil && modem.SameAPN(now.APN, want):
		return nil
	case former == nil:
		if err := k.keep(&formerProfile{now.CID, now.APN, now.Type}); err != nil {
			return err
		}
	}
	if !modem.SameAPN(next.APN, now.APN) && !may() {
		return errOften
	}
	if err := k.connect(ctx, &next, now.APN); err != nil {
		return err
	}
	if want != "" {
		return nil
	}
	return errors.Join(k.wishes.unconfigure(ctx, next.CID, configures), k.keep(nil))
}

// present returns the connection whose APN is set, as it is; false if that is not known: what nobody has read cannot be brought back.
func (k *apnKeeper) present(ctx context.Context, former *formerProfile, bearers []modem.Bearer) (modem.Bearer, bool) {
	now := carrying(bearers)
	if former != nil {
		if i := slices.IndexFunc(bearers, func(b modem.Bearer) bool { return b.CID == former.CID }); i >= 0 {
			now = bearers[i]
		} else if len(bearers) == 0 {
			now.CID, now.Type = former.CID, former.Type
		}
	}
	if former != nil || len(bearers) > 0 {
		return now, true
	}
	p, err := k.modem.Profile(ctx, now.CID)
	if err != nil {
		k.log.Debug("the APN of the configuration waits for a connection", slog.String("modem", k.name), slog.Any("error", err))
		return now, false
	}
	now.APN, now.Type = p.APN, p.Type
	return now, !operatorsOwn(now)
}

// connect defines a profile and has the connection made anew with it, unless it is what is there.
func (k *apnKeeper) connect(ctx context.Context, p *formerProfile, now string) error {
	if modem.SameAPN(p.APN, now) {
		return nil
	}
	if err := k.modem.SetProfile(ctx, p.CID, k.wishes.withAPN(p.CID, p.APN, p.Type)); err != nil {
		return fmt.Errorf("set the APN %q: %w", p.APN, err)
	}
	k.mu.Lock()
	for i := range k.bearers {
		if k.bearers[i].CID == p.CID {
			k.bearers[i].APN = p.APN // until the modem says so itself
		}
	}
	k.mu.Unlock()
	if err := k.modem.Reconnect(ctx, p.CID); err != nil {
		return fmt.Errorf("connect with the APN %q: %w", p.APN, err)
	}
	k.connected(p.CID)
	k.log.Info("connected with another APN", slog.String("modem", k.name), slog.Int("context", p.CID))
	return nil
}

// target is the number of the context whose APN is kept.
func (k *apnKeeper) target() int {
	if former, err := k.former(); err == nil && former != nil {
		return former.CID
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return carrying(k.bearers).CID
}

// Keeps reports whether the APN of a modem's context is that of the configuration.
func (m *Modems) Keeps(name string, cid int) bool {
	m.mu.Lock()
	keeper := m.states[m.index(name)].apn // it is there, says the configuration
	m.mu.Unlock()
	return keeper.target() == cid
}

// SetAPNs has each modem connect with the APN that the configuration has for it. A modem that is not
// there does so when it comes.
func (m *Modems) SetAPNs(ctx context.Context, apns map[string]string) error {
	m.mu.Lock()
	states := slices.Clone(m.states)
	m.mu.Unlock()
	var problems []error
	for i := range states {
		if err := states[i].apn.set(ctx, apns[states[i].name]); err != nil {
			problems = append(problems, fmt.Errorf("modem %q: %w", states[i].name, err))
		}
	}
	return errors.Join(problems...)
}

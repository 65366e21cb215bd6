package bind

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem"
)

// Wishes are what servers have had a modem do that it may forget: modules differ in what they keep over a restart. They are in the
// state directory, and told to the modem again when it has started without. What the SIM keeps is not among them.
type Wishes struct {
	name  string       // of the modem
	store *store.Store // nil: nothing is kept
	log   *slog.Logger
	turn  chan struct{} // held by who tells the modem something of it

	mu         sync.Mutex
	now        wished
	configures int // how often configure was called
}

func newWishes(name string, kept *store.Store, log *slog.Logger) *Wishes {
	w := &Wishes{name: name, store: kept, log: log, turn: make(chan struct{}, 1)}
	w.load()
	return w
}

// wished is the record of Wishes; nil is what no server has asked for.
type wished struct {
	PSM      *modem.PSM           `json:"psm,omitempty"`
	EDRX     []modem.EDRX         `json:"edrx,omitempty"` // Mode, On and Cycle
	Order    *[]modem.Technology  `json:"order,omitempty"`
	Profiles map[int]wishedBearer `json:"profiles,omitempty"` // by the number of the context
	// Configured is what contexts are to be instead while they have these APNs: one that a server wrote, which is in the configuration
	// since, and the one before, which returns if the trial fails.
	Configured map[int][]wishedBearer  `json:"configured,omitempty"`
	Unproved   map[int]unprovedProfile `json:"unproved,omitempty"`
}

type wishedBearer struct {
	APN   string        `json:"apn"`
	Type  modem.PDNType `json:"type"`
	Login *wishedLogin  `json:"login,omitempty"` // nil: what the modem has
}

// wishedLogin is a modem.Login as it lies in the state directory, which has the keys of servers too.
type wishedLogin struct {
	Authentication modem.Authentication `json:"authentication"`
	User           string               `json:"user"`
	Password       string               `json:"password"`
}

// login returns who it is for as a modem takes it; nil if no server has said so.
func (b *wishedBearer) login() *modem.Login {
	if b == nil || b.Login == nil {
		return nil
	}
	return &modem.Login{Authentication: b.Login.Authentication, User: b.Login.User, Password: modem.Secret(b.Login.Password)}
}

func (w *Wishes) key() string { return "modem-wishes/" + w.name }

// load reads what was wished before the start.
func (w *Wishes) load() {
	if w.store == nil {
		return
	}
	record, err := w.store.Bucket(store.Values).Load(w.key())
	if err == nil && record != nil {
		err = json.Unmarshal(record, &w.now)
	}
	if err != nil {
		w.log.Warn("what servers have set in the modem is not known", slog.String("modem", w.name), slog.Any("error", err))
	}
}

// set does what a server wants, and keeps it if the modem has taken it.
func (w *Wishes) set(ctx context.Context, do func() error, note func(*wished)) error {
	if w == nil {
		return do()
	}
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return fmt.Errorf("the modem is told something else: %w", ctx.Err())
	}
	if err := do(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	note(&w.now)
	if w.store == nil {
		return nil
	}
	record, _ := json.Marshal(w.now) // numbers and texts
	if err := w.store.Bucket(store.Values).Save(w.key(), record); err != nil {
		w.log.Error("what a server has set in the modem is not kept", slog.String("modem", w.name), slog.Any("error", err))
	}
	return nil
}

// setEDRX enters the cycle of a kind of cell, and for all of them whether it is on: the last <mode> counts for each (3GPP TS 27.007, clause 7.40).
func (w *wished) setEDRX(e modem.EDRX) {
	w.EDRX = append(slices.DeleteFunc(w.EDRX, func(old modem.EDRX) bool { return old.Mode == e.Mode }), e)
	for i := range w.EDRX {
		w.EDRX[i].On = e.On
	}
}

// configured returns the place in Configured of what a context with an APN is to be, -1 if it is not there.
func (w *wished) configured(cid int, apn string) int {
	return slices.IndexFunc(w.Configured[cid], func(b wishedBearer) bool { return modem.SameAPN(b.APN, apn) })
}

// bearer returns what a context with an APN is to be, nil if no server has said so.
func (w *wished) bearer(cid int, apn string) *wishedBearer {
	if i := w.configured(cid, apn); i >= 0 {
		return new(w.Configured[cid][i])
	}
	if b, ok := w.Profiles[cid]; ok {
		return &b
	}
	return nil
}

// enter enters what a context with an APN is to be; nil takes it away.
func (w *wished) enter(cid int, apn string, b *wishedBearer) {
	i := w.configured(cid, apn)
	switch {
	case i >= 0 && b == nil:
		w.Configured[cid] = slices.Delete(w.Configured[cid], i, i+1)
	case i >= 0:
		w.Configured[cid][i] = *b
	case b == nil:
		delete(w.Profiles, cid)
	default:
		if w.Profiles == nil {
			w.Profiles = make(map[int]wishedBearer)
		}
		w.Profiles[cid] = *b
	}
}

// setProfile enters what a context is to be.
func (w *wished) setProfile(cid int, p modem.Profile) {
	w.enter(cid, p.APN, w.with(cid, p.APN, p))
}

// with returns a profile as it is entered; without a login it has the one that is known of the context with an APN.
func (w *wished) with(cid int, apn string, p modem.Profile) *wishedBearer {
	b := wishedBearer{APN: p.APN, Type: p.Type}
	if p.Login != nil {
		b.Login = &wishedLogin{p.Login.Authentication, p.Login.User, string(p.Login.Password)}
	} else if known := w.bearer(cid, apn); known != nil {
		b.Login = known.Login
	}
	return &b
}

// profile returns what a context with an APN is to be, nil if no server has said so.
func (w *Wishes) profile(cid int, apn string) *wishedBearer {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now.bearer(cid, apn)
}

// configure enters, on disk, what a context is to be from when on it has the APN of a profile, which the configuration is about to get, and what it
// is to be if it gets the one back that it has. undo takes that back.
func (w *Wishes) configure(ctx context.Context, cid int, old *modem.Bearer, p modem.Profile) (undo func(context.Context) error, err error) {
	var before []wishedBearer
	err = w.note(ctx, func(now *wished) {
		w.configures++
		before = now.Configured[cid]
		now.configure(cid, *now.with(cid, old.APN, modem.Profile{APN: old.APN, Type: old.Type}), *now.with(cid, old.APN, p))
	})
	return func(ctx context.Context) error {
		return w.note(ctx, func(now *wished) { now.configure(cid, before...) })
	}, err
}

// unconfigure takes away what was configured for a context, if there is anything: its APN is not the configuration's any more. What configure has
// entered since it was called so often is of the next trial, and stays.
func (w *Wishes) unconfigure(ctx context.Context, cid, configures int) error {
	if w == nil || len(w.present().Configured[cid]) == 0 {
		return nil
	}
	return w.note(ctx, func(now *wished) {
		if w.configures == configures {
			now.configure(cid)
		}
	})
}

// configureCount returns how often configure was called.
func (w *Wishes) configureCount() int {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.configures
}

// note is set of what the modem is told later.
func (w *Wishes) note(ctx context.Context, what func(*wished)) error {
	return w.set(ctx, func() error { return nil }, what)
}

func (w *wished) configure(cid int, list ...wishedBearer) {
	if w.Configured == nil {
		w.Configured = make(map[int][]wishedBearer)
	}
	if w.Configured[cid] = list; len(list) == 0 {
		delete(w.Configured, cid)
	}
}

// withAPN returns the profile with which a context gets an APN. A login goes with its APN: the network may refuse it with another.
func (w *Wishes) withAPN(cid int, apn string, t modem.PDNType) modem.Profile {
	p := modem.Profile{APN: apn, Type: t}
	if w == nil {
		return p
	}
	now := w.present()
	other := slices.ContainsFunc(now.Configured[cid], func(b wishedBearer) bool { return b.Login != nil }) // than what the modem is to have
	wish := now.bearer(cid, apn)
	if now.configured(cid, apn) >= 0 {
		p.Type = wish.Type
	}
	if other {
		p.Login = cmp.Or(wish.login(), noLogin())
	}
	return p
}

// noLogin is that nobody is asked who a bearer is for.
func noLogin() *modem.Login { return &modem.Login{Authentication: modem.AuthenticationNone} }

// present returns a copy.
func (w *Wishes) present() wished {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now
	now.EDRX, now.Profiles, now.Configured = slices.Clone(now.EDRX), maps.Clone(now.Profiles), maps.Clone(now.Configured)
	for cid, list := range now.Configured {
		now.Configured[cid] = slices.Clone(list)
	}
	return now
}

// configuredAPN is the context whose APN is the configuration's affair, and what it is to be; context 0: of none.
type configuredAPN struct {
	cid int
	apn string // "": what it had before
}

// tell tells a modem what it does not do of what is wished. The APN of one context may be somebody else's affair. After a start
// logins are told too, which nobody can ask for. It returns the contexts that have to be connected anew to be what is wished.
func (w *Wishes) tell(ctx context.Context, m CellularModem, s *modem.State, started bool, other configuredAPN) (anew []int, err error) {
	if w == nil {
		return nil, nil
	}
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := w.present()
	var problems []error
	add := func(what string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s that a server has set: %w", what, err))
		}
	}
	if p := now.PSM; p != nil && s.Sleep.HasPSM && (p.On != s.Sleep.PSM.On || p.On && *p != s.Sleep.PSM) {
		add("the power saving mode", m.SetPSM(ctx, *p))
	}
	for _, e := range now.EDRX {
		i := slices.IndexFunc(s.Sleep.EDRX, func(has modem.EDRX) bool { return has.Mode == e.Mode && has.On })
		if s.Sleep.HasEDRX && (e.On != (i >= 0) || e.On && s.Sleep.EDRX[i].Cycle != e.Cycle) {
			add("the cycle of eDRX", m.SetEDRX(ctx, e))
		}
	}
	if o := now.Order; o != nil && len(s.Selection.Choices) > 0 && !slices.Equal(begins(s.Selection.Order, len(*o)), *o) {
		add("the order of technologies", m.SetOrder(ctx, *o))
	}
	if s.Starts == 0 { // ModemManager shows bearers, not what the modem has of profiles, which it keeps
		now.Profiles, now.Configured = nil, nil
	}
	for _, cid := range now.contexts() {
		b := modem.Bearer{CID: cid} // one that the modem has forgotten
		if i := slices.IndexFunc(s.Bearers, func(b modem.Bearer) bool { return b.CID == cid }); i >= 0 {
			b = s.Bearers[i]
		}
		if cid == other.cid && now.configured(cid, b.APN) >= 0 && !modem.SameAPN(b.APN, other.apn) {
			continue // its APN is about to go
		}
		connect, err := now.tellBearer(ctx, m, &b, started, cid == other.cid)
		add("the profile", err)
		if connect && err == nil {
			anew = append(anew, cid)
		}
	}
	return anew, errors.Join(problems...)
}

// contexts are the numbers of those of which something is wished.
func (w *wished) contexts() []int {
	numbers := slices.AppendSeq(slices.Collect(maps.Keys(w.Profiles)), maps.Keys(w.Configured))
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// begins returns the first of an order; none is none, whatever the modem then goes by.
func begins(order []modem.Technology, n int) []modem.Technology {
	if n == 0 {
		return order
	}
	return order[:min(n, len(order))]
}

// tellBearer tells a modem what a context is to be, and reports whether the connection is not that.
func (w *wished) tellBearer(ctx context.Context, m CellularModem, b *modem.Bearer, started, otherAPN bool) (connect bool, err error) {
	wish := w.bearer(b.CID, b.APN)
	if wish == nil {
		return false, nil
	}
	p := modem.Profile{APN: wish.APN, Type: wish.Type}
	if otherAPN {
		p.APN = b.APN
	}
	if started {
		p.Login = wish.login()
	}
	other := !modem.SameAPN(p.APN, b.APN) || p.Type != b.Type
	if !other && p.Login == nil {
		return false, nil
	}
	return other || !b.Active, m.SetProfile(ctx, b.CID, p)
}

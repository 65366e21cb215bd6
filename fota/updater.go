package fota

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what an Updater works with. Key, Backend, Journal, Dir and Reboot are
// required.
type Config struct {
	Key      string // of the component's record in the journal
	Backend  Backend
	Journal  Journal
	Dir      string             // a folder of its own for the package
	Fetchers map[string]Fetcher // by URI scheme
	// Mirrors returns where else than at a URI the same package is to be had, in order; nil: nowhere.
	Mirrors func(uri *url.URL) []*url.URL

	BootID string // differs with each boot; "" counts as another one each time
	// Reboot returns when the reboot is certain to come. Its error says what was attempted: it
	// is the reason that servers read.
	Reboot func(ctx context.Context) error
	// FallBack is Reboot for a new system that does not reach the boot environment, so that the boot loader goes
	// back: it asks the back end nothing. nil: Reboot.
	FallBack func(ctx context.Context) error
	// Check looks at the machine itself at the end of the trial; nil: only the
	// servers count.
	Check func(ctx context.Context) error
	// Lenient says that Check speaks for a system that no server answers.
	Lenient bool

	MaxSize  int64         // bytes of a package; 256 MiB
	Patience time.Duration // of a download, without a byte; 24 h
	Confirm  time.Duration // of the health gate, see Contact; 10 min
	Limit    time.Duration // of the trial where no server answers at all, if Lenient; 24 h
	Consent  bool          // the local user is asked, if the server lets them defer

	Budget  Budget                  // of downloads
	Metered func(uri *url.URL) bool // what a URI costs counts now; nil: everything does
	// Clock is what the budget's calendar and a defer period go by; nil: Now. Going back by a day, or month, renews nothing.
	Clock func() time.Time
	// Elapsed is the time since some moment before New; what the machine sleeps (suspend) counts. nil: sleep does not count.
	Elapsed func() time.Duration

	Rate          int64 // of a download, in bytes a second; 0: as fast as it comes
	DownloadHours Hours // in which packages are downloaded
	RebootHours   Hours // in which the machine is rebooted into a new system that a server wants

	// Inhibit keeps the machine from being shut down by others until release is called,
	// as far as it can; nil: it is not. why is for people.
	Inhibit func(ctx context.Context, why string) (release func())

	OnChange func(Status) // told each change, when it is on disk; must not block
	Now      func() time.Time
	Log      *slog.Logger
}

func (c *Config) withDefaults() {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.Confirm, 10*time.Minute)
	set(&c.Limit, 24*time.Hour)
	set(&c.Patience, 24*time.Hour)
	if c.MaxSize == 0 {
		c.MaxSize = 256 << 20
	}
	if c.FallBack == nil {
		c.FallBack = c.Reboot
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Clock == nil {
		c.Clock = c.Now
	}
	if c.Elapsed == nil {
		began := time.Now()
		c.Elapsed = func() time.Duration { return time.Since(began) }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Mirrors == nil {
		c.Mirrors = func(*url.URL) []*url.URL { return nil }
	}
	if c.Inhibit == nil {
		c.Inhibit = func(context.Context, string) func() { return func() {} }
	}
	if c.OnChange == nil {
		c.OnChange = func(Status) {}
	}
}

// Status is what is known about a component's update at one moment.
type Status struct {
	Phase  Phase
	Result Result
	Reason string    // why the last update failed
	Since  time.Time // of Phase.State
	Serial uint64    // counts updates

	Policy  Policy
	Package Package   // that was verified last
	URI     string    // that a server wants it fetched from
	Source  string    // the mirror that what is on disk came from; "": the URI
	OnDisk  int64     // bytes of the package that have come
	Size    int64     // of the package; 0: unknown
	Until   time.Time // end of the defer period, by Config.Clock
	Wait    Wait
	Budget  Budget
	Spent   int64     // of the budget
	Renewed time.Time // when the budget's next period begins
	Old     string    // slots of the update
	New     string
}

// Updater updates one component. Its methods may be called from any goroutine;
// those with a context wait until the journal has what they did.
type Updater struct {
	cfg   Config
	area  area
	inbox chan happening
	look  chan struct{} // receives when there is a Contact, or time has leapt
	ended chan struct{}
	have  atomic.Int64 // bytes of the package that have come
	// inspected is the look at the package that comes, or has come.
	inspected atomic.Pointer[inspection]

	mu    sync.Mutex
	rec   record // written by Run's goroutine only
	said  Contact
	waits Wait
	cost  Spending // also of what is not on record yet

	// of Run's goroutine
	job       *job
	alarm     *time.Timer
	then      func(context.Context)
	marking   *time.Timer // when the running slot is to be marked again
	markPause time.Duration
	trial     trial
	deferral  deferral
	blind     time.Time // since when the slots cannot be read
	newRuns   bool      // the new system of an update runs, and there is an old one
}

// happening is an event with what belongs to it.
type happening struct {
	event   event
	reply   chan error // nil: nobody waits
	job     *job       // whose outcome it is; nil: a command
	failure *Failure   // broke, refused, failed, rejected
	policy  *Policy    // in place of an event: what servers want from now on
	shown   bool       // in place of an event: the status has changed, and the record has not

	uri       string
	now       bool    // received: to be installed at once
	serial    uint64  // received, broke: of the push
	onDisk    int64   // progressed
	validator string  // likewise
	source    string  // likewise: the mirror's URI
	size      int64   // of the package; 0: unknown
	found     Package // verified
	image     Image   // installed
	reception *Reception
}

// New returns an Updater that stands where the journal says and does nothing
// before Run. A record that cannot be understood is an update that has failed.
func New(c Config) *Updater {
	c.withDefaults()
	u := &Updater{
		cfg: c, area: folder(c.Dir), inbox: make(chan happening), look: make(chan struct{}, 1), ended: make(chan struct{}),
		alarm: time.NewTimer(time.Hour), marking: time.NewTimer(time.Hour),
	}
	u.alarm.Stop()
	u.marking.Stop()
	u.rec = firstRecord(c.Now())
	b, err := c.Journal.Load(c.Key)
	if err == nil && b != nil {
		var r record
		if r, err = decodeRecord(b); err == nil {
			u.rec = r
		}
	}
	if err != nil {
		c.Log.Error("the firmware journal is not understood: the update that it was about is given up", slog.Any("error", err))
		u.rec.Result, u.rec.Reason = UpdateFailed, err.Error()
	}
	u.have.Store(u.rec.OnDisk)
	u.cost = u.rec.Cost
	return u
}

// Status returns where the update stands.
func (u *Updater) Status() Status {
	u.mu.Lock()
	r, waits, cost := u.rec, u.waits, u.cost
	u.mu.Unlock()
	s := r.status()
	s.Wait = waits
	if s.Budget = u.cfg.Budget; s.Budget.Bytes > 0 {
		var period string
		if period, s.Renewed = s.Budget.current(u.cfg.Clock(), cost.Period); period == cost.Period {
			s.Spent = cost.Bytes
		}
	}
	if s.Phase == Receiving || s.Phase == Fetching {
		s.OnDisk = u.have.Load()
	}
	return s
}

func (r *record) status() Status {
	result, reason := r.Result, r.Reason
	if r.Phase != Resting && r.Phase != Deferred { // it is known and not final, such as on the way back to the old slot
		result, reason = Initial, ""
	}
	return Status{
		Phase: r.Phase, Result: result, Reason: reason, Since: r.Since, Serial: r.Serial, Policy: r.Policy, Package: r.Package,
		URI: r.URI, Source: r.Source, OnDisk: r.OnDisk, Size: r.Size, Until: r.Until, Old: r.Old, New: r.New,
	}
}

// Run carries out updates until ctx ends. It is called once. The error is nil: it
// is there so that Run is a task.
func (u *Updater) Run(ctx context.Context) error {
	defer close(u.ended)
	defer func() { u.inspected.Swap(nil).stop() }()
	defer func() { _ = u.save(u.rec) }() // what a download has cost; a failure is told by others
	defer u.halt()
	defer u.alarm.Stop()
	defer u.marking.Stop()
	u.begin(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case h := <-u.inbox:
			u.take(ctx, h)
		case <-u.look:
			if u.rec.Phase == Trial && u.trial.open {
				u.judge(ctx)
			}
			if u.rec.Phase == Deferred && u.deferral.known {
				u.awaitConsent()
			}
		case <-u.alarm.C:
			u.then(ctx)
		case <-u.marking.C:
			u.markLater(ctx)
		}
	}
}

// take handles what came and answers who waits.
func (u *Updater) take(ctx context.Context, h happening) {
	if h.job != nil && h.job != u.job || h.event == nothing {
		return // of work that is not wanted any more, or that changes nothing
	}
	if h.shown {
		u.cfg.OnChange(u.Status())
		return
	}
	var err error
	if h.policy != nil {
		r := u.rec
		r.Policy = *h.policy
		err = u.save(r)
	} else {
		err = u.handle(ctx, h)
	}
	waited := h.reply != nil
	if waited {
		h.reply <- err
		h.reply = nil
	}
	if err != nil && (!waited || h.event == broke) { // nobody else says again that the package will not come
		u.again(ctx, h, err)
	}
}

// pause is the time until something that failed is tried again.
const pause = 10 * time.Second

// again handles an event later that could not be recorded. One that cannot be
// ends the update, and one that is out of place stays so.
func (u *Updater) again(ctx context.Context, h happening, err error) {
	if errors.Is(err, ErrNotNow) {
		return
	}
	if f, ok := errors.AsType[*Failure](err); ok && h.event != refused {
		u.take(ctx, happening{event: refused, failure: f})
		return
	}
	u.cfg.Log.Error("a step of the firmware update was not recorded; it is tried again", slog.String("event", h.event.String()), slog.Any("error", err))
	u.wait(pause, func(ctx context.Context) { u.take(ctx, h) })
}

// wait has f called after d. There is one such call at a time.
func (u *Updater) wait(d time.Duration, f func(context.Context)) {
	u.alarm.Reset(d)
	u.then = f
}

// handle carries out what the table says about an event. When it returns an error,
// nothing has changed on record.
func (u *Updater) handle(ctx context.Context, h happening) error {
	r := u.rec
	if h.serial != 0 && h.serial != r.Serial {
		return ErrNotNow
	}
	if (h.event == broke || h.event == refused) && u.elsewhere(&r, h.failure) {
		h.event = spoilt
		u.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the firmware package is bad; it is fetched anew from elsewhere", slog.String("uri", redacted(r.from())), slog.String("reason", h.failure.Reason))
	}
	to, do, ok := next(r.Phase, h.event)
	if !ok {
		return ErrNotNow
	}
	if h.event == vouched && r.Phase == Trial && !u.trial.open {
		return Failf(UpdateFailed, "it is not known yet which system runs: the slots have not been read")
	}
	if to != r.Phase {
		r.Starts, r.Boot = 0, u.cfg.BootID
	}
	if to.State() != r.Phase.State() {
		r.Since = u.cfg.Now()
	}
	r.Phase = to
	for _, a := range do {
		if err := u.enter(ctx, &r, a, &h); err != nil {
			return err
		}
	}
	from, before := u.rec.Phase, u.rec.Result
	if err := u.save(r); err != nil {
		return err
	}
	if from != to || before != r.Result {
		u.tell(ctx, from, &h)
	}
	if from != to {
		u.halt()
		u.alarm.Stop()
	}
	for _, a := range do {
		if err := u.perform(ctx, a, &h); err != nil {
			if _, _, ends := next(to, broke); !ends {
				return err
			}
			u.take(ctx, happening{event: broke, serial: u.rec.Serial, failure: failureOf(err, UpdateFailed)})
			return nil
		}
	}
	return nil
}

// save replaces the record and tells of it, if it is another one.
func (u *Updater) save(r record) error {
	u.mu.Lock()
	r.Cost = u.cost
	u.mu.Unlock()
	if reflect.DeepEqual(r, u.rec) {
		return nil
	}
	b, err := r.encode()
	if err == nil {
		err = u.cfg.Journal.Save(u.cfg.Key, b)
	}
	if err != nil {
		return err
	}
	u.mu.Lock()
	if r.Phase != u.rec.Phase {
		u.waits = Wait{}
	}
	u.rec = r
	u.mu.Unlock()
	u.cfg.OnChange(u.Status())
	return nil
}

// tell logs a step.
func (u *Updater) tell(ctx context.Context, from Phase, h *happening) {
	level, r := slog.LevelInfo, &u.rec
	attrs := []slog.Attr{slog.String("from", from.String()), slog.String("to", r.Phase.String()), slog.String("why", h.event.String())}
	if r.Package.Version != "" {
		attrs = append(attrs, slog.String("package", r.Package.Name), slog.String("version", r.Package.Version))
	}
	if r.Phase == Resting || r.Phase == Reverting {
		attrs = append(attrs, slog.Int("result", int(r.Result)), slog.String("outcome", r.Result.String()))
		if r.Reason != "" {
			level = slog.LevelWarn
			attrs = append(attrs, slog.String("reason", r.Reason))
		}
	}
	u.cfg.Log.LogAttrs(ctx, level, "firmware update", attrs...)
}

// enter enters a recorded action in the record.
func (u *Updater) enter(ctx context.Context, r *record, a action, h *happening) error {
	switch a { //nolint:exhaustive // the others are done later
	case begin:
		*r = record{Layout: layout, Phase: r.Phase, Since: r.Since, Serial: r.Serial + 1, Policy: r.Policy, Boot: r.Boot, URI: h.uri, Size: h.size}
	case clean:
		*r = record{Layout: layout, Phase: r.Phase, Since: r.Since, Serial: r.Serial, Policy: r.Policy, Boot: r.Boot}
	case fail:
		r.Result, r.Reason = h.failure.Result, h.failure.Reason
	case succeed:
		r.Result, r.Reason = Success, ""
	case cancelled:
		r.Result, r.Reason, r.URI = Cancelled, "", ""
	case postpone:
		r.Result = Deferral
		d := r.Policy.deferPeriod()
		r.Until, u.deferral = u.cfg.Clock().Add(d), deferral{known: true, over: u.cfg.Elapsed() + d}
	case note:
		r.OnDisk, r.Now = u.have.Load(), r.Now || h.now
		if h.event == progressed {
			r.OnDisk, r.Validator, r.Size, r.Source = h.onDisk, h.validator, h.size, h.source
		}
	case avoid:
		r.Spoilt = r.without()
		r.OnDisk, r.Validator, r.Size, r.Source = 0, "", 0, ""
	case keep:
		r.Package = h.found
	case target:
		r.Result, r.Reason = Initial, ""
		return u.target(ctx, r, h)
	case turn:
		r.Old, r.New, r.Summoned = r.New, r.Old, false
	case summon:
		r.Summoned = !r.updates() // who goes back from an update needs no journal for that
	case image:
		r.Image = h.image
	case count:
		r.Starts++
	}
	return nil
}

// target enters the slots: the one that runs, and one that does not. The local
// user who wants the other slot wants to leave the one that runs.
func (u *Updater) target(ctx context.Context, r *record, h *happening) error {
	slots, err := u.cfg.Backend.Slots(ctx)
	if err != nil {
		return err
	}
	other, ok := slots.other()
	if !ok {
		return Failf(UpdateFailed, "there is no slot beside %q", slots.Booted)
	}
	r.Old, r.New, r.Image = slots.Booted, other, Image{}
	u.newRuns = false
	if h.event == handBack {
		if slots.Single {
			return Failf(UpdateFailed, "there is one slot: no system to go back to")
		}
		if s, _ := slots.slot(other); s.Empty {
			return Failf(UpdateFailed, "slot %q holds no whole system to go back to", other)
		}
		r.Old, r.New = other, slots.Booted
	}
	return nil
}

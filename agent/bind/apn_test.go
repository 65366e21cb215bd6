package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/mm"
)

// profiles is a modem that notes what it is told of connections.
type profiles struct {
	CellularModem
	told   []string
	before func()
	off    error // instead of a profile that is set
	fail   error
	now    modem.Profile // of context 1
	unread error         // instead of it
}

func (p *profiles) Profile(_ context.Context, cid int) (modem.Profile, error) {
	if cid != 1 {
		return modem.Profile{}, fmt.Errorf("asked for context %d", cid)
	}
	return p.now, p.unread
}

func (p *profiles) SetProfile(_ context.Context, cid int, to modem.Profile) error {
	p.before()
	if p.off != nil {
		return p.off
	}
	p.told = append(p.told, fmt.Sprintf("set %d %s", cid, to.APN))
	return nil
}

func (p *profiles) Reconnect(_ context.Context, cid int) error {
	p.told = append(p.told, fmt.Sprintf("connect %d", cid))
	return p.fail
}

// TestAPNKeeper: a modem gets the APN of the configuration when it is there, and what it had before when the
// configuration has none any more, also after a restart; what it had is on disk before it is changed.
func TestAPNKeeper(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	sim := &profiles{}
	k := &apnKeeper{modem: sim, name: "wwan", store: st, log: slog.New(slog.DiscardHandler), news: make(chan struct{}, 1)}
	sim.before = func() {
		if f, err := k.former(); err != nil || f == nil || f.APN != "own" || f.CID != 2 {
			t.Errorf("set before the former one is on disk: %+v, %v", f, err)
		}
	}
	state := modem.State{Presence: modem.Ready, Bearers: []modem.Bearer{{CID: 1, APN: "ims"}, {CID: 2, APN: "own", Active: true}}}
	expect := func(what string, told ...string) {
		t.Helper()
		if !slices.Equal(sim.told, told) {
			t.Errorf("%s: the modem was told %q, want %q", what, sim.told, told)
		}
		sim.told = nil
	}
	set := func(apn string) {
		t.Helper()
		if err := k.set(t.Context(), apn); err != nil {
			t.Error(err)
		}
	}
	set("new")
	expect("while it is missing")
	k.take(&state)
	<-k.news
	if err := k.reconcile(t.Context()); err != nil {
		t.Error(err)
	}
	expect("when it comes", "set 2 new", "connect 2")
	set("newer")
	expect("another one", "set 2 newer", "connect 2")
	set("newer")
	expect("the same")
	for _, shown := range []string{"newer.mnc001.mcc262.gprs", "NEWER"} { // after sleep, as modules show it
		state.Presence = modem.Asleep
		k.take(&state)
		state.Presence, state.Bearers[1].APN = modem.Ready, shown
		k.take(&state)
		<-k.news
		if err := k.reconcile(t.Context()); err != nil {
			t.Error(err)
		}
		expect("the same as " + shown)
	}
	sim.fail = errors.New("refused")
	if err := k.set(t.Context(), "bad"); !errors.Is(err, sim.fail) {
		t.Errorf("refused: %v", err)
	}
	expect("refused", "set 2 bad", "connect 2")
	sim.fail = nil

	again := &apnKeeper{modem: sim, name: "wwan", store: st, log: k.log, news: k.news} // a start without it
	state.Bearers[1] = modem.Bearer{CID: 2, APN: "bad"}
	again.take(&state)
	if err := again.reconcile(t.Context()); err != nil {
		t.Error(err)
	}
	expect("without an APN in the configuration", "set 2 own", "connect 2")
	if f, err := k.former(); err != nil || f != nil {
		t.Errorf("it remembers %+v, %v", f, err)
	}
	if err := again.reconcile(t.Context()); err != nil {
		t.Error(err)
	}
	expect("once more")
}

// TestOperatorsConnections: the APN of the configuration is never that of a connection which is the operator's own, as long as there is
// another one: a carrier's client in the module is reached by it.
func TestOperatorsConnections(t *testing.T) {
	verizon := []modem.Bearer{{CID: 1, APN: "VZWIMS", Active: true}, {CID: 2, APN: "VZWADMIN", Active: true}, {CID: 3, APN: "VZWINTERNET"}}
	for want, bearers := range map[int][]modem.Bearer{
		3: verizon,
		4: append(slices.Clone(verizon), modem.Bearer{CID: 4, APN: "own.lab", Active: true}),
		2: {{CID: 1, APN: "ims.mnc001.mcc262.gprs", Active: true}, {CID: 2, APN: "iot.lab", Active: true}},
		1: {{CID: 1, APN: "iot.lab"}, {CID: 2, APN: "other.lab"}},
		5: {{CID: 4, APN: "ims"}, {CID: 5, APN: "sos", Active: true}},
	} {
		if got := carrying(bearers); got.CID != want {
			t.Errorf("of %+v context %d is taken, want %d", bearers, got.CID, want)
		}
	}
}

// TestAPNOfAModemThatRestarts: one that comes again and again without the APN is connected four times in an hour, over restarts of the agent too.
func TestAPNOfAModemThatRestarts(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Unix(1_800_000_000, 0)
	sim := &profiles{before: func() {}, fail: errors.New("refused")}
	state := modem.State{Presence: modem.Ready, Bearers: []modem.Bearer{{CID: 1, APN: "own"}}}
	come := func() time.Duration { // to an agent that was started again
		k := &apnKeeper{modem: sim, name: "wwan", want: "new", store: st, log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }, news: make(chan struct{}, 1)}
		k.tried = newAttempts(st, k.name, k.log)
		k.take(&state)
		<-k.news
		return k.came(t.Context())
	}
	connected := func() (n int) {
		for _, told := range sim.told {
			if told == "connect 1" {
				n++
			}
		}
		return n
	}
	for range 4 {
		if later := come(); later != 0 {
			t.Errorf("waits %v", later)
		}
		now = now.Add(time.Minute)
	}
	if later := come(); later != 56*time.Minute || connected() != 4 {
		t.Errorf("connected %d times, waits %v", connected(), later)
	}
	now = now.Add(56 * time.Minute)
	if later := come(); later != 0 || connected() != 5 {
		t.Errorf("after an hour: connected %d times, waits %v", connected(), later)
	}
	for range 24 * 60 {
		come()
		now = now.Add(time.Minute)
	}
	if n := connected(); n < 20 || n > 5+24 {
		t.Errorf("connected %d times in a day", n)
	}
	state.Bearers[0].APN = "new"
	if later := come(); later != 0 {
		t.Errorf("with its APN it waits %v", later)
	}
}

// TestAPNOfAModemThatIsOff: a modem that somebody enables later gets the APN then, and each time that it is looked at before costs nothing.
func TestAPNOfAModemThatIsOff(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	sim := &profiles{before: func() {}, off: fmt.Errorf("change profile 1: %w", mm.ErrNotEnabled)}
	k := &apnKeeper{modem: sim, name: "wwan", want: "new", store: st, log: slog.New(slog.DiscardHandler), now: time.Now, news: make(chan struct{}, 1)}
	k.tried = newAttempts(st, k.name, k.log)
	state := modem.State{Presence: modem.Ready, Bearers: []modem.Bearer{{CID: 1, APN: "own"}}}
	came := func() {
		t.Helper()
		select {
		case <-k.news:
		default:
			t.Fatal("it has not come")
		}
		if later := k.came(t.Context()); later != 0 {
			t.Errorf("waits %v", later)
		}
	}
	for range 6 {
		k.take(&state)
		came()
	}
	sim.off, sim.fail = nil, fmt.Errorf("reconnect bearer 1: %w", mm.ErrNoBearer)
	for range 6 {
		k.take(&modem.State{})
		k.take(&state)
		came()
	}
	sim.told, sim.off, sim.fail = nil, fmt.Errorf("change profile 1: %w", mm.ErrNotEnabled), nil
	k.take(&modem.State{})
	sim.before = func() { k.take(&state) } // meanwhile
	k.take(&state)
	came()
	sim.before, sim.off = func() {}, nil
	came()
	if want := []string{"set 1 new", "connect 1"}; !slices.Equal(sim.told, want) {
		t.Errorf("the modem was told %q, want %q", sim.told, want)
	}
	k.take(&state)
	if len(k.news) > 0 {
		t.Error("it comes once more")
	}
}

// TestAPNBeforeAConnection: of a modem without a connection, as ModemManager has it before somebody makes one, the former APN is asked for. While it cannot
// be, or is the operator's own, nothing is changed: what nobody has read cannot be brought back.
func TestAPNBeforeAConnection(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	sim := &profiles{before: func() {}, unread: errors.New("busy")}
	k := &apnKeeper{modem: sim, name: "wwan", want: "new", store: st, log: slog.New(slog.DiscardHandler), now: time.Now, news: make(chan struct{}, 1)}
	k.tried = newAttempts(st, k.name, k.log)
	came := func(what string, told ...string) {
		t.Helper()
		k.take(&modem.State{Presence: modem.Ready})
		select {
		case <-k.news:
		default:
			t.Fatalf("%s: it has not come", what)
		}
		if later := k.came(t.Context()); later != 0 {
			t.Errorf("%s: waits %v", what, later)
		}
		if !slices.Equal(sim.told, told) {
			t.Errorf("%s: the modem was told %q, want %q", what, sim.told, told)
		}
		sim.told = nil
	}
	came("not read")
	sim.now, sim.unread = modem.Profile{APN: "vzwims"}, nil
	came("the operator's own")
	if f, err := k.former(); f != nil || err != nil {
		t.Errorf("kept %+v, %v", f, err)
	}
	sim.now = modem.Profile{APN: "own", Type: modem.IPv6}
	came("read", "set 1 new", "connect 1")
	if f, err := k.former(); err != nil || f == nil || *f != (formerProfile{1, "own", modem.IPv6}) {
		t.Errorf("kept %+v, %v", f, err)
	}
	if err := k.set(t.Context(), ""); err != nil || !slices.Equal(sim.told, []string{"set 1 own", "connect 1"}) {
		t.Errorf("without an APN in the configuration: %v, the modem was told %q", err, sim.told)
	}
	sim.told = nil
	if err := k.keep(&formerProfile{3, "own", modem.IPv6}); err != nil {
		t.Fatal(err)
	}
	if err := k.set(t.Context(), "newer"); err != nil || !slices.Equal(sim.told, []string{"set 3 newer", "connect 3"}) {
		t.Errorf("kept of context 3: %v, the modem was told %q", err, sim.told)
	}
}

package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

// logins is a modem that notes with which login it has which APN, and connects with some of them.
type logins struct {
	CellularModem
	told    []string
	last    string // profile of these
	fail    error
	refuses error  // profiles
	during  func() // while it connects
}

func (l *logins) SetProfile(_ context.Context, cid int, p modem.Profile) error {
	if l.refuses != nil {
		return l.refuses
	}
	who := "as before"
	if p.Login != nil && p.Login.Authentication == modem.AuthenticationNone {
		who = "for anybody"
	} else if p.Login != nil {
		who = p.Login.User + " " + string(p.Login.Password)
	}
	set := fmt.Sprintf("set %d %s%s %s", cid, p.APN, map[modem.PDNType]string{modem.IPv6: " IPv6"}[p.Type], who)
	l.told, l.last = append(l.told, set), set
	return nil
}

func (l *logins) CheckProfile(int, modem.Profile) error { return l.refuses }

func (l *logins) SetPSM(_ context.Context, p modem.PSM) error {
	l.told = append(l.told, fmt.Sprintf("PSM %v %v %v", p.On, p.Periodic, p.Active))
	return nil
}

func (l *logins) Reconnect(_ context.Context, cid int) error {
	l.told = append(l.told, fmt.Sprintf("connect %d", cid))
	if l.during != nil {
		l.during()
	}
	return l.fail
}

func (l *logins) SetOperators(context.Context, []string) error { return nil }

func (l *logins) want(t *testing.T, what string, told ...string) {
	t.Helper()
	if !slices.Equal(l.told, told) {
		t.Errorf("%s: the modem was told %q, want %q", what, l.told, told)
	}
	l.told = nil
}

// TestRefusedLoginGoesBack: the network refuses a login that a server has written. The one before is back in the modem, and is what it is told
// after a restart. Another start of the agent knows it, and has it told only when the modem has started, too.
func TestRefusedLoginGoesBack(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	log, sim := slog.New(slog.DiscardHandler), &logins{}
	wishes := newWishes("wwan", st, log)
	c, err := NewCellular(model.NewTree(registry.Definitions(), time.Now), sim, wishes, APNTrial{Takes: func(int) bool { return false }}, log)
	if err != nil {
		t.Fatal(err)
	}
	state := &modem.State{Presence: modem.Ready, Starts: 1, Bearers: []modem.Bearer{{CID: 1, APN: "iot.lab", Type: modem.IPv4, Active: true}}}
	c.publish(state, time.Now())
	write := func(user string) error {
		login := &objects.APNLogin{Authentication: objects.APNCHAP, User: user, Secret: "of " + user}
		if err := c.setProfile(t.Context(), 1, "iot.lab", objects.PDNIPv4, login); err != nil {
			t.Fatal(err)
		}
		c.changed(1)
		<-c.anew
		return c.renew(t.Context(), 1)
	}
	if err := write("first"); err != nil {
		t.Error(err)
	}
	sim.want(t, "taken", "set 1 iot.lab first of first", "connect 1")
	sim.fail = errors.New("refused")
	if err := write("second"); !errors.Is(err, sim.fail) {
		t.Error(err)
	}
	sim.want(t, "refused", "set 1 iot.lab second of second", "connect 1", "set 1 iot.lab first of first", "connect 1")

	wishes = newWishes("wwan", st, log)
	tell := func(started bool) []int {
		t.Helper()
		anew, err := wishes.tell(t.Context(), sim, state, started, configuredAPN{})
		if err != nil {
			t.Error(err)
		}
		return anew
	}
	if anew := tell(true); len(anew) != 0 {
		t.Errorf("a connection that is up is made anew: %v", anew)
	}
	sim.want(t, "after a start", "set 1 iot.lab first of first")
	tell(false)
	sim.want(t, "without one")
	state.Bearers[0].Active = false
	if anew := tell(true); !slices.Equal(anew, []int{1}) {
		t.Errorf("a connection that is down without its login: %v", anew)
	}
	sim.want(t, "after a start without a connection", "set 1 iot.lab first of first")
	state.Bearers = nil
	if anew := tell(false); !slices.Equal(anew, []int{1}) {
		t.Errorf("a context that is no more: %v", anew)
	}
	sim.want(t, "a context that is no more", "set 1 iot.lab as before")
	state.Starts = 0
	tell(true)
	sim.want(t, "of ModemManager, which tells nothing of contexts without a bearer")
}

// TestWrittenBeforeARestart: a login that was written, and the agent or the machine restarted before anything was connected with it, is judged when the modem
// has come, as soon as that is registered or has had its time. Refused, the one that was proved last is back, in object 11 too, however often was written.
func TestWrittenBeforeARestart(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	synctest.Test(t, func(t *testing.T) {
		log, sim := slog.New(slog.DiscardHandler), &logins{}
		sim.during = func() {
			if sim.fail = nil; sim.last != "set 1 iot.lab first of first" {
				sim.fail = errors.New("refused")
			}
		}
		var c *Cellular
		state := &modem.State{Presence: modem.Ready, Starts: 1, Bearers: []modem.Bearer{{CID: 1, APN: "iot.lab", Type: modem.IPv4}}}
		life := func(live func(tree *model.Tree)) {
			tree := model.NewTree(registry.Definitions(), time.Now)
			var err error
			trial := APNTrial{Takes: func(int) bool { return true }, Begin: func(string) error { return nil }}
			if c, err = NewCellular(tree, sim, newWishes("wwan", st, log), trial, log); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wait sync.WaitGroup
			wait.Go(func() { _ = c.Run(ctx) })
			c.publish(state, time.Now())
			live(tree)
			synctest.Wait()
			cancel()
			wait.Wait()
		}
		write := func(user, apn string) {
			login := &objects.APNLogin{Authentication: objects.APNCHAP, User: user, Secret: "of " + user}
			if err := c.setProfile(t.Context(), 1, apn, objects.PDNIPv4, login); err != nil {
				t.Fatal(err)
			}
			c.changed(1)
		}
		life(func(*model.Tree) {
			write("first", "iot.lab")
			time.Sleep(2 * answerTime)
		})
		sim.want(t, "taken", "set 1 iot.lab first of first", "connect 1")
		for _, registers := range []bool{true, false} {
			life(func(*model.Tree) {
				write("second", "iot.lab")
				for range 5 {
					write("third", "IOT.lab.mnc001.mcc262.gprs") // which is no other one
				}
			})
			if len(sim.told) != 6 || slices.Contains(sim.told, "connect 1") {
				t.Errorf("written, the answer being under way: the modem was told %q", sim.told)
			}
			sim.told = nil
			life(func(tree *model.Tree) {
				time.Sleep(searchTime - time.Second)
				synctest.Wait()
				sim.want(t, "before it is registered")
				if state.Network.Registration = modem.Home; !registers {
					state.Network.Registration = modem.Searching
				}
				c.publish(state, time.Now())
				time.Sleep(2 * time.Second)
				synctest.Wait()
				sim.want(t, "refused", "connect 1", "set 1 iot.lab first of first", "connect 1")
				if user := tree.Value(lwm2m.MustPath("/11/1/5")).Text(); user != "first" {
					t.Errorf("object 11 shows %q", user)
				}
			})
			state.Network.Registration = modem.Searching
		}
		life(func(*model.Tree) { time.Sleep(2 * searchTime) })
		sim.want(t, "nothing is left")
	})
}

// TestConnectedAsOftenAsAllowed: a modem that loses the login with each start is connected as often as networks bear; its power saving, of
// which the network hears nothing until then, is told each time.
func TestConnectedAsOftenAsAllowed(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	log, sim, now := slog.New(slog.DiscardHandler), &logins{fail: errors.New("refused")}, time.Unix(1_800_000_000, 0)
	k := &apnKeeper{modem: sim, name: "wwan", store: st, log: log, now: func() time.Time { return now }, news: make(chan struct{}, 1), wishes: newWishes("wwan", st, log), tried: newAttempts(st, "wwan", log)}
	set := func(note func(*wished)) {
		t.Helper()
		if err := k.wishes.set(t.Context(), func() error { return nil }, note); err != nil {
			t.Fatal(err)
		}
	}
	set(func(w *wished) {
		w.setProfile(1, modem.Profile{APN: "iot.lab", Type: modem.IPv4, Login: &modem.Login{Authentication: modem.CHAP, User: "u", Password: "p"}})
	})
	set(func(w *wished) { w.PSM = &modem.PSM{On: true, Periodic: time.Hour, Active: time.Minute} })
	state := modem.State{Presence: modem.Ready, Bearers: []modem.Bearer{{CID: 1, APN: "iot.lab", Type: modem.IPv4}, {CID: 2, APN: "ims", Type: modem.IPv4}}}
	state.Sleep.HasPSM = true
	connected, saving := 0, 0
	for range 60 {
		state.Starts++
		k.take(&state)
		<-k.news
		k.came(t.Context())
		now = now.Add(time.Minute)
	}
	for _, told := range sim.told {
		switch told {
		case "connect 1":
			connected++
		case "PSM true 1h0m0s 1m0s":
			saving++
		}
	}
	if connected != 4 || saving != 60 {
		t.Errorf("connected %d times, power saving told %d times: %q", connected, saving, sim.told)
	}
}

// TestNoTrialOfWhatIsRefused: what a modem says beforehand that it does not take is not put on trial, and leaves nothing.
func TestNoTrialOfWhatIsRefused(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	log, sim, began := slog.New(slog.DiscardHandler), &logins{refuses: errors.New("no login in this modem")}, ""
	wishes := newWishes("wwan", st, log)
	trial := APNTrial{Takes: func(int) bool { return true }, Begin: func(apn string) error { began = apn; return nil }}
	c, err := NewCellular(model.NewTree(registry.Definitions(), time.Now), sim, wishes, trial, log)
	if err != nil {
		t.Fatal(err)
	}
	c.publish(&modem.State{Presence: modem.Ready, Starts: 1, Bearers: []modem.Bearer{{CID: 1, APN: "iot.lab", Type: modem.IPv4, Active: true}}}, time.Now())
	login := &objects.APNLogin{Authentication: objects.APNCHAP, User: "u", Secret: "p"}
	if err := c.setProfile(t.Context(), 1, "new.lab", objects.PDNIPv4, login); !errors.Is(err, sim.refuses) || began != "" || len(wishes.present().Configured) > 0 {
		t.Errorf("%v; the trial of %q began, and %+v is kept", err, began, wishes.present())
	}
	sim.refuses = nil
	if err := c.setProfile(t.Context(), 1, "new.lab", objects.PDNIPv4, login); err != nil || began != "new.lab" || len(wishes.present().Configured) == 0 {
		t.Errorf("%v; the trial of %q began, and %+v is kept", err, began, wishes.present())
	}
}

// keeperOf keeps the APN of a modem that is connected with "iot.lab", which it says in state.
func keeperOf(t *testing.T, sim *logins) (k *apnKeeper, state *modem.State) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	log := slog.New(slog.DiscardHandler)
	k = &apnKeeper{modem: sim, name: "wwan", store: st, log: log, now: time.Now, news: make(chan struct{}, 1), wishes: newWishes("wwan", st, log)}
	state = &modem.State{Presence: modem.Ready, Bearers: []modem.Bearer{{CID: 1, APN: "iot.lab", Type: modem.IPv4, Active: true}}}
	k.take(state)
	return k, state
}

// TestConfiguredLogin: what a server writes with an APN is told with it, and what belonged to the APN before returns with that, be it the modem's own, one
// that a server had written, or one of the configuration's file. An APN that is written alone keeps the login.
func TestConfiguredLogin(t *testing.T) {
	sim := &logins{}
	k, state := keeperOf(t, sim)
	login := func(user string) *modem.Login {
		return &modem.Login{Authentication: modem.CHAP, User: user, Password: "p"}
	}
	write := func(apn string, who *modem.Login, refuses error) (undo func(context.Context) error) {
		t.Helper()
		undo, err := k.wishes.configure(t.Context(), 1, &state.Bearers[0], modem.Profile{APN: apn, Type: modem.IPv6, Login: who})
		if err != nil {
			t.Fatal(err)
		}
		sim.refuses = refuses
		if err := k.set(t.Context(), apn); (err == nil) != (refuses == nil) {
			t.Fatal(err)
		}
		sim.refuses = nil
		return undo
	}
	set := func(apn string) {
		t.Helper()
		if err := k.set(t.Context(), apn); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(apn string) { state.Bearers[0].APN, state.Bearers[0].Type = apn, modem.IPv6 }
	write("new.lab", login("u"), nil)
	sim.want(t, "with its APN", "set 1 new.lab IPv6 u p", "connect 1")
	set("")
	sim.want(t, "back to the modem's own", "set 1 iot.lab for anybody", "connect 1")
	write("new.lab", login("u"), errors.New("no login in this modem"))
	set("")
	sim.want(t, "back from what the modem refused")
	write("new.lab", login("u"), nil)
	sim.want(t, "once more", "set 1 new.lab IPv6 u p", "connect 1")
	kept("new.lab")
	write("third.lab", login("v"), nil)
	sim.want(t, "another login", "set 1 third.lab IPv6 v p", "connect 1")
	k.wishes = newWishes("wwan", k.store, k.log) // the power is cut
	set("new.lab")
	sim.want(t, "back to one that a server has written", "set 1 new.lab IPv6 u p", "connect 1")
	write("fourth.lab", nil, nil)
	sim.want(t, "written alone", "set 1 fourth.lab IPv6 u p", "connect 1")
	set("new.lab")
	sim.want(t, "back from that", "set 1 new.lab IPv6 u p", "connect 1")
	set("")
	sim.want(t, "without one in the configuration", "set 1 iot.lab for anybody", "connect 1")

	state.Bearers[0] = modem.Bearer{CID: 1, APN: "file.lab", Type: modem.IPv4, Active: true}
	k.take(state)
	set("file.lab")
	undo := write("new.lab", login("u"), nil)
	set("file.lab")
	sim.want(t, "back to that of the file", "set 1 new.lab IPv6 u p", "connect 1", "set 1 file.lab for anybody", "connect 1")
	if err := undo(t.Context()); err != nil || len(k.wishes.present().Configured) > 0 {
		t.Errorf("a request that was taken back leaves %+v, %v", k.wishes.present(), err)
	}
}

// TestWrittenWhileTheModemGoesBack: an APN with a login that a server writes while the modem goes back from another is told with it.
func TestWrittenWhileTheModemGoesBack(t *testing.T) {
	sim := &logins{}
	k, state := keeperOf(t, sim)
	write := func(apn, user string) {
		p := modem.Profile{APN: apn, Type: modem.IPv6, Login: &modem.Login{Authentication: modem.CHAP, User: user, Password: "p"}}
		if _, err := k.wishes.configure(t.Context(), 1, &state.Bearers[0], p); err != nil {
			t.Error(err)
		}
	}
	set := func(apn string) {
		if err := k.set(t.Context(), apn); err != nil {
			t.Error(err)
		}
	}
	write("new.lab", "u")
	set("new.lab")
	sim.during = func() { write("next.lab", "v") }
	set("")
	sim.during = nil
	set("next.lab")
	sim.want(t, "all", "set 1 new.lab IPv6 u p", "connect 1", "set 1 iot.lab for anybody", "connect 1", "set 1 next.lab IPv6 v p", "connect 1")
	set("")
	sim.want(t, "back", "set 1 iot.lab for anybody", "connect 1")
	if now := k.wishes.present(); len(now.Configured) > 0 {
		t.Errorf("%+v is left", now)
	}
}

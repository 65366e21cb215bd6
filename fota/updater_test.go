package fota

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bench is an Updater of a machine without power cuts, in simulated time.
type bench struct {
	*testing.T
	machine *machine
	u       *Updater
	fetch   func(from Position, to Body) error
	full    atomic.Bool // what the journal lies on
	saved   func()      // after what it has taken; nil: nothing
	end     func()
}

var errFull = errors.New("the disk is full")

func (b *bench) Load(key string) ([]byte, error) { return b.machine.Load(key) }

func (b *bench) Save(key string, record []byte) error {
	if b.full.Load() {
		return errFull
	}
	err := b.machine.Save(key, record)
	if b.saved != nil {
		b.saved()
	}
	return err
}

func (b *bench) Fetch(_ context.Context, _ *url.URL, from Position, to Body) error {
	return b.fetch(from, to)
}

// simulate runs f with an updater, after change.
func simulate(t *testing.T, change func(*Config), f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, machine: newMachine(t)}
		b.boot(change)
		f(b)
		b.end()
	})
}

// boot starts an updater, as after a boot of the machine.
func (b *bench) boot(change func(*Config)) {
	b.machine.powerOn()
	b.start(change)
}

// start starts an updater, as after a restart of the agent.
func (b *bench) start(change func(*Config)) {
	m := b.machine
	c := Config{
		Key: "k", Backend: m, Journal: b, Reboot: m.reboot, BootID: fmt.Sprint(m.boots), OnChange: m.changed, Fetchers: map[string]Fetcher{"coap": b},
	}
	if change != nil {
		change(&c)
	}
	b.u = New(c)
	b.u.area = m
	ctx, off := context.WithCancel(b.Context())
	m.off = off
	var running sync.WaitGroup
	running.Go(func() { _ = b.u.Run(ctx) })
	b.end = func() { off(); running.Wait() }
	synctest.Wait()
}

// is fails the test unless the update stands there.
func (b *bench) is(phase Phase, result Result) {
	b.Helper()
	synctest.Wait()
	if s := b.u.Status(); s.Phase != phase || s.Result != result {
		b.Fatalf("the update is %s with result %d (%s), want %s with %d", s.Phase, s.Result, s.Reason, phase, result)
	}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

const good = "gateway 2 good!"

// push pushes a package.
func (b *bench) push(content string) {
	b.Helper()
	r, err := b.u.Receive(b.Context(), int64(len(content)))
	b.must(err)
	b.must(r.Write(b.Context(), []byte(content)))
	b.must(r.Close(b.Context(), false))
	synctest.Wait() // it is verified
}

func TestDownloadsGoOn(t *testing.T) {
	simulate(t, nil, func(b *bench) {
		attempts := []Position{}
		b.fetch = func(from Position, to Body) error {
			attempts = append(attempts, from)
			at := Position{Offset: from.Offset, Validator: "v"}
			if len(attempts) == 4 {
				at = Position{Validator: "w"} // it has changed
			}
			if err := to.Begin(at, int64(len(good))); err != nil {
				return err
			}
			n := min(int(at.Offset)+3, len(good))
			if len(attempts) > 3 {
				n = len(good)
			}
			_, err := io.WriteString(to, good[at.Offset:n])
			if err == nil && n < len(good) {
				err = errors.New("the connection is lost")
			}
			return err
		}
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		time.Sleep(time.Hour)
		b.is(Ready, Initial)
		want := []Position{{0, ""}, {3, "v"}, {6, "v"}, {9, "v"}}
		if fmt.Sprint(attempts) != fmt.Sprint(want) || string(b.machine.disk) != good {
			t.Errorf("attempts %v, want %v; %q on disk", attempts, want, b.machine.disk)
		}
	})
}

// TestProgressIsTold shows what a log has of a download that is interrupted after each quarter and a bit.
func TestProgressIsTold(t *testing.T) {
	content := "gateway 2 " + strings.Repeat("x", 989) + "!" // 1,000 bytes
	var log strings.Builder
	simulate(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }, func(b *bench) {
		b.fetch = func(from Position, to Body) error {
			err := to.Begin(Position{from.Offset, "v"}, int64(len(content)))
			for at := int(from.Offset); err == nil && at < len(content); at += 10 {
				if _, err = to.Write([]byte(content[at : at+10])); err == nil && at-int(from.Offset) == 290 {
					err = errors.New("the connection is lost")
				}
			}
			return err
		}
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		time.Sleep(time.Hour)
		b.is(Ready, Initial)
	})
	for _, percent := range []string{"25 bytes=250", "50 bytes=500", "75 bytes=750"} {
		if n := strings.Count(log.String(), "percent="+percent+" size=1000"); n != 1 {
			t.Errorf("%s%% is told %d times: %s", percent, n, log.String())
		}
	}
	if n := strings.Count(log.String(), "percent="); n != 3 {
		t.Errorf("progress is told %d times: %s", n, log.String())
	}
}

// TestDownloadOutlivesTheAgent ends the agent in the middle of a download: what has come is
// not fetched again, unless the machine has booted and it was not synced.
func TestDownloadOutlivesTheAgent(t *testing.T) {
	for _, rebooted := range []bool{false, true} {
		simulate(t, nil, func(b *bench) {
			var froms []int64
			stop := make(chan struct{})
			b.fetch = func(from Position, to Body) error {
				froms = append(froms, from.Offset)
				n := len(good)
				if len(froms) == 1 {
					n = 6
				}
				err := to.Begin(Position{from.Offset, "v"}, int64(len(good)))
				if err == nil {
					_, err = io.WriteString(to, good[from.Offset:n])
				}
				if len(froms) == 1 {
					<-stop
					err = errors.New("it is called off")
				}
				return err
			}
			b.must(b.u.Fetch(b.Context(), "coap://x/y"))
			synctest.Wait()
			go b.end()
			synctest.Wait()
			close(stop)
			synctest.Wait()
			want := "[0 6]"
			if rebooted {
				want = "[0 0]"
				b.boot(nil)
			} else {
				b.start(nil)
			}
			b.is(Ready, Initial)
			if got := fmt.Sprint(froms); got != want {
				t.Errorf("rebooted: %v; attempts from %s, want %s", rebooted, got, want)
			}
		})
	}
}

func TestDownloadsEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		fetch func(from Position, to Body) error
		after time.Duration
		want  Result
	}{
		{"refused", func(Position, Body) error { return fmt.Errorf("4.04: %w", ErrRefused) }, 0, InvalidURI},
		{"silent", func(Position, Body) error { return errors.New("no answer") }, 25 * time.Hour, ConnectionLost},
		{"too large", func(_ Position, to Body) error { return to.Begin(Position{}, 1<<40) }, 0, NoStorage},
		{"larger than it says", func(_ Position, to Body) error {
			_ = to.Begin(Position{}, 2)
			_, err := io.WriteString(to, good)
			return err
		}, 25 * time.Hour, ConnectionLost},
		{"shorter than it says", func(_ Position, to Body) error {
			_ = to.Begin(Position{}, 99)
			_, err := io.WriteString(to, good)
			return err
		}, 0, ConnectionLost},
		{"out of place", func(_ Position, to Body) error { return to.Begin(Position{Offset: 7}, 99) }, 25 * time.Hour, ConnectionLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, nil, func(b *bench) {
				b.fetch = c.fetch
				b.must(b.u.Fetch(b.Context(), "coap://x/y"))
				if c.after > 0 {
					b.is(Fetching, Initial)
					time.Sleep(c.after)
				}
				b.is(Resting, c.want)
				if b.u.Status().Reason == "" {
					t.Error("nothing says why")
				}
			})
		})
	}
}

func TestUnusableURIs(t *testing.T) {
	simulate(t, nil, func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "nothing"))
		b.is(Resting, InvalidURI)
		b.must(b.u.Fetch(b.Context(), "gopher://x/y"))
		b.is(Resting, UnsupportedProtocol)
		b.must(b.u.Reset(b.Context()))
		b.is(Resting, Initial)
	})
}

func TestPushes(t *testing.T) {
	simulate(t, func(c *Config) { c.MaxSize = 100 }, func(b *bench) {
		first, err := b.u.Receive(b.Context(), 0)
		b.must(err)
		b.must(first.Write(b.Context(), []byte("old")))
		b.push(good) // begins anew
		b.is(Ready, Initial)
		if err := first.Write(b.Context(), []byte("more")); !errors.Is(err, ErrNotNow) {
			t.Errorf("the push of before goes on: %v", err)
		}
		if _, err := b.u.Receive(b.Context(), 5); !errors.Is(err, ErrNotNow) {
			t.Errorf("a package is replaced: %v", err)
		}
		b.must(b.u.Cancel(b.Context()))
		b.is(Resting, Cancelled)
		if err := b.u.Update(b.Context()); !errors.Is(err, ErrNotNow) {
			t.Errorf("nothing is installed: %v", err)
		}
		if _, err := b.u.Receive(b.Context(), 101); err == nil {
			t.Error("a package that is too large is taken")
		}
		b.is(Resting, NoStorage)
		r, err := b.u.Receive(b.Context(), 0)
		b.must(err)
		if err := r.Write(b.Context(), make([]byte, 101)); err == nil {
			t.Error("more than may be is taken")
		}
		b.is(Resting, NoStorage)
		r, err = b.u.Receive(b.Context(), 0)
		b.must(err)
		r.Abort(b.Context(), errors.New("no answer"))
		b.is(Resting, ConnectionLost)
	})
}

// TestReadyOutlivesTheAgent: a package that waits for its Update waits on after a restart, in silence. Nor is an event tried again that is out
// of place.
func TestReadyOutlivesTheAgent(t *testing.T) {
	simulate(t, nil, func(b *bench) {
		b.push(good)
		b.is(Ready, Initial)
		b.end()
		var log strings.Builder
		b.start(func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		time.Sleep(time.Hour)
		b.u.inbox <- happening{event: retry}
		time.Sleep(time.Hour)
		b.is(Ready, Initial)
		if log.Len() > 0 {
			t.Errorf("it logs %d lines: %.300s", strings.Count(log.String(), "\n"), log.String())
		}
	})
}

func TestNothingHappensThatIsNotRecorded(t *testing.T) {
	simulate(t, nil, func(b *bench) {
		b.push(good)
		b.is(Ready, Initial)
		steps := b.machine.steps
		b.full.Store(true)
		if err := b.u.Update(b.Context()); !errors.Is(err, errFull) {
			t.Errorf("got %v", err)
		}
		b.is(Ready, Initial)
		if b.machine.steps != steps {
			t.Error("something was done")
		}
	})
}

// trying brings a machine to the trial of a new system.
func trying(t *testing.T, change func(*Config), f func(b *bench)) {
	t.Helper()
	simulate(t, change, func(b *bench) {
		b.push(good)
		b.must(b.u.Update(b.Context()))
		synctest.Wait()
		b.end()
		b.boot(change)
		b.is(Trial, Initial)
		f(b)
	})
}

func TestTrial(t *testing.T) {
	lenient := func(well error) func(*Config) {
		return func(c *Config) { c.Lenient, c.Check = true, func(context.Context) error { return well } }
	}
	ill := errors.New("the disk is not mounted")
	for _, c := range []struct {
		name   string
		change func(*Config)
		said   []Contact // 9 minutes apart
		after  time.Duration
		want   Phase
		reason string
	}{
		{"registered for the time", nil, []Contact{{Registered: true}, {Registered: true}}, time.Minute, Resting, ""},
		{"not that long", nil, []Contact{{Registered: true}, {}, {Registered: true}}, time.Minute, Trial, ""},
		{"nobody answers", nil, nil, 10 * time.Minute, Reverting, "no server answers"},
		{"nobody answers, and it is well", lenient(nil), nil, 23 * time.Hour, Trial, ""},
		{"nobody answers to the end", lenient(nil), nil, 24 * time.Hour, Reverting, "no server has answered"},
		{"nobody answers, and it is ill", lenient(ill), nil, 10 * time.Minute, Reverting, "not mounted"},
		{"refused, though it is well", lenient(nil), []Contact{{Answer: "4.03"}}, 10 * time.Minute, Reverting, "4.03"},
		{"an answer within the limit", lenient(nil), []Contact{{}, {}, {Registered: true}}, 10 * time.Minute, Resting, ""},
		{"registered, and it is ill", lenient(ill), []Contact{{Registered: true}}, 10 * time.Minute, Reverting, "not mounted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			trying(t, c.change, func(b *bench) {
				for i, said := range c.said {
					if i > 0 {
						time.Sleep(9 * time.Minute)
					}
					b.u.Contact(said)
				}
				time.Sleep(c.after)
				synctest.Wait()
				if got := b.u.rec; got.Phase != c.want || !strings.Contains(got.Reason, c.reason) {
					t.Errorf("the update is %s (%s), want %s (%s)", got.Phase, got.Reason, c.want, c.reason)
				}
			})
		})
	}
}

func TestLocalUserEndsATrial(t *testing.T) {
	trying(t, nil, func(b *bench) {
		b.must(b.u.MarkGood(b.Context()))
		b.is(Resting, Success)
	})
	trying(t, nil, func(b *bench) {
		b.must(b.u.Rollback(b.Context()))
		synctest.Wait()
		if b.machine.primary != "A" || !b.machine.bad["B"] {
			t.Errorf("slot %s boots next; B is bad: %v", b.machine.primary, b.machine.bad["B"])
		}
	})
}

// TestMarkGoodSaysWhyNot: the local user gets the reason, and nothing else happens.
func TestMarkGoodSaysWhyNot(t *testing.T) {
	var answers atomic.Bool
	simulate(t, func(c *Config) { c.Backend = late{c.Backend, &answers} }, func(b *bench) {
		before := b.u.Status()
		if err := b.u.MarkGood(b.Context()); err == nil || err.Error() != "no answer" {
			t.Errorf("got %v, want what reading the slots ends with", err)
		}
		if got := b.u.Status(); !reflect.DeepEqual(got, before) {
			t.Errorf("got %+v, want %+v", got, before)
		}
		answers.Store(true)
		b.must(b.u.MarkGood(b.Context()))
		if !b.machine.good["A"] {
			t.Error("the slot is not marked")
		}
	})
}

// TestShutdownIsInhibited: others do not shut the machine down while a slot is written and made the one that boots, and are
// let again before the machine reboots, or when the update is called off.
func TestShutdownIsInhibited(t *testing.T) {
	for _, calledOff := range []bool{false, true} {
		var trail []string
		locks := 0
		change := func(c *Config) {
			c.Inhibit = func(_ context.Context, why string) func() {
				locks++
				trail = append(trail, why)
				return func() { locks--; trail = append(trail, "released") }
			}
			reboot := c.Reboot
			c.Reboot = func(ctx context.Context) error {
				trail = append(trail, fmt.Sprintf("reboot with %d locks", locks))
				return reboot(ctx)
			}
			c.Backend = &watched{Backend: c.Backend, told: func(what string) { trail = append(trail, fmt.Sprintf("%s with %d", what, locks)) }, hang: calledOff}
		}
		simulate(t, change, func(b *bench) {
			b.push(good)
			if len(trail) > 0 {
				t.Errorf("before the installation: %v", trail)
			}
			b.must(b.u.Update(b.Context()))
			synctest.Wait()
		})
		why := "firmware 2 is being written to slot B"
		want := []string{why, "install with 1", "released", why, "activate with 1", "released", "reboot with 0 locks"}
		if calledOff {
			want = []string{why, "install with 1", "released"}
		}
		if !slices.Equal(trail, want) {
			t.Errorf("called off %v: got %q, want %q", calledOff, trail, want)
		}
	}
}

// watched is a back end that tells what is done with a slot.
type watched struct {
	Backend
	told func(string)
	hang bool // an installation, until it is called off
}

func (w *watched) Install(ctx context.Context, file, slot string) (Image, error) {
	w.told("install")
	if w.hang {
		<-ctx.Done()
		return Image{}, ctx.Err()
	}
	return w.Backend.Install(ctx, file, slot)
}

func (w *watched) Activate(ctx context.Context, slot string) error {
	w.told("activate")
	return w.Backend.Activate(ctx, slot)
}

package fota

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBudgetPeriods(t *testing.T) {
	for _, c := range []struct {
		month      bool
		now        string
		name, next string
	}{
		{false, "2026-11-29 23:59:59", "2026-11-29", "2026-11-30 00:00:00"},
		{false, "2026-12-31 00:00:00", "2026-12-31", "2027-01-01 00:00:00"},
		{true, "2026-11-29 23:59:59", "2026-11", "2026-12-01 00:00:00"},
		{true, "2026-12-01 00:00:00", "2026-12", "2027-01-01 00:00:00"},
	} {
		now, err := time.Parse(time.DateTime, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if name, next := (Budget{Month: c.month}).period(now); name != c.name || next.Format(time.DateTime) != c.next {
			t.Errorf("%s is in %s until %s, want %s until %s", c.now, name, next, c.name, c.next)
		}
	}
}

// dear is a host whose package costs twice its size on the wire, and what it is asked for as much as a byte of it.
type dear struct {
	content   string
	validator string
	lost      bool // the connection, before anything comes
	asked     []string
}

const perByte, perRequest = 2, 100

func (d *dear) Fetch(ctx context.Context, _ *url.URL, from Position, to Body) error {
	d.asked = append(d.asked, fmt.Sprintf("%s from %d", time.Now().UTC().Format("02 15:04"), from.Offset))
	to.Spent(perRequest)
	if d.lost {
		return errLost
	}
	if err := to.Begin(Position{from.Offset, d.validator}, int64(len(d.content))); err != nil {
		return err
	}
	for part := range slices.Chunk([]byte(d.content)[from.Offset:], 100) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := to.Write(part); err != nil {
			return err
		}
		to.Spent(perByte * len(part))
	}
	return nil
}

// costs has what d has cost no more than a budget.
func (d *dear) costs(b Budget) func(*Config) {
	return func(c *Config) {
		c.Fetchers, c.Budget, c.Patience = map[string]Fetcher{"coap": d}, b, time.Hour
		c.Now = func() time.Time { return time.Now().UTC() }
	}
}

// TestBudget: a download that costs more than a day may waits for the next one, where it goes on, also after a restart in between; patience does not run.
func TestBudget(t *testing.T) {
	d := &dear{content: long(1000), validator: "v"} // 2,000 on the wire, and 100 for each request
	change := d.costs(Budget{Bytes: 1100})
	simulate(t, change, func(b *bench) { // it begins at midnight
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		b.is(Fetching, Initial)
		next := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
		s := b.told()
		if want := (Wait{For: ForDataBudget, Until: next}); s.Wait != want || s.OnDisk != 500 || s.Spent != 1100 || !s.Renewed.Equal(next) {
			t.Errorf("it has told %+v", s)
		}
		time.Sleep(5 * time.Hour)
		b.end()
		b.start(change)
		time.Sleep(19*time.Hour - time.Second)
		b.is(Fetching, Initial)
		if s := b.u.Status(); s.Wait.For != ForDataBudget || s.Spent != 1100 || s.OnDisk != 500 {
			t.Errorf("after a restart: %+v", s)
		}
		time.Sleep(time.Second)
		b.is(Ready, Initial)
		if s := b.u.Status(); s.Spent != 1100 || s.Wait != (Wait{}) {
			t.Errorf("in the end: %+v", s)
		}
		if want := "[01 00:00 from 0 02 00:00 from 500]"; fmt.Sprint(d.asked) != want || string(b.machine.disk) != d.content {
			t.Errorf("it was asked at %v, want %s", d.asked, want)
		}
	})
}

// TestBudgetOutlivesAPowerCut: what was spent before the download waited is on record.
func TestBudgetOutlivesAPowerCut(t *testing.T) {
	d := &dear{content: long(1000), validator: "v"}
	change := d.costs(Budget{Bytes: 1100, Month: true})
	simulate(t, change, func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		synctest.Wait()
		b.machine.mu.Lock()
		b.machine.kill()
		b.machine.mu.Unlock()
		b.end()
		b.boot(change)
		time.Sleep(30 * 24 * time.Hour)
		b.is(Fetching, Initial)
		if s := b.u.Status(); s.Spent != 1100 || s.OnDisk != 500 || s.Wait.Until.UTC().Format(time.DateOnly) != "2000-02-01" {
			t.Errorf("%+v", s)
		}
		time.Sleep(25 * time.Hour)
		b.is(Ready, Initial)
	})
}

// TestBudgetWhenTheClockGoesBack: a clock that is a day behind after a boot, until it is set, renews no budget.
func TestBudgetWhenTheClockGoesBack(t *testing.T) {
	d := &dear{content: long(1000), validator: "v"}
	behind := time.Duration(0)
	change := func(c *Config) {
		d.costs(Budget{Bytes: 1100})(c)
		c.Clock = func() time.Time { return time.Now().UTC().Add(-behind) }
	}
	simulate(t, change, func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		b.is(Fetching, Initial)
		b.end()
		behind = 23 * time.Hour
		b.start(change)
		time.Sleep(time.Hour)
		next := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
		if s := b.u.Status(); s.Wait.For != ForDataBudget || s.Spent != 1100 || !s.Renewed.Equal(next) {
			t.Errorf("with the clock behind: %+v", s)
		}
		b.end()
		behind = 0
		b.start(change)
		time.Sleep(time.Hour)
		b.is(Fetching, Initial)
		if s := b.u.Status(); s.Wait.For != ForDataBudget || s.Spent != 1100 || s.OnDisk != 500 {
			t.Errorf("with the clock right again: %+v", s)
		}
		time.Sleep(22 * time.Hour)
		b.is(Ready, Initial)
	})
}

// TestBudgetCountsWhatFails: attempts that bring nothing cost as well, and the next update finds what the last one has spent.
func TestBudgetCountsWhatFails(t *testing.T) {
	d := &dear{content: long(200), validator: "v", lost: true}
	simulate(t, d.costs(Budget{Bytes: 350}), func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		time.Sleep(time.Minute)
		if s := b.told(); s.Wait.For != ForDataBudget || s.Spent != 400 || len(d.asked) != 4 {
			t.Errorf("asked %v, %+v", d.asked, s)
		}
		b.must(b.u.Cancel(b.Context()))
		b.is(Resting, Cancelled)
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		time.Sleep(time.Hour)
		if s := b.told(); s.Wait.For != ForDataBudget || s.Spent != 400 || len(d.asked) != 4 {
			t.Errorf("the next update: asked %v, %+v", d.asked, s)
		}
	})
}

// TestBudgetThatIsUsedUpWithTheLastByte: the download is done.
func TestBudgetThatIsUsedUpWithTheLastByte(t *testing.T) {
	d := &dear{content: long(500), validator: "v"}
	simulate(t, d.costs(Budget{Bytes: 1100}), func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		b.is(Ready, Initial)
	})
}

// TestBudgetOfAMeteredWay: elsewhere nothing counts, and a download goes on when the way is another one.
func TestBudgetOfAMeteredWay(t *testing.T) {
	d := &dear{content: long(1000), validator: "v"}
	var free atomic.Bool
	change := func(c *Config) {
		d.costs(Budget{Bytes: 1100})(c)
		c.Metered = func(*url.URL) bool { return !free.Load() }
	}
	simulate(t, change, func(b *bench) {
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		time.Sleep(time.Hour)
		b.is(Fetching, Initial)
		free.Store(true) // between two looks
		time.Sleep(longestRest)
		b.is(Ready, Initial)
		if s := b.u.Status(); s.Spent != 1100 {
			t.Errorf("%+v", s)
		}
	})
}

// TestBudgetOfWhatCannotGoOn: what begins anew each time, and is larger than a period allows, never comes.
func TestBudgetOfWhatCannotGoOn(t *testing.T) {
	for size, result := range map[int]Result{2000: ConnectionLost, 400: Initial} {
		d := &dear{content: long(size)}
		simulate(t, d.costs(Budget{Bytes: 1100}), func(b *bench) {
			b.must(b.u.Fetch(b.Context(), "coap://x/y"))
			synctest.Wait()
			if s := b.u.Status(); s.Result != result || s.Spent > 1100 {
				t.Errorf("%d bytes: %+v", size, s)
			}
		})
	}
	if _, ok := errors.AsType[*Failure](errTooDear); !ok {
		t.Error("it is tried again")
	}
}

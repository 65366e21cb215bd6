package fota

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func clock(text string) time.Time {
	at, err := time.Parse(time.TimeOnly, text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestHours(t *testing.T) {
	night, noon := Hours{22 * time.Hour, 5 * time.Hour}, Hours{12 * time.Hour, 12*time.Hour + 30*time.Minute}
	for _, c := range []struct {
		hours       Hours
		now         string
		until, left time.Duration
	}{
		{Hours{}, "13:00:00", 0, day},
		{night, "21:59:59", time.Second, 0},
		{night, "22:00:00", 0, 7 * time.Hour},
		{night, "00:00:00", 0, 5 * time.Hour},
		{night, "04:59:59", 0, time.Second},
		{night, "05:00:00", 17 * time.Hour, 0},
		{noon, "11:59:30", 30 * time.Second, 0},
		{noon, "12:29:00", 0, time.Minute},
		{noon, "12:30:00", 23*time.Hour + 30*time.Minute, 0},
		{Hours{time.Hour, time.Hour}, "00:30:00", 0, 30 * time.Minute}, // from one to one is all day
		{Hours{time.Hour, time.Hour}, "01:00:00", 0, day},
	} {
		if until, left := c.hours.until(clock(c.now)), c.hours.left(clock(c.now)); until != c.until || left != c.left {
			t.Errorf("%v at %s: they begin in %s and end in %s, want %s and %s", c.hours, c.now, until, left, c.until, c.left)
		}
	}
}

// long is a package of a size.
func long(size int) string { return "gateway 2 " + strings.Repeat("x", size-11) + "!" }

// TestRate shows how long a package takes that comes as fast as it is taken.
func TestRate(t *testing.T) {
	content := long(100_000)
	simulate(t, func(c *Config) { c.Rate = 10_000 }, func(b *bench) {
		began := time.Now()
		b.fetch = func(from Position, to Body) error {
			err := to.Begin(from, int64(len(content)))
			for part := range slices.Chunk([]byte(content), 1000) {
				if err == nil {
					_, err = to.Write(part)
				}
			}
			return err
		}
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		for b.u.Status().Phase == Fetching {
			time.Sleep(100 * time.Millisecond) // simulated
			synctest.Wait()
		}
		b.is(Ready, Initial)
		if took := time.Since(began); took < 9*time.Second || took > 10*time.Second { // the first second's worth comes at once
			t.Errorf("100 kB took %s at 10 kB/s", took)
		}
	})
}

// nightly is a fetcher that brings half of a package, and the rest when it is asked again.
type nightly struct{ asked []string }

const someBytes = 6

func (n *nightly) Fetch(ctx context.Context, _ *url.URL, from Position, to Body) error {
	n.asked = append(n.asked, fmt.Sprintf("%s from %d", time.Now().UTC().Format("02 15:04"), from.Offset))
	err := to.Begin(Position{from.Offset, "v"}, int64(len(good)))
	if err == nil && from.Offset == 0 {
		if _, err = to.Write([]byte(good[:someBytes])); err == nil {
			<-ctx.Done()
			err = ctx.Err()
		}
	} else if err == nil {
		_, err = to.Write([]byte(good[from.Offset:]))
	}
	return err
}

// TestDownloadHours: nothing is asked for outside of them, which counts against no patience; what does not come within them comes on the next day.
func TestDownloadHours(t *testing.T) {
	n := &nightly{}
	change := func(c *Config) {
		c.Fetchers, c.Now = map[string]Fetcher{"coap": n}, func() time.Time { return time.Now().UTC() }
		c.DownloadHours, c.Patience = Hours{time.Hour, 2 * time.Hour}, 3*time.Hour
	}
	simulate(t, change, func(b *bench) { // it begins at midnight
		b.must(b.u.Fetch(b.Context(), "coap://x/y"))
		want := Wait{For: ForDownloadHours, Until: time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)}
		if synctest.Wait(); b.u.Status().Wait != want || b.told().Wait != want {
			t.Errorf("it waits %+v, and has told %+v, want %+v", b.u.Status().Wait, b.told().Wait, want)
		}
		time.Sleep(time.Hour)
		if synctest.Wait(); b.u.Status().Wait != (Wait{}) || b.told().Wait != (Wait{}) {
			t.Errorf("within the hours it waits %+v, and has told %+v", b.u.Status().Wait, b.told().Wait)
		}
		time.Sleep(23 * time.Hour)
		b.is(Fetching, Initial)
		time.Sleep(2 * time.Hour)
		b.is(Ready, Initial)
		if want := "[01 01:00 from 0 02 01:00 from 6]"; fmt.Sprint(n.asked) != want || string(b.machine.disk) != good {
			t.Errorf("it was asked at %v, want %s; %q on disk", n.asked, want, b.machine.disk)
		}
	})
}

// isOff reports whether the machine has been switched off, or is rebooting.
func (b *bench) isOff() bool {
	b.machine.mu.Lock()
	defer b.machine.mu.Unlock()
	return b.machine.dead
}

// told returns the status that was told last.
func (b *bench) told() Status {
	b.machine.mu.Lock()
	defer b.machine.mu.Unlock()
	return b.machine.status
}

// TestRebootHours: the new system waits for them, unless a local user has brought it.
func TestRebootHours(t *testing.T) {
	for _, local := range []bool{false, true} {
		change := func(c *Config) {
			c.RebootHours, c.Now = Hours{3 * time.Hour, 4 * time.Hour}, func() time.Time { return time.Now().UTC() }
		}
		simulate(t, change, func(b *bench) {
			r, err := b.u.Receive(b.Context(), int64(len(good)))
			b.must(err)
			b.must(r.Write(b.Context(), []byte(good)))
			b.must(r.Close(b.Context(), local))
			synctest.Wait()
			if !local {
				b.must(b.u.Update(b.Context()))
			}
			time.Sleep(3*time.Hour - time.Second)
			synctest.Wait()
			if b.isOff() != local {
				t.Errorf("brought by a local user: %v; it has rebooted at night: %v", local, !local)
			}
			if !local {
				b.is(Rebooting, Initial)
				if w := b.told().Wait; w.For != ForRebootHours || w.Until.UTC().Hour() != 3 {
					t.Errorf("it waits %+v", w)
				}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if !b.isOff() {
				t.Errorf("brought by a local user: %v; it does not reboot", local)
			}
		})
	}
}

// TestRebootHoursOutliveTheAgent restarts the agent again and again while a reboot waits for its hours, which is no failure to
// come up, and then within them.
func TestRebootHoursOutliveTheAgent(t *testing.T) {
	change := func(c *Config) {
		c.RebootHours, c.Now = Hours{3 * time.Hour, 4 * time.Hour}, func() time.Time { return time.Now().UTC() }
	}
	simulate(t, change, func(b *bench) {
		b.push(good)
		b.must(b.u.Update(b.Context()))
		for range 3 * maxStarts {
			b.is(Rebooting, Initial)
			b.end()
			b.start(change)
			time.Sleep(time.Minute)
			if b.isOff() {
				t.Fatal("it reboots before its hours")
			}
		}
		b.is(Rebooting, Initial)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if !b.isOff() {
			t.Error("it does not reboot in its hours")
		}
	})
	// Where the machine has not rebooted though it may, a start counts.
	simulate(t, change, func(b *bench) {
		b.push(good)
		b.must(b.u.Update(b.Context()))
		stays := func(c *Config) {
			change(c)
			c.RebootHours = Hours{}
			c.Reboot = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}
		for range maxStarts + 1 {
			b.is(Rebooting, Initial)
			b.end()
			b.start(stays)
		}
		b.is(Resting, UpdateFailed)
	})
}

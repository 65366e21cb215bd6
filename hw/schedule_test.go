package hw

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ticks runs a schedule and returns when each entry of these intervals, added
// at 1.3 s after one another, was due within d of the last.
func ticks(t *testing.T, d time.Duration, intervals ...time.Duration) [][]time.Duration {
	t.Helper()
	s := newSchedule()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.run(ctx) })
	begin := time.Now()
	all := make([][]time.Duration, len(intervals))
	for i, interval := range intervals {
		e := s.add(interval)
		wg.Go(func() {
			for {
				select {
				case <-e.tick:
					all[i] = append(all[i], time.Since(begin))
				case <-ctx.Done():
					return
				}
			}
		})
		if err := pause(t.Context(), 1300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := pause(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	cancel()
	wg.Wait()
	return all
}

func TestScheduleKeepsIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := ticks(t, 10*time.Minute, 10*time.Second, 15*time.Second, 100*time.Millisecond)
		for i, interval := range []time.Duration{10 * time.Second, 15 * time.Second, 100 * time.Millisecond} {
			got := all[i]
			wanted := int(10 * time.Minute / interval)
			if len(got) < wanted-1 || len(got) > wanted+len(all)*int(2*time.Second/interval)+2 {
				t.Errorf("interval %v: %d ticks in 10 minutes", interval, len(got))
			}
			for n := 2; n < len(got); n++ { // the second tick falls into step
				if step := got[n] - got[n-1]; step < interval-interval/8 || step > interval+interval/8 {
					t.Fatalf("interval %v: tick %d came %v after the one before", interval, n, step)
				}
			}
		}
	})
}

func TestScheduleGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minute := time.Minute
		all := ticks(t, time.Hour, minute, minute, minute/2, 2*minute, 59500*time.Millisecond)
		wakes := make(map[time.Duration]bool)
		for _, entry := range all[:4] {
			for _, at := range entry {
				if at > 2*minute { // all have fallen into step
					wakes[at] = true
				}
			}
		}
		if most := int(time.Hour/(minute/2)) + 1; len(wakes) > most {
			t.Errorf("%d wake-ups an hour for intervals that divide each other, want %d at most", len(wakes), most)
		}
	})
}

func TestScheduleDoesSoonDueEarly(t *testing.T) {
	s := newSchedule()
	near := &entry{interval: time.Minute, slack: time.Second, tick: make(chan struct{}, 1), due: s.origin.Add(10 * time.Second)}
	soon := &entry{interval: time.Minute, slack: time.Second, tick: make(chan struct{}, 1), due: s.origin.Add(11 * time.Second)}
	later := &entry{interval: time.Minute, slack: time.Second, tick: make(chan struct{}, 1), due: s.origin.Add(12 * time.Second)}
	s.entries = []*entry{later, near, soon}
	if next := s.fire(s.origin.Add(9500 * time.Millisecond)); !next.Equal(near.due) {
		t.Errorf("nothing is due, and the next at %v", next.Sub(s.origin))
	}
	if len(near.tick)+len(soon.tick)+len(later.tick) != 0 {
		t.Error("something was ticked before anything was due")
	}
	next := s.fire(s.origin.Add(10 * time.Second))
	if len(near.tick) != 1 || len(soon.tick) != 1 || len(later.tick) != 0 {
		t.Errorf("ticked %d, %d and %d, want the one that is due and the one within its slack", len(near.tick), len(soon.tick), len(later.tick))
	}
	if !next.Equal(later.due) {
		t.Errorf("next at %v", next.Sub(s.origin))
	}
}

func TestScheduleSleepsWithoutEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { s.run(ctx) })
		sampled := s.add(time.Minute)
		waits := s.add(0)
		<-sampled.tick
		<-waits.tick
		s.remove(sampled)
		if next := s.fire(time.Now()); !next.IsZero() {
			t.Errorf("something is due at %v", next)
		}
		if err := pause(t.Context(), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if len(sampled.tick)+len(waits.tick) != 0 {
			t.Error("something was ticked")
		}
		cancel()
		wg.Wait()
	})
}

func TestScheduleAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { s.run(ctx) })
		e := s.add(time.Second)
		<-e.tick
		begin := time.Now()
		s.again(e, 17*time.Second)
		<-e.tick
		if got := time.Since(begin); got != 17*time.Second {
			t.Errorf("due again after %v", got)
		}
		<-e.tick
		if got := time.Since(begin); got != 18*time.Second {
			t.Errorf("back in step after %v", got)
		}
		cancel()
		wg.Wait()
	})
}

func TestBackoff(t *testing.T) {
	middle := func() float64 { return 0.5 }
	b := newBackoff(10*time.Second, middle)
	for i, want := range []string{"1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s"} {
		if got := b.delay(); got.String() != want {
			t.Errorf("delay %d is %v, want %v", i, got, want)
		}
	}
	b.reset()
	if got := b.delay(); got != time.Second {
		t.Errorf("after a success it begins with %v", got)
	}
	rare := newBackoff(time.Hour, middle)
	for range 20 {
		rare.delay()
	}
	if got := rare.delay(); got != time.Hour {
		t.Errorf("a sensor that is read every hour is tried every %v", got)
	}
	for jitter, want := range map[float64]time.Duration{0: 750 * time.Millisecond, 0.999999999: 1250 * time.Millisecond} {
		b := newBackoff(time.Second, func() float64 { return jitter })
		if got := b.delay().Round(time.Millisecond); got != want {
			t.Errorf("jitter %v: %v, want %v", jitter, got, want)
		}
	}
}

// A sensor is sampled as it is asked for within what its configuration allows, without a sample at once, and falls back
// into its own steps. A part that is away is not tried more often for it.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(bus0)
		w.buses[bus0].parts[0x48] = thermometer
		cold := lm75At("cold room", bus0, 0x48)
		cold.Interval, cold.Shortest, cold.Longest = time.Minute, 10*time.Second, 10*time.Minute
		steady := lm75At("attic", bus0, 0x48+1)
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{cold, steady}})
		<-b.Ready()
		sleep(t, 30*time.Second)
		samples := func(asked, of time.Duration) int {
			b.Pace("cold room", asked)
			b.Pace("attic", asked)
			before := len(r.of(sensorUnit("cold room"), "temperature"))
			sleep(t, of)
			return len(r.of(sensorUnit("cold room"), "temperature")) - before
		}
		for _, step := range []struct {
			asked, of time.Duration
			want      int
		}{
			{20 * time.Second, 10 * time.Minute, 30},
			{20 * time.Second, 10 * time.Minute, 30}, // nothing new
			{time.Second, time.Minute, 6},
			{0, 10 * time.Minute, 10},
			{time.Hour, time.Hour, 6},
			{0, 10 * time.Minute, 10},
		} {
			if got := samples(step.asked, step.of); got < step.want-1 || got > step.want+1 {
				t.Errorf("asked for %v: %d samples in %v, want %d", step.asked, got, step.of, step.want)
			}
		}
		tries := b.Status()[1].Tries
		for range 60 {
			samples(10*time.Second, time.Second)
			samples(0, time.Second)
		}
		if more := b.Status()[1].Tries - tries; more > 4 {
			t.Errorf("tried %d times in two minutes", more)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		b.Pace("cold room", time.Second) // too late: it does nothing
	})
	for key, change := range map[string]func(*Config){
		"interval_min": func(c *Config) { c.Shortest = time.Hour },
		"interval_max": func(c *Config) { c.Longest = time.Second },
	} {
		c := lm75At("x", bus0, 0x48)
		change(&c)
		if problems := Validate(Setup{Sensors: []Config{c}}); len(problems) != 1 || problems[0].Key != key {
			t.Errorf("%s: %v", key, problems)
		}
	}
	line := Config{Name: "door", Driver: "gpio-in", Chip: "gpiochip0", Line: LineOffset(1), Longest: time.Hour}
	if problems := Validate(Setup{Sensors: []Config{line}}); len(problems) != 1 || problems[0].Key != "interval_min" {
		t.Errorf("of a line: %v", problems)
	}
}

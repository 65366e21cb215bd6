package clock

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	built = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	noon  = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	epoch = time.Date(1970, 1, 1, 0, 0, 12, 0, time.UTC)
)

// memory is a Store.
type memory struct {
	record []byte
	writes int
	broken bool
}

func (m *memory) Load(string) ([]byte, error) { return m.record, nil }

func (m *memory) Save(_ string, record []byte) error {
	if m.broken {
		return errors.New("no space left")
	}
	m.record, m.writes = record, m.writes+1
	return nil
}

// machine is a machine whose clock can be set.
type machine struct {
	memory
	wall    time.Time // at elapsed 0
	elapsed time.Duration
	synced  bool
	doubt   string
	built   time.Time
}

func newMachine(wall time.Time) *machine { return &machine{wall: wall, built: built} }

func (m *machine) set(wall time.Time) { m.wall = wall.Add(-m.elapsed) }

func (m *machine) start() *Clock {
	m.doubt = ""
	return New(Config{
		Built: m.built, Store: &m.memory,
		Wall:         func() time.Time { return m.wall.Add(m.elapsed) },
		Elapsed:      func() time.Duration { return m.elapsed },
		Synchronized: func() bool { return m.synced },
		Doubt:        func(why string) { m.doubt = why },
	})
}

// restart switches the machine off, and on again with a clock that says wall.
func (m *machine) restart(k *Clock, wall time.Time) *Clock {
	k.save()
	m.elapsed, m.synced = 0, false
	m.set(wall)
	return m.start()
}

func (m *machine) expect(t *testing.T, k *Clock, what string, want time.Time, doubt string) {
	t.Helper()
	if got := k.Now(); !got.Equal(want) {
		t.Errorf("%s: it is %v, want %v", what, got.UTC(), want)
	}
	if (doubt == "") != (m.doubt == "") || !strings.Contains(m.doubt, doubt) {
		t.Errorf("%s: doubt %q, want %q", what, m.doubt, doubt)
	}
}

// TestWithoutBattery: a machine that starts in 1970 judges by what it knew before it
// was switched off, goes on from there, and is right as soon as its clock is.
func TestWithoutBattery(t *testing.T) {
	m := newMachine(epoch)
	k := m.start()
	m.expect(t, k, "first start", built, "it says 1970-01-01T00:00:12Z, but this program was built on 2026-06-01T00:00:00Z")
	m.elapsed = time.Hour
	m.expect(t, k, "an hour later", built.Add(time.Hour), "1970")
	m.set(noon)
	m.synced = true
	m.expect(t, k, "a time server is there", noon, "")
	k = m.restart(k, epoch)
	m.expect(t, k, "second start", noon, "1970")
	m.elapsed = 10 * time.Minute
	m.expect(t, k, "it goes on", noon.Add(10*time.Minute), "1970")
	m.set(noon.Add(48 * time.Hour))
	m.expect(t, k, "the clock was set", noon.Add(48*time.Hour), "")
}

// TestBehindSaved: a clock that is possible, but earlier than what is known.
func TestBehindSaved(t *testing.T) {
	m := newMachine(noon)
	m.synced = true
	k := m.start()
	k = m.restart(k, noon.Add(-24*time.Hour))
	m.expect(t, k, "yesterday", noon, "it says 2026-11-27T12:00:00Z, but it is 2026-11-28T12:00:00Z at least, by a time server")
	m.elapsed = 365 * 24 * time.Hour
	m.expect(t, k, "however long it says so", noon.Add(m.elapsed), "by a time server")
}

// TestNeverBackwards: the machine's clock is moved while the agent runs. What is known
// stays, and where a time server comes and goes it stays above what that has said.
func TestNeverBackwards(t *testing.T) {
	for name, synced := range map[string]func(step int) bool{
		"time server": func(int) bool { return true }, "none": func(int) bool { return false }, "now and then": func(i int) bool { return i%3 == 0 },
	} {
		m := newMachine(noon)
		m.synced = true
		k := m.start()
		least := k.Now()
		for i, wall := range []time.Time{
			noon.Add(-time.Minute), epoch, noon.Add(time.Hour), noon.Add(-time.Hour), noon.Add(24 * time.Hour), noon,
			noon.AddDate(3, 0, 0), noon.AddDate(40, 0, 0), noon.AddDate(-40, 0, 0), noon.AddDate(1, 0, 0),
		} {
			m.elapsed += time.Second
			m.synced = synced(i)
			m.set(wall)
			now := k.Now()
			if now.Before(least) {
				t.Errorf("%s: after a step to %v it is %v and was %v", name, wall, now, least)
			}
			if m.synced || name != "now and then" {
				least = now
			}
		}
		if want := noon.AddDate(3, 0, 0); least.Before(want) || least.After(want.Add(time.Hour)) {
			t.Errorf("%s: it is %v in the end", name, least)
		}
	}
}

// TestUnconfirmedFuture: a battery clock that is years ahead is corrected by the first
// time server, also after a restart.
func TestUnconfirmedFuture(t *testing.T) {
	ahead := noon.AddDate(5, 0, 0)
	m := newMachine(ahead)
	k := m.start()
	m.expect(t, k, "ahead", ahead, "")
	k = m.restart(k, ahead)
	m.set(noon)
	m.expect(t, k, "set by hand", ahead, "by this machine's clock")
	m.synced = true
	m.expect(t, k, "confirmed", noon, "")
}

// TestOneDay: what was confirmed is taken back only by a source that insists.
func TestOneDay(t *testing.T) {
	m := newMachine(noon.AddDate(5, 0, 0))
	m.synced = true
	k := m.start()
	m.set(noon)
	m.expect(t, k, "at once", noon.AddDate(5, 0, 0), "by a time server")
	m.elapsed = 23 * time.Hour
	m.expect(t, k, "not yet", noon.AddDate(5, 0, 0).Add(m.elapsed), "by a time server")
	m.set(noon.AddDate(5, 0, 1))
	m.expect(t, k, "it does not stay with it", noon.AddDate(5, 0, 1), "")
	m.set(noon)
	k.Now()
	m.elapsed += 23 * time.Hour
	k.Now()
	if m.doubt == "" {
		t.Error("the pause does not count")
	}
	m.elapsed += time.Hour
	m.expect(t, k, "it has insisted", noon.Add(24*time.Hour), "")
}

// TestImplausible: a receiver whose weeks have run over, a clock that was never set and
// a server's nonsense move nothing, and nothing of them is saved.
func TestImplausible(t *testing.T) {
	m := newMachine(noon)
	k := m.start()
	const rollover = 1024 * 7 * 24 * time.Hour
	for _, wrong := range []time.Time{noon.Add(rollover), noon.Add(-rollover), epoch, time.Unix(1<<32-1, 0)} {
		k.Fix(wrong)
		k.Told(wrong)
		m.expect(t, k, "after "+wrong.String(), noon, "")
	}
	m.set(noon.Add(rollover))
	m.expect(t, k, "the machine's clock", noon, "more than fifteen years after")
	m.record = []byte(`{"known":{"unix":4294967295,"source":2},"sure":{"unix":4294967295,"source":2}}`)
	m.elapsed = 0
	m.set(noon)
	k = m.start()
	m.expect(t, k, "saved by another program", noon, "")
}

// TestTold: who may write /3/0/13 is believed, forwards and backwards.
func TestTold(t *testing.T) {
	m := newMachine(noon.AddDate(5, 0, 0))
	m.synced = true
	k := m.start()
	m.synced = false
	m.set(noon)
	k.Told(noon)
	m.expect(t, k, "told", noon, "")
	k.Fix(noon.Add(time.Hour))
	m.expect(t, k, "a fix that is ahead", noon.Add(time.Hour), "by a satellite receiver")
	m.set(noon.Add(time.Hour))
	m.expect(t, k, "and set", noon.Add(time.Hour), "")
}

// TestBadRecord: what cannot be read is as if it were not there.
func TestBadRecord(t *testing.T) {
	for _, record := range []string{"", "x", `{"known":1}`, `{"known":{"unix":1795867200,"source":9},"sure":{"unix":1,"source":2}}`} {
		m := newMachine(epoch)
		m.record = []byte(record)
		m.expect(t, m.start(), record, built, "1970")
	}
}

// TestNoMonotonicReading: two times with a monotonic reading differ by that, whatever the
// clock was set to between them.
func TestNoMonotonicReading(t *testing.T) {
	k := New(Config{Wall: time.Now})
	k.Told(time.Now())
	k.Fix(time.Now().Add(time.Hour))
	for _, f := range []fact{k.known, k.sure} {
		if f.time.String() != f.time.Round(0).String() { // which shows it
			t.Errorf("%v is compared by its monotonic reading", f.time)
		}
	}
}

// TestUnknownBuild: a program that does not know its age has no bounds.
func TestUnknownBuild(t *testing.T) {
	m := newMachine(epoch)
	m.built = time.Time{}
	k := m.start()
	m.expect(t, k, "1970", epoch, "")
	m.set(noon)
	m.expect(t, k, "set", noon, "")
}

// TestWear: three months of running write a record every six hours, and a clock that
// is set each minute no more than one an hour. Who is told the time hears it as often as it is looked at.
func TestWear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memory)
		var offset atomic.Int64
		began := time.Now()
		wall := func() time.Time { return noon.Add(time.Since(began) + time.Duration(offset.Load())) }
		looked := 0
		k := New(Config{Wall: wall, Store: store, Built: built, Looked: func(now time.Time) {
			looked++
			if !now.Equal(wall()) {
				t.Errorf("looked at %v, it is %v", now, wall())
			}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(90 * 24 * time.Hour)
		synctest.Wait()
		if store.writes < 4*90 || store.writes > 4*90+1 || looked != 4*90+1 {
			t.Errorf("%d writes, %d looks in 90 days", store.writes, looked)
		}
		before := store.writes
		for i := range 24 * 60 {
			offset.Store(int64(time.Duration(i%2) * 24 * time.Hour))
			k.Told(wall())
			k.Stepped()
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if n := store.writes - before; n > 24 {
			t.Errorf("%d writes in a day of steps", n)
		}
		before = store.writes
		cancel()
		if err := <-done; err != nil || store.writes != before+1 {
			t.Errorf("%v; %d writes at the end", err, store.writes-before)
		}
		store.broken = true
		k.save()
	})
}

func TestSourceString(t *testing.T) {
	for s := Built; s <= Told; s++ {
		if strings.HasPrefix(s.String(), "source") {
			t.Errorf("%d has no name", s)
		}
	}
	if Source(9).String() != "source 9" {
		t.Error(Source(9))
	}
}

package fota

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// blindIn is a back end that cannot read the slots in one of them.
type blindIn struct {
	Backend
	machine *machine
	slot    string
}

func (b blindIn) Slots(ctx context.Context) (Slots, error) {
	if s, err := b.Backend.Slots(ctx); err != nil || s.Booted != b.slot {
		return s, err
	}
	return Slots{}, errors.New("there is no fw_printenv")
}

// deafIn is a back end that changes nothing in one of the slots, by an error that may pass.
type deafIn struct {
	Backend
	machine *machine
	slot    string
	until   time.Time // zero: for ever
}

func (b deafIn) refuses() error {
	if b.machine.booted == b.slot && (b.until.IsZero() || time.Now().Before(b.until)) {
		return errors.New("read-only file system")
	}
	return nil
}

func (b deafIn) Activate(ctx context.Context, slot string) error {
	if err := b.refuses(); err != nil {
		return err
	}
	return b.Backend.Activate(ctx, slot)
}

func (b deafIn) Mark(ctx context.Context, slot string, good bool) error {
	if err := b.refuses(); err != nil {
		return err
	}
	return b.Backend.Mark(ctx, slot, good)
}

// TestNewSystemWithoutTheBootEnvironment is one that lacks the boot loader's tools, or cannot write what they do: it could neither be
// confirmed nor go back, and stays no longer than it takes the boot loader.
func TestNewSystemWithoutTheBootEnvironment(t *testing.T) {
	for _, c := range []struct {
		name    string
		without func(b Backend, m *machine) Backend
		content string
		stays   time.Duration // in its first boot, at least
		kept    bool          // by the boot loader, however often it is booted
		reboots int
		ends    string // slot
	}{
		{"it cannot read it", func(b Backend, m *machine) Backend { return blindIn{b, m, "B"} }, good, 10 * time.Minute, false, allTries + 1, "A"},
		{"it cannot write it", func(b Backend, m *machine) Backend { return deafIn{Backend: b, machine: m, slot: "B"} }, good, 30 * time.Minute, false, allTries + 1, "A"},
		{"it cannot write it, and is not wanted", func(b Backend, m *machine) Backend { return deafIn{Backend: b, machine: m, slot: "B"} }, "gateway 2 unwanted!", 20 * time.Minute, false, allTries + 1, "A"},
		{"it cannot write it, and is booted again and again", func(b Backend, m *machine) Backend { return deafIn{Backend: b, machine: m, slot: "B"} }, good, 30 * time.Minute, true, 1 + maxRevertStarts, "B"},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := func(f *Config) {
				m, reboot := f.Backend.(*machine), f.Reboot
				f.Backend, f.FallBack = c.without(m, m), reboot
				f.Reboot = func(ctx context.Context) error {
					if m.booted == "B" {
						return errors.New("what the firmware has to be told is not known")
					}
					return reboot(ctx)
				}
			}
			simulate(t, change, func(b *bench) {
				b.push(c.content)
				b.must(b.u.Update(b.Context()))
				synctest.Wait()
				reboots := 0
				for ; b.isOff() && reboots < 20; reboots++ {
					b.end()
					if c.kept {
						b.machine.tries["B"] = allTries
					}
					b.boot(change)
					if b.u.Contact(b.machine.contact()); b.machine.booted == "B" {
						time.Sleep(c.stays - time.Minute)
						if synctest.Wait(); reboots == 0 && b.isOff() {
							t.Fatal("it reboots before the confirm time")
						}
						time.Sleep(2 * time.Minute)
					}
					synctest.Wait()
				}
				if b.machine.booted != c.ends || reboots != c.reboots {
					t.Errorf("slot %s runs after %d reboots", b.machine.booted, reboots)
				}
				b.is(Resting, UpdateFailed)
			})
		})
	}
}

// TestBootEnvironmentThatCannotBeWrittenForAWhile: a new system that has proved itself stays for it, and an old one is never rebooted.
func TestBootEnvironmentThatCannotBeWrittenForAWhile(t *testing.T) {
	deaf := func(c *Config) {
		m := c.Backend.(*machine)
		c.Backend = deafIn{m, m, "B", time.Now().Add(19 * time.Minute)}
	}
	trying(t, deaf, func(b *bench) {
		b.u.Contact(Contact{Registered: true})
		time.Sleep(11 * time.Minute)
		b.is(Confirming, Initial)
		time.Sleep(9 * time.Minute)
		b.is(Resting, Success)
	})
	var mute atomic.Bool
	deaf = func(c *Config) {
		m := c.Backend.(*machine)
		c.Backend, c.FallBack = &deafIn{Backend: m, machine: m, slot: "none"}, func(context.Context) error { t.Error("the old system is rebooted"); return nil }
		c.Reboot = func(context.Context) error {
			c.Backend.(*deafIn).slot = "A" // from now on
			mute.Store(true)
			return errors.New("reboot: no init system answers")
		}
	}
	simulate(t, deaf, func(b *bench) {
		b.push(good)
		b.must(b.u.Update(b.Context()))
		time.Sleep(24 * time.Hour)
		b.is(Reverting, Initial)
	})
	if !mute.Load() {
		t.Error("nothing went back")
	}
}

// TestSlotsThatCannotBeReadForAWhile: the old system is never rebooted for it, and a new one has its time.
func TestSlotsThatCannotBeReadForAWhile(t *testing.T) {
	blind := func(c *Config) { c.Backend = blindIn{c.Backend, c.Backend.(*machine), "A"} }
	simulate(t, nil, func(b *bench) {
		b.push(good)
		b.machine.mu.Lock()
		b.machine.cuts = []cut{{step: b.machine.steps + 3}} // in the middle of the installation
		b.machine.mu.Unlock()
		b.must(b.u.Update(b.Context()))
		synctest.Wait()
		if !b.isOff() {
			t.Fatal("it was not cut")
		}
		b.boot(blind)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if b.isOff() {
			t.Error("the old system is rebooted")
		}
		b.is(Installing, Initial)
		b.end()
		b.start(nil)
		synctest.Wait()
		if got := b.u.Status().Phase; got != Rebooting && !b.isOff() {
			t.Errorf("the update does not go on: it is %s", got)
		}
	})
}

// TestRunningSlotIsMarkedWhenItCan: what answers for the slots may start after the agent.
func TestRunningSlotIsMarkedWhenItCan(t *testing.T) {
	simulate(t, nil, func(b *bench) {
		b.end()
		b.machine.tries["A"] = allTries - 1 // it has been booted
		var answers atomic.Bool
		b.start(func(c *Config) { c.Backend = late{c.Backend, &answers} })
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if b.machine.tries["A"] == allTries {
			t.Fatal("it is marked by somebody else")
		}
		answers.Store(true)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := b.machine.tries["A"]; got != allTries {
			t.Errorf("the running slot has %d attempts left of %d", got, allTries)
		}
	})
}

// TestPushThatIsNotRecordedAsBroken ends all the same: once the journal can be written, whatever else waits. A push that follows is not ended by that.
func TestPushThatIsNotRecordedAsBroken(t *testing.T) {
	begun := func(b *bench) *Reception {
		r, err := b.u.Receive(b.Context(), int64(len(good)))
		b.must(err)
		b.must(r.Write(b.Context(), []byte(good[:3])))
		return r
	}
	for _, c := range []struct {
		name   string
		ends   func(b *bench)
		want   Phase
		result Result
	}{
		{"by a start", func(b *bench) {
			begun(b)
			b.end()
			b.full.Store(true)
			b.start(nil)
		}, Resting, ConnectionLost},
		{"by a start in which the slots cannot be read at once", func(b *bench) {
			begun(b)
			b.end()
			b.full.Store(true)
			b.machine.tries["A"] = allTries - 1
			var answers atomic.Bool
			b.start(func(c *Config) { c.Backend = late{c.Backend, &answers} })
			time.Sleep(5 * time.Second)
			answers.Store(true)
			time.Sleep(time.Minute)
			if synctest.Wait(); b.machine.tries["A"] != allTries {
				b.Error("the running slot is not marked")
			}
		}, Resting, ConnectionLost},
		{"by the server", func(b *bench) {
			r := begun(b)
			b.full.Store(true)
			r.Abort(b.Context(), errors.New("it has gone"))
		}, Resting, ConnectionLost},
		{"by its size", func(b *bench) {
			b.saved = func() { b.saved = nil; b.full.Store(true) } // from the start of the push on
			if _, err := b.u.Receive(b.Context(), 1<<39); err == nil {
				b.Error("a package that is larger than max_size is taken")
			}
		}, Resting, NoStorage},
		{"and another one follows", func(b *bench) {
			r := begun(b)
			b.full.Store(true)
			r.Abort(b.Context(), errors.New("it has gone"))
			b.full.Store(false)
			begun(b)
		}, Receiving, Initial},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, nil, func(b *bench) {
				c.ends(b)
				time.Sleep(time.Minute)
				b.is(Receiving, Initial)
				b.full.Store(false)
				time.Sleep(time.Minute)
				b.is(c.want, c.result)
			})
		})
	}
}

// late is a back end that does not answer at first.
type late struct {
	Backend
	answers *atomic.Bool
}

func (l late) Slots(ctx context.Context) (Slots, error) {
	if !l.answers.Load() {
		return Slots{}, errors.New("no answer")
	}
	return l.Backend.Slots(ctx)
}

// TestNothingIsDecidedBeforeTheSlotsAreRead: in a trial, the agent starts and cannot read the slots at first. Which system runs is not known
// then: neither what servers say of it counts yet, nor what the local user says. Once it is known, what they have said does.
func TestNothingIsDecidedBeforeTheSlotsAreRead(t *testing.T) {
	for _, c := range []struct {
		name     string
		fellBack bool // the boot loader has started the old system
		said     Contact
		after    time.Duration // of the first answer about the slots
		want     Phase
		result   Result
	}{
		{"the old system is registered", true, Contact{Registered: true}, time.Hour, Resting, UpdateFailed},
		{"the new system is registered", false, Contact{Registered: true}, 11 * time.Minute, Resting, Success},
		{"the new system has its time", false, Contact{Answer: "4.03 Forbidden"}, 9 * time.Minute, Trial, Initial},
		{"and is not registered in it", false, Contact{Answer: "4.03 Forbidden"}, 11 * time.Minute, Reverting, Initial},
	} {
		t.Run(c.name, func(t *testing.T) {
			trying(t, nil, func(b *bench) {
				b.end()
				if c.fellBack {
					b.machine.tries["B"] = 0
				}
				var answers atomic.Bool
				b.boot(func(c *Config) { c.Backend = late{c.Backend, &answers} })
				b.u.Contact(c.said)
				time.Sleep(9 * time.Minute)
				b.is(Trial, Initial)
				if err := b.u.MarkGood(b.Context()); err == nil || errors.Is(err, ErrNotNow) {
					t.Errorf("the local user marks a system good that is not known: %v", err)
				}
				b.is(Trial, Initial)
				answers.Store(true)
				time.Sleep(c.after)
				b.is(c.want, c.result)
				if b.machine.good["B"] != (c.result == Success) {
					t.Errorf("slot B is good: %v", b.machine.good["B"])
				}
			})
		})
	}
}

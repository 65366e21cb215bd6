package hw

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestActuator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pump := actuatorUnit("pump")
		b, r, end := runBoard(t, nil, Options{}, Setup{Actuators: []Config{{
			Name: "pump", Driver: "sim", Safe: Safe{Value: Bool(true)},
		}}})
		<-b.Ready()
		if got := r.last(t, pump, "state"); got.Value != Bool(true) || got.Quality != Good {
			t.Errorf("at start: %+v", got)
		}
		if got := r.last(t, pump, "level"); got.Value != Float(100) {
			t.Errorf("at start: %+v", got)
		}
		if err := b.Set(t.Context(), "pump", "state", Bool(false)); err != nil {
			t.Fatal(err)
		}
		if err := b.Set(t.Context(), "pump", "level", Integer(40)); err != nil {
			t.Fatal(err)
		}
		if got := r.last(t, pump, "level"); got.Value != Float(40) {
			t.Errorf("after Set: %+v", got)
		}
		if err := b.Safe(t.Context(), "pump"); err != nil {
			t.Fatal(err)
		}
		if got := r.last(t, pump, "state"); got.Value != Bool(true) {
			t.Errorf("after Safe: %+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		if err := b.Set(t.Context(), "pump", "state", Bool(false)); !errors.Is(err, ErrNotKnown) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// What is not set again in time takes its safe state, once, also when nothing was
// set at all; being set to what it is counts.
func TestActuatorWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pump := actuatorUnit("pump")
		b, r, end := runBoard(t, nil, Options{}, Setup{Actuators: []Config{{
			Name: "pump", Driver: "sim", Safe: Safe{Value: Bool(false)}, Watchdog: 10 * time.Minute,
		}}})
		<-b.Ready()
		for range 5 {
			if err := b.Set(t.Context(), "pump", "state", Bool(true)); err != nil {
				t.Fatal(err)
			}
			sleep(t, 9*time.Minute)
			if got := r.last(t, pump, "state"); got.Value != Bool(true) {
				t.Fatalf("set in time: %+v", got)
			}
		}
		if err := b.Set(t.Context(), "pump", "state", Float(1)); err == nil { // which is none
			t.Fatal("a number was set")
		}
		sleep(t, 2*time.Minute)
		if got := r.last(t, pump, "state"); got.Value != Bool(false) || got.Quality != Good {
			t.Errorf("after eleven minutes: %+v", got)
		}
		told := len(r.of(pump, "state"))
		sleep(t, 24*time.Hour)
		if now := len(r.of(pump, "state")); now != told {
			t.Errorf("%d readings more in a day of nothing", now-told)
		}
		if err := b.Set(t.Context(), "pump", "state", Bool(true)); err != nil {
			t.Fatal(err)
		}
		sleep(t, 11*time.Minute)
		if got := r.last(t, pump, "state"); got.Value != Bool(false) {
			t.Errorf("the second time: %+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	for _, setup := range []Setup{
		{Actuators: []Config{{Name: "x", Driver: "sim", Safe: Safe{Keep: true}, Watchdog: time.Minute}}},
		{Sensors: []Config{{Name: "x", Driver: "sim", Watchdog: time.Minute}}},
	} {
		if problems := Validate(setup); len(problems) != 1 || problems[0].Key != "watchdog" {
			t.Errorf("%+v: %v", setup, problems)
		}
	}
}

func TestSetRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecord()
		b := NewBoard(r, Options{})
		if err := b.Apply(t.Context(), Setup{Actuators: []Config{{Name: "pump", Driver: "sim"}}}); err != nil {
			t.Fatal(err)
		}
		if err := b.Set(t.Context(), "pump", "state", Bool(true)); err == nil {
			t.Error("a board that does not run yet was set")
		}
		end := start(t, b)
		<-b.Ready()
		tests := []struct {
			name, actuator, channel string
			value                   Value
			want                    error
		}{
			{"no such actuator", "pomp", "state", Bool(true), ErrNotKnown},
			{"no such channel", "pump", "speed", Bool(true), ErrNotKnown},
			{"another kind", "pump", "state", Float(1), ErrUnfit},
			{"nothing", "pump", "state", Value{}, ErrUnfit},
			{"above its range", "pump", "level", Float(100.5), ErrUnfit},
			{"below its range", "pump", "level", Integer(-1), ErrUnfit},
			{"not a number", "pump", "level", Float(nan()), ErrUnfit},
		}
		for _, tt := range tests {
			if err := b.Set(t.Context(), tt.actuator, tt.channel, tt.value); !errors.Is(err, tt.want) {
				t.Errorf("%s: Set: %v", tt.name, err)
			}
			if err := b.CanSet(tt.actuator, tt.channel, tt.value); !errors.Is(err, tt.want) {
				t.Errorf("%s: CanSet: %v", tt.name, err)
			}
		}
		if err := b.CanSet("pump", "level", Float(100)); err != nil {
			t.Error(err)
		}
		if got := r.last(t, actuatorUnit("pump"), "state"); got.Value != Bool(false) {
			t.Errorf("a refused value was set: %+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func nan() float64 { zero := 0.0; return zero / zero }

// What is interlocked is safe until its inputs are known, while they say so, and
// afterwards until it is set again.
func TestInterlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pump := actuatorUnit("pump")
		b, r, end := runBoard(t, nil, Options{}, Setup{Actuators: []Config{
			{Name: "pump", Driver: "sim", Interlocked: true}, {Name: "fan", Driver: "sim"},
		}})
		<-b.Ready()
		on := func() error { return b.Set(t.Context(), "pump", "state", Bool(true)) }
		refused := func(when, why string) {
			t.Helper()
			want := `actuator "pump": sim: interlocked, ` + why + "; set it again when that is over"
			for _, err := range []error{on(), b.CanSet("pump", "state", Bool(true))} {
				if !errors.Is(err, ErrInterlocked) || err.Error() != want {
					t.Errorf("%s: %v, want %s", when, err, want)
				}
			}
			if err := b.Set(t.Context(), "pump", "state", Bool(false)); err != nil {
				t.Errorf("%s its safe state is refused: %v", when, err)
			}
			if got := r.last(t, pump, "state"); got.Value != Bool(false) || got.Quality != Good {
				t.Errorf("%s: %+v", when, got)
			}
		}
		refused("at start", "its inputs are not known yet")
		b.Interlock("pump", "")
		if err := on(); err != nil {
			t.Fatal(err)
		}
		if err := b.Set(t.Context(), "pump", "level", Float(40)); err != nil {
			t.Fatal(err)
		}
		b.Interlock("fan", "it has no interlock")
		if err := b.Set(t.Context(), "fan", "state", Bool(true)); err != nil {
			t.Error(err)
		}
		b.Interlock("pump", `"door/state" is on`)
		synctest.Wait()
		if got := r.last(t, pump, "level"); got.Value != Float(0) {
			t.Errorf("level %+v", got)
		}
		b.Interlock("pump", `"door/state" is invalid`)
		refused("held", `"door/state" is invalid`)
		b.Interlock("pump", "")
		synctest.Wait()
		if got := r.last(t, pump, "state"); got.Value != Bool(false) {
			t.Errorf("released, it was set by itself: %+v", got)
		}
		if err := on(); err != nil {
			t.Errorf("released: %v", err)
		}
		b.Interlock("pump", "a moment") // what was unsafe for a moment was unsafe
		b.Interlock("pump", "")
		synctest.Wait()
		if got := r.last(t, pump, "state"); got.Value != Bool(false) {
			t.Errorf("after a moment: %+v", got)
		}
		if s := b.Status()[0]; s.Err != nil {
			t.Errorf("to be held is no failure: %v", s.Err)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	for _, setup := range []Setup{
		{Actuators: []Config{{Name: "x", Driver: "sim", Safe: Safe{Keep: true}, Interlocked: true}}},
		{Sensors: []Config{{Name: "x", Driver: "sim", Interlocked: true}}},
	} {
		if problems := Validate(setup); len(problems) != 1 || problems[0].Key != "interlock" {
			t.Errorf("%+v: %v", setup, problems)
		}
	}
}

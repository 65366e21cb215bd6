package fota

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
)

// scenario is an update and how it must end, wherever the power is cut.
type scenario struct {
	name, content string
	push          bool
	result        Result
	runs          string // slot
}

var scenarios = []scenario{
	{"pull", "gateway 2 good!", false, Success, "B"},
	{"push", "gateway 2 good!", true, Success, "B"},
	{"does not boot", "gateway 2 dead!", false, UpdateFailed, "A"},
	{"cannot register", "gateway 2 mute!", false, UpdateFailed, "A"},
	{"is not wanted", "gateway 2 unwanted!", true, UpdateFailed, "A"},
	{"shows another version", "gateway 2 foreign!", false, UpdateFailed, "A"},
	{"is damaged", "gateway 2 good?", false, IntegrityFailure, "A"},
}

// play plays a scenario with cuts and returns how many steps it took since the
// last one.
func play(t *testing.T, s scenario, cuts ...cut) (steps int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, cuts...)
		m.run(s.content, s.push)
		if len(cuts) > 2 && m.status.Result == UpdateFailed && m.booted == "A" {
			return // cut so often that it was given up in order
		}
		if m.status.Result != s.result || m.booted != s.runs || m.status.Phase != Resting {
			m.fatalf("ends with %s (%s) in slot %s, want %s in %s", m.status.Result, m.status.Reason, m.booted, s.result, s.runs)
		}
		if s.result == UpdateFailed && m.status.Reason == "" {
			m.fatalf("nothing says why")
		}
		if m.rescued {
			m.fatalf("a package that was good has been fetched again")
		}
		if len(m.disk) > 0 {
			m.fatalf("the package stays on the disk")
		}
		steps = m.steps
	})
	return steps
}

// TestCuts cuts the power before and after each journal write, each operation on
// the package's file, each call of the back end and the reboot, once and twice in a
// row; with the race detector, twice a quarter of the pairs.
func TestCuts(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			played := 0
			for step := range play(t, s) {
				for _, after := range []bool{false, true} {
					first := cut{step + 1, after}
					left := play(t, s, first)
					played++
					for again := range left {
						if raced && (step+again)%4 != 0 {
							continue
						}
						play(t, s, first, cut{again + 1, (step+again)%2 == 0}) // each pair once, to save half of the time
						played++
					}
				}
			}
			t.Logf("%d courses", played)
		})
	}
}

// TestManyCuts cuts the power again and again, at random. An update may be given up
// then, in order.
func TestManyCuts(t *testing.T) {
	for seed := range uint64(600) {
		random := rand.New(rand.NewPCG(seed, 6))
		cuts := make([]cut, 3+random.IntN(12))
		for i := range cuts {
			cuts[i] = cut{1 + random.IntN(12), random.IntN(2) == 0}
		}
		play(t, scenarios[seed%uint64(len(scenarios)-1)], cuts...)
	}
}

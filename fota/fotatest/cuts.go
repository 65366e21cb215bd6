package fotatest

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"lwm2m-agent/fota"
)

// Options say how a back end is played.
type Options struct {
	// Once says that a boot loader tries a new system once: a cut between the switch
	// and the confirmation ends with the old one, and with UpdateFailed.
	Once bool
	// Random is how many courses there are with many cuts.
	Random int
	// Only is the one scenario that is played, where steps take long; "": all.
	Only string
}

// scenario is an update and how it must end, wherever the power is cut.
type scenario struct {
	name, image string
	result      fota.Result
	runs        string // slot
}

var scenarios = []scenario{
	{"stays", "gateway 2 good!", fota.Success, "B"},
	{"does not boot", "gateway 2 dead!", fota.UpdateFailed, "A"},
	{"is not registered", "gateway 2 mute!", fota.UpdateFailed, "A"},
	{"shows another version", "gateway 2 foreign!", fota.UpdateFailed, "A"},
}

// Cuts plays updates with a cut before and after each step: journal writes, the
// changes of the boot environment, installations, which are cut in their middle, and
// the reboot. Then it plays some with many cuts at random. A rig is made for each
// course, with a folder of its own.
func Cuts(t *testing.T, o Options, rig func(t *testing.T, dir string) Rig) {
	t.Helper()
	for _, s := range scenarios {
		if o.Only != "" && o.Only != s.name {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			played := 0
			for step := range play(t, o, rig, s) {
				for _, after := range []bool{false, true} {
					if raced && after == (step%2 == 0) {
						continue // without it both are played
					}
					play(t, o, rig, s, cut{step + 1, after})
					played++
				}
			}
			t.Logf("%d courses", played)
			if played < 10 {
				t.Errorf("%d courses: the back end takes no part", played)
			}
		})
	}
	t.Run("again and again", func(t *testing.T) {
		many := o.Random
		if raced {
			many /= 4
		}
		for seed := range uint64(many) { //nolint:gosec // it is small
			random := rand.New(rand.NewPCG(seed, 6)) //nolint:gosec // the same courses each time
			cuts := make([]cut, 2+random.IntN(12))
			for i := range cuts {
				cuts[i] = cut{1 + random.IntN(12), random.IntN(2) == 0}
			}
			play(t, o, rig, scenarios[seed%uint64(len(scenarios))], cuts...)
		}
	})
}

// play plays a scenario with cuts and returns how many steps it took since the last
// one.
func play(t *testing.T, o Options, rig func(t *testing.T, dir string) Rig, s scenario, cuts ...cut) (steps int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &Machine{T: t, Dir: folder(t), cuts: cuts}
		m.rig = rig(t, m.Dir)
		m.run(m.rig.Pack("2", s.image))
		steps = m.steps
		m.verify(s, len(cuts) > 2 || o.Once && m.switched)
	})
	return steps
}

// verify looks how it ended. An update that was cut too often may be given up, in
// order.
func (m *Machine) verify(s scenario, mayFail bool) {
	if len(m.cuts) > 0 {
		m.trail = append(m.trail, "some cuts never came")
	}
	got := m.status
	givenUp := mayFail && got.Result == fota.UpdateFailed && m.Booted == "A"
	if !givenUp && (got.Result != s.result || m.Booted != s.runs || got.Phase != fota.Resting) {
		m.fatalf("ends with %s (%s) in slot %s, want %s in %s", got.Result, got.Reason, m.Booted, s.result, s.runs)
	}
	if got.Result == fota.UpdateFailed && got.Reason == "" {
		m.fatalf("nothing says why")
	}
	if m.rescued {
		m.fatalf("a package that was good has been asked for again")
	}
}

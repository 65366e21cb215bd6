//go:build soak

package rig

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// cutsPerUpdate leaves the boot loader one of the three attempts that it gives a new system.
const cutsPerUpdate = 2

// TestSoakPowerCuts takes the power away at LWM2M_SOAK_CUTS random instants (20) of one update after the other on each of the machines, and
// wants each of them to end well all the same.
func TestSoakPowerCuts(t *testing.T) {
	cuts := 20
	if text := os.Getenv("LWM2M_SOAK_CUTS"); text != "" {
		var err error
		if cuts, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*Platform{PC, ARM} {
		t.Run(p.Name, func(t *testing.T) { soakCuts(t, newDepot(t, p), cuts) })
	}
}

func soakCuts(t *testing.T, d *depot, cuts int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	versions := []string{"2.0", "3.0"}
	uris := []string{d.publish(t, SlotConfig{Version: versions[0]}), d.publish(t, SlotConfig{Version: versions[1]})}
	m := d.machine(t, "soak")
	span := d.timed(t, m, versions[0], uris[0]) // without a cut
	t.Logf("an update takes %s", span.Round(time.Second))
	updates := 1
	for done := 0; done < cuts; updates++ {
		version := versions[updates%2]
		d.begin(t, m, version)
		for range min(cutsPerUpdate, cuts-done) {
			after := time.Duration(random.Int64N(int64(span)))
			if d.drive(t, m, uris[updates%2], time.After(after)) {
				break
			}
			done++
			t.Logf("cut %d, %s after the power came, at %s: %q", done, after.Round(time.Millisecond), d.now(), last(m.Console(), 1))
			m.Cut(t)
			m.On(t)
		}
		d.drive(t, m, uris[updates%2], nil)
		d.wantEnd(t, "0/1", version)
	}
	t.Logf("%d cuts in %d updates", cuts, updates)
	d.panics(t, m, versions[(updates-1)%2])
}

// timed is an update without a cut, and how long it takes.
func (d *depot) timed(t *testing.T, m *Machine, version, uri string) time.Duration {
	t.Helper()
	d.begin(t, m, version)
	began := time.Now()
	d.drive(t, m, uri, nil)
	d.wantEnd(t, "0/1", version)
	return time.Since(began)
}

// panics updates to a system whose kernel panics each time: when its attempts are used up, the old one comes back.
func (d *depot) panics(t *testing.T, m *Machine, runs string) {
	t.Helper()
	uri := d.publish(t, SlotConfig{Version: "4.0", Panic: true})
	d.begin(t, m, "4.0")
	d.drive(t, m, uri, nil)
	m.Await(t, patience, "Kernel panic")
	d.wantEnd(t, "0/8", runs)
}

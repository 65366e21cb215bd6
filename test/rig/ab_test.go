//go:build rig

package rig

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestAB boots a PC whose GRUB has two slots, with the agent in them, and updates it from a server with a system that cannot register,
// and with one that cannot be loaded. A good one is in TestABCuts.
func TestAB(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	pc := NewPC(t, "ab", Disk(t, d.slot(t, SlotConfig{Version: "1.0"})))
	pc.On(t)
	d.awaitState(t, pc, "0/0")
	pc.Await(t, patience, "RIG SLOT A 1.0")
	for _, c := range []struct {
		name    string
		system  SlotConfig
		console []string
	}{
		{"cannot register", SlotConfig{Version: "3.0", Mute: true}, []string{"RIG SLOT B 3.0", "the new system is not registered after"}},
		{"cannot be loaded", SlotConfig{Version: "4.0", Unboot: true}, []string{"Slot B cannot be loaded."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			uri := d.publish(t, c.system)
			d.begin(t, pc, c.system.Version)
			d.drive(t, pc, uri, nil)
			for _, line := range c.console {
				pc.Await(t, patience, line)
			}
			d.wantEnd(t, "0/8", "1.0")
		})
	}
}

// TestABCuts takes the power away at three random instants of an update: while the package comes or is looked at, while it is installed
// or the machine goes down, and while the new system starts or is on trial.
func TestABCuts(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := newDepot(t)
	pc := NewPC(t, "cuts", Disk(t, d.slot(t, SlotConfig{Version: "1.0"})))
	pc.On(t)
	uri := d.publish(t, SlotConfig{Version: "2.0"})
	d.awaitState(t, pc, "0/0")
	d.begin(t, pc, "2.0")
	cut := func(within time.Duration) {
		after := time.Duration(random.Int64N(int64(within)))
		d.drive(t, pc, uri, time.After(after))
		t.Logf("cut after %s at State/Result %s; the console ends with %q", after.Round(time.Millisecond), d.now(), last(pc.Console(), 1))
		pc.Cut(t)
		pc.On(t)
	}
	d.drive(t, pc, uri, nil, "1/0", "2/0", "3/0")
	cut(8 * time.Second)
	d.drive(t, pc, uri, nil, "3/0")
	cut(10 * time.Second)
	d.drive(t, pc, uri, nil, "3/0")
	pc.Await(t, patience, "GRUB starts slot B")
	cut(15 * time.Second)
	d.drive(t, pc, uri, nil)
	d.wantEnd(t, "0/1", "2.0")
}

//go:build rig

package rig

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// outcome is how an update to a system ends.
type outcome struct {
	name    string
	system  SlotConfig
	console []string // what it says on the way
	end     string   // State and Update Result
	runs    string   // version
}

var (
	good = outcome{
		name: "good", system: SlotConfig{Version: "2.0"}, end: "0/1", runs: "2.0",
		console: []string{"RIG SLOT B 2.0"},
	}
	mute = outcome{
		name: "cannot register", system: SlotConfig{Version: "3.0", Mute: true}, end: "0/8", runs: "1.0",
		console: []string{"RIG SLOT B 3.0", "the new system is not registered after"},
	}
	unbootable = outcome{
		name: "cannot be loaded", system: SlotConfig{Version: "4.0", Unboot: true}, end: "0/8", runs: "1.0",
		console: []string{"Slot B cannot be loaded."},
	}
)

// TestAB boots machines with two slots and the agent in them, and has Leshan update them with systems that cannot register, and that
// cannot be loaded. A good one for the PC is in TestABCuts.
func TestAB(t *testing.T) {
	t.Parallel()
	checkAB(t, PC, mute, unbootable)
}

// TestABUBoot does the same on an ARM machine, with a good one at the end.
func TestABUBoot(t *testing.T) {
	t.Parallel()
	checkAB(t, ARM, mute, unbootable, good)
}

func checkAB(t *testing.T, p *Platform, outcomes ...outcome) {
	t.Helper()
	d := newDepot(t, p)
	m := d.machine(t, "ab")
	m.Await(t, patience, "RIG SLOT A 1.0")
	for _, o := range outcomes {
		t.Run(o.name, func(t *testing.T) {
			uri := d.publish(t, o.system)
			d.begin(t, m, o.system.Version)
			d.drive(t, m, uri, nil)
			for _, line := range o.console {
				m.Await(t, patience, line)
			}
			d.wantEnd(t, o.end, o.runs)
		})
	}
}

// TestABCuts takes the power away at three random instants of an update: while the package comes or is looked at, while it is installed
// or the machine goes down, and while the new system starts or is on trial; then while an address that leads nowhere, which Leshan has
// configured, is on trial.
func TestABCuts(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := newDepot(t, PC)
	m := d.machine(t, "cuts")
	uri := d.publish(t, SlotConfig{Version: "2.0"})
	d.begin(t, m, "2.0")
	cut := func(within time.Duration) {
		after := time.Duration(random.Int64N(int64(within)))
		d.drive(t, m, uri, time.After(after))
		t.Logf("cut after %s at State/Result %s; the console ends with %q", after.Round(time.Millisecond), d.now(), last(m.Console(), 1))
		m.Cut(t)
		m.On(t)
	}
	d.drive(t, m, uri, nil, "1/0", "2/0", "3/0")
	cut(8 * time.Second)
	d.drive(t, m, uri, nil, "3/0")
	cut(10 * time.Second)
	d.drive(t, m, uri, nil, "3/0")
	m.Await(t, patience, "GRUB starts slot B")
	cut(15 * time.Second)
	d.drive(t, m, uri, nil)
	d.wantEnd(t, "0/1", "2.0")

	const sensor = "[[sensor]]\nname = 'cold room'\ndriver = 'sim'\nobject = 3303\nwave = 'sine'\nmin = 1\nmax = 2\n"
	d.configure(t, sensor)
	d.configured(t, "0")
	d.configure(t, fmt.Sprintf("%s[[server]]\nshort_server_id = 101\nuri = 'coaps://%s:1'\n", sensor, Host))
	<-time.After(time.Duration(random.Int64N(int64(5 * time.Second)))) // it is applied two seconds after the answer
	m.Cut(t)
	m.On(t)
	if why := d.configured(t, "5"); !strings.Contains(why, "the power was cut") {
		t.Errorf("a configuration whose trial the power ended: %q", why)
	}
	if name := d.read(t, "/3303/0/5750"); name != "cold room" {
		t.Errorf("the sensor of the trial before is %q", name)
	}
}

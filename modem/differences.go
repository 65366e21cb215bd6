package modem

import "reflect"

// Differences returns the parts in which two states differ, without regard to when they
// were read.
func Differences(a, b *State) Part {
	x, y := *a, *b
	x.Network.Time, x.Signal.Time = y.Network.Time, y.Signal.Time
	var p Part
	for _, c := range []struct {
		part Part
		x, y any
	}{
		{PartIdentity, x.Identity, y.Identity},
		{PartSIM, x.SIM, y.SIM},
		{PartNetwork, x.Network, y.Network},
		{PartSignal, x.Signal, y.Signal},
		{PartBearers, x.Bearers, y.Bearers},
		{PartSleep, x.Sleep, y.Sleep},
		{PartSelection, x.Selection, y.Selection},
	} {
		if !reflect.DeepEqual(c.x, c.y) {
			p |= c.part
		}
	}
	if x.Presence != y.Presence || text(x.Trouble) != text(y.Trouble) {
		p |= PartPresence
	}
	return p
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

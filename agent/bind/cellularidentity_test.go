package bind

import (
	"log/slog"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/mm"
	"lwm2m-agent/objects/registry"
)

// TestModemFor5G follows object 27 as a modem goes through its networks.
func TestModemFor5G(t *testing.T) {
	tree := model.NewTree(registry.Definitions(), time.Now)
	c, err := NewCellular(tree, mm.New(mm.Config{}), nil, APNTrial{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	network := func(technology modem.Technology, dual bool) modem.State {
		s := registered()
		s.Network.Technology, s.Network.Dual, s.Network.Band = technology, dual, 78
		s.Bearers[0].Type = modem.IPv4
		return s
	}
	lost := modem.State{Presence: modem.Ready}
	for i, tt := range []struct {
		state  modem.State
		option lwm2m.Value
		band   lwm2m.Value
	}{
		{network(modem.LTE, false), lwm2m.Value{}, lwm2m.Value{}}, // nobody knows that it could more
		{network(modem.NR, false), lwm2m.Integer(2), lwm2m.Integer(78)},
		{network(modem.NR, true), lwm2m.Integer(3), lwm2m.Value{}},
		{lost, lwm2m.Integer(3), lwm2m.Value{}},
		{network(modem.LTE, false), lwm2m.Integer(1), lwm2m.Value{}},
		{network(modem.UMTS, false), lwm2m.Integer(1), lwm2m.Value{}},
	} {
		c.publish(&tt.state)
		for path, want := range map[string]lwm2m.Value{"/27/0/0": tt.option, "/27/0/2/0": tt.band} {
			if got := tree.Value(lwm2m.MustPath(path)); got != want {
				t.Errorf("%d: %s is %v, want %v", i, path, got, want)
			}
		}
		if got := tree.Value(lwm2m.MustPath("/27/0/4")); i > 0 && got != lwm2m.String("iot.lab") {
			t.Errorf("%d: the data network is %v", i, got)
		}
	}
	for path, want := range map[string]lwm2m.Value{"/27/0/17": lwm2m.String("26201"), "/27/0/7": {}} {
		if got := tree.Value(lwm2m.MustPath(path)); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

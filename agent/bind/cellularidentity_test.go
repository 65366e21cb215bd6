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
		c.publish(&tt.state, time.Now())
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

// TestModemIsPulledOut: what a modem carried is over with it, and nobody knows its card; what was set in it stays.
func TestModemIsPulledOut(t *testing.T) {
	tree := model.NewTree(registry.Definitions(), time.Now)
	c, err := NewCellular(tree, mm.New(mm.Config{}), nil, APNTrial{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	gone := modem.State{Presence: modem.Missing, Trouble: mm.ErrAbsent}
	c.publish(&gone, time.Now())
	if tree.Contains(lwm2m.MustPath("/10308/0")) {
		t.Error("there is a card though there was no modem")
	}
	s := registered()
	s.SIM.ICCID, s.Bearers[0].Traffic = "8949020000123456789", &modem.Traffic{Sent: 1}
	c.publish(&s, time.Now())
	at := time.Unix(1_800_000_000, 0)
	c.publish(&gone, at)
	c.publish(&gone, at.Add(time.Hour))
	asleep := modem.State{Presence: modem.Asleep}
	c.publish(&asleep, at)
	for path, want := range map[string]lwm2m.Value{
		"/10/0/11/0": {}, "/11/1/1": lwm2m.String("iot.lab"), "/11/1/3": lwm2m.Boolean(false), "/11/1/12/0": lwm2m.Time(at), "/11/1/13": {},
		"/11/1/15/0": {}, "/10308/0/1": {}, "/10308/0/3": lwm2m.String("0"),
	} {
		if got := tree.Value(lwm2m.MustPath(path)); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	c.publish(&s, at)
	if got := tree.Value(lwm2m.MustPath("/10/0/11/0")); got != lwm2m.Objlnk(11, 1) {
		t.Errorf("it is back: %v", got)
	}
}

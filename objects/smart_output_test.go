package objects

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func TestOutput(t *testing.T) {
	f := newFixture(t)
	var b board
	f.smart(3306, SmartHooks{}, SmartInstance{
		Name: "pump", Drives: []uint16{5850, 5851}, Setter: &b,
		Offsets: map[uint16]float64{5852: 100},
	})
	f.has(map[string]string{"/3306/0/5850": "", "/3306/0/5852": "100"})
	f.check(f.write("/3306/0/5850", lwm2m.Boolean(true)))
	f.time = f.time.Add(90 * time.Second)
	f.has(map[string]string{"/3306/0/5850": "1", "/3306/0/5852": "190"})

	f.refused(f.write("/3306/0/5852", lwm2m.Integer(7)), lwm2m.BadRequest, "can be set to 0 only")
	f.check(f.write("/3306/0/5852", lwm2m.Integer(0)))
	f.has(map[string]string{"/3306/0/5852": "0"})
	f.time = f.time.Add(10 * time.Second)
	f.has(map[string]string{"/3306/0/5852": "10"})
	f.check(f.write("/3306/0/5850", lwm2m.Boolean(false)))
	f.time = f.time.Add(10 * time.Second)
	f.has(map[string]string{"/3306/0/5850": "0", "/3306/0/5852": "10"})

	b.check = errors.New("no such level")
	f.refused(f.write("/3306/0/5851", lwm2m.Integer(50)), lwm2m.BadRequest, "no such level")
	f.refused(f.write("/3306/0/5851", lwm2m.Integer(101)), lwm2m.BadRequest, "outside of 0..100")
	b.check = lwm2m.Errorf(lwm2m.ServiceUnavailable, "unplugged")
	f.refused(f.write("/3306/0/5850", lwm2m.Boolean(true)), lwm2m.ServiceUnavailable, "unplugged")
	f.has(map[string]string{"/3306/0/5850": "0", "/3306/0/5851": ""})
	if d := cmp.Diff([]string{"5850=1", "5850=0"}, b.log); d != "" {
		t.Errorf("the driver got (-want +got):\n%s", d)
	}
}

func TestWriteOfManyResources(t *testing.T) {
	f := newFixture(t)
	var b board
	o := f.smart(3311, SmartHooks{}, SmartInstance{Name: "lamp", Drives: []uint16{5850, 5851}, Setter: &b})
	at := lwm2m.MustPath("/3311/0")
	lamp := func(on bool, level int64) []lwm2m.Node {
		return []lwm2m.Node{{Path: at.Child(5850), Value: lwm2m.Boolean(on)}, {Path: at.Child(5851), Value: lwm2m.Integer(level)}}
	}
	f.check(f.tree.Write(t.Context(), model.FromServer(1), model.Replace, at, lamp(true, 30)))
	f.has(map[string]string{"/3311/0/5850": "1", "/3311/0/5851": "30", "/3311/0/5750": ""})

	// A Replace that does not mention a resource does not take it from the hardware.
	f.check(f.tree.Write(t.Context(), model.FromServer(1), model.Replace, at, lamp(true, 30)[:1]))
	f.has(map[string]string{"/3311/0/5851": "30"})

	if d := cmp.Diff([]string{"5851=30", "5850=1", "5850=1"}, b.log); d != "" {
		t.Errorf("the driver got (-want +got):\n%s", d)
	}

	// What was set before the failure is set back.
	b.log = nil
	o.instances[0].Setter = failing{&b, 5850}
	f.refused(f.tree.Write(t.Context(), model.FromServer(1), model.Update, at, lamp(true, 90)), lwm2m.InternalServerError, "stuck")
	f.has(map[string]string{"/3311/0/5850": "1", "/3311/0/5851": "30"})
	if d := cmp.Diff([]string{"5851=90", "5851=30"}, b.log); d != "" {
		t.Errorf("the driver got (-want +got):\n%s", d)
	}
}

// stepped is a lamp of ten steps that says what it really does.
type stepped struct {
	object *SmartObject
	board
	level int64
	stuck int64 // a level that it does not leave; 0: none
}

func (s *stepped) Set(ctx context.Context, rid uint16, v lwm2m.Value) error {
	_ = s.board.Set(ctx, rid, v)
	is := max(0, s.stuck)
	switch {
	case is > 0 || rid == 5850 && !v.Bool():
	case rid == 5850:
		is = s.level
	default:
		is = v.Int() / 10 * 10
		s.level = is
	}
	if err := s.object.Publish(0, 5850, good(lwm2m.Boolean(is > 0), time.Time{})); err != nil {
		return err
	}
	return s.object.Publish(0, 5851, good(lwm2m.Integer(is), time.Time{}))
}

// TestWhatAnOutputDoes: the tree has what was read of an output, not what it was set to, and what switches it off wins.
func TestWhatAnOutputDoes(t *testing.T) {
	f := newFixture(t)
	s := &stepped{level: 70}
	s.object = f.smart(3311, SmartHooks{})
	f.check(s.object.Add(SmartInstance{Name: "lamp", Feeds: []uint16{5850, 5851}, Drives: []uint16{5850, 5851}, Setter: s}))
	at := lwm2m.MustPath("/3311/0")
	for _, c := range []struct {
		on       bool
		level    int64
		stuck    int64
		did      []string
		isOn, is string
	}{
		{true, 33, 0, []string{"5851=33", "5850=1"}, "1", "30"},
		{false, 50, 0, []string{"5850=0"}, "0", "0"},
		{true, 47, 0, []string{"5851=47", "5850=1"}, "1", "40"},
		{true, 0, 0, []string{"5851=0"}, "0", "0"},
		{false, 0, 80, []string{"5851=0", "5850=0"}, "1", "80"},
	} {
		s.log, s.stuck = nil, c.stuck
		f.check(f.tree.Write(t.Context(), model.FromServer(1), model.Update, at, []lwm2m.Node{
			{Path: at.Child(5850), Value: lwm2m.Boolean(c.on)}, {Path: at.Child(5851), Value: lwm2m.Integer(c.level)},
		}))
		if d := cmp.Diff(c.did, s.log); d != "" {
			t.Errorf("%v, %d: the driver got (-want +got):\n%s", c.on, c.level, d)
		}
		f.has(map[string]string{"/3311/0/5850": c.isOn, "/3311/0/5851": c.is})
	}
	f.time = f.time.Add(90 * time.Second)
	f.has(map[string]string{"/3311/0/5852": "90"}) // it does not go off
}

// failing is a board one resource of which cannot be set.
type failing struct {
	*board
	rid uint16
}

func (f failing) Set(ctx context.Context, rid uint16, v lwm2m.Value) error {
	if rid == f.rid {
		return errors.New("stuck")
	}
	return f.board.Set(ctx, rid, v)
}

func TestAnalogOutput(t *testing.T) {
	f := newFixture(t)
	var b board
	f.smart(3308, SmartHooks{}, SmartInstance{Name: "heating", Drives: []uint16{5900}, Setter: &b, Min: 5, Max: 25})
	f.check(f.write("/3308/0/5900", lwm2m.Float(21.5)))
	f.refused(f.write("/3308/0/5900", lwm2m.Float(30)), lwm2m.BadRequest, `"heating" takes 5 to 25`)
	f.has(map[string]string{"/3308/0/5900": "21.5"})
}

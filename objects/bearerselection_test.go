package objects

import (
	"context"
	"errors"
	"slices"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// selecting is object 13 of a modem that keeps what it is told.
func (f *fixture) selecting(now *Selection, d *told) *BearerSelection {
	f.Helper()
	s, err := NewBearerSelection(f.tree, func() Selection { return *now }, SelectionHooks{
		SetBearers:   func(_ context.Context, order []PreferredBearer) error { return d.say("bearers %d", order) },
		SetOperators: func(_ context.Context, operators []string) error { return d.say("operators %q", operators) },
	})
	f.check(err)
	f.check(s.Publish(*now))
	return s
}

func TestBearerSelection(t *testing.T) {
	full := Selection{Bearers: []PreferredBearer{PreferLTE, PreferGSM}, Choices: []PreferredBearer{PreferGSM, PreferLTE, PreferNBIoT}, Most: 2, Operators: []string{"26201"}, MaxOperators: 2}
	integers := func(list ...int64) []lwm2m.Node {
		nodes := make([]lwm2m.Node, 0, len(list))
		for i, n := range list {
			nodes = append(nodes, lwm2m.Node{Path: lwm2m.NewPath(13, 0, 0, uint16(i)), Value: lwm2m.Integer(n)})
		}
		return nodes
	}
	one := func(path string, v lwm2m.Value) []lwm2m.Node {
		return []lwm2m.Node{{Path: lwm2m.MustPath(path), Value: v}}
	}
	for name, tt := range map[string]struct {
		now   Selection
		path  string
		nodes []lwm2m.Node
		calls []string
		code  lwm2m.Code
	}{
		"another order":         {full, "/13/0/0", integers(14, 4), []string{"bearers [14 4]"}, 0},
		"a shorter one":         {full, "/13/0/0", integers(2), []string{"bearers [2]"}, 0},
		"its own choice":        {full, "/13/0/0", integers(0), []string{"bearers []"}, 0},
		"too many":              {full, "/13/0/0", integers(2, 4, 14), nil, lwm2m.BadRequest},
		"twice":                 {full, "/13/0/0", integers(2, 2), nil, lwm2m.BadRequest},
		"what it has not":       {full, "/13/0/0", integers(16), nil, lwm2m.BadRequest},
		"one of several, auto":  {full, "/13/0/0", integers(0, 4), nil, lwm2m.BadRequest},
		"no choice":             {Selection{}, "/13/0/0", integers(4), nil, lwm2m.MethodNotAllowed},
		"no choice, as it is":   {Selection{}, "/13/0/0", integers(0), []string{"bearers []"}, 0},
		"operators":             {full, "/13/0/6", one("/13/0/6", lwm2m.String("310410, 26202")), []string{`operators ["310410" "26202"]`}, 0},
		"no operators":          {full, "/13/0/6", one("/13/0/6", lwm2m.String("")), []string{"operators []"}, 0},
		"three operators":       {full, "/13/0/6", one("/13/0/6", lwm2m.String("26201,26202,26203")), nil, lwm2m.BadRequest},
		"none of digits":        {full, "/13/0/6", one("/13/0/6", lwm2m.String("Lab LTE")), nil, lwm2m.BadRequest},
		"one twice":             {full, "/13/0/6", one("/13/0/6", lwm2m.String("26201,26201")), nil, lwm2m.BadRequest},
		"no list":               {Selection{}, "/13/0/6", one("/13/0/6", lwm2m.String("26201")), nil, lwm2m.MethodNotAllowed},
		"preferred operators":   {full, "/13/0/7", one("/13/0/7", lwm2m.Boolean(false)), nil, 0},
		"no others":             {full, "/13/0/7", one("/13/0/7", lwm2m.Boolean(true)), nil, lwm2m.MethodNotAllowed},
		"an acceptable signal":  {full, "/13/0/3", one("/13/0/3", lwm2m.Integer(-110)), nil, lwm2m.MethodNotAllowed},
		"what a modem scans":    {full, "/13/0/8", one("/13/0/8", lwm2m.String("x")), nil, lwm2m.MethodNotAllowed},
		"attach without packet": {full, "/13/0/12", one("/13/0/12", lwm2m.Boolean(true)), nil, lwm2m.MethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			f, d := newFixture(t), &told{}
			f.selecting(&tt.now, d)
			err := f.tree.Write(t.Context(), model.FromServer(1), model.Replace, lwm2m.MustPath(tt.path), tt.nodes)
			if tt.code != 0 {
				f.refused(err, tt.code, "")
			} else if err != nil {
				t.Error(err)
			}
			if !slices.Equal(d.calls, tt.calls) {
				t.Errorf("called %q, want %q", d.calls, tt.calls)
			}
			nodes, err := f.tree.Read(model.FromServer(1), lwm2m.NewPath(13, 0, 0), nil)
			want := bearerValues(tt.now.Bearers)
			if tt.code == 0 && tt.path == "/13/0/0" {
				want = nil
				for _, n := range tt.nodes {
					want = append(want, n.Value)
				}
			}
			if err != nil || len(nodes) != len(want) || nodes[0].Value != want[0] {
				t.Errorf("shows %v, %v; want %v", nodes, err, want)
			}
		})
	}
}

// TestBearerSelectionFails has the modem refuse: what was told before is told again.
func TestBearerSelectionFails(t *testing.T) {
	f, d := newFixture(t), &told{fail: errors.New("no")}
	now := Selection{Bearers: []PreferredBearer{PreferLTE}, Choices: []PreferredBearer{PreferGSM, PreferLTE}, Most: 2}
	s := f.selecting(&now, d)
	path := lwm2m.MustPath("/13/0/0")
	node := []lwm2m.Node{{Path: path.Child(0), Value: lwm2m.Integer(2)}}
	if err := f.tree.Write(t.Context(), model.FromServer(1), model.Replace, path, node); err == nil {
		t.Error("it is taken")
	}
	f.has(map[string]string{"/13/0/0/0": "4"})
	now.Bearers = nil
	f.check(s.Publish(now))
	f.has(map[string]string{"/13/0/0/0": "0"})
	if err := f.tree.Write(t.Context(), model.FromServer(1), model.Replace, lwm2m.MustPath("/13/0"), nil); err != nil {
		t.Error(err)
	}
	f.has(map[string]string{"/13/0/0/0": "0"})
}

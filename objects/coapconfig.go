package objects

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 500 that mean something here. Default Leisure and Probing Rate
// are of multicast, which there is none of, and of messages that are never repeated.
const (
	objectCoAPConfig = 500

	ridConfigBearer       = 0
	ridAckTimeout         = 1
	ridAckRandomFactor    = 2
	ridMaxRetransmit      = 3
	ridNStart             = 4
	ridDTLSRetransmission = 7
	ridResponseWait       = 8
	ridApply              = 9
)

// Transmission is how messages are sent on a bearer (RFC 7252, section 4.8). A zero field
// says nothing.
type Transmission struct {
	AckTimeout      time.Duration // whole seconds
	AckRandomFactor float64
	MaxRetransmit   int // negative: none
	NStart          int
	DTLSTimeout     time.Duration // before the first retransmission of a handshake, whole seconds
	ResponseWait    time.Duration // for a response after an empty ACK, whole seconds
}

// CoAPConfig is object 500: transmission parameters, an instance for each bearer. Servers may
// change, add and delete them. They hold for connections made from then on and, once
// Apply has been executed, for those that are there.
type CoAPConfig struct {
	model.Plain
	record record
	apply  func()
}

// NewCoAPConfig adds object 500 to the tree, without instances. apply is called when a
// server executes Apply; it must not block.
func NewCoAPConfig(tree *model.Tree, save Save, apply func()) (*CoAPConfig, error) {
	o := &CoAPConfig{record: record{tree: tree, save: save, executable: []uint16{ridApply}}, apply: apply}
	var err error
	o.record.pub, err = tree.AddRegistered(objectCoAPConfig, o)
	return o, err
}

// Seed makes the instances anew, one for each bearer in the order of its number.
func (o *CoAPConfig) Seed(parameters map[Bearer]Transmission) error {
	nodes := make([]lwm2m.Node, 0, 6*len(parameters))
	for i, b := range slices.Sorted(maps.Keys(parameters)) {
		t := parameters[b]
		at := lwm2m.NewPath(objectCoAPConfig, uint16(i))
		values := map[uint16]lwm2m.Value{
			ridConfigBearer: lwm2m.Integer(int64(b)), ridAckTimeout: seconds(t.AckTimeout), ridAckRandomFactor: lwm2m.Float(t.AckRandomFactor),
			ridMaxRetransmit: lwm2m.Integer(int64(max(t.MaxRetransmit, 0))), ridNStart: lwm2m.Integer(int64(t.NStart)),
			ridDTLSRetransmission: seconds(t.DTLSTimeout),
		}
		nodes = append(nodes, instanceNodes(at, values)...)
	}
	return o.record.restore(nodes)
}

// Restore makes the object's content what Save was given.
func (o *CoAPConfig) Restore(nodes []lwm2m.Node) error { return o.record.restore(nodes) }

// Of returns the parameters of a bearer, false if there is no instance for it.
func (o *CoAPConfig) Of(b Bearer) (Transmission, bool) {
	for _, iid := range o.record.tree.Instances(objectCoAPConfig) {
		if o.value(iid, ridConfigBearer).Int() == int64(b) {
			t := Transmission{
				AckTimeout: o.seconds(iid, ridAckTimeout), AckRandomFactor: o.value(iid, ridAckRandomFactor).Float(),
				MaxRetransmit: int(o.value(iid, ridMaxRetransmit).Int()), NStart: int(o.value(iid, ridNStart).Int()),
				DTLSTimeout: o.seconds(iid, ridDTLSRetransmission), ResponseWait: o.seconds(iid, ridResponseWait),
			}
			if t.MaxRetransmit == 0 {
				t.MaxRetransmit = -1
			}
			return t, true
		}
	}
	return Transmission{}, false
}

func (o *CoAPConfig) value(iid, rid uint16) lwm2m.Value {
	return o.record.tree.Value(o.record.path(iid, rid))
}

func (o *CoAPConfig) seconds(iid, rid uint16) time.Duration {
	return time.Duration(o.value(iid, rid).Int()) * time.Second
}

// Prepare checks what a server writes.
func (o *CoAPConfig) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	for _, n := range e.Set {
		if err := o.valid(n); err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
		}
	}
	var tx sequence
	o.record.keep(&tx, e)
	return &tx, nil
}

// configRanges are what the parameters may be: the registry has no ranges for them, but
// a server must not make itself unreachable.
var configRanges = map[uint16][2]float64{
	ridAckTimeout: {1, 600}, ridAckRandomFactor: {1, 10}, ridMaxRetransmit: {0, 20}, ridNStart: {1, 16},
	ridDTLSRetransmission: {1, 600}, ridResponseWait: {1, 86400},
}

func (o *CoAPConfig) valid(n lwm2m.Node) error {
	rid := n.Path.Resource()
	if rid == ridConfigBearer {
		for _, iid := range o.record.tree.Instances(objectCoAPConfig) {
			if iid != n.Path.Instance() && o.value(iid, ridConfigBearer).Int() == n.Value.Int() {
				return fmt.Errorf("%s: instance %d is for bearer %d already", n.Path, iid, n.Value.Int())
			}
		}
	}
	number, _ := n.Value.Number()
	if limits, ok := configRanges[rid]; ok && (number < limits[0] || number > limits[1]) {
		return fmt.Errorf("%s: %s is not from %v to %v", n.Path, n.Value, limits[0], limits[1])
	}
	return nil
}

// Execute applies the parameters to the connections that are there.
func (o *CoAPConfig) Execute(_ context.Context, _ model.Origin, _ lwm2m.Path, _ model.Arguments) error {
	o.apply()
	return nil
}

package objects

import (
	"context"
	"fmt"
	"math/rand/v2"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// objectTest is LwM2M v1.1 Test Object: a resource of every data type, single
// and multiple, for trying servers and formats.
const objectTest = 3442

// The executable resources of the test object, and the one that shows the last
// arguments.
const (
	ridTestReset     = 0
	ridTestRandomize = 1
	ridTestClear     = 2
	ridTestExecute   = 3
	ridTestArguments = 4
)

// multipleOffset is the distance from a single resource of the test object to
// the multiple one of the same type: 110 and 1110.
const multipleOffset = 1000

// TestObject is object 3442. Servers may create and delete instances; nothing of
// it outlives the process.
type TestObject struct {
	model.Plain
	pub *model.Publisher
}

// NewTestObject adds object 3442 with instance 0 to the tree.
func NewTestObject(tree *model.Tree) (*TestObject, error) {
	o := &TestObject{}
	var err error
	if o.pub, err = tree.AddRegistered(objectTest, o); err != nil {
		return nil, err
	}
	return o, o.make(0)
}

// testValues are the first values, by resource.
func testValues() map[uint16]lwm2m.Value {
	return map[uint16]lwm2m.Value{
		110: lwm2m.String("initial value"), 120: lwm2m.Integer(1024), 125: lwm2m.Unsigned(1 << 63), 130: lwm2m.Float(3.14159),
		140: lwm2m.Boolean(true), 150: lwm2m.Opaque([]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}),
		160: lwm2m.UnixTime(946_684_800), 170: lwm2m.Objlnk(3, 0), 180: lwm2m.Corelnk("</3442>"),
	}
}

func randomValues() map[uint16]lwm2m.Value {
	text := fmt.Sprintf("%016x", rand.Uint64()) //nolint:gosec // arbitrary values, not secrets
	n := rand.Int64()                           //nolint:gosec // as above
	return map[uint16]lwm2m.Value{
		110: lwm2m.String(text), 120: lwm2m.Integer(n), 125: lwm2m.Unsigned(rand.Uint64()), 130: lwm2m.Float(rand.NormFloat64()), //nolint:gosec // as above
		140: lwm2m.Boolean(n%2 == 0), 150: lwm2m.Opaque([]byte(text)), 160: lwm2m.UnixTime(n >> 30), 170: lwm2m.Objlnk(3, 0),
		180: lwm2m.Corelnk("</" + text + ">"),
	}
}

func clearValues() map[uint16]lwm2m.Value {
	return map[uint16]lwm2m.Value{
		110: lwm2m.String(""), 120: lwm2m.Integer(0), 125: lwm2m.Unsigned(0), 130: lwm2m.Float(0), 140: lwm2m.Boolean(false),
		150: lwm2m.Opaque(nil), 160: lwm2m.UnixTime(0), 170: lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID), 180: lwm2m.Corelnk(""),
	}
}

// Contained implements model.Container.
func (o *TestObject) Contained() {}

// make publishes an instance with its first values.
func (o *TestObject) make(iid uint16) error {
	var b model.Batch
	b.Create(iid)
	b.Declare(iid, ridTestReset, ridTestRandomize, ridTestClear, ridTestExecute, ridTestArguments)
	fill(&b, iid, testValues(), true)
	return o.pub.Publish(&b)
}

// fill sets the single resources to values, and the multiple ones to two
// instances of the same, or none.
func fill(b *model.Batch, iid uint16, values map[uint16]lwm2m.Value, multiple bool) {
	for rid, v := range values {
		b.Set(iid, rid, v)
		if multiple {
			b.SetAll(iid, rid+multipleOffset, v, v)
		} else {
			b.SetAll(iid, rid+multipleOffset)
		}
	}
}

// Prepare implements model.Object: a new instance has every resource.
func (o *TestObject) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	return model.OnCommit(func(context.Context) error {
		for _, iid := range e.Create {
			if err := o.make(iid); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// Execute implements model.Object.
func (o *TestObject) Execute(_ context.Context, _ model.Origin, p lwm2m.Path, args model.Arguments) error {
	var b model.Batch
	switch iid := p.Instance(); p.Resource() {
	case ridTestReset:
		fill(&b, iid, testValues(), true)
	case ridTestRandomize:
		fill(&b, iid, randomValues(), true)
	case ridTestClear:
		fill(&b, iid, clearValues(), false)
	case ridTestExecute:
		b.SetAll(iid, ridTestArguments)
		for _, a := range args {
			b.SetInstance(iid, ridTestArguments, uint16(a.ID), lwm2m.String(a.Value))
		}
	default:
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be executed", p)
	}
	return o.pub.Publish(&b)
}

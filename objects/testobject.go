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
	pub   *model.Publisher
	batch model.Batch // used by make again and again: there may be thousands of instances
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

// testTypes are the single resources of the test object that hold a value, in their order.
var testTypes = [...]uint16{110, 120, 125, 130, 140, 150, 160, 170, 180}

// testValues are values of the testTypes.
type testValues [len(testTypes)]lwm2m.Value

var firstValues = testValues{
	lwm2m.String("initial value"), lwm2m.Integer(1024), lwm2m.Unsigned(1 << 63), lwm2m.Float(3.14159),
	lwm2m.Boolean(true), lwm2m.Opaque([]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}),
	lwm2m.UnixTime(946_684_800), lwm2m.Objlnk(3, 0), lwm2m.Corelnk("</3442>"),
}

func randomValues() testValues {
	text := fmt.Sprintf("%016x", rand.Uint64()) //nolint:gosec // arbitrary values, not secrets
	n := rand.Int64()                           //nolint:gosec // as above
	return testValues{
		lwm2m.String(text), lwm2m.Integer(n), lwm2m.Unsigned(rand.Uint64()), lwm2m.Float(rand.NormFloat64()), //nolint:gosec // as above
		lwm2m.Boolean(n%2 == 0), lwm2m.Opaque([]byte(text)), lwm2m.UnixTime(n >> 30), lwm2m.Objlnk(3, 0),
		lwm2m.Corelnk("</" + text + ">"),
	}
}

var clearedValues = testValues{
	lwm2m.String(""), lwm2m.Integer(0), lwm2m.Unsigned(0), lwm2m.Float(0), lwm2m.Boolean(false),
	lwm2m.Opaque(nil), lwm2m.UnixTime(0), lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID), lwm2m.Corelnk(""),
}

// Contained implements model.Container.
func (o *TestObject) Contained() {}

// make publishes an instance with its first values. One request at a time does.
func (o *TestObject) make(iid uint16) error {
	b := &o.batch
	b.Reset()
	b.Create(iid)
	b.Declare(iid, ridTestReset, ridTestRandomize, ridTestClear, ridTestExecute, ridTestArguments)
	fill(b, iid, &firstValues, true)
	return o.pub.Publish(b)
}

// fill sets the single resources to values, and the multiple ones to two
// instances of the same, or none.
func fill(b *model.Batch, iid uint16, values *testValues, multiple bool) {
	for i, rid := range testTypes {
		b.Set(iid, rid, values[i])
	}
	for i, rid := range testTypes {
		if v := values[i]; multiple {
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
		fill(&b, iid, &firstValues, true)
	case ridTestRandomize:
		values := randomValues()
		fill(&b, iid, &values, true)
	case ridTestClear:
		fill(&b, iid, &clearedValues, false)
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

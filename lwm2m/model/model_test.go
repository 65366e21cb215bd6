package model

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lwm2m-agent/lwm2m"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// testObject has one resource of each kind that the tree treats differently.
var testObject = &Definition{
	ID: 100, Name: "Test", Version: lwm2m.Version{Major: 1}, Multiple: true,
	Resources: []ResourceDefinition{
		{ID: 0, Name: "Reading", Ops: OpRead, Mandatory: true, Type: lwm2m.TypeFloat},
		{ID: 1, Name: "Level", Ops: OpRead | OpWrite, Mandatory: true, Type: lwm2m.TypeInteger, Range: ParseRange("0..100")},
		{ID: 2, Name: "Note", Ops: OpRead | OpWrite, Type: lwm2m.TypeString},
		{ID: 3, Name: "List", Ops: OpRead | OpWrite, Multiple: true, Type: lwm2m.TypeInteger},
		{ID: 4, Name: "Run", Ops: OpExecute},
		{ID: 5, Name: "Secret", Ops: OpWrite, Type: lwm2m.TypeString},
		{ID: 6, Name: "Clock", Ops: OpRead, Type: lwm2m.TypeTime},
		{ID: 7, Name: "Link", Ops: OpRead | OpWrite, Type: lwm2m.TypeObjlnk},
	},
}

var (
	singleObject   = &Definition{ID: 101, Name: "Single", Resources: []ResourceDefinition{{ID: 0, Name: "V", Ops: OpRead | OpWrite, Type: lwm2m.TypeInteger}}}
	securityObject = &Definition{ID: 0, Name: "Security", Multiple: true, Resources: []ResourceDefinition{
		{ID: 0, Name: "URI", Type: lwm2m.TypeString},
		{ID: 5, Name: "Secret Key", Type: lwm2m.TypeOpaque},
		{ID: 8, Name: "SMS Binding Secret Key", Type: lwm2m.TypeOpaque, Range: ParseRange("16,32,48")},
	}}
)

type noDefinitions struct{}

func (noDefinitions) Object(uint16) (*Definition, bool) { return nil, false }

// owner records what it is asked and refuses what a test wants refused.
type owner struct {
	Plain
	prepare, commit error
	log             []string
	execute         func(context.Context, lwm2m.Path, Arguments) error
}

func (o *owner) Prepare(_ context.Context, _ *Edit) (Transaction, error) {
	o.log = append(o.log, "prepare")
	return (*ownerTx)(o), o.prepare
}

func (o *owner) Execute(ctx context.Context, _ Origin, p lwm2m.Path, args Arguments) error {
	return o.execute(ctx, p, args)
}

type ownerTx owner

func (o *ownerTx) Commit(context.Context) error { o.log = append(o.log, "commit"); return o.commit }
func (o *ownerTx) Abort()                       { o.log = append(o.log, "abort") }

func newTestTree(t *testing.T, own Object) (*Tree, *Publisher) {
	t.Helper()
	tree := NewTree(noDefinitions{}, func() time.Time { return start })
	p, err := tree.Add(testObject, own)
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Create(0)
	b.Set(0, 0, lwm2m.Float(21.5))
	b.Set(0, 1, lwm2m.Integer(7))
	b.Set(0, 2, lwm2m.String("hello"))
	b.SetAll(0, 3, lwm2m.Integer(10), lwm2m.Integer(11))
	b.Declare(0, 4, 5)
	b.Compute(0, 6, func() lwm2m.Value { return lwm2m.UnixTime(99) })
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	return tree, p
}

func node(path string, v lwm2m.Value) lwm2m.Node {
	return lwm2m.Node{Path: lwm2m.MustPath(path), Value: v}
}

func diffNodes(t *testing.T, want, got []lwm2m.Node) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.AllowUnexported(lwm2m.Path{}, lwm2m.Value{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("nodes (-want +got):\n%s", d)
	}
}

func mustCode(t *testing.T, want lwm2m.Code, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", want)
	}
	if got := lwm2m.CodeOf(err); got != want {
		t.Fatalf("%v, want %v", err, want)
	}
}

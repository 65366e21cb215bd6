package model

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name, path string
		mode       WriteMode
		nodes      []lwm2m.Node
		want       []lwm2m.Node // of /100/0 after resource 0
	}{
		{"resource", "/100/0/1", Replace, []lwm2m.Node{node("/100/0/1", lwm2m.Integer(9))}, []lwm2m.Node{
			node("/100/0/1", lwm2m.Integer(9)), node("/100/0/2", lwm2m.String("hello")), node("/100/0/3/0", lwm2m.Integer(10)), node("/100/0/3/1", lwm2m.Integer(11)),
		}},
		{"instance partial keeps the rest", "/100/0", Update, []lwm2m.Node{node("/100/0/3/5", lwm2m.Integer(15))}, []lwm2m.Node{
			node("/100/0/1", lwm2m.Integer(7)), node("/100/0/2", lwm2m.String("hello")), node("/100/0/3/0", lwm2m.Integer(10)), node("/100/0/3/1", lwm2m.Integer(11)), node("/100/0/3/5", lwm2m.Integer(15)),
		}},
		{"instance replace drops the optional", "/100/0", Replace, []lwm2m.Node{node("/100/0/3/1", lwm2m.Integer(1))}, []lwm2m.Node{
			node("/100/0/1", lwm2m.Integer(7)), node("/100/0/3/1", lwm2m.Integer(1)),
		}},
		{"instance replace empties a multiple resource", "/100/0", Replace, []lwm2m.Node{node("/100/0/1", lwm2m.Integer(8)), node("/100/0/3", lwm2m.Value{})}, []lwm2m.Node{
			node("/100/0/1", lwm2m.Integer(8)), node("/100/0/3", lwm2m.Value{}),
		}},
		{"multiple resource replace with nothing", "/100/0/3", Replace, []lwm2m.Node{node("/100/0/3", lwm2m.Value{})}, []lwm2m.Node{
			node("/100/0/1", lwm2m.Integer(7)), node("/100/0/2", lwm2m.String("hello")), node("/100/0/3", lwm2m.Value{}),
		}},
		{"multiple resource replace", "/100/0/3", Replace, []lwm2m.Node{node("/100/0/3/1", lwm2m.Integer(1))}, []lwm2m.Node{
			node("/100/0/1", lwm2m.Integer(7)), node("/100/0/2", lwm2m.String("hello")), node("/100/0/3/1", lwm2m.Integer(1)),
		}},
		{"multiple resource update", "/100/0/3", Update, []lwm2m.Node{node("/100/0/3/1", lwm2m.Integer(1))}, []lwm2m.Node{
			node("/100/0/1", lwm2m.Integer(7)), node("/100/0/2", lwm2m.String("hello")), node("/100/0/3/0", lwm2m.Integer(10)), node("/100/0/3/1", lwm2m.Integer(1)),
		}},
		{"resource instance", "/100/0/3/0", Replace, []lwm2m.Node{node("/100/0/3/0", lwm2m.Float(3))}, []lwm2m.Node{
			node("/100/0/1", lwm2m.Integer(7)), node("/100/0/2", lwm2m.String("hello")), node("/100/0/3/0", lwm2m.Integer(3)), node("/100/0/3/1", lwm2m.Integer(11)),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, _ := newTestTree(t, Plain{})
			if err := tree.Write(t.Context(), FromServer(1), c.mode, lwm2m.MustPath(c.path), c.nodes); err != nil {
				t.Fatal(err)
			}
			got, err := tree.Read(FromServer(1), lwm2m.MustPath("/100/0"), nil)
			if err != nil {
				t.Fatal(err)
			}
			diffNodes(t, c.want, got[1:len(got)-1])
		})
	}
}

// TestReplaceEmptiesAMandatoryResource shows that a multiple resource without instances in a
// payload is one that shall have none, and one that a payload leaves out is not.
func TestReplaceEmptiesAMandatoryResource(t *testing.T) {
	tree := NewTree(noDefinitions{}, func() time.Time { return start })
	p, err := tree.Add(&Definition{ID: 102, Name: "Lists", Multiple: true, Resources: []ResourceDefinition{
		{ID: 0, Name: "List", Ops: OpRead | OpWrite, Multiple: true, Mandatory: true, Type: lwm2m.TypeInteger},
		{ID: 1, Name: "Note", Ops: OpRead | OpWrite, Type: lwm2m.TypeString},
	}}, Plain{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Create(0)
	b.SetAll(0, 0, lwm2m.Integer(1), lwm2m.Integer(2))
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	at := lwm2m.MustPath("/102/0")
	for _, c := range []struct{ nodes, want []lwm2m.Node }{
		{
			[]lwm2m.Node{node("/102/0/1", lwm2m.String("a"))},
			[]lwm2m.Node{node("/102/0/0/0", lwm2m.Integer(1)), node("/102/0/0/1", lwm2m.Integer(2)), node("/102/0/1", lwm2m.String("a"))},
		},
		{
			[]lwm2m.Node{node("/102/0/0", lwm2m.Value{}), node("/102/0/1", lwm2m.String("b"))},
			[]lwm2m.Node{node("/102/0/0", lwm2m.Value{}), node("/102/0/1", lwm2m.String("b"))},
		},
	} {
		if err := tree.Write(t.Context(), FromServer(1), Replace, at, c.nodes); err != nil {
			t.Fatal(err)
		}
		got, err := tree.Read(FromServer(1), at, nil)
		if err != nil {
			t.Fatal(err)
		}
		diffNodes(t, c.want, got)
	}
}

// TestWriteIgnoresWhatIsNotDefined shows that a payload for a newer version of an object is
// taken as far as it goes.
func TestWriteIgnoresWhatIsNotDefined(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	nodes := []lwm2m.Node{node("/100/0/1", lwm2m.Integer(9)), node("/100/0/77", lwm2m.Integer(1))}
	if err := tree.Write(t.Context(), FromServer(1), Update, lwm2m.MustPath("/100/0"), nodes); err != nil {
		t.Fatal(err)
	}
	if got := tree.Value(lwm2m.MustPath("/100/0/1")); got != lwm2m.Integer(9) {
		t.Errorf("what is defined is %v", got)
	}
	mustCode(t, lwm2m.NotFound, tree.WriteAll(t.Context(), FromServer(1), nodes)) // a composite is atomic
}

func TestWriteLinks(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	p := lwm2m.MustPath("/100/0/7")
	for _, v := range []lwm2m.Value{lwm2m.Objlnk(100, 0), lwm2m.Objlnk(100, lwm2m.MaxID), lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID)} {
		if err := tree.Write(t.Context(), FromServer(1), Replace, p, []lwm2m.Node{{Path: p, Value: v}}); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
	own := []lwm2m.Node{node("/100/5/1", lwm2m.Integer(3)), node("/100/5/7", lwm2m.Objlnk(100, 5))}
	if _, err := tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(100, 5), own); err != nil {
		t.Errorf("a new instance that links to itself: %v", err)
	}
}

func TestWriteRefusals(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	before, _ := tree.Read(FromAgent(), lwm2m.NewPath(), nil)
	for _, c := range []struct {
		name, path string
		mode       WriteMode
		node       lwm2m.Node
		want       lwm2m.Code
	}{
		{"object", "/100", Replace, node("/100/0/1", lwm2m.Integer(1)), lwm2m.MethodNotAllowed},
		{"no object", "/99/0", Replace, node("/99/0/1", lwm2m.Integer(1)), lwm2m.NotFound},
		{"no instance", "/100/1/1", Replace, node("/100/1/1", lwm2m.Integer(1)), lwm2m.NotFound},
		{"no resource", "/100/0/77", Replace, node("/100/0/77", lwm2m.Integer(1)), lwm2m.NotFound},
		{"read only", "/100/0/0", Replace, node("/100/0/0", lwm2m.Float(1)), lwm2m.MethodNotAllowed},
		{"read only in an instance", "/100/0", Update, node("/100/0/0", lwm2m.Float(1)), lwm2m.MethodNotAllowed},
		{"wrong type", "/100/0/1", Replace, node("/100/0/1", lwm2m.String("x")), lwm2m.BadRequest},
		{"out of range", "/100/0/1", Replace, node("/100/0/1", lwm2m.Integer(101)), lwm2m.BadRequest},
		{"single for multiple", "/100/0/3", Replace, node("/100/0/3", lwm2m.Integer(1)), lwm2m.BadRequest},
		{"multiple for single", "/100/0/1", Replace, node("/100/0/1/0", lwm2m.Integer(1)), lwm2m.BadRequest},
		{"post to a single resource", "/100/0/1", Update, node("/100/0/1", lwm2m.Integer(1)), lwm2m.MethodNotAllowed},
		{"no resource instance", "/100/0/3/8", Replace, node("/100/0/3/8", lwm2m.Integer(1)), lwm2m.NotFound},
		{"outside", "/100/0/1", Replace, node("/100/0/2", lwm2m.String("x")), lwm2m.BadRequest},
		{"link to nothing", "/100/0/7", Replace, node("/100/0/7", lwm2m.Objlnk(100, 9)), lwm2m.BadRequest},
		{"link to no object", "/100/0/7", Replace, node("/100/0/7", lwm2m.Objlnk(99, lwm2m.MaxID)), lwm2m.BadRequest},
		{"security", "/0/0/0", Replace, node("/0/0/0", lwm2m.String("x")), lwm2m.Unauthorized},
		{"executable", "/100/0/4", Replace, node("/100/0/4", lwm2m.String("x")), lwm2m.MethodNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustCode(t, c.want, tree.Write(t.Context(), FromServer(1), c.mode, lwm2m.MustPath(c.path), []lwm2m.Node{c.node}))
		})
	}
	mustCode(t, lwm2m.BadRequest, tree.Write(t.Context(), FromServer(1), Replace, lwm2m.MustPath("/100/0/1"), nil))
	after, _ := tree.Read(FromAgent(), lwm2m.NewPath(), nil)
	diffNodes(t, before, after)
}

func TestWriteAllIsAllOrNothingOverObjects(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	refusing := &owner{}
	p, err := tree.Add(singleObject, refusing)
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Create(0)
	b.Set(0, 0, lwm2m.Integer(1))
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	nodes := []lwm2m.Node{
		node("/101/0/0", lwm2m.Integer(2)), node("/100/0/1", lwm2m.Integer(3)), node("/100/0/3/7", lwm2m.Integer(4)),
	}
	values := func() [2]lwm2m.Value {
		return [2]lwm2m.Value{tree.Value(lwm2m.MustPath("/100/0/1")), tree.Value(lwm2m.MustPath("/101/0/0"))}
	}
	before := values()
	refusing.prepare = lwm2m.Errorf(lwm2m.BadRequest, "no")
	mustCode(t, lwm2m.BadRequest, tree.WriteAll(t.Context(), FromServer(1), nodes))
	refusing.prepare, refusing.commit = nil, errors.New("broken")
	mustCode(t, lwm2m.InternalServerError, tree.WriteAll(t.Context(), FromServer(1), nodes))
	if got := values(); got != before {
		t.Errorf("values are %v, want %v", got, before)
	}
	refusing.commit = nil
	if err := tree.WriteAll(t.Context(), FromServer(1), nodes); err != nil {
		t.Fatal(err)
	}
	if got, want := values(), [2]lwm2m.Value{lwm2m.Integer(3), lwm2m.Integer(2)}; got != want {
		t.Errorf("values are %v, want %v", got, want)
	}
	for path, want := range map[string]lwm2m.Code{"/0/0/0": lwm2m.Unauthorized, "/100": lwm2m.BadRequest, "/100/9/1": lwm2m.NotFound, "/77/0/0": lwm2m.NotFound} {
		mustCode(t, want, tree.WriteAll(t.Context(), FromServer(1), []lwm2m.Node{node(path, lwm2m.Integer(1))}))
	}
}

func TestTransactionRefusedByOwnerChangesNothing(t *testing.T) {
	broken := errors.New("valve stuck")
	for _, c := range []struct {
		name            string
		prepare, commit error
		want            lwm2m.Code
		log             []string
	}{
		{"prepare", lwm2m.Errorf(lwm2m.BadRequest, "no"), nil, lwm2m.BadRequest, []string{"prepare"}},
		{"commit", nil, broken, lwm2m.InternalServerError, []string{"prepare", "commit", "abort"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := &owner{prepare: c.prepare, commit: c.commit}
			tree, _ := newTestTree(t, own)
			err := tree.Write(t.Context(), FromServer(1), Replace, lwm2m.MustPath("/100/0/1"), []lwm2m.Node{node("/100/0/1", lwm2m.Integer(50))})
			mustCode(t, c.want, err)
			if c.commit != nil && !errors.Is(err, broken) {
				t.Errorf("%v lost its cause", err)
			}
			if d := cmp.Diff(c.log, own.log); d != "" {
				t.Error(d)
			}
			if v := tree.Value(lwm2m.MustPath("/100/0/1")); v != lwm2m.Integer(7) {
				t.Errorf("value is %v, want the old one", v)
			}
		})
	}
}

func TestWriteWaitsForAnotherNoLongerThanItsDeadline(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	tree, _ := newTestTree(t, &slowOwner{entered, release})
	done := make(chan error)
	value := []lwm2m.Node{node("/100/0/1", lwm2m.Integer(1))}
	go func() {
		done <- tree.Write(t.Context(), FromServer(1), Replace, lwm2m.MustPath("/100/0/1"), value)
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mustCode(t, lwm2m.ServiceUnavailable, tree.Write(ctx, FromServer(2), Replace, lwm2m.MustPath("/100/0/1"), value))
	if _, err := tree.Read(FromServer(2), lwm2m.MustPath("/100/0/1"), nil); err != nil {
		t.Errorf("a read is held up: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type slowOwner struct{ entered, release chan struct{} }

func (o *slowOwner) Prepare(context.Context, *Edit) (Transaction, error) {
	close(o.entered)
	<-o.release
	return Accepted{}, nil
}

func (o *slowOwner) Execute(context.Context, Origin, lwm2m.Path, Arguments) error { return nil }

func TestCreate(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	given := []lwm2m.Node{node("/100/0/1", lwm2m.Integer(3))}
	iid, err := tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(100), given)
	if err != nil || iid != 1 {
		t.Fatalf("created %d, %v, want instance 1", iid, err)
	}
	if iid, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(100, 7), given); err != nil || iid != 7 {
		t.Fatalf("created %d, %v, want instance 7", iid, err)
	}
	if got := tree.Value(lwm2m.MustPath("/100/7/1")); got != lwm2m.Integer(3) {
		t.Errorf("new instance has %v", got)
	}
	more := append([]lwm2m.Node{node("/100/0/0", lwm2m.Float(5)), node("/100/0/77", lwm2m.Integer(1))}, given...)
	if _, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(100, 8), more); err != nil || !tree.Value(lwm2m.MustPath("/100/8/0")).IsZero() {
		t.Errorf("with what is read only and what is not defined: %v, reading %v", err, tree.Value(lwm2m.MustPath("/100/8/0")))
	}
	_, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(100, 7), given)
	mustCode(t, lwm2m.BadRequest, err)
	_, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(100), nil)
	mustCode(t, lwm2m.BadRequest, err)
	_, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(55), given)
	mustCode(t, lwm2m.NotFound, err)
	if d := cmp.Diff([]uint16{0, 1, 7, 8}, tree.Instances(100)); d != "" {
		t.Error(d)
	}
}

func TestCreateAndDeleteOfSingleInstanceObject(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	p, err := tree.Add(singleObject, Plain{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Create(0)
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	_, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(101), nil)
	mustCode(t, lwm2m.MethodNotAllowed, err)
	mustCode(t, lwm2m.MethodNotAllowed, tree.Delete(t.Context(), FromServer(1), lwm2m.NewPath(101, 0)))
}

func TestDelete(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	for path, want := range map[string]lwm2m.Code{
		"/100": lwm2m.MethodNotAllowed, "/100/5": lwm2m.NotFound, "/100/0/0": lwm2m.MethodNotAllowed,
		"/100/0/1": lwm2m.MethodNotAllowed, "/100/0/3/9": lwm2m.NotFound, "/0/0": lwm2m.Unauthorized,
	} {
		mustCode(t, want, tree.Delete(t.Context(), FromServer(1), lwm2m.MustPath(path)))
	}
	for _, path := range []string{"/100/0/3/0", "/100/0/2", "/100/0"} {
		if err := tree.Delete(t.Context(), FromServer(1), lwm2m.MustPath(path)); err != nil {
			t.Errorf("delete %s: %v", path, err)
		}
		if tree.Entries(lwm2m.MustPath(path), lwm2m.LevelResourceInstance) != nil {
			t.Errorf("%s is still there", path)
		}
	}
}

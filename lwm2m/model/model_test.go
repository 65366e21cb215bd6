package model

import (
	"context"
	"errors"
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
	},
}

var (
	singleObject   = &Definition{ID: 101, Name: "Single", Resources: []ResourceDefinition{{ID: 0, Name: "V", Ops: OpRead | OpWrite, Type: lwm2m.TypeInteger}}}
	securityObject = &Definition{ID: 0, Name: "Security", Multiple: true, Resources: []ResourceDefinition{
		{ID: 0, Name: "URI", Type: lwm2m.TypeString}, {ID: 5, Name: "Secret Key", Type: lwm2m.TypeOpaque},
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

func TestReadLevels(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	whole := []lwm2m.Node{
		node("/100/0/0", lwm2m.Float(21.5)), node("/100/0/1", lwm2m.Integer(7)), node("/100/0/2", lwm2m.String("hello")),
		node("/100/0/3/0", lwm2m.Integer(10)), node("/100/0/3/1", lwm2m.Integer(11)), node("/100/0/6", lwm2m.UnixTime(99)),
	}
	for _, c := range []struct {
		path string
		want []lwm2m.Node
	}{
		{"/100", whole},
		{"/100/0", whole},
		{"/100/0/0", whole[:1]},
		{"/100/0/3", whole[3:5]},
		{"/100/0/3/1", whole[4:5]},
		{"/100/0/6", whole[5:]},
	} {
		got, err := tree.Read(FromServer(1), lwm2m.MustPath(c.path), nil)
		if err != nil {
			t.Fatalf("%s: %v", c.path, err)
		}
		diffNodes(t, c.want, got)
	}
}

func TestReadRefusals(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	if _, err := tree.Add(securityObject, Plain{}); err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Create(1)
	b.Declare(1, 0)
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]lwm2m.Code{
		"/99": lwm2m.NotFound, "/100/2": lwm2m.NotFound, "/100/0/9": lwm2m.NotFound, "/100/0/3/5": lwm2m.NotFound,
		"/100/0/0/0": lwm2m.NotFound, "/100/0/4": lwm2m.MethodNotAllowed, "/100/0/5": lwm2m.MethodNotAllowed,
		"/0": lwm2m.Unauthorized, "/0/0/5": lwm2m.Unauthorized, "/100/1/0": lwm2m.NotFound,
	} {
		_, err := tree.Read(FromServer(1), lwm2m.MustPath(path), nil)
		mustCode(t, want, err)
	}
}

func TestKeysLeaveThroughNoInterface(t *testing.T) {
	tree := NewTree(noDefinitions{}, time.Now)
	p, _ := tree.Add(securityObject, Plain{})
	var b Batch
	b.Create(0)
	b.Set(0, 0, lwm2m.String("coaps://h"))
	b.Set(0, 5, lwm2m.Opaque([]byte("secret")))
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	got, err := tree.Read(FromLocal(), lwm2m.NewPath(), nil)
	if err != nil {
		t.Fatal(err)
	}
	diffNodes(t, []lwm2m.Node{node("/0/0/0", lwm2m.String("coaps://h"))}, got)
	_, err = tree.Read(FromLocal(), lwm2m.MustPath("/0/0/5"), nil)
	mustCode(t, lwm2m.MethodNotAllowed, err)
	if string(tree.Value(lwm2m.MustPath("/0/0/5")).Bytes()) != "secret" {
		t.Error("the agent itself cannot read its key")
	}
}

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
	_, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(100, 7), given)
	mustCode(t, lwm2m.BadRequest, err)
	_, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(100), nil)
	mustCode(t, lwm2m.BadRequest, err)
	_, err = tree.Create(t.Context(), FromServer(1), lwm2m.NewPath(55), given)
	mustCode(t, lwm2m.NotFound, err)
	if d := cmp.Diff([]uint16{0, 1, 7}, tree.Instances(100)); d != "" {
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

func TestExecute(t *testing.T) {
	var got Arguments
	own := &owner{execute: func(_ context.Context, _ lwm2m.Path, args Arguments) error { got = args; return nil }}
	tree, _ := newTestTree(t, own)
	args := Arguments{{ID: 2, Value: "x", HasValue: true}}
	if err := tree.Execute(t.Context(), FromServer(1), lwm2m.MustPath("/100/0/4"), args); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(args, got); d != "" {
		t.Error(d)
	}
	for path, want := range map[string]lwm2m.Code{
		"/100/0": lwm2m.MethodNotAllowed, "/100/0/1": lwm2m.MethodNotAllowed, "/100/0/9": lwm2m.NotFound,
		"/100/3/4": lwm2m.NotFound, "/99/0/0": lwm2m.NotFound, "/0/0/0": lwm2m.Unauthorized,
	} {
		mustCode(t, want, tree.Execute(t.Context(), FromServer(1), lwm2m.MustPath(path), nil))
	}
	own.execute = func(context.Context, lwm2m.Path, Arguments) error { return errors.New("broken") }
	mustCode(t, lwm2m.InternalServerError, tree.Execute(t.Context(), FromServer(1), lwm2m.MustPath("/100/0/4"), nil))
}

func TestParseArguments(t *testing.T) {
	for text, want := range map[string]Arguments{
		"":                  nil,
		"5":                 {{ID: 5}},
		"2='10.3'":          {{ID: 2, Value: "10.3", HasValue: true}},
		"7,0='https://x/y'": {{ID: 7}, {ID: 0, Value: "https://x/y", HasValue: true}},
		"0=''":              {{ID: 0, HasValue: true}},
	} {
		got, err := ParseArguments(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
	for _, text := range []string{"a", "10", "0=", "0='", "0='a", "0=a", "0,0", "0,", ",0", "0;1", "0='a'b", "0='a b'", "0='\x00'", "1='\"'"} {
		if _, err := ParseArguments(text); err == nil {
			t.Errorf("%q was taken", text)
		} else {
			mustCode(t, lwm2m.BadRequest, err)
		}
	}
}

func FuzzParseArguments(f *testing.F) {
	for _, s := range []string{"", "5", "0='a',1", "0='", "9='x',9", "0=''", "1,2,3='https://example.org'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		args, err := ParseArguments(s)
		if err != nil {
			mustCode(t, lwm2m.BadRequest, err)
			return
		}
		if len(args) > 10 {
			t.Errorf("%q gave %d arguments", s, len(args))
		}
	})
}

func TestSubscription(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	s := tree.Subscribe()
	defer s.Close()
	awake := func() bool {
		select {
		case <-s.Wake():
			return true
		default:
			return false
		}
	}
	set := func(v float64) {
		t.Helper()
		if err := p.Set(0, 0, lwm2m.Float(v)); err != nil {
			t.Fatal(err)
		}
	}
	set(1)
	if awake() {
		t.Error("woken for a value that it does not watch")
	}
	s.Watch(lwm2m.MustPath("/100/0"))
	set(2)
	set(2)
	set(3)
	if !awake() {
		t.Fatal("not woken")
	}
	got := s.Take(nil)
	if len(got.Changes) != 2 || got.Structure || got.Lost {
		t.Fatalf("took %+v, want two values", got)
	}
	if c := got.Changes[1]; c.Kind != Valued || c.Value != lwm2m.Float(3) || c.Path != lwm2m.MustPath("/100/0/0") || !c.Time.Equal(start) {
		t.Errorf("last change is %+v", c)
	}
	var b Batch
	for iid := range uint16(50) {
		b.Create(iid + 1)
	}
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	if got = s.Take(got.Changes); !got.Structure || len(got.Changes) != 0 {
		t.Errorf("50 new instances gave %+v, want one sign of structure", got)
	}
}

func TestSlowSubscriberIsBounded(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	s := tree.Subscribe()
	defer s.Close()
	s.Watch(lwm2m.NewPath())
	for i := range 10 * maxPending {
		if err := p.Set(0, 0, lwm2m.Float(float64(i))); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Take(nil)
	if len(got.Changes) > maxPending || got.Lost {
		t.Fatalf("%d changes wait, lost %v", len(got.Changes), got.Lost)
	}
	if last := got.Changes[len(got.Changes)-1]; last.Value != lwm2m.Float(10*maxPending-1) {
		t.Errorf("the newest value is %v", last.Value)
	}
}

func TestPublishMistakes(t *testing.T) {
	_, p := newTestTree(t, Plain{})
	for name, fill := range map[string]func(*Batch){
		"no instance":         func(b *Batch) { b.Set(9, 0, lwm2m.Float(1)) },
		"no resource":         func(b *Batch) { b.Set(0, 99, lwm2m.Float(1)) },
		"wrong type":          func(b *Batch) { b.Set(0, 0, lwm2m.String("x")) },
		"single for multiple": func(b *Batch) { b.Set(0, 3, lwm2m.Integer(1)) },
		"multiple for single": func(b *Batch) { b.SetInstance(0, 0, 0, lwm2m.Float(1)) },
	} {
		var b Batch
		fill(&b)
		if err := p.Publish(&b); err == nil {
			t.Errorf("%s: published", name)
		}
	}
}

func TestQualityKeepsTheLastValue(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	var b Batch
	b.SetAt(0, 0, lwm2m.Value{}, time.Time{}, Invalid)
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	got, err := tree.Readings(FromLocal(), lwm2m.MustPath("/100/0/0"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Reading{{Path: lwm2m.MustPath("/100/0/0"), Value: lwm2m.Float(21.5), Time: start, Quality: Invalid}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(lwm2m.Path{}, lwm2m.Value{})); d != "" {
		t.Error(d)
	}
}

func TestEntries(t *testing.T) {
	tree, _ := newTestTree(t, Plain{})
	entries := tree.Entries(lwm2m.MustPath("/100/0"), lwm2m.LevelResourceInstance)
	got := make([]string, 0, len(entries))
	for _, e := range entries {
		got = append(got, e.Path.String())
	}
	want := []string{"/100/0", "/100/0/0", "/100/0/1", "/100/0/2", "/100/0/3", "/100/0/3/0", "/100/0/3/1", "/100/0/4", "/100/0/5", "/100/0/6"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := len(tree.Entries(lwm2m.NewPath(), lwm2m.LevelInstance)); n != 2 {
		t.Errorf("%d entries for Register, want object and instance", n)
	}
}

func TestParseRange(t *testing.T) {
	for text, want := range map[string]string{
		"0..255": "0..255", "-5..5.5": "-5..5.5", "0..100 /100": "0..100", "16,32,48": "16,32,48",
		"": "", "6": "", "binding list": "", "9..1": "", "a..b": "", "1,x": "",
	} {
		if got := ParseRange(text).String(); got != want {
			t.Errorf("ParseRange(%q) = %q, want %q", text, got, want)
		}
	}
	if r := ParseRange("1..3"); r.Contains(lwm2m.String("")) || !r.Contains(lwm2m.String("äöü")) || r.Contains(lwm2m.Opaque(make([]byte, 4))) {
		t.Error("a range limits the length of strings in characters and of opaque values in bytes")
	}
}

func TestAttributes(t *testing.T) {
	var a Attributes
	if err := a.Apply([]string{"pmin=10", "gt=50.5", "lt=-3"}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"pmin=10", "gt=50.5", "lt=-3"}, a.Queries()); d != "" {
		t.Error(d)
	}
	if err := a.Apply([]string{"pmin", "pmax=60"}); err != nil {
		t.Fatal(err)
	}
	above := Attributes{}
	above.Set(Pmin, 1)
	above.Set(Pmax, 5)
	a.Inherit(&above)
	if d := cmp.Diff([]string{"pmin=1", "pmax=60", "gt=50.5", "lt=-3"}, a.Queries()); d != "" {
		t.Error(d)
	}
	before := a
	for _, q := range []string{"foo=1", "pmin=-1", "pmin=x", "pmin=1.5", "pmax=NaN", "gt=Inf", "st=-1", "con=2", "=", ""} {
		mustCode(t, lwm2m.BadRequest, a.Apply([]string{"pmin=3", q}))
	}
	if a != before {
		t.Error("a refused Write-Attributes changed something")
	}
}

func TestAttributesValidate(t *testing.T) {
	for _, c := range []struct {
		queries []string
		level   lwm2m.Level
		typ     lwm2m.Type
		ok      bool
	}{
		{[]string{"pmin=1", "pmax=0"}, lwm2m.LevelObject, lwm2m.TypeNone, true},
		{[]string{"pmin=10", "pmax=5"}, lwm2m.LevelResource, lwm2m.TypeFloat, true}, // pmax is ignored, not refused
		{[]string{"gt=1"}, lwm2m.LevelInstance, lwm2m.TypeNone, false},
		{[]string{"gt=1"}, lwm2m.LevelResource, lwm2m.TypeString, false},
		{[]string{"gt=1", "lt=1"}, lwm2m.LevelResource, lwm2m.TypeFloat, false},
		{[]string{"gt=10", "lt=0", "st=5"}, lwm2m.LevelResource, lwm2m.TypeFloat, false},
		{[]string{"gt=10", "lt=0", "st=4.9"}, lwm2m.LevelResourceInstance, lwm2m.TypeInteger, true},
		{[]string{"edge=1"}, lwm2m.LevelResource, lwm2m.TypeBoolean, true},
		{[]string{"edge=1"}, lwm2m.LevelResource, lwm2m.TypeInteger, false},
		{[]string{"epmin=5", "epmax=5"}, lwm2m.LevelResource, lwm2m.TypeInteger, false},
		{[]string{"pmin=1"}, lwm2m.LevelRoot, lwm2m.TypeNone, false},
	} {
		var a Attributes
		if err := a.Apply(c.queries); err != nil {
			t.Fatal(err)
		}
		if err := a.Validate(c.level, c.typ); (err == nil) != c.ok {
			t.Errorf("%v at %v %v: %v, want ok=%v", c.queries, c.level, c.typ, err, c.ok)
		}
	}
}

func BenchmarkReadResource(b *testing.B) {
	tree := NewTree(noDefinitions{}, time.Now)
	p, err := tree.Add(testObject, Plain{})
	if err != nil {
		b.Fatal(err)
	}
	var batch Batch
	batch.Create(0)
	batch.Set(0, 2, lwm2m.String("hello"))
	if err := p.Publish(&batch); err != nil {
		b.Fatal(err)
	}
	path, nodes := lwm2m.MustPath("/100/0/2"), []lwm2m.Node(nil)
	b.ReportAllocs()
	for b.Loop() {
		if nodes, err = tree.Read(FromServer(1), path, nodes[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

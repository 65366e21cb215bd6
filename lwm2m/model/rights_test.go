package model

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
)

var (
	accountObject = &Definition{ID: 1, Name: "Server", Multiple: true, Resources: []ResourceDefinition{
		{ID: 0, Name: "Short Server ID", Ops: OpRead, Mandatory: true, Type: lwm2m.TypeInteger},
		{ID: 1, Name: "Lifetime", Ops: OpRead | OpWrite, Mandatory: true, Type: lwm2m.TypeInteger},
	}}
	controlDefinition = &Definition{ID: 2, Name: "Access Control", Multiple: true, Resources: []ResourceDefinition{
		{ID: 0, Name: "Object ID", Ops: OpRead, Mandatory: true, Type: lwm2m.TypeInteger},
		{ID: 1, Name: "Object Instance ID", Ops: OpRead, Mandatory: true, Type: lwm2m.TypeInteger},
		{ID: 2, Name: "ACL", Ops: OpRead | OpWrite, Multiple: true, Type: lwm2m.TypeInteger, Range: ParseRange("0..31")},
		{ID: 3, Name: "Owner", Ops: OpRead | OpWrite, Mandatory: true, Type: lwm2m.TypeInteger},
	}}
)

// shared is a tree with accounts 101 and 102, whose access control a test sets.
type shared struct {
	*testing.T
	tree     *Tree
	things   *Publisher // object 100, instances 0 and 1
	accounts *Publisher
	controls *Publisher
	owner    *owner // of object 100
	keeper   *owner // of object 2
	next     uint16
}

func newShared(t *testing.T) *shared {
	t.Helper()
	s := &shared{T: t, owner: &owner{}, keeper: &owner{}}
	s.owner.execute = func(context.Context, lwm2m.Path, Arguments) error { return nil }
	s.tree, s.things = newTestTree(t, s.owner)
	var err error
	if s.accounts, err = s.tree.Add(accountObject, Plain{}); err != nil {
		t.Fatal(err)
	}
	if s.controls, err = s.tree.Add(controlDefinition, s.keeper); err != nil {
		t.Fatal(err)
	}
	s.publish(s.accounts, func(b *Batch) {
		for iid, id := range []int64{101, 102} {
			b.Create(uint16(iid))
			b.Set(uint16(iid), 0, lwm2m.Integer(id))
		}
	})
	s.publish(s.things, func(b *Batch) {
		b.Create(1)
		b.Set(1, 1, lwm2m.Integer(8))
	})
	return s
}

func (s *shared) publish(p *Publisher, fill func(*Batch)) {
	s.Helper()
	var b Batch
	fill(&b)
	if err := p.Publish(&b); err != nil {
		s.Fatal(err)
	}
}

// control publishes access control for an object instance; the entries are pairs of
// server and rights.
func (s *shared) control(oid, iid, owner uint16, entries ...uint16) {
	s.Helper()
	s.publish(s.controls, func(b *Batch) {
		b.Create(s.next)
		b.Set(s.next, 0, lwm2m.Integer(int64(oid)))
		b.Set(s.next, 1, lwm2m.Integer(int64(iid)))
		b.Set(s.next, 3, lwm2m.Integer(int64(owner)))
		for pair := range slices.Chunk(entries, 2) {
			b.SetInstance(s.next, 2, pair[0], lwm2m.Integer(int64(pair[1])))
		}
	})
	s.next++
}

// operations are what each right is for, at instance 0 of object 100.
var operations = []struct {
	name  string
	right Rights
	do    func(*Tree, Origin) error
}{
	{"read instance", RightRead, func(t *Tree, o Origin) error { return reads(t, o, "/100/0") }},
	{"read resource", RightRead, func(t *Tree, o Origin) error { return reads(t, o, "/100/0/2") }},
	{"read resource instance", RightRead, func(t *Tree, o Origin) error { return reads(t, o, "/100/0/3/1") }},
	{"write-attributes", RightRead, func(t *Tree, o Origin) error { return t.May(o, RightRead, lwm2m.MustPath("/100/0/2")) }},
	{"write instance", RightWrite, func(t *Tree, o Origin) error { return writes(t, o, Update, "/100/0", "/100/0/1") }},
	{"write resource", RightWrite, func(t *Tree, o Origin) error { return writes(t, o, Replace, "/100/0/1", "/100/0/1") }},
	{"write-composite", RightWrite, func(t *Tree, o Origin) error {
		return t.WriteAll(context.Background(), o, []lwm2m.Node{node("/100/0/1", lwm2m.Integer(4))})
	}},
	{"execute", RightExecute, func(t *Tree, o Origin) error {
		return t.Execute(context.Background(), o, lwm2m.MustPath("/100/0/4"), nil)
	}},
	{"create", RightCreate, func(t *Tree, o Origin) error {
		_, err := t.Create(context.Background(), o, lwm2m.MustPath("/100"), []lwm2m.Node{node("/100/0/1", lwm2m.Integer(4))})
		return err
	}},
	{"delete resource", RightDelete, func(t *Tree, o Origin) error {
		return t.Delete(context.Background(), o, lwm2m.MustPath("/100/0/2"))
	}},
	{"delete", RightDelete, func(t *Tree, o Origin) error { return t.Delete(context.Background(), o, lwm2m.MustPath("/100/0")) }},
}

func reads(t *Tree, o Origin, path string) error {
	_, err := t.Read(o, lwm2m.MustPath(path), nil)
	return err
}

func writes(t *Tree, o Origin, mode WriteMode, path, at string) error {
	return t.Write(context.Background(), o, mode, lwm2m.MustPath(path), []lwm2m.Node{node(at, lwm2m.Integer(3))})
}

// TestRightsAndOperations tries each operation with each set of rights: exactly those
// of the right are carried out, the others are refused with 4.01.
func TestRightsAndOperations(t *testing.T) {
	for rights := range allRights + 1 {
		for _, op := range operations {
			s := newShared(t)
			s.control(100, 0, 101, 102, uint16(rights))
			s.control(100, lwm2m.MaxID, lwm2m.MaxID, 102, uint16(rights))
			err := op.do(s.tree, FromServer(102))
			if want := rights.Has(op.right); want != (err == nil) {
				t.Errorf("%s with the right to %s: %v", op.name, rights, err)
			}
			if err != nil && lwm2m.CodeOf(err) != lwm2m.Unauthorized {
				t.Errorf("%s with the right to %s: %v, want 4.01", op.name, rights, err)
			}
		}
	}
}

// TestWhoseRights goes through the rules by which a server's rights are found.
func TestWhoseRights(t *testing.T) {
	none := func(*shared) {}
	for _, c := range []struct {
		name    string
		control func(*shared)
		server  uint16
		want    Rights
	}{
		{"nothing is said", none, 101, 0},
		{"the owner without an entry", func(s *shared) { s.control(100, 0, 101) }, 101, allRights &^ RightCreate},
		{"the owner with an entry", func(s *shared) { s.control(100, 0, 101, 101, 1) }, 101, RightRead},
		{"the owner, and a default for others", func(s *shared) { s.control(100, 0, 101, 0, 1) }, 101, allRights &^ RightCreate},
		{"another one without an entry", func(s *shared) { s.control(100, 0, 101) }, 102, 0},
		{"another one with the default", func(s *shared) { s.control(100, 0, 101, 0, 3) }, 102, RightRead | RightWrite},
		{"another one's entry before the default", func(s *shared) { s.control(100, 0, 101, 0, 7, 102, 1) }, 102, RightRead},
		{"another one's entry takes the default away", func(s *shared) { s.control(100, 0, 101, 0, 7, 102, 0) }, 102, 0},
		{"a third one's entry", func(s *shared) { s.control(100, 0, 101, 103, 7) }, 102, 0},
		{"nobody's but the bootstrap server's", func(s *shared) { s.control(100, 0, lwm2m.MaxID, 0, 1) }, 101, RightRead},
		{"the right to create at the instance is none", func(s *shared) { s.control(100, 0, 101, 102, 16) }, 102, 0},
		{"the right to create at the object", func(s *shared) { s.control(100, lwm2m.MaxID, lwm2m.MaxID, 102, 31) }, 102, RightCreate},
		{"the right to create by default", func(s *shared) { s.control(100, lwm2m.MaxID, lwm2m.MaxID, 0, 16) }, 102, RightCreate},
		{"of two about the same the first counts", func(s *shared) { s.control(100, 0, 101, 102, 1); s.control(100, 0, 102) }, 102, RightRead},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShared(t)
			c.control(s)
			var got Rights
			for i := range rightNames {
				if right := Rights(1) << i; s.tree.Access().Allows(c.server, right, lwm2m.MustPath("/100/0")) {
					got |= right
				}
			}
			if got != c.want {
				t.Errorf("server %d may %s, want %s", c.server, got, c.want)
			}
		})
	}
}

func TestOneServerMayEverything(t *testing.T) {
	for _, op := range operations {
		s := newShared(t)
		s.control(100, 0, 102, 0, 0)
		s.publish(s.accounts, func(b *Batch) { b.Delete(1) })
		if err := op.do(s.tree, FromServer(101)); err != nil {
			t.Errorf("%s: %v", op.name, err)
		}
	}
}

// TestOthersAreNotLimited holds that only servers are.
func TestOthersAreNotLimited(t *testing.T) {
	for _, op := range operations {
		for _, o := range []Origin{FromLocal(), FromAgent(), {Kind: OriginBootstrap}} {
			if err := op.do(newShared(t).tree, o); err != nil {
				t.Errorf("%s by %+v: %v", op.name, o, err)
			}
		}
	}
}

func TestReadOfObjectAndRoot(t *testing.T) {
	s := newShared(t)
	paths := func(path string) (string, error) {
		nodes, err := s.tree.Read(FromServer(102), lwm2m.MustPath(path), nil)
		var out []string
		for _, n := range nodes {
			if at := n.Path.At(lwm2m.LevelInstance).String(); !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
		return fmt.Sprint(out), err
	}
	if got, err := paths("/100"); lwm2m.CodeOf(err) != lwm2m.Unauthorized || got != "[]" {
		t.Errorf("an object of which nothing may be read gives %s, %v", got, err)
	}
	if got, err := paths("/"); err != nil || got != "[]" {
		t.Errorf("the root gives %s, %v", got, err)
	}
	s.control(100, 1, 101, 0, 1)
	for _, path := range []string{"/", "/100"} {
		if got, err := paths(path); err != nil || got != "[/100/1]" && got != "[/2/0 /100/1]" {
			t.Errorf("%s gives %s, %v", path, got, err)
		}
	}
	s.publish(s.things, func(b *Batch) { b.Delete(0); b.Delete(1) })
	if got, err := paths("/100"); err != nil || got != "[]" {
		t.Errorf("an object without instances gives %s, %v", got, err)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	s := newShared(t)
	mustCode(t, lwm2m.NotFound, reads(s.tree, FromServer(102), "/100/7"))
	mustCode(t, lwm2m.NotFound, writes(s.tree, FromServer(102), Replace, "/100/7/1", "/100/7/1"))
	if err := s.tree.May(FromServer(102), RightRead, lwm2m.MustPath("/100/7/0")); err != nil {
		t.Errorf("May: %v", err)
	}
	if err := s.tree.May(FromServer(102), RightRead, lwm2m.MustPath("/100")); err != nil {
		t.Errorf("an attribute at an object needs no right: %v", err)
	}
	mustCode(t, lwm2m.Unauthorized, reads(s.tree, FromServer(102), "/100/0/99"))
}

func TestWriteAllNeedsEveryRight(t *testing.T) {
	s := newShared(t)
	s.control(100, 0, 101, 102, 3)
	s.control(100, 1, 101, 102, 1)
	nodes := []lwm2m.Node{node("/100/0/1", lwm2m.Integer(50)), node("/100/1/1", lwm2m.Integer(50))}
	mustCode(t, lwm2m.Unauthorized, s.tree.WriteAll(t.Context(), FromServer(102), nodes))
	if v := s.tree.Value(lwm2m.MustPath("/100/0/1")); v != lwm2m.Integer(7) {
		t.Errorf("a refused Write-Composite wrote %v", v)
	}
	if err := s.tree.WriteAll(t.Context(), FromServer(102), nodes[:1]); err != nil {
		t.Error(err)
	}
}

// TestReadAllocatesNothing holds that access control costs readers no memory, whether
// it is in force or not.
func TestReadAllocatesNothing(t *testing.T) {
	for _, servers := range []int{1, 2} {
		s := newShared(t)
		s.control(100, 0, 101, 0, 1)
		if servers == 1 {
			s.publish(s.accounts, func(b *Batch) { b.Delete(1) })
		}
		path, nodes := lwm2m.MustPath("/100/0/2"), make([]lwm2m.Node, 0, 4)
		n := testing.AllocsPerRun(100, func() {
			if _, err := s.tree.Read(FromServer(102), path, nodes); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("a read with %d servers allocates %v times", servers, n)
		}
	}
}

func BenchmarkReadAmongServers(b *testing.B) {
	tree := NewTree(noDefinitions{}, time.Now)
	for _, def := range []*Definition{testObject, accountObject, controlDefinition} {
		p, err := tree.Add(def, Plain{})
		if err != nil {
			b.Fatal(err)
		}
		var batch Batch
		for iid := range uint16(1000) {
			batch.Create(iid)
			switch def {
			case testObject:
				batch.Set(iid, 2, lwm2m.String("hello"))
			case controlDefinition:
				batch.Set(iid, 0, lwm2m.Integer(100))
				batch.Set(iid, 1, lwm2m.Integer(int64(iid)))
				batch.SetInstance(iid, 2, 0, lwm2m.Integer(1))
			}
		}
		if err := p.Publish(&batch); err != nil {
			b.Fatal(err)
		}
	}
	path, nodes := lwm2m.MustPath("/100/500/2"), []lwm2m.Node(nil)
	var err error
	b.ReportAllocs()
	for b.Loop() {
		if nodes, err = tree.Read(FromServer(102), path, nodes[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

package model

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

// newStageTree returns a tree with two accounts in object 0, object 100 of newTestTree,
// and a single object 101.
func newStageTree(t *testing.T, security, other Object) (*Tree, *Publisher) {
	t.Helper()
	tree, pub := newTestTree(t, other)
	accounts, err := tree.Add(securityObject, security)
	if err != nil {
		t.Fatal(err)
	}
	single, err := tree.Add(singleObject, Plain{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	for iid := range uint16(2) {
		b.Create(iid)
		b.Set(iid, 0, lwm2m.String(fmt.Sprint("coap://", iid)))
		b.Set(iid, 5, lwm2m.Opaque([]byte("key")))
	}
	var s Batch
	s.Create(0)
	s.Set(0, 0, lwm2m.Integer(1))
	if err := errors.Join(accounts.Publish(&b), single.Publish(&s)); err != nil {
		t.Fatal(err)
	}
	return tree, pub
}

func paths(entries []Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprint(&b, e.Path, " ")
	}
	return b.String()
}

func mustStage(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func nothing(context.Context) error { return nil }

func TestStageShowsAndCommits(t *testing.T) {
	security := &owner{}
	tree, _ := newStageTree(t, security, &owner{})
	s := tree.Stage(lwm2m.MustPath("/0/1"))
	path := lwm2m.MustPath
	mustStage(
		t, s.Delete(path("/0")),
		s.Write(path("/0/3"), []lwm2m.Node{
			node("/0/3/0", lwm2m.String("coap://new")), node("/0/3/8", lwm2m.Opaque(nil)), node("/0/3/99", lwm2m.Integer(1)),
		}),
		s.Write(path("/100/0"), []lwm2m.Node{node("/100/0/1", lwm2m.Integer(8)), node("/100/0/0", lwm2m.Float(1))}),
		s.Write(path("/100/0/3"), []lwm2m.Node{node("/100/0/3/1", lwm2m.Integer(12)), node("/100/0/3/5", lwm2m.Integer(13))}),
	)
	if got := paths(s.Entries(path("/"))); got != "/0 /0/1 /0/3 /100 /100/0 /101 /101/0 " {
		t.Errorf("the stage shows %s", got)
	}
	if got := paths(tree.Entries(path("/0"), lwm2m.LevelInstance)); got != "/0 /0/0 /0/1 " || len(security.log) > 0 {
		t.Errorf("before Commit the tree has %s, its owner was asked %q", got, security.log)
	}
	stayed, err := s.Commit(t.Context(), nothing)
	if err != nil || len(stayed) > 0 {
		t.Fatal(stayed, err)
	}
	if d := cmp.Diff([]string{"prepare", "commit"}, security.log); d != "" {
		t.Error(d)
	}
	nodes, err := tree.Read(FromAgent(), path("/0"), nil)
	mustStage(t, err)
	diffNodes(t, []lwm2m.Node{
		node("/0/1/0", lwm2m.String("coap://1")), node("/0/1/5", lwm2m.Opaque([]byte("key"))), node("/0/3/0", lwm2m.String("coap://new")),
	}, nodes)
	nodes, err = tree.Read(FromAgent(), path("/100"), nil)
	mustStage(t, err)
	diffNodes(t, []lwm2m.Node{
		node("/100/0/0", lwm2m.Float(21.5)), node("/100/0/1", lwm2m.Integer(8)), // 0 is read only, 2 was not mentioned
		node("/100/0/3/1", lwm2m.Integer(12)), node("/100/0/3/5", lwm2m.Integer(13)), node("/100/0/6", lwm2m.UnixTime(99)),
	}, nodes)
}

// TestStageLeavesClocksAlone: what is made when asked for is neither written nor stopped
// by a write beside it.
func TestStageLeavesClocksAlone(t *testing.T) {
	tree, pub := newStageTree(t, &owner{}, &owner{})
	ticks := int64(0)
	var b Batch
	b.Compute(0, 6, func() lwm2m.Value { ticks++; return lwm2m.UnixTime(ticks) })
	mustStage(t, pub.Publish(&b))
	s := tree.Stage()
	mustStage(t, s.Write(lwm2m.MustPath("/100/0/2"), []lwm2m.Node{node("/100/0/2", lwm2m.String("x"))}))
	_, err := s.Commit(t.Context(), nothing)
	mustStage(t, err)
	before := tree.Value(lwm2m.MustPath("/100/0/6"))
	if after := tree.Value(lwm2m.MustPath("/100/0/6")); after == before {
		t.Error("the clock stands still")
	}
}

func TestStageThatFailsChangesNothing(t *testing.T) {
	refusal := errors.New("no")
	for name, c := range map[string]struct {
		security, other *owner
		last            error
	}{
		"refused":   {&owner{}, &owner{prepare: refusal}, nil},
		"failed":    {&owner{}, &owner{commit: refusal}, nil},
		"last":      {&owner{}, &owner{}, refusal},
		"the first": {&owner{commit: refusal}, &owner{}, nil},
	} {
		tree, _ := newStageTree(t, c.security, c.other)
		before, err := tree.Read(FromAgent(), lwm2m.Path{}, nil)
		mustStage(t, err)
		s := tree.Stage()
		mustStage(
			t, s.Delete(lwm2m.MustPath("/0/0")),
			s.Write(lwm2m.MustPath("/100/4"), []lwm2m.Node{node("/100/4/1", lwm2m.Integer(8))}),
		)
		if _, err := s.Commit(t.Context(), func(context.Context) error { return c.last }); err == nil {
			t.Errorf("%s: no error", name)
		}
		after, err := tree.Read(FromAgent(), lwm2m.Path{}, nil)
		mustStage(t, err)
		diffNodes(t, before, after)
		if got := c.security.log[len(c.security.log)-1]; got != "abort" {
			t.Errorf("%s: the owner of object 0 was asked %q", name, c.security.log)
		}
	}
}

func TestStageRefuses(t *testing.T) {
	tree, _ := newStageTree(t, &owner{}, &owner{})
	s := tree.Stage(lwm2m.MustPath("/0/1"))
	path := lwm2m.MustPath
	for name, err := range map[string]error{
		"object that is not there": s.Write(path("/4711/0"), nil),
		"root":                     s.Write(path("/"), nil),
		"resource instance":        s.Write(path("/100/0/3/0"), nil),
		"outside":                  s.Write(path("/100/0"), []lwm2m.Node{node("/100/1/1", lwm2m.Integer(1))}),
		"type":                     s.Write(path("/100/0"), []lwm2m.Node{node("/100/0/1", lwm2m.String("x"))}),
		"range":                    s.Write(path("/100/0/1"), []lwm2m.Node{node("/100/0/1", lwm2m.Integer(101))}),
		"unknown resource":         s.Write(path("/100/0/77"), []lwm2m.Node{node("/100/0/77", lwm2m.Integer(1))}),
		"length":                   s.Write(path("/0/0/8"), []lwm2m.Node{node("/0/0/8", lwm2m.Opaque([]byte("short")))}),
		"read only":                s.Write(path("/100/0/0"), []lwm2m.Node{node("/100/0/0", lwm2m.Float(1))}),
		"second of a single":       s.Write(path("/101/1"), []lwm2m.Node{node("/101/1/0", lwm2m.Integer(1))}),
		"delete of what is kept":   s.Delete(path("/0/1")),
		"delete of a single":       s.Delete(path("/101/0")),
		"delete of a resource":     s.Delete(path("/100/0/2")),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if lwm2m.CodeOf(err) != lwm2m.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if written, deleted := s.Changes(); written+deleted > 0 {
		t.Errorf("what was refused left %d and %d instances", written, deleted)
	}
}

func TestStageIsBounded(t *testing.T) {
	tree, _ := newStageTree(t, &owner{}, &owner{})
	s := tree.Stage()
	long := lwm2m.Opaque(make([]byte, 60_000))
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		at := lwm2m.NewPath(0, uint16(n+2))
		err = s.Write(at, []lwm2m.Node{{Path: at.Child(5), Value: long}})
	}
	mustCode(t, lwm2m.RequestEntityTooLarge, err)
	if written, _ := s.Changes(); written != n-1 || n != 5 {
		t.Errorf("%d instances, refused at %d", written, n)
	}
}

// TestStageDeletesOthersOneByOne: what cannot go stays and hinders nothing.
func TestStageDeletesOthersOneByOne(t *testing.T) {
	for _, refused := range []error{nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "mine")} {
		tree, _ := newStageTree(t, &owner{}, &owner{prepare: refused})
		s := tree.Stage()
		mustStage(t, s.Delete(lwm2m.Path{}))
		stayed, err := s.Commit(t.Context(), nothing)
		mustStage(t, err)
		want, entries := 0, "/0 /100 /101 /101/0 "
		if refused != nil {
			want, entries = 1, "/0 /100 /100/0 /101 /101/0 "
		}
		if got := paths(tree.Entries(lwm2m.Path{}, lwm2m.LevelInstance)); len(stayed) != want || got != entries {
			t.Errorf("stayed %v, the tree has %s", stayed, got)
		}
	}
}

func TestStageReads(t *testing.T) {
	tree, _ := newStageTree(t, &owner{}, &owner{})
	s := tree.Stage()
	mustStage(t, s.Write(lwm2m.MustPath("/100/2"), []lwm2m.Node{node("/100/2/5", lwm2m.String("secret"))}))
	nodes, err := s.Read(lwm2m.MustPath("/100"))
	mustStage(t, err)
	if last := nodes[len(nodes)-1]; last.Path != lwm2m.MustPath("/100/2") || !last.Value.IsZero() || len(nodes) != 7 {
		t.Errorf("read %v", nodes)
	}
	_, err = s.Read(lwm2m.MustPath("/100/9"))
	mustCode(t, lwm2m.NotFound, err)
	s.Set(lwm2m.MustPath("/100/2/6"), lwm2m.Time(start.Add(time.Hour)))
	if v := s.Value(lwm2m.MustPath("/100/2/6")); v != lwm2m.Time(start.Add(time.Hour)) {
		t.Errorf("value %v", v)
	}
}

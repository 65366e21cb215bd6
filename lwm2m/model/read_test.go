package model

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

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

// TestDevicesBehindAGateway shows that nothing is done to the own device in the place of
// another one.
func TestDevicesBehindAGateway(t *testing.T) {
	tree, _ := newTestTree(t, &owner{execute: func(context.Context, lwm2m.Path, Arguments) error { return nil }})
	server, ctx := FromServer(1), t.Context()
	at := func(path string) lwm2m.Path { return lwm2m.MustPath(path).WithPrefix("dev1") }
	nodes := func(path string) []lwm2m.Node {
		return []lwm2m.Node{{Path: at(path), Value: lwm2m.Integer(1)}}
	}
	_, root := tree.Read(server, at("/"), nil)
	_, object := tree.Read(server, at("/100"), nil)
	_, readings := tree.Readings(server, at("/100/0"))
	_, create := tree.Create(ctx, server, at("/100"), nodes("/100/7/1"))
	for what, err := range map[string]error{
		"read of the root": root, "read": object, "readings": readings, "create": create,
		"write":     tree.Write(ctx, server, Update, at("/100/0"), nodes("/100/0/1")),
		"write all": tree.WriteAll(ctx, server, nodes("/100/0/1")),
		"delete":    tree.Delete(ctx, server, at("/100/0")),
		"execute":   tree.Execute(ctx, server, at("/100/0/4"), nil),
	} {
		if err == nil || lwm2m.CodeOf(err) != lwm2m.NotFound {
			t.Errorf("%s: %v, want 4.04", what, err)
		}
	}
	if e := tree.Entries(at("/100"), lwm2m.LevelResource); len(e) != 0 {
		t.Errorf("entries are %v", e)
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

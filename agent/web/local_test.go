package web

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// TestLocalSleeps: while no page is open nothing is watched, and a page that comes is told what it missed.
func TestLocalSleeps(t *testing.T) { synctest.Test(t, localSleeps) }

func localSleeps(t *testing.T) {
	tree := model.NewTree(definitions{}, time.Now)
	def, _ := definitions{}.Object(3306)
	pub, err := tree.Add(def, model.Plain{})
	if err != nil {
		t.Fatal(err)
	}
	dimmer := lwm2m.MustPath("/3306/0/5851")
	dim := func(level int64) {
		t.Helper()
		var b model.Batch
		b.Create(0)
		b.Set(0, dimmer.Resource(), lwm2m.Integer(level))
		if err := pub.Publish(&b); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	dim(1)
	l, feed := NewLocal(tree, func() Registration { return Registration{} }), &Feed{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Follow(ctx, feed) }()
	if _, err := l.Observe(t.Context(), dimmer); err != nil {
		t.Fatal(err)
	}
	told := func(ch chan []byte, value string) {
		t.Helper()
		synctest.Wait()
		if len(ch) != 1 {
			t.Fatalf("%d events, want one with %s", len(ch), value)
		}
		if line := string(<-ch); !strings.Contains(line, `"value":`+value) {
			t.Errorf("told %s, want %s", line, value)
		}
	}
	dim(2)
	if n := len(feed.history.courses); n > 0 {
		t.Errorf("it watches %d paths, and nobody looks", n)
	}
	ch, _ := feed.open()
	told(ch, "2")
	dim(3)
	told(ch, "3")
	feed.forget(ch)
	synctest.Wait()
	dim(4)
	if got := len(feed.history.courses[dimmer]); got != 2 {
		t.Errorf("%d values are known, want those that a page was told", got)
	}
	ch, _ = feed.open()
	told(ch, "4")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestLocalAwaits: a sensor that has no value yet is observed, and its first value told; what is not there is not.
func TestLocalAwaits(t *testing.T) { synctest.Test(t, localAwaits) }

func localAwaits(t *testing.T) {
	tree := model.NewTree(definitions{}, time.Now)
	def, _ := definitions{}.Object(3306)
	pub, err := tree.Add(def, model.Plain{})
	if err != nil {
		t.Fatal(err)
	}
	var b model.Batch
	b.Create(0)
	b.Declare(0, 5851)
	if err := pub.Publish(&b); err != nil {
		t.Fatal(err)
	}
	l, feed := NewLocal(tree, func() Registration { return Registration{} }), &Feed{}
	ch, _ := feed.open()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Follow(ctx, feed) }()
	if nodes, err := l.Observe(t.Context(), lwm2m.MustPath("/3306/0/5851")); err != nil || len(nodes) > 0 {
		t.Fatalf("without a value: %v, %v", nodes, err)
	}
	for _, missing := range []string{"/3306/0/5850", "/3306/1/5851", "/3306/1"} {
		if _, err := l.Observe(t.Context(), lwm2m.MustPath(missing)); err == nil {
			t.Errorf("%s is observed, which is not there", missing)
		}
	}
	synctest.Wait()
	b.Reset()
	b.Set(0, 5851, lwm2m.Integer(7))
	if err := pub.Publish(&b); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if len(ch) != 1 {
		t.Fatalf("%d events, want one", len(ch))
	}
	if line := string(<-ch); !strings.Contains(line, `"path":"/3306/0/5851","value":7`) {
		t.Errorf("told %s", line)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

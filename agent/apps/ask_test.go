package apps

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// listen registers the meter and opens its stream.
func (f *fixture) listen() *Stream {
	f.t.Helper()
	f.register()
	s, err := f.app("meter").Listen()
	f.must(err)
	return s
}

// next returns the next request of a stream, which has one in the end.
func next(t *testing.T, s *Stream) Request {
	t.Helper()
	<-s.Wake()
	requests := s.Take()
	if len(requests) != 1 {
		t.Fatalf("%d requests, want one", len(requests))
	}
	return requests[0]
}

func limit(v int64) []lwm2m.Node {
	return []lwm2m.Node{{Path: lwm2m.MustPath("/3305/0/1"), Value: lwm2m.Integer(v)}}
}

func (f *fixture) write(ctx context.Context, nodes ...lwm2m.Node) chan error {
	result := make(chan error, 1)
	go func() { result <- f.tree.WriteAll(ctx, model.FromServer(101), nodes) }()
	return result
}

func TestWriteAsksTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		s := f.listen()
		result := f.write(t.Context(), limit(9)...)
		r := next(t, s)
		if r.Op != OpWrite || r.Path != lwm2m.MustPath("/3305/0/1") || r.Server != 101 || time.Until(r.Deadline) != writeTime {
			t.Errorf("%+v", r)
		}
		f.must(f.app("meter").Answer(r.ID, nil))
		f.must(<-result)
		if v := f.reading("/3305/0/1").Value; v != lwm2m.Integer(9) {
			t.Errorf("limit %v", v)
		}
		f.refused(f.app("meter").Answer(r.ID, nil), lwm2m.NotFound, "it was answered")
		result = f.write(t.Context(), limit(10)...)
		f.must(f.app("meter").Answer(next(t, s).ID, lwm2m.Errorf(lwm2m.Forbidden, "sealed")))
		f.refused(<-result, lwm2m.Forbidden, "sealed")
		if v := f.reading("/3305/0/1").Value; v != lwm2m.Integer(9) {
			t.Errorf("limit %v after a write that was refused", v)
		}
		s.Close()
	})
}

// TestNoAnswer: the deadline ends a request as a whole, and the program hears of
// it.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		s := f.listen()
		meter := f.app("meter")
		began := time.Now()
		result := f.write(t.Context(), limit(9)...)
		r := next(t, s)
		f.refused(<-result, lwm2m.ServiceUnavailable, "application meter has not answered in time to the write of /3305/0/1")
		if d := time.Since(began); d != writeTime {
			t.Errorf("it took %v", d)
		}
		if a := next(t, s); a.Op != OpAbort || a.ID != r.ID || a.Path != r.Path {
			t.Errorf("%+v, want an abort", a)
		}
		f.refused(meter.Answer(r.ID, nil), lwm2m.NotFound, "what was done for it is to be undone")
		if v := f.reading("/3305/0/1").Value; v != lwm2m.Integer(5) {
			t.Errorf("limit %v", v)
		}
		// An Execute has the time of its own request.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began = time.Now()
		err := f.tree.Execute(ctx, model.FromLocal(), lwm2m.MustPath("/3305/0/3"), model.Arguments{{ID: 1}, {ID: 0, Value: "a", HasValue: true}})
		f.refused(err, lwm2m.ServiceUnavailable, "has not answered in time to the execute of /3305/0/3")
		if d := time.Since(began); d != 20*time.Second {
			t.Errorf("it took %v", d)
		}
		asked := s.Take()
		if len(asked) != 2 || asked[0].Args != "1,0='a'" || asked[0].Server != 0 || asked[1].Op != OpAbort {
			t.Errorf("%+v", asked)
		}
		s.Close()
	})
}

// TestRefusedElsewhere: an object of the agent refuses after the program has
// agreed.
func TestRefusedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		s := f.listen()
		pub, err := f.tree.Add(&model.Definition{ID: 9999, Name: "Fixed", Resources: []model.ResourceDefinition{{ID: 0, Name: "F", Ops: rw, Type: lwm2m.TypeInteger}}}, stubborn{})
		f.must(err)
		var b model.Batch
		b.Create(0)
		b.Set(0, 0, lwm2m.Integer(1))
		f.must(pub.Publish(&b))
		result := f.write(t.Context(), append(limit(9), lwm2m.Node{Path: lwm2m.MustPath("/9999/0/0"), Value: lwm2m.Integer(2)})...)
		r := next(t, s)
		f.must(f.app("meter").Answer(r.ID, nil))
		f.refused(<-result, lwm2m.MethodNotAllowed, "never")
		if a := next(t, s); a.Op != OpAbort || a.ID != r.ID {
			t.Errorf("%+v, want an abort of %d", a, r.ID)
		}
		if v := f.reading("/3305/0/1").Value; v != lwm2m.Integer(5) {
			t.Errorf("limit %v", v)
		}
		s.Close()
	})
}

type stubborn struct{ model.Plain }

func (stubborn) Prepare(context.Context, *model.Edit) (model.Transaction, error) {
	return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "never")
}

func TestStreamsFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		first := f.listen()
		result := f.write(t.Context(), limit(9)...)
		r := next(t, first)
		second, err := f.app("meter").Listen()
		f.must(err)
		f.refused(<-result, lwm2m.ServiceUnavailable, "another program has taken over")
		f.refused(f.app("meter").Answer(r.ID, nil), lwm2m.NotFound, "waits for an answer")
		if e := next(t, first); e.Op != OpEnd || e.Message == "" {
			t.Errorf("%+v, want the end", e)
		}
		first.Close()
		if s := f.state("meter"); s != Present || len(f.troubles()) != 0 {
			t.Errorf("state %s, %v, though there is a second stream", s, f.troubles())
		}
		second.Close()
		if s := f.state("meter"); s != Away {
			t.Errorf("state %s", s)
		}
		want := "app-away meter: its program has closed the stream of requests"
		if got := fmt.Sprint(f.troubles()); got != "["+want+"]" {
			t.Errorf("health: %s", got)
		}
		if q := f.reading("/3305/0/0").Quality; q != model.Stale {
			t.Errorf("quality %v", q)
		}
		f.refused(<-f.write(t.Context(), limit(9)...), lwm2m.ServiceUnavailable, "application meter is away: write of /3305/0/1 needs its program")
		// A program that only publishes is there again.
		f.must(f.app("meter").Publish([]Update{valued("/3305/0/0", lwm2m.Float(21))}))
		if s := f.state("meter"); s != Publishing || len(f.troubles()) != 0 || f.reading("/3305/0/0").Quality != model.Good {
			t.Errorf("state %s, %v", s, f.troubles())
		}
	})
}

// TestSlowProgram: what waits for a program is bounded.
func TestSlowProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		s := f.listen()
		results := make(chan error, maxPending+1)
		for range maxPending + 1 {
			go func() {
				results <- f.tree.Execute(t.Context(), model.FromLocal(), lwm2m.MustPath("/3305/0/3"), nil)
			}()
		}
		f.refused(<-results, lwm2m.ServiceUnavailable, "application meter is busy: 64 requests wait")
		if w := f.app("meter").status().Waiting; w != maxPending {
			t.Errorf("%d wait", w)
		}
		for range maxPending {
			f.refused(<-results, lwm2m.ServiceUnavailable, "not answered in time")
		}
		// It reads nothing: requests and aborts fill the queue, and the next one cuts it off.
		f.refused(f.tree.Execute(t.Context(), model.FromLocal(), lwm2m.MustPath("/3305/0/3"), nil), lwm2m.ServiceUnavailable, "")
		if r := s.Take(); len(r) != 1 || r[0].Op != OpEnd || r[0].Message != "the program does not read its requests" {
			t.Errorf("%+v, want the end alone", r)
		}
		s.Close()
	})
}

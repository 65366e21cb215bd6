package objects

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Traffic is a state of counters that only grow, until what counts them is
// restarted.
type Traffic struct {
	TxBytes, RxBytes uint64 // on the IP bearers, with all headers down to IP
	TxSMS, RxSMS     uint64
	Messages         uint64 // LwM2M messages, both ways
	MessageBytes     uint64 // of those messages
}

// since returns what was counted after another state. A counter that is behind
// has begun anew, so all it says has been counted since.
func (t Traffic) since(began Traffic) Traffic {
	less := func(a, b uint64) uint64 {
		if a < b {
			return a
		}
		return a - b
	}
	return Traffic{
		TxBytes: less(t.TxBytes, began.TxBytes), RxBytes: less(t.RxBytes, began.RxBytes),
		TxSMS: less(t.TxSMS, began.TxSMS), RxSMS: less(t.RxSMS, began.RxSMS),
		Messages: less(t.Messages, began.Messages), MessageBytes: less(t.MessageBytes, began.MessageBytes),
	}
}

// Counters gives the numbers of object 7. Its methods answer at once.
type Counters interface {
	// Traffic returns the counters as they stand.
	Traffic() Traffic
	// MaxMessage returns the size of the largest message since the last
	// ResetMaxMessage, in bytes.
	MaxMessage() int64
	ResetMaxMessage()
}

// The resources of object 7 (Core, appendix E.8).
const (
	ridSMSTx          = 0
	ridSMSRx          = 1
	ridTxData         = 2
	ridRxData         = 3
	ridMaxMessage     = 4
	ridAverageMessage = 5
	ridStart          = 6
	ridStop           = 7
	ridPeriod         = 8
)

// Statistics is object 7: what was sent and received between Start and Stop. The
// numbers are worked out when they are read, and raise no events.
type Statistics struct {
	model.Plain
	counters Counters
	record   record

	mu      sync.Mutex
	running bool
	began   Traffic     // while running
	before  collected   // while running: what a former process has collected
	counted collected   // while stopped
	timer   *time.Timer // ends the collection period, nil if there is none
	ends    time.Time   // when it does
	starts  uint64      // numbers the timers
}

// collected is what a collection has come to.
type collected struct {
	traffic Traffic
	max     int64
}

// NewStatistics adds object 7 with its instance to the tree, stopped. A nil save
// keeps nothing.
func NewStatistics(tree *model.Tree, counters Counters, save Save) (*Statistics, error) {
	s := &Statistics{counters: counters, record: record{tree: tree, save: save}}
	var err error
	if s.record.pub, err = tree.AddRegistered(7, s); err != nil {
		return nil, err
	}
	var b model.Batch
	b.Create(0)
	b.Declare(0, ridStart, ridStop)
	b.Set(0, ridPeriod, lwm2m.Integer(0))
	for rid, of := range map[uint16]func(collected) uint64{
		ridSMSTx:      func(c collected) uint64 { return c.traffic.TxSMS },
		ridSMSRx:      func(c collected) uint64 { return c.traffic.RxSMS },
		ridTxData:     func(c collected) uint64 { return kilobytes(c.traffic.TxBytes) },
		ridRxData:     func(c collected) uint64 { return kilobytes(c.traffic.RxBytes) },
		ridMaxMessage: func(c collected) uint64 { return uint64(max(0, c.max)) },
		ridAverageMessage: func(c collected) uint64 {
			return c.traffic.MessageBytes / max(1, c.traffic.Messages)
		},
	} {
		b.Compute(0, rid, func() lwm2m.Value {
			return lwm2m.Integer(int64(min(of(s.now()), math.MaxInt64)))
		})
	}
	return s, s.record.pub.Publish(&b)
}

// kilobytes rounds bytes to the nearest kilobyte of 1000 bytes.
func kilobytes(n uint64) uint64 { return n/1000 + n%1000/500 }

// now returns what has been collected so far.
func (s *Statistics) now() collected {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.collected()
}

func (s *Statistics) collected() collected {
	if !s.running {
		return s.counted
	}
	return collected{s.counters.Traffic().since(s.began).plus(s.before.traffic), max(s.counters.MaxMessage(), s.before.max)}
}

// Restore sets what Save was given: the collection period.
func (s *Statistics) Restore(nodes []lwm2m.Node) error {
	for _, n := range nodes {
		if n.Path != s.record.path(0, ridPeriod) {
			continue
		}
		if n.Value.Int() < 0 {
			return fmt.Errorf("restore object 7: collection period of %d s", n.Value.Int())
		}
		return s.record.pub.Set(0, ridPeriod, n.Value)
	}
	return nil
}

// Close stops what is timed.
func (s *Statistics) Close() { s.stop() }

// Prepare lets servers set the collection period. It counts from the next Start.
func (s *Statistics) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	if len(e.Create) > 0 || len(e.Delete) > 0 && len(e.Set) == 0 {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "object 7 (Connectivity Statistics) stays as it is")
	}
	e.Delete = nil
	var tx sequence
	for _, n := range e.Set {
		switch {
		case n.Path.Resource() != ridPeriod:
			return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be written", n.Path)
		case n.Value.Int() < 0:
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s: %d s is negative", n.Path, n.Value.Int())
		case s.record.save != nil:
			old := []lwm2m.Node{{Path: n.Path, Value: s.record.tree.Value(n.Path)}}
			tx.add(func(ctx context.Context) error { return s.record.save(ctx, []lwm2m.Node{n}) },
				func(ctx context.Context) error { return s.record.save(ctx, old) })
		}
	}
	return &tx, nil
}

// Execute starts from 0, or stops collecting.
func (s *Statistics) Execute(_ context.Context, _ model.Origin, p lwm2m.Path, _ model.Arguments) error {
	switch p.Resource() {
	case ridStart:
		s.start()
		return nil
	case ridStop:
		s.stop()
		return nil
	}
	return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be executed", p)
}

func (s *Statistics) start() {
	period := s.record.tree.Value(s.record.path(0, ridPeriod)).Int()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt()
	s.begin(collected{}, collectionTime(period))
}

// expire ends a collection, but no later one.
func (s *Statistics) expire(start uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starts == start && s.timer != nil {
		s.finish()
	}
}

func (s *Statistics) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
}

// finish keeps what was collected; the lock must be held.
func (s *Statistics) finish() {
	s.counted, s.running = s.collected(), false
	s.halt()
}

// halt stops the timer; the lock must be held.
func (s *Statistics) halt() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

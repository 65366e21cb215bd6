package objects

import (
	"math"
	"time"
)

// Counted is where a collection of object 7 stands, so that a later start can go on with it.
type Counted struct {
	Running bool          `json:"running"`
	Traffic Traffic       `json:"traffic"` // so far
	Max     int64         `json:"max"`     // the largest message so far, in bytes
	Left    time.Duration `json:"left"`    // of the collection period; 0: it has no end
}

// Counted returns where it stands.
func (s *Statistics) Counted() Counted {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collected()
	out := Counted{Running: s.running, Traffic: c.traffic, Max: c.max}
	if s.timer != nil {
		out.Left = max(time.Until(s.ends), 1)
	}
	return out
}

// Continue goes on with a collection. What passed in between is not counted.
func (s *Statistics) Continue(c Counted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt()
	if !c.Running {
		s.counted = collected{c.Traffic, c.Max}
		return
	}
	s.begin(collected{c.Traffic, c.Max}, c.Left)
}

// begin collects from a state on, for a time, without end if it is 0; the lock must be held.
func (s *Statistics) begin(before collected, period time.Duration) {
	s.counters.ResetMaxMessage()
	s.before, s.began, s.running = before, s.counters.Traffic(), true
	if period > 0 {
		s.starts++
		start := s.starts
		s.ends = time.Now().Add(period)
		s.timer = time.AfterFunc(period, func() { s.expire(start) })
	}
}

// plus adds what was counted before.
func (t Traffic) plus(o Traffic) Traffic {
	return Traffic{
		TxBytes: t.TxBytes + o.TxBytes, RxBytes: t.RxBytes + o.RxBytes, TxSMS: t.TxSMS + o.TxSMS, RxSMS: t.RxSMS + o.RxSMS,
		Messages: t.Messages + o.Messages, MessageBytes: t.MessageBytes + o.MessageBytes,
	}
}

// collectionTime returns a collection period, 0 where it has no end: beyond 292 years there is none.
func collectionTime(n int64) time.Duration {
	if n >= math.MaxInt64/int64(time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}

package coap

import (
	"container/heap"
	"sync"
	"time"
)

// deadline is a moment at which its owner has something to do.
type deadline struct {
	at    time.Time
	place int // in the heap, counted from 1; 0: not set
	owner expirer
}

// expirer is called at its deadline with Conn.mu held. What it returns, if not nil,
// is called without it.
type expirer interface {
	expire(now time.Time) func()
}

// alarm calls wake at the earliest of its deadlines. Without deadlines no timer
// runs. It is guarded by Conn.mu.
type alarm struct {
	wake    func()
	running *sync.WaitGroup // counts armed timers and running wakes
	timer   *time.Timer
	armed   time.Time // zero: not armed
	heap    deadlines
	stopped bool // for good
}

// set moves d to a moment, whether it was set before or not.
func (a *alarm) set(d *deadline, owner expirer, at time.Time) {
	if a.stopped {
		return
	}
	d.at, d.owner = at, owner
	if d.place == 0 {
		heap.Push(&a.heap, d)
	} else {
		heap.Fix(&a.heap, d.place-1)
	}
	a.arm()
}

// clear takes d out, if it was set.
func (a *alarm) clear(d *deadline) {
	if d.place > 0 {
		heap.Remove(&a.heap, d.place-1)
		a.arm()
	}
}

// due takes out and returns a deadline that has passed, or nil.
func (a *alarm) due(now time.Time) *deadline {
	if len(a.heap) == 0 || a.heap[0].at.After(now) {
		return nil
	}
	return heap.Pop(&a.heap).(*deadline)
}

// stop drops all deadlines, for good.
func (a *alarm) stop() {
	a.stopped = true
	for _, d := range a.heap {
		d.place = 0
	}
	a.heap = nil
	a.arm()
}

// arm makes the timer run until the earliest deadline.
func (a *alarm) arm() {
	var next time.Time
	if len(a.heap) > 0 {
		next = a.heap[0].at
	}
	switch {
	case next.Equal(a.armed):
		return
	case next.IsZero():
		if a.timer.Stop() {
			a.running.Done()
		}
	case a.timer == nil:
		a.running.Add(1)
		a.timer = time.AfterFunc(time.Until(next), a.wake)
	default:
		a.running.Add(1)
		if a.timer.Reset(time.Until(next)) {
			a.running.Done() // it was armed and counted
		}
	}
	a.armed = next
}

// deadlines is a heap, the earliest first.
type deadlines []*deadline

func (h deadlines) Len() int           { return len(h) }
func (h deadlines) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h deadlines) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

// Push is for container/heap.
func (h *deadlines) Push(x any) {
	d := x.(*deadline)
	*h = append(*h, d)
	d.place = len(*h)
}

// Pop is for container/heap.
func (h *deadlines) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.place = 0
	return d
}

// expired does what is due. It runs on the timer's goroutine.
func (c *Conn) expired() {
	defer c.timers.Done()
	now := time.Now()
	c.mu.Lock()
	c.alarm.armed = time.Time{}
	for {
		d := c.alarm.due(now)
		if d == nil {
			break
		}
		if act := d.owner.expire(now); act != nil {
			c.mu.Unlock()
			act()
			c.mu.Lock()
		}
	}
	c.alarm.arm()
	c.mu.Unlock()
}

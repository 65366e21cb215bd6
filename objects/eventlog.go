package objects

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// LogClass is what kind of events a log has (/20/x/4010); 100 to 255 are the
// vendor's.
type LogClass uint8

// The classes.
const (
	LogGeneric  LogClass = 0
	LogSystem   LogClass = 1
	LogSecurity LogClass = 2
	LogEvent    LogClass = 3
	LogTrace    LogClass = 4
	LogPanic    LogClass = 5
	LogCharging LogClass = 6
)

// The resources of object 20 (OMA registry, reusable resources 4010 to 4017).
const (
	objectEventLog         = 20
	ridLogClass            = 4010
	ridLogStart            = 4011
	ridLogStop             = 4012
	ridLogStatus           = 4013
	ridLogData             = 4014
	ridLogDataFormat       = 4015
	ridLogDataIncremental  = 4016
	ridLogIncrementalEvery = 4017
)

// LogState is what the next start must know of one log.
type LogState struct {
	Stopped   bool              `json:"stopped,omitempty"`
	Intervals map[uint16]uint64 `json:"intervals,omitempty"` // LogDataIncrementalMinimumSendInterval by Short Server ID, in seconds
}

// EventLogHooks are what object 20 needs from outside.
type EventLogHooks struct {
	// Save keeps the state of a log; it is called before a change takes effect
	// and its error refuses it. Nil keeps nothing.
	Save func(ctx context.Context, iid uint16, s LogState) error
	// Send sends nodes to a server and returns nil when it has taken them.
	Send func(ctx context.Context, shortServerID uint16, nodes []lwm2m.Node) error
}

// EventLog is object 20: logs, one in each instance, as lines of text.
type EventLog struct {
	model.Plain
	pub   *model.Publisher
	hooks EventLogHooks
	wake  chan struct{}

	changing sync.Mutex // of the state of a log: held while it is saved

	mu   sync.Mutex
	logs map[uint16]*Collection
}

// NewEventLog adds object 20 to the tree, without instances.
func NewEventLog(tree *model.Tree, hooks EventLogHooks) (*EventLog, error) {
	l := &EventLog{hooks: hooks, wake: make(chan struct{}, 1), logs: make(map[uint16]*Collection)}
	var err error
	l.pub, err = tree.AddRegistered(objectEventLog, l)
	return l, err
}

// Add makes an instance for a log, in the state that Save was given.
func (l *EventLog) Add(iid uint16, class LogClass, c *Collection, s LogState) error {
	c.mu.Lock()
	c.stopped = s.Stopped
	every := uint64(0)
	for server, interval := range s.Intervals {
		c.want(server, interval)
		every = interval
	}
	c.changed = l.signal
	c.mu.Unlock()
	l.mu.Lock()
	l.logs[iid] = c
	l.mu.Unlock()
	var b model.Batch
	b.Create(iid)
	b.Declare(iid, ridLogStart, ridLogStop, ridLogDataIncremental)
	b.Set(iid, ridLogClass, lwm2m.Integer(int64(class)))
	b.Set(iid, ridLogStatus, lwm2m.Integer(c.status()))
	b.Set(iid, ridLogDataFormat, lwm2m.Integer(0))
	b.Set(iid, ridLogIncrementalEvery, lwm2m.Unsigned(every))
	b.Compute(iid, ridLogData, func() lwm2m.Value { return lwm2m.Opaque(c.data()) })
	return l.pub.Publish(&b)
}

// signal wakes Run. A logger calls it, under whatever locks it was called with.
func (l *EventLog) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *EventLog) log(iid uint16) (*Collection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.logs[iid]
	if c == nil {
		return nil, fmt.Errorf("/%d/%d is in the tree and has no log", objectEventLog, iid)
	}
	return c, nil
}

// Prepare takes the interval at which the server that writes it wants
// LogDataIncremental. The class stays as it is, and so does the format, which is
// none in particular (0): lines of text.
func (l *EventLog) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	if len(e.Create) > 0 || len(e.Delete) > 0 && len(e.Set) == 0 {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "the instances of object 20 (Event Log) are those of the configuration")
	}
	e.Delete = nil
	var tx sequence
	for _, n := range e.Set {
		switch rid := n.Path.Resource(); {
		case rid == ridLogDataFormat && n.Value.Int() == 0:
		case rid == ridLogDataFormat:
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s: there is no format %d, only 0 (lines of text)", n.Path, n.Value.Int())
		case rid != ridLogIncrementalEvery:
			return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be written", n.Path)
		case e.Origin.Kind != model.OriginServer:
			return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s is for servers: each asks for Sends to itself", n.Path)
		default:
			if err := l.planInterval(&tx, e.Origin.Server, n); err != nil {
				return nil, err
			}
		}
	}
	return &tx, nil
}

// planInterval adds the steps that save and set a server's interval.
func (l *EventLog) planInterval(tx *sequence, server uint16, n lwm2m.Node) error {
	if n.Value.Uint() > maxInterval {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: %d s is not one of 0 to %d", n.Path, n.Value.Uint(), maxInterval)
	}
	c, err := l.log(n.Path.Instance())
	if err != nil {
		return err
	}
	set := func(interval uint64) func(context.Context) error {
		return func(ctx context.Context) error {
			return l.change(ctx, n.Path.Instance(), c, func(s *LogState) {
				s.Intervals[server] = interval
				if interval == 0 {
					delete(s.Intervals, server)
				}
			})
		}
	}
	tx.add(set(n.Value.Uint()), set(c.state().Intervals[server]))
	return nil
}

// change saves the state of a log as it will be, and then makes it so.
func (l *EventLog) change(ctx context.Context, iid uint16, c *Collection, to func(*LogState)) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	s := c.state()
	to(&s)
	if l.hooks.Save != nil {
		if err := l.hooks.Save(ctx, iid, s); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.stopped = s.Stopped
	for server := range c.feeds {
		if s.Intervals[server] == 0 {
			delete(c.feeds, server)
		}
	}
	for server, interval := range s.Intervals {
		c.want(server, interval)
	}
	c.mu.Unlock()
	l.signal()
	return nil
}

// Execute starts or stops a collection. Argument 0 says what becomes of what was
// collected: LogStart empties it, or with 1 goes on with it; LogStop keeps it, or
// with 1 empties it.
func (l *EventLog) Execute(ctx context.Context, _ model.Origin, p lwm2m.Path, args model.Arguments) error {
	c, err := l.log(p.Instance())
	if err != nil {
		return err
	}
	start := p.Resource() == ridLogStart
	other := false
	for _, a := range args {
		if a.ID != 0 || a.Value != "" && a.Value != "0" && a.Value != "1" {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s takes argument 0 with '0' or '1'", p)
		}
		other = a.Value == "1"
	}
	if err := l.change(ctx, p.Instance(), c, func(s *LogState) { s.Stopped = !start }); err != nil {
		return err
	}
	c.run(start, start != other)
	return l.pub.Set(p.Instance(), ridLogStatus, lwm2m.Integer(c.status()))
}

// publish enters LogStatus where it has changed.
func (l *EventLog) publish() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b model.Batch
	for iid, c := range l.logs {
		b.Set(iid, ridLogStatus, lwm2m.Integer(c.status()))
	}
	return l.pub.Publish(&b)
}

// maxInterval is the longest interval of LogDataIncremental: a year.
const maxInterval = uint64(365 * 24 * time.Hour / time.Second)

package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// sentLog is one Send.
type sentLog struct {
	server uint16
	path   string
	text   string
	at     time.Duration
}

// logbook is an event log with one log, what it saves and what it sends.
type logbook struct {
	*fixture
	log   *EventLog
	lines *Collection
	state LogState
	sent  chan sentLog
	away  atomic.Bool // the server
	began time.Time
}

func newLogbook(t *testing.T, s LogState) *logbook {
	t.Helper()
	b := &logbook{fixture: newFixture(t), lines: NewCollection(), sent: make(chan sentLog, 100), began: time.Now()}
	var err error
	b.log, err = NewEventLog(b.tree, EventLogHooks{
		Save: func(_ context.Context, _ uint16, s LogState) error {
			b.state = s
			return nil
		},
		Send: func(_ context.Context, server uint16, nodes []lwm2m.Node) error {
			b.sent <- sentLog{server, nodes[0].Path.String(), string(nodes[0].Value.Bytes()), time.Since(b.began)}
			if b.away.Load() {
				return errors.New("away")
			}
			return nil
		},
	})
	b.check(err)
	b.check(b.log.Add(0, LogSystem, b.lines, s))
	return b
}

// simulated runs a test with an event log at work, in simulated time.
func simulated(t *testing.T, s LogState, test func(b *logbook)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newLogbook(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.log.Run(ctx) }()
		test(b)
		cancel()
		b.check(<-ended)
	})
}

func (b *logbook) line(format string, args ...any) {
	fmt.Fprintf(b.lines, format+"\n", args...)
	synctest.Wait()
}

// data returns LogData as a server reads it.
func (b *logbook) data() string {
	b.Helper()
	nodes, err := b.tree.Read(model.FromServer(1), lwm2m.MustPath("/20/0/4014"), nil)
	b.check(err)
	return string(nodes[0].Value.Bytes())
}

func (b *logbook) wantData(want string) {
	b.Helper()
	if got := b.data(); got != want {
		b.Errorf("LogData is %q, want %q", got, want)
	}
}

func (b *logbook) wantSent(want ...sentLog) {
	b.Helper()
	for _, w := range want {
		select {
		case got := <-b.sent:
			if got != w {
				b.Errorf("sent %+v, want %+v", got, w)
			}
		default:
			b.Errorf("nothing was sent, want %+v", w)
		}
	}
	if len(b.sent) > 0 {
		b.Errorf("sent besides: %+v", <-b.sent)
	}
}

// after lets time pass.
func (b *logbook) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *logbook) every(server uint16, seconds uint64) error {
	err := b.writeFrom(model.FromServer(server), "/20/0/4017", lwm2m.Unsigned(seconds))
	synctest.Wait()
	return err
}

func TestLogStartAndStop(t *testing.T) {
	simulated(t, LogState{}, func(b *logbook) {
		b.has(map[string]string{"/20/0/4010": "1", "/20/0/4013": "0", "/20/0/4015": "0", "/20/0/4017": "0"})
		b.line("one")
		b.has(map[string]string{"/20/0/4013": "2"}) // running, with data
		b.check(b.execute("/20/0/4012", ""))
		b.has(map[string]string{"/20/0/4013": "3"}) // stopped, the data is kept
		if !b.state.Stopped {
			t.Error("the next start does not know that the log was stopped")
		}
		b.line("two")
		b.wantData("one\n")
		b.check(b.execute("/20/0/4011", "0='1'")) // goes on
		b.line("three")
		b.wantData("one\nthree\n")
		b.check(b.execute("/20/0/4012", "0='1'")) // empties
		b.has(map[string]string{"/20/0/4013": "1"})
		b.wantData("")
		b.check(b.execute("/20/0/4011", "0='0'"))
		b.line("four")
		b.check(b.execute("/20/0/4011", "")) // empties
		b.wantData("")
		b.has(map[string]string{"/20/0/4013": "0"})
		if b.state.Stopped {
			t.Error("the next start does not know that the log was started")
		}
		b.refused(b.execute("/20/0/4011", "1"), lwm2m.BadRequest, "argument 0")
		b.refused(b.execute("/20/0/4012", "0='2'"), lwm2m.BadRequest, "'0' or '1'")
	})
}

func TestLogIsBounded(t *testing.T) {
	simulated(t, LogState{Intervals: map[uint16]uint64{1: 3600}}, func(b *logbook) {
		for i := range 2000 {
			b.line("line %d", i)
		}
		b.line("%s", strings.Repeat("x", 3*maxLine))
		data := b.data()
		if len(data) > maxCollection || len(data) < maxCollection/2 {
			t.Errorf("LogData has %d bytes", len(data))
		}
		if !strings.HasPrefix(data, "line ") || !strings.HasSuffix(data, "line 1999\n"+strings.Repeat("x", maxLine)+"\n") {
			t.Errorf("LogData is %.20q … %q", data, data[len(data)-20:])
		}
		b.after(time.Hour)
		if s := <-b.sent; len(s.text) > maxCollection || !strings.HasPrefix(s.text, "line ") {
			t.Errorf("sent are %d bytes: %.20q", len(s.text), s.text)
		}
	})
}

// TestLogIncremental: what is new is sent at most once in the interval that the
// server has set, and at once when that has passed.
func TestLogIncremental(t *testing.T) {
	simulated(t, LogState{}, func(b *logbook) {
		const at = "/20/0/4016"
		b.line("before")
		b.check(b.every(1, 60))
		b.has(map[string]string{"/20/0/4013": "10", "/20/0/4017": "60"})
		b.line("one")
		b.check(b.execute("/20/0/4012", "0='1'")) // is none of its business
		b.line("two")
		b.wantSent()
		b.after(60 * time.Second)
		b.wantSent(sentLog{1, at, "one\ntwo\n", 60 * time.Second})
		b.after(600 * time.Second)
		b.wantSent()
		b.line("three")
		b.wantSent(sentLog{1, at, "three\n", 660 * time.Second})
		b.line("four")
		b.check(b.every(2, 10))
		b.line("five")
		b.after(60 * time.Second)
		b.wantSent(sentLog{2, at, "five\n", 670 * time.Second}, sentLog{1, at, "four\nfive\n", 720 * time.Second})
		b.check(b.every(1, 0))
		b.line("six")
		b.after(time.Hour)
		b.wantSent(sentLog{2, at, "six\n", 720 * time.Second})
		if len(b.state.Intervals) != 1 || b.state.Intervals[2] != 10 {
			t.Errorf("the next start will know %v", b.state.Intervals)
		}
	})
}

// TestLogIncrementalToServerThatIsAway keeps what was not taken.
func TestLogIncrementalToServerThatIsAway(t *testing.T) {
	simulated(t, LogState{Intervals: map[uint16]uint64{1: 5}}, func(b *logbook) {
		const at = "/20/0/4016"
		b.has(map[string]string{"/20/0/4017": "5"})
		b.away.Store(true)
		b.line("one")
		b.after(5 * time.Second)
		b.wantSent(sentLog{1, at, "one\n", 5 * time.Second})
		b.line("two")
		b.after(retryTime - time.Second)
		b.wantSent()
		b.away.Store(false)
		b.after(time.Second)
		b.wantSent(sentLog{1, at, "one\ntwo\n", 65 * time.Second})
	})
}

func TestLogRefusals(t *testing.T) {
	b := newLogbook(t, LogState{Stopped: true})
	b.has(map[string]string{"/20/0/4013": "1"})
	_, err := b.tree.Read(model.FromServer(1), lwm2m.MustPath("/20/0/4016"), nil)
	b.refused(err, lwm2m.MethodNotAllowed, "cannot be read")
	b.check(b.write("/20/0/4015", lwm2m.Integer(0)))
	b.refused(b.write("/20/0/4015", lwm2m.Integer(3)), lwm2m.BadRequest, "no format 3")
	b.refused(b.write("/20/0/4010", lwm2m.Integer(3)), lwm2m.MethodNotAllowed, "cannot be written")
	b.refused(b.write("/20/0/4017", lwm2m.Unsigned(maxInterval+1)), lwm2m.BadRequest, "0 to 31536000")
	b.refused(b.writeFrom(model.FromLocal(), "/20/0/4017", lwm2m.Unsigned(1)), lwm2m.MethodNotAllowed, "for servers")
	b.refused(b.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/20/0")), lwm2m.MethodNotAllowed, "configuration")
	_, err = b.tree.Create(t.Context(), model.FromServer(1), lwm2m.NewPath(20), nil)
	b.refused(err, lwm2m.MethodNotAllowed, "configuration")
}

// TestLogStateThatCannotBeKept changes nothing.
func TestLogStateThatCannotBeKept(t *testing.T) {
	b := newLogbook(t, LogState{})
	b.log.hooks.Save = func(context.Context, uint16, LogState) error { return errors.New("disk full") }
	b.refused(b.writeFrom(model.FromServer(1), "/20/0/4017", lwm2m.Unsigned(60)), lwm2m.InternalServerError, "disk full")
	b.refused(b.execute("/20/0/4012", ""), lwm2m.InternalServerError, "disk full")
	b.has(map[string]string{"/20/0/4013": "0", "/20/0/4017": "0"})
	b.lines.Failed()
	b.check(b.log.publish())
	b.has(map[string]string{"/20/0/4013": "4"})
	fmt.Fprintln(b.lines, "readable again")
	b.check(b.log.publish())
	b.has(map[string]string{"/20/0/4013": "2"})
}

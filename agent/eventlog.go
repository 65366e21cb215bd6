package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/host"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/objects"
)

// collected returns a logger that also writes into a collection: from level info
// on, and never keys, which no part of the agent logs.
func collected(log *slog.Logger) (*slog.Logger, *objects.Collection) {
	c := objects.NewCollection()
	return slog.New(tokenHandler{slog.NewMultiHandler(log.Handler(), slog.NewTextHandler(c, nil))}), c
}

// ownLogName is what the state of the agent's own log is kept by. It is too long
// for a name in the configuration, so that no other log has it.
const ownLogName = "the log of the agent itself, which is instance 0 of object 20, Event Log"

// logClasses are the configuration's words.
var logClasses = map[string]objects.LogClass{
	"generic": objects.LogGeneric, "system": objects.LogSystem, "security": objects.LogSecurity, "event": objects.LogEvent,
	"trace": objects.LogTrace, "panic": objects.LogPanic, "charging": objects.LogCharging,
}

// addEventLog adds object 20: the agent's own log and those of the configuration.
// The accounts are there already.
func (a *Agent) addEventLog() error {
	logs := a.opts.Config.EventLogs
	claims := make([]store.Claim, 1+len(logs))
	claims[0] = store.Claim{Object: 20, Name: ownLogName, Wanted: 0}
	for i := range logs {
		claims[i+1] = store.Claim{Object: 20, Name: logs[i].Name, Wanted: store.Any}
	}
	numbers, err := a.store.Instances(claims)
	if err != nil {
		return err
	}
	states := bind.LogStates{Store: a.store}
	a.eventLog, err = objects.NewEventLog(a.tree, objects.EventLogHooks{
		Save: func(_ context.Context, iid uint16, s objects.LogState) error {
			return states.Save(claims[slices.Index(numbers, iid)].Name, s)
		},
		Send: func(ctx context.Context, id uint16, nodes []lwm2m.Node) error {
			return a.client.SendContent(ctx, id, nodes)
		},
	})
	if err != nil {
		return err
	}
	if err := a.addLog(states, numbers[0], ownLogName, objects.LogSystem, a.ownLog); err != nil {
		return err
	}
	for i := range logs {
		c := objects.NewCollection()
		if err := a.addLog(states, numbers[i+1], logs[i].Name, logClasses[logs[i].Class], c); err != nil {
			return err
		}
		a.followed = append(a.followed, a.follow(&logs[i], c))
	}
	return nil
}

// addLog adds one log in the state in which it was, if that can be restored.
// Intervals of servers that are gone are forgotten.
func (a *Agent) addLog(states bind.LogStates, iid uint16, name string, class objects.LogClass, c *objects.Collection) error {
	state, err := states.Load(name)
	if err != nil {
		a.log.Warn("state of a log not restored", slog.Any("error", err))
	}
	servers := make(map[uint16]uint64)
	for _, instance := range a.tree.Instances(1) {
		id := uint16(a.tree.Value(lwm2m.NewPath(1, instance, 0)).Int()) //nolint:gosec // a Short Server ID
		if interval := state.Intervals[id]; interval > 0 {
			servers[id] = interval
		}
	}
	state.Intervals = servers
	return a.eventLog.Add(iid, class, c, state)
}

const (
	followAgain = time.Minute     // between two attempts to read a log
	followsWell = 5 * time.Second // after which one that did not fail is taken for one that can be read
)

// follow returns the task that collects a log of the configuration. One that
// cannot be read is tried again; health says so.
func (a *Agent) follow(l *config.EventLog, c *objects.Collection) Task {
	name := fmt.Sprintf("event log %q", l.Name)
	return named{name, func(ctx context.Context) error {
		read, end := reader(l, c)
		defer end()
		for level := slog.LevelWarn; ; level = slog.LevelDebug { // it is told once
			works := time.AfterFunc(followsWell, func() { a.health.Clear(health.PartFailing, name) })
			err := read(ctx)
			works.Stop()
			if ctx.Err() == nil {
				c.Failed()
				a.health.Set(health.PartFailing, name, fmt.Sprint(err))
				a.log.Log(ctx, level, "a log cannot be read; it is tried again each minute", slog.String("event_log", l.Name), slog.Any("error", err))
			}
			select {
			case <-time.After(followAgain):
			case <-ctx.Done():
				return nil
			}
		}
	}}
}

// reader returns what collects the lines of a log until it cannot be read or the context ends, to be called again, and what gives
// the log up.
func reader(l *config.EventLog, c *objects.Collection) (read func(context.Context) error, end func()) {
	take := func(line []byte) { _, _ = c.Write(line) } // which never fails
	if l.Source == config.SourceJournal {
		return func(ctx context.Context) error { return host.FollowJournal(ctx, take) }, func() {}
	}
	file := host.NewLogFile(l.File, take)
	return file.Follow, file.Close
}

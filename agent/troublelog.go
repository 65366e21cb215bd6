package agent

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"lwm2m-agent/agent/health"
)

// troubleLog logs troubles as they come and go, a bounded number of lines for each: of one that keeps coming and going
// the first changes, and then once in a troublePause how often it has changed and how it is.
type troubleLog struct {
	log   *slog.Logger
	known map[troubleKey]*troubleLines
}

type troubleKey struct {
	code health.Code
	on   string
}

// troubleLines is what was logged of a trouble.
type troubleLines struct {
	from     time.Time // of the first line, or of the last one that summed up
	lines    int
	unlogged int
	last     health.Change
}

const (
	troublePause = time.Hour
	troubleMost  = 4 // lines in it
)

// saidByClient are the troubles that the client logs itself, with more of the circumstances.
var saidByClient = []health.Code{health.ServerUnreachable, health.ServerRefuses, health.ServerIdentity}

func newTroubleLog(log *slog.Logger) *troubleLog {
	return &troubleLog{log: log, known: make(map[troubleKey]*troubleLines)}
}

// note logs a change, or counts it. What was due before is summed up: see sumUp.
func (l *troubleLog) note(ctx context.Context, c health.Change, now time.Time) {
	k := troubleKey{c.Trouble.Code, c.Trouble.On}
	t := l.known[k]
	if t == nil {
		t = &troubleLines{from: now}
		l.known[k] = t
	}
	if t.last = c; t.lines == troubleMost {
		t.unlogged++
		return
	}
	t.lines++
	if !c.Set {
		l.log.Info("trouble is over", slog.String("code", string(c.Trouble.Code)), slog.String("on", c.Trouble.On))
		return
	}
	level := slog.LevelWarn
	if slices.Contains(saidByClient, c.Trouble.Code) {
		level = slog.LevelDebug
	}
	l.log.Log(ctx, level, "trouble", slog.String("code", string(c.Trouble.Code)), slog.String("on", c.Trouble.On),
		slog.String("detail", c.Trouble.Detail), slog.String("remedy", c.Trouble.Remedy))
}

// sumUp logs how the troubles are of which changes were not logged, where it is time, and forgets those that have been quiet.
func (l *troubleLog) sumUp(ctx context.Context, now time.Time) {
	for k, t := range l.known {
		switch {
		case now.Sub(t.from) < troublePause:
			continue
		case t.unlogged == 0:
			delete(l.known, k)
			continue
		}
		state := "over"
		if t.last.Set {
			state = "there"
		}
		l.log.LogAttrs(ctx, slog.LevelWarn, "trouble comes and goes", slog.String("code", string(k.code)), slog.String("on", k.on), slog.Int("unlogged", t.unlogged),
			slog.String("now", state), slog.String("detail", t.last.Trouble.Detail))
		t.from, t.unlogged = now, 0
	}
}

// wait returns how long it is until something is to be summed up; negative: there is nothing.
func (l *troubleLog) wait(now time.Time) time.Duration {
	next := time.Duration(-1)
	for _, t := range l.known {
		if left := max(0, t.from.Add(troublePause).Sub(now)); t.unlogged > 0 && (next < 0 || left < next) {
			next = left
		}
	}
	return next
}

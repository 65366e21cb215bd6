package agent

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"lwm2m-agent/agent/health"
)

// Task is a part of the agent that runs. Run returns nil when ctx has ended; an
// error ends the agent.
type Task interface {
	Run(ctx context.Context) error
	fmt.Stringer
}

// named makes a function a Task.
type named struct {
	name string
	run  func(context.Context) error
}

func (n named) Run(ctx context.Context) error { return n.run(ctx) }
func (n named) String() string                { return n.name }

// The pauses before a part that failed is begun anew: they double from one failure to the next, and begin anew for
// one that ran for longer than the longest.
const (
	shortestPause = 5 * time.Second
	longestPause  = 10 * time.Minute
)

// revived makes a task one whose failure, as for a lack of file descriptors, does not end the agent: it is logged once and
// the task is begun anew after a pause. look, if not nil, is called before that, for what has changed meanwhile.
func revived(log *slog.Logger, t Task, look func()) Task {
	return named{t.String(), func(ctx context.Context) error {
		pause, level := shortestPause, slog.LevelWarn
		for ctx.Err() == nil {
			began := time.Now()
			err := t.Run(ctx)
			if ctx.Err() != nil {
				break
			}
			if time.Since(began) > longestPause {
				pause, level = shortestPause, slog.LevelWarn
			}
			log.Log(ctx, level, "a part of the agent has ended; it is begun anew", slog.String("task", t.String()), slog.Duration("in", pause), slog.Any("error", err))
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
			pause, level = min(2*pause, longestPause), slog.LevelDebug
			if look != nil {
				look()
			}
		}
		return nil //nolint:nilerr // what a task says that was ended is of no use
	}}
}

// asked makes a task of what the configuration asks for and the agent can do without: while it fails, health says so. serve
// calls works when it can be used.
func (a *Agent) asked(name string, serve func(ctx context.Context, works func()) error) Task {
	works := func() { a.health.Clear(health.PartFailing, name) }
	return revived(a.log, named{name, func(ctx context.Context) error {
		err := serve(ctx, works)
		if ctx.Err() == nil && err != nil {
			a.health.Set(health.PartFailing, name, err.Error())
		}
		return err
	}}, nil)
}

// partingTime is how long parting may take when the agent ends.
const partingTime = 4 * time.Second

// runAll runs tasks until ctx ends or one of them fails, then calls parting
// while they still run, and then ends them. Those that can wait are begun after the others, when ready lets them.
func runAll(ctx context.Context, tasks, canWait []Task, ready func(context.Context), parting func(context.Context) error) error {
	group, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	run, end := context.WithCancel(failed)
	defer end()
	begin := func(tasks []Task) {
		for _, t := range tasks {
			group.Go(func() error {
				if err := t.Run(run); err != nil {
					return fmt.Errorf("%s: %w", t, err)
				}
				return nil
			})
		}
	}
	begin(tasks)
	group.Go(func() error {
		ready(run)
		begin(canWait)
		return nil
	})
	group.Go(func() error {
		defer end()
		select {
		case <-ctx.Done():
		case <-run.Done():
			return nil
		}
		within, cancel := context.WithTimeout(run, partingTime)
		defer cancel()
		return parting(within)
	})
	return group.Wait()
}

// runDeferred runs what must happen after an answer has gone out.
func (a *Agent) runDeferred(ctx context.Context) error {
	for {
		select {
		case work := <-a.deferred:
			work(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// answerTime is how long an answer may take to reach a server before what it
// announced happens.
const answerTime = 2 * time.Second

// afterAnswer does work when the answer to the present request has had time to
// go out.
func (a *Agent) afterAnswer(what string, work func(context.Context) error) error {
	do := func(ctx context.Context) {
		select {
		case <-time.After(answerTime):
		case <-ctx.Done():
			return
		}
		if err := work(ctx); err != nil {
			a.log.Error("what a server asked for has failed", slog.String("what", what), slog.Any("error", err))
		}
	}
	select {
	case a.deferred <- do:
		return nil
	default:
		return fmt.Errorf("%s: too much waits to be done", what)
	}
}

package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/health"
)

// TestRevived: what fails is begun anew, after pauses that grow up to a limit, and says so once; after a good run it is
// as if it had never failed.
func TestRevived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		var begun []time.Duration
		looked, start := 0, time.Now()
		ctx, end := context.WithCancel(t.Context())
		defer end()
		task := revived(slog.New(slog.NewTextHandler(&log, nil)), named{"watch", func(ctx context.Context) error {
			begun = append(begun, time.Since(start))
			switch len(begun) {
			case 12: // it goes well for an hour
				<-time.After(time.Hour)
				start = time.Now()
			case 14:
				end()
				return nil
			}
			return errors.New("too many open files")
		}}, func() { looked++ })
		if err := task.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(begun) != 14 || looked != 13 {
			t.Fatalf("begun %d times, looked %d times", len(begun), looked)
		}
		if begun[1] != 5*time.Second || begun[2] != 15*time.Second || begun[11]-begun[10] != 10*time.Minute || begun[12] != 5*time.Second {
			t.Errorf("begun at %v", begun)
		}
		if said := string(log.bytes()); strings.Count(said, "too many open files") != 2 || strings.Count(said, "level=WARN") != 2 {
			t.Errorf("it said %s", said)
		}
	})
}

// TestAskedParts: health tells what the configuration asks for and does not work, until it does.
func TestAskedParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		a := &Agent{log: slog.New(slog.DiscardHandler), health: health.NewTracker(time.Now)}
		var held atomic.Bool
		held.Store(true)
		task := a.asked("page", func(ctx context.Context, works func()) error {
			if held.Load() {
				return errors.New("address already in use")
			}
			works()
			<-ctx.Done()
			return nil
		})
		done := make(chan error)
		go func() { done <- task.Run(ctx) }()
		synctest.Wait()
		if found := a.health.Troubles(); len(found) != 1 || found[0].Code != health.PartFailing || found[0].On != "page" || found[0].Detail != "address already in use" {
			t.Errorf("while the address is taken: %+v", found)
		}
		held.Store(false)
		<-time.After(shortestPause)
		synctest.Wait()
		if found := a.health.Troubles(); len(found) > 0 {
			t.Errorf("when it is free: %+v", found)
		}
		end()
		if err := <-done; err != nil || len(a.health.Troubles()) > 0 {
			t.Errorf("at the end: %v, %+v", err, a.health.Troubles())
		}
	})
}

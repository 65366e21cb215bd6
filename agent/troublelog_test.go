package agent

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/health"
)

// TestTroubleThatComesAndGoes: a trouble that changes each second takes few lines of the log, of which the last says how it is
// now; another one is not hidden by it, and one that was quiet for an hour is told as at first.
func TestTroubleThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := (&lab{uri: &url.URL{Scheme: "coap", Host: "192.0.2.1:5683"}, dir: t.TempDir()}).config()
		var log lockedBuffer
		a, err := New(Options{Config: cfg, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = a.Close() }()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.showErrors(ctx) }()
		synctest.Wait()
		count := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			if n := strings.Count(string(log.bytes()), what); n != want {
				t.Errorf("%d times %q, want %d, in\n%.3000s", n, what, want, string(log.bytes()))
			}
		}
		for range 1000 {
			a.health.Set(health.SensorFailing, "door", "gone")
			synctest.Wait()
			time.Sleep(time.Second)
			a.health.Clear(health.SensorFailing, "door")
			synctest.Wait()
			time.Sleep(time.Second)
		}
		a.health.Set(health.SensorFailing, "door", "gone for good")
		a.health.Set(health.SensorFailing, "window", "gone")
		count("on=door", troubleMost)
		count("on=window", 1)
		time.Sleep(troublePause)
		count("on=door", troubleMost+1)
		count("unlogged=1997 now=there detail=\"gone for good\"", 1)
		time.Sleep(troublePause)
		a.health.Clear(health.SensorFailing, "door")
		count("on=door", troubleMost+2)
		time.Sleep(24 * time.Hour)
		count("on=door", troubleMost+2)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

package ets

import (
	"context"
	"testing"
	"time"
)

func TestPulse(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ticks, ended := make(chan time.Time), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var p pulse
	go func() { defer close(ended); p.run(ctx, ticks) }()
	for _, at := range []time.Duration{0, beat, 2 * beat, 2*beat + time.Second, 3*beat + time.Second, 4*beat + 3*time.Second} {
		ticks <- start.Add(at)
	}
	cancel()
	<-ended
	for since, want := range map[time.Duration]time.Duration{
		0: 3*time.Second - 2*beat + beat, time.Second + 2*beat: 2 * time.Second, time.Minute: 0,
	} {
		if got := p.stood(start.Add(since)); got != want {
			t.Errorf("stood still %s since %s, want %s", got, since, want)
		}
	}
}

package modem

import (
	"context"
	"time"
)

// How long a modem that is gone or silent is left alone.
const (
	FirstPause = 2 * time.Second
	MaxPause   = time.Minute
	steadyTime = 5 * time.Minute // after which a modem counts as having been there
)

// Again follows a modem again and again until ctx ends: follow returns when the modem is gone,
// gone is told why, and rest lets a pause pass, which grows from FirstPause to MaxPause with each
// time that follow has not lasted for steadyTime. rest returns false when ctx has ended.
func Again(ctx context.Context, now func() time.Time, follow func(context.Context) error, gone func(error), rest func(context.Context, time.Duration) bool) {
	for pause := FirstPause; ; pause = min(2*pause, MaxPause) {
		began := now()
		err := follow(ctx)
		if ctx.Err() != nil {
			return
		}
		gone(err)
		if now().Sub(began) > steadyTime {
			pause = FirstPause
		}
		if !rest(ctx, pause) {
			return
		}
	}
}

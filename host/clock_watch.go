package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// SinceBoot returns the time since the kernel started, sleep included. Nobody sets
// it.
func SinceBoot() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0 // not on any Linux since 2.6.39
	}
	return time.Duration(now.Nano())
}

// ClockSynchronized reports whether the kernel's clock follows a time server or
// another reference, as the program says that does it: the same that timedatectl
// shows (adjtimex(2)). Where a sandbox keeps the kernel's answer away, as
// ProtectClock= of systemd does, timedated is asked for it.
func ClockSynchronized(ctx context.Context) bool {
	var t unix.Timex // no modes: only asks
	if state, err := unix.Adjtimex(&t); err == nil {
		return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
	}
	synchronized, err := (&systemd{dial: systemBus}).synchronized(ctx)
	return err == nil && synchronized
}

// WatchClock calls changed, from its own goroutine, whenever the wall clock is set,
// until the context ends, which gives nil. A clock that is only slowed down or sped
// up does not tell.
func WatchClock(ctx context.Context, changed func()) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch the clock: %w", err)
	}
	timer := os.NewFile(uintptr(fd), "timerfd")
	defer timer.Close() //nolint:errcheck // nothing was written
	stop := context.AfterFunc(ctx, func() { _ = timer.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	// It never fires: reading it fails when the clock is set (timerfd_create(2)).
	never := unix.ItimerSpec{Value: unix.Timespec{Sec: math.MaxInt}}
	expirations := make([]byte, 8)
	for {
		if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &never, nil); err != nil {
			return fmt.Errorf("watch the clock: %w", err)
		}
		_, err := timer.Read(expirations)
		switch {
		case errors.Is(err, unix.ECANCELED):
			changed()
		case ctx.Err() != nil:
			return nil
		case err == nil:
			err = errors.New("it is beyond what this kernel can count")
			fallthrough
		default:
			return fmt.Errorf("watch the clock: %w", err)
		}
	}
}

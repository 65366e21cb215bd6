package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/fota"
)

// noSlots is a back end that could not be opened.
type noSlots struct{ err error }

var _ fota.Backend = noSlots{}

func (n noSlots) Slots(context.Context) (fota.Slots, error) { return fota.Slots{}, n.err }

func (n noSlots) Inspect(context.Context, string) (fota.Package, error) {
	return fota.Package{}, fota.Failf(fota.UpdateFailed, "%v", n.err) // nothing is said about the package
}

func (n noSlots) Install(context.Context, string, string) (fota.Image, error) {
	return fota.Image{}, n.err
}

func (n noSlots) Activate(context.Context, string) error { return n.err }

func (n noSlots) Mark(context.Context, string, bool) error { return n.err }

// Pauses between looks at a back end that does not answer, and the most time for one.
const (
	firstPause = 10 * time.Second
	lastPause  = time.Hour
	lookTime   = 2 * time.Minute
)

// watchSlots looks whether the machine could be updated: at the start, after each update,
// when somebody asks how it stands, and with growing pauses while it could not.
func (f *firmware) watchSlots(ctx context.Context) {
	due, pause := time.NewTimer(lastPause), firstPause
	due.Stop()
	f.lookAgain()
	for {
		select {
		case <-due.C:
		case <-f.look:
		case <-ctx.Done():
			return
		}
		if s := f.now.Load().Status(); s.Phase == fota.Verifying || s.Phase.State() == fota.Updating {
			continue // it shows by itself, and is looked at when that is over
		}
		err := f.usable(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.unusable.Store(true)
			f.agent.health.Set(health.FirmwareUnusable, "", err.Error())
			due.Reset(pause)
			pause = min(2*pause, lastPause)
		default:
			f.unusable.Store(false)
			f.agent.health.Clear(health.FirmwareUnusable, "")
			pause = firstPause
		}
	}
}

// usable asks the back end whether it could do an update.
func (f *firmware) usable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	if p, ok := f.slots.(prober); ok {
		_, err := p.Probe(ctx)
		return errors.Join(err, f.place())
	}
	_, err := f.slots.Slots(ctx)
	return errors.Join(err, f.place())
}

// place looks whether a package could lie in the folder that the configuration names: a service may write to few folders (systemd.exec(5),
// ProtectSystem=).
func (f *firmware) place() error {
	folder := f.cfg.Download
	if folder == "" {
		return nil
	}
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = unix.Access(folder, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return fmt.Errorf("no package can be put into %s, which download in [firmware] names: %w; let the agent write there, by ReadWritePaths= of its service too, or name another folder", folder, err)
	}
	return nil
}

// lookAgain has watchSlots look, now or when it can.
func (f *firmware) lookAgain() {
	select {
	case f.look <- struct{}{}:
	default:
	}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
)

// RunOptions are the flags of the command run.
type RunOptions struct {
	Config     string // the main file
	StateDir   string // "": the configuration's
	Socket     string // "": the configuration's
	Deregister bool
	Reload     <-chan os.Signal // each value has the configuration read anew
	Log        io.Writer
	Version    string
	Built      time.Time
}

// Load reads a configuration with the drivers that this program has.
func Load(path, stateDir, socket string) (*config.Config, error) {
	return config.Load(path, config.Options{StateDir: stateDir, Socket: socket, Drivers: bind.Drivers()})
}

// Run is the agent in the foreground, until ctx ends. An error that is a
// config.Problems is the configuration's.
func Run(ctx context.Context, opts RunOptions) error {
	defer onOneProcessor()()
	kept := KeepMemory() // before the first key is read
	cfg, err := Load(opts.Config, opts.StateDir, opts.Socket)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	setLevel(level, cfg)
	log := slog.New(slog.NewTextHandler(opts.Log, &slog.HandlerOptions{Level: level, ReplaceAttr: journalTime}))
	if kept != nil {
		log.Warn("a core dump of this process would hold keys", slog.Any("error", kept))
	}
	a, err := New(Options{
		Config: cfg, Version: opts.Version, Built: opts.Built, Log: log, Deregister: opts.Deregister,
		RefuseVolatile: opts.StateDir == "",
	})
	if err != nil {
		return err
	}
	l, err := inherited()
	if err != nil {
		return errors.Join(err, a.Close())
	}
	local := a.ControlTask(control.SocketOptions{Path: cfg.Socket, Listener: l, Log: a.log})
	a.log.Info("starting", slog.String("version", opts.Version), slog.String("endpoint", a.endpoint), slog.Int("servers", len(cfg.Servers)))
	return a.Run(ctx,
		local,
		named{"readiness", func(ctx context.Context) error { return notifyReady(ctx, local.Ready(), a.board.Hardware().Ready()) }},
		named{"watchdog", a.feedWatchdog},
		named{"reload", func(ctx context.Context) error { return a.reloads(ctx, opts, level) }},
	)
}

func setLevel(level *slog.LevelVar, cfg *config.Config) {
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		level.Set(slog.LevelInfo)
	}
}

// journalTime leaves the time of a line to the journal, if that takes it.
func journalTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && os.Getenv("JOURNAL_STREAM") != "" {
		return slog.Attr{}
	}
	return a
}

// inherited returns the control socket that the service supervisor opened, if
// it did.
func inherited() (net.Listener, error) {
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take over the sockets of the service supervisor: %w", err)
	}
	switch len(listeners) {
	case 0:
		return nil, nil
	case 1:
		return listeners[0], nil
	}
	return nil, fmt.Errorf("the service supervisor handed over %d sockets, want one", len(listeners))
}

// notifyReady tells systemd that local clients can be served, and when the agent
// ends. No network is waited for.
func notifyReady(ctx context.Context, ready ...<-chan struct{}) error {
	for _, r := range ready {
		select {
		case <-r:
		case <-ctx.Done():
			return nil
		}
	}
	// Without a supervisor there is nobody to tell, and nothing fails.
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	select {
	case <-time.After(startTime):
		boundHeap()
		giveBackStart()
		<-ctx.Done()
	case <-ctx.Done():
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	return nil
}

// reloads reads the configuration anew whenever it is asked to. A configuration
// that is wrong changes nothing.
func (a *Agent) reloads(ctx context.Context, opts RunOptions, level *slog.LevelVar) error {
	for {
		select {
		case <-opts.Reload:
		case <-ctx.Done():
			return nil
		}
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReloading)
		cfg, err := Load(opts.Config, opts.StateDir, opts.Socket)
		if err == nil {
			err = a.Apply(ctx, cfg)
		}
		a.reloaded(err)
		if err == nil {
			setLevel(level, cfg)
		}
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	}
}

package agent

import (
	"cmp"
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
	"lwm2m-agent/agent/helper"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/hw"
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

func filesOf(path, stateDir, socket string) config.Files {
	return config.Files{Path: path, Options: config.Options{StateDir: stateDir, Socket: socket, Drivers: bind.Drivers()}}
}

// Load reads a configuration with the drivers that this program has, as the next start of the
// agent would.
func Load(path, stateDir, socket string) (*config.Config, error) {
	files := filesOf(path, stateDir, socket)
	machine, err := transaction.Open(transaction.Folder(cmp.Or(stateDir, config.DefaultStateDir)))
	if err == nil {
		files.Options.Overlay = new(machine.Overlay())
	}
	return config.Load(files.Path, files.Options) // which says what is wrong with the overlay's file
}

// firstConfig reads the configuration to start with. An overlay that cannot be read, such as one of a
// newer release, is left out: whoever set it can then set it anew.
func firstConfig(files config.Files, machine *transaction.Machine) (l *config.Layout, leftOut, err error) {
	overlay := machine.Overlay()
	l, leftOut = files.Read(overlay)
	if leftOut == nil || overlay == "" {
		return l, nil, leftOut
	}
	if l, err = files.Read(""); err != nil {
		return nil, nil, err
	}
	machine.LeaveOut()
	return l, leftOut, nil
}

// Run is the agent in the foreground, until ctx ends. An error that is a
// config.Problems is the configuration's.
func Run(ctx context.Context, opts RunOptions) error {
	defer onOneProcessor()()
	kept := KeepMemory() // before the first key is read
	lines, sockets := splitInherited(activation.Files(true))
	socket, err := inherited(sockets)
	if err != nil {
		return err
	}
	for {
		err := runOnce(ctx, opts, socket, lines, kept)
		lines = nil
		switch {
		case !errors.Is(err, ErrReset):
			return err
		case ctx.Err() != nil:
			return nil // the next start carries it out
		}
	}
}

// runOnce is the agent from one factory reset to the next.
func runOnce(ctx context.Context, opts RunOptions, socket net.Listener, lines map[string]*os.File, kept error) error {
	level, files := new(slog.LevelVar), filesOf(opts.Config, opts.StateDir, opts.Socket)
	log := newLogger(opts.Log, level)
	// Before anything of what it erases is read.
	reset, err := store.FinishReset(cmp.Or(opts.StateDir, config.DefaultStateDir), store.Options{Log: log})
	if err != nil {
		return err
	}
	machine, damage := transaction.Open(transaction.Folder(cmp.Or(opts.StateDir, config.DefaultStateDir)))
	layout, leftOut, err := firstConfig(files, machine)
	if err != nil {
		return err
	}
	cfg := layout.Config
	setLevel(level, cfg)
	if reset {
		log.Warn("reset to factory defaults")
	}
	if kept != nil {
		log.Warn("a core dump of this process would hold keys", slog.Any("error", kept))
	}
	root := helper.Client{Path: helper.DefaultSocket}
	hardware := hw.Options{WriteLED: root.WriteLED, WritePWM: root.WritePWM}
	outputs := newKeptLines(lines, cfg, &hardware, log)
	a, err := New(Options{
		Config: cfg, Layout: layout, Version: opts.Version, Built: opts.Built, Log: log, Deregister: opts.Deregister,
		RefuseVolatile: opts.StateDir == "", FactoryReset: true, Files: &files, Transactions: machine,
		Hardware: hardware, lines: outputs,
		Applied: func(cfg *config.Config) { setLevel(level, cfg) },
	})
	if err != nil {
		return err
	}
	if err := errors.Join(damage, leftOut); err != nil {
		a.configuration.leaveOut(err)
	}
	l, err := another(socket)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	local := a.ControlTask(control.SocketOptions{Path: cfg.Socket, Listener: l, Log: a.log})
	a.log.Info("starting", slog.String("version", opts.Version), slog.String("endpoint", a.endpoint), slog.Int("servers", len(cfg.Servers)))
	tasks := []Task{
		local,
		named{"readiness", func(ctx context.Context) error { return a.notifyReady(ctx, local.Ready(), a.board.Hardware().Ready()) }},
		named{"watchdog", a.feedWatchdog},
		named{"reload", func(ctx context.Context) error { return a.reloads(ctx, opts.Reload) }},
	}
	if outputs != nil {
		tasks = append(tasks, named{"kept lines", func(ctx context.Context) error { return outputs.run(ctx, a.board.Hardware()) }})
	}
	settled, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() {
		defer end()
		outputs.settle(settled, a.board.Hardware())
	})()
	err = a.Run(settled, tasks...)
	if errors.Is(err, ErrReset) {
		outputs.change(a.config.Load(), new(config.Config)) // the next run takes the lines anew
	}
	return err
}

func setLevel(level *slog.LevelVar, cfg *config.Config) {
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		level.Set(slog.LevelInfo)
	}
}

// inherited returns the control socket that the service supervisor opened, if
// it did.
func inherited(files []*os.File) (net.Listener, error) {
	switch len(files) {
	case 0:
		return nil, nil
	case 1:
		l, err := net.FileListener(files[0])
		if err := errors.Join(err, files[0].Close()); err != nil {
			return nil, fmt.Errorf("take over the socket of the service supervisor: %w", err)
		}
		return l, nil
	}
	return nil, fmt.Errorf("the service supervisor handed over %d sockets, want one", len(files))
}

// another returns a second handle of an inherited socket, so that closing it leaves the first one.
func another(l net.Listener) (net.Listener, error) {
	u, ok := l.(*net.UnixListener)
	if !ok {
		return l, nil
	}
	f, err := u.File()
	if err != nil {
		return nil, fmt.Errorf("take over the socket of the service supervisor: %w", err)
	}
	again, err := net.FileListener(f)
	return again, errors.Join(err, f.Close())
}

// hardwareTime is how long systemd is not told that the agent is ready because sensors and actuators were not all
// tried: well within the 90 s after which systemd ends what has not started.
const hardwareTime = 30 * time.Second

// notifyReady tells systemd that local clients can be served and the hardware was tried, and when the agent
// ends. No network is waited for.
func (a *Agent) notifyReady(ctx context.Context, local, hardware <-chan struct{}) error {
	select {
	case <-local:
	case <-ctx.Done():
		return nil
	}
	select {
	case <-hardware:
	case <-time.After(hardwareTime):
		a.log.Warn("ready, and not every sensor and actuator was tried", slog.Duration("waited", hardwareTime))
	case <-ctx.Done():
		return nil
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
	if !a.resetting.Load() { // which does not end the process
		_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	}
	return nil
}

// reloads reads the configuration anew whenever it is asked to. A configuration
// that is wrong changes nothing.
func (a *Agent) reloads(ctx context.Context, reload <-chan os.Signal) error {
	for {
		select {
		case <-reload:
		case <-ctx.Done():
			return nil
		}
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReloading)
		a.reloaded(a.configuration.reload(ctx))
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	}
}

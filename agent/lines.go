package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/host"
	"lwm2m-agent/hw"
)

// keptLines has systemd hold the handles of output lines beside the agent (its file-descriptor store, sd_notify(3):
// FDSTORE=1), from when a line is taken on: a relay does not drop out while the agent crashes, is restarted or upgraded.
// systemd gives them up when the service stops.
type keptLines struct {
	log     *slog.Logger
	changed chan struct{} // receives when an output begins to fail, or works

	mu   sync.Mutex
	held map[string]bool // by actuator: what systemd has
}

// lineName is what systemd calls the handle of an actuator's line: names of actuators may have letters and lengths that
// it does not take.
func lineName(actuator string) string {
	sum := sha256.Sum256([]byte(actuator))
	return linePrefix + hex.EncodeToString(sum[:12])
}

const linePrefix = "line-"

// newKeptLines takes over what systemd kept, files by lineName, and has the hardware go on with it. It returns nil where there is
// nobody to keep lines.
func newKeptLines(files map[string]*os.File, cfg *config.Config, hardware *hw.Options, log *slog.Logger) *keptLines {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	k := &keptLines{log: log, changed: make(chan struct{}, 1), held: make(map[string]bool)}
	hardware.Handles = make(map[string]*os.File)
	hardware.Changed = func(s hw.Status) {
		if s.Unit.Role == hw.RoleActuator {
			nudge(k.changed)
		}
	}
	files = maps.Clone(files)
	for i := range cfg.Actuators {
		name := cfg.Actuators[i].Name
		if f := files[lineName(name)]; f != nil {
			hardware.Handles[name], k.held[name] = f, true
			delete(files, lineName(name))
		}
	}
	for name, f := range files { // of an actuator that is no longer there
		if err := errors.Join(notify("FDSTOREREMOVE=1\nFDNAME="+name, nil), f.Close()); err != nil {
			log.Warn("a kept line was not given up", slog.String("handle", name), slog.Any("error", err))
		}
	}
	return k
}

// run has systemd hold each line that there is, and no other, until ctx ends.
func (k *keptLines) run(ctx context.Context, board *hw.Board) error {
	select {
	case <-board.Ready():
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		if err := k.update(ctx, board); err != nil && ctx.Err() == nil {
			k.log.Warn("not every output would outlive the agent", slog.Any("error", err))
		}
		select {
		case <-k.changed:
		case <-ctx.Done():
		}
	}
	return nil
}

func (k *keptLines) update(ctx context.Context, board *hw.Board) error {
	var errs []error
	works := make(map[string]bool)
	for _, s := range board.Status() {
		works[s.Unit.Name] = works[s.Unit.Name] || s.Unit.Role == hw.RoleActuator && s.Err == nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for name := range k.held {
		if !works[name] { // a line that systemd holds cannot be requested anew
			errs = append(errs, k.release(name))
		}
	}
	handles, err := board.Handles(ctx)
	errs = append(errs, err)
	for name, f := range handles {
		if !k.held[name] {
			if err := notify("FDSTORE=1\nFDNAME="+lineName(name), f); err != nil {
				errs = append(errs, err)
			} else {
				k.held[name] = true
			}
		}
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// release has systemd give up a line. k.mu is held.
func (k *keptLines) release(name string) error {
	delete(k.held, name)
	return notify("FDSTOREREMOVE=1\nFDNAME="+lineName(name), nil)
}

// change is told before a configuration is applied: lines that are taken in another way by it must be free.
func (k *keptLines) change(before, after *config.Config) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	next := outputsOf(after)
	for name, cfg := range outputsOf(before) {
		if same, ok := next[name]; k.held[name] && (!ok || !reflect.DeepEqual(cfg, same)) {
			errs = append(errs, k.release(name))
		}
	}
	if len(errs) > 0 {
		errs = append(errs, barrier())
	}
	if err := errors.Join(errs...); err != nil {
		k.log.Warn("a line may be held beside the agent", slog.Any("error", err))
	}
}

func outputsOf(cfg *config.Config) map[string]hw.Config {
	outputs := make(map[string]hw.Config)
	for _, c := range bind.SetupOf(cfg).Actuators {
		outputs[c.Name] = c
	}
	return outputs
}

// askTime bounds the question why the service ends. On a machine that is busy with an upgrade systemd takes a while; all in all there are five seconds.
const askTime = 3 * time.Second

// settle decides, when the agent is about to end, whether the outputs keep their state: only for a restart, and where systemd holds their lines.
func (k *keptLines) settle(ctx context.Context, board *hw.Board) {
	if k == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	restart, err := host.Restarting(ctx)
	if err != nil {
		k.log.Warn("outputs take their safe states: it is not known why the service ends", slog.Any("error", err))
		return
	}
	k.log.Info("ending", slog.Bool("restart", restart))
	if !restart || !k.mu.TryLock() { // an output that hangs is not waited for
		return
	}
	defer k.mu.Unlock()
	if len(k.held) > 0 {
		board.Keep()
	}
}

// notify tells the service supervisor of a state, with a file beside it unless that is nil (sd_notify(3)). Without a supervisor
// it does nothing.
func notify(state string, file *os.File) error {
	if file == nil {
		_, err := daemon.SdNotify(false, state)
		return err
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }()
	raw, err := file.SyscallConn() // Fd would make it block
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		to := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
		failed = unix.Sendmsg(socket, []byte(state), unix.UnixRights(int(fd)), to, unix.MSG_NOSIGNAL)
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("tell the service supervisor: %w", err)
	}
	return nil
}

// barrierTime bounds the wait for a supervisor.
const barrierTime = 5 * time.Second

// barrier returns when the supervisor has taken note of all that it was told (sd_notify_barrier(3)).
func barrier() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if err := errors.Join(notify("BARRIER=1", w), w.Close(), r.SetReadDeadline(time.Now().Add(barrierTime))); err != nil {
		return err
	}
	if _, err = io.ReadFull(r, make([]byte, 1)); errors.Is(err, io.EOF) {
		return nil // it has closed its end
	}
	return fmt.Errorf("wait for the service supervisor: %w", err)
}

// splitInherited tells the lines that were kept, by name, from other files of the supervisor.
func splitInherited(files []*os.File) (lines map[string]*os.File, others []*os.File) {
	lines = make(map[string]*os.File)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), linePrefix) {
			lines[f.Name()] = f
		} else {
			others = append(others, f)
		}
	}
	return lines, others
}

package swupdate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"lwm2m-agent/fota"
)

// DefaultSocket is where the daemon listens.
const DefaultSocket = "/tmp/sockinstctrl"

// Boot is the boot environment: what fota.Backend says of these methods holds.
type Boot interface {
	Slots(ctx context.Context) (fota.Slots, error)
	Activate(ctx context.Context, slot string) error
	Mark(ctx context.Context, slot string, good bool) error
	// Probe looks whether all of it can be done, and changes nothing. The text is for
	// people; an error says what to do.
	Probe(ctx context.Context) (string, error)
}

// Options are what a Backend stands on. Boot is required.
type Options struct {
	Boot
	Socket string // DefaultSocket
	// Select says what is installed into a slot: "SET,MODE" of sw-description, which
	// the daemon must accept (its option --accepted-select). Without it the daemon
	// chooses (its option --select).
	Select map[string]string
}

// Backend is SWUpdate.
type Backend struct {
	Boot
	opts             Options
	beginTime, quiet time.Duration
}

var _ fota.Backend = (*Backend)(nil)

// New returns a Backend. The daemon is looked for with the first question.
func New(o Options) *Backend {
	if o.Socket == "" {
		o.Socket = DefaultSocket
	}
	return &Backend{o.Boot, o, beginTime, quiet}
}

// Inspect implements fota.Backend: SWUpdate goes through an installation in which it
// writes nothing.
func (b *Backend) Inspect(ctx context.Context, file string) (fota.Package, error) {
	p, err := describe(file)
	if err != nil {
		return p, err
	}
	slots, err := b.Slots(ctx)
	if err != nil {
		return fota.Package{}, fota.Failf(fota.UpdateFailed, "%v", err)
	}
	for _, s := range slots.All {
		if s.Name != slots.Booted {
			return p, b.run(ctx, file, s.Name, true)
		}
	}
	return fota.Package{}, fota.Failf(fota.UpdateFailed, "there is no slot beside %q", slots.Booted)
}

// Install implements fota.Backend.
func (b *Backend) Install(ctx context.Context, file, slot string) (fota.Image, error) {
	slots, err := b.Slots(ctx)
	if err != nil {
		return fota.Image{}, err
	}
	if slot == slots.Booted || !slices.ContainsFunc(slots.All, func(s fota.Slot) bool { return s.Name == slot }) {
		return fota.Image{}, fmt.Errorf("slot %q is none to write to", slot)
	}
	p, err := describe(file)
	if err != nil {
		return fota.Image{}, err
	}
	if err := b.run(ctx, file, slot, false); err != nil {
		return fota.Image{}, err
	}
	// What the package has set in the boot environment is taken back.
	if err := b.Activate(ctx, slots.Booted); err != nil {
		return fota.Image{}, err
	}
	return fota.Image{Version: p.Version}, b.Mark(ctx, slot, false)
}

// Times of the daemon.
const (
	answerTime = 30 * time.Second
	busyTime   = 2 * time.Minute
	busyPause  = time.Second
)

// run has the daemon install a package, or try to, and waits for what becomes of it.
func (b *Backend) run(ctx context.Context, file, slot string, dry bool) error {
	const most = 5
	for tries := 1; ; tries++ {
		err := b.once(ctx, file, slot, dry)
		if !errors.Is(err, errNotBegun) {
			return err
		}
		if tries == most {
			return fota.Failf(fota.UpdateFailed, "%v", err)
		}
	}
}

func (b *Backend) once(ctx context.Context, file, slot string, dry bool) error {
	f, err := os.Open(file)
	if err != nil {
		return fota.Failf(fota.UpdateFailed, "%v", err)
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return fota.Failf(fota.UpdateFailed, "%v", err)
	}
	m, err := request(b.opts.Select[slot], info.Size(), dry)
	if err != nil {
		return fota.Failf(fota.UpdateFailed, "%v", err)
	}
	to, err := b.begin(ctx, m)
	if err != nil {
		return fota.Failf(fota.UpdateFailed, "%v", err)
	}
	defer to.Close() //nolint:errcheck // all is sent, or not wanted
	said, err := b.ask(ctx, question(notifyStream))
	if err != nil {
		return fota.Failf(fota.UpdateFailed, "%v", err)
	}
	defer said.Close() //nolint:errcheck // only read
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(to, f) // the daemon says what is missing
		_ = to.Close()
	}()
	defer func() { _ = to.Close(); <-sent }()
	stop := context.AfterFunc(ctx, func() { _ = said.Close() })
	defer stop()
	err = b.hear(ctx, said, dry)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// begin hands in a request. While the daemon is at work for others it is repeated.
func (b *Backend) begin(ctx context.Context, m []byte) (net.Conn, error) {
	late := time.NewTimer(busyTime)
	defer late.Stop()
	for {
		conn, err := b.ask(ctx, m)
		if !errors.Is(err, errRefused) {
			return conn, err
		}
		select {
		case <-time.After(busyPause):
		case <-late.C:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

var errRefused = errors.New("SWUpdate does not take the request: it is busy, or does not accept the software set and mode (its option --accepted-select)")

// ask sends a message and reads the answer; the connection stays.
func (b *Backend) ask(ctx context.Context, m []byte) (net.Conn, error) {
	conn, _, err := b.answer(ctx, m)
	return conn, err
}

func (b *Backend) answer(ctx context.Context, m []byte) (net.Conn, []byte, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", b.opts.Socket)
	if err != nil {
		return nil, nil, fmt.Errorf(`SWUpdate does not answer: %w; look at "systemctl status swupdate", and whether the agent's user is in the group of that socket`, err)
	}
	answer := make([]byte, messageSize)
	err = conn.SetDeadline(time.Now().Add(answerTime))
	if err == nil {
		_, err = conn.Write(m)
	}
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err == nil {
		var k uint32
		if k, err = kind(answer); err == nil && k != ack {
			err = errRefused
		}
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("SWUpdate: %w", err), conn.Close())
	}
	return conn, answer, nil
}

// status is what the daemon does, and how its last installation has ended.
type status struct{ now, last uint32 }

func (b *Backend) status(ctx context.Context) (status, error) {
	conn, answer, err := b.answer(ctx, question(getStatus))
	if err != nil {
		return status{}, err
	}
	return status{order.Uint32(answer[atState:]), order.Uint32(answer[atLast:])}, conn.Close()
}

// Probe looks whether the daemon answers, and changes nothing. The text is for
// people; an error says what to do.
func (b *Backend) Probe(ctx context.Context) (string, error) {
	if _, err := b.status(ctx); err != nil { // not a subscription: one that ends at once confuses SWUpdate 2022.12
		return "", err
	}
	text, err := b.Boot.Probe(ctx)
	if err != nil {
		return "", err
	}
	return "SWUpdate answers; " + text, nil
}

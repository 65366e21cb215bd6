// Package fotatest cuts the power of a simulated machine at each step of an update
// that a back end takes part in, and looks how it ends. Back ends use it in their
// tests; it must not be part of a program.
package fotatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/fota"
)

// Rig is what is particular to a back end. Its slots are called "A" and "B". What
// changes the machine for good is done within Machine.Step.
type Rig interface {
	// Backend returns the back end as the agent makes it at its start.
	Backend(m *Machine) fota.Backend
	// Boot is the boot loader: it returns the slot that it starts. It is called again
	// when that does not come up.
	Boot(m *Machine) string
	// Pack makes a package with a version that installs an image.
	Pack(version, image string) []byte
	// Image returns what a slot holds, "" if that is not a whole image.
	Image(slot string) string
}

// Rebooter is a Rig whose boot loader is told something by an orderly reboot.
type Rebooter interface{ Reboot() }

// Machine is a gateway with two slots, a journal and a boot loader.
type Machine struct {
	*testing.T
	Dir    string // of files that outlive a cut
	Booted string // slot

	rig  Rig
	cuts []cut

	mu       sync.Mutex
	dead     bool // the power is off
	off      context.CancelFunc
	steps    int // so far
	trail    []string
	journal  []byte
	boots    int
	told     []string // what a server sees, in order
	settled  bool     // the package was good
	rescued  bool     // it was asked for again all the same
	switched bool     // a cut came after the switch
	status   fota.Status
}

// cut is a power cut: at a step, counted from the one before.
type cut struct {
	step  int
	after bool
}

// errCut is what a step says when the power is off.
var errCut = errors.New("the power is off")

// Step carries out an effect unless the power is off or is cut now: before the
// effect, or after it.
func (m *Machine) Step(what string, effect func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errCut
	}
	m.steps++
	m.trail = append(m.trail, fmt.Sprintf("%d %s in %s", m.steps, what, m.Booted))
	if len(m.cuts) == 0 || m.cuts[0].step > m.steps {
		return effect()
	}
	now := m.cuts[0]
	if now.after {
		if err := effect(); err != nil {
			m.fatalf("%s: %v", what, err)
		}
	} else if strings.HasPrefix(what, "install") {
		_ = effect() // it is interrupted: see Install
	}
	m.trail = append(m.trail, fmt.Sprintf("cut %+v", now))
	m.switched = m.switched || m.status.Phase >= fota.Switching
	m.cuts, m.steps, m.dead = m.cuts[1:], 0, true
	m.off()
	return errCut
}

func (m *Machine) fatalf(format string, args ...any) {
	m.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(m.trail, "\n"))
}

// powerOn boots what comes up.
func (m *Machine) powerOn() {
	m.dead = false
	for range 20 {
		m.boots++
		slot := m.rig.Boot(m)
		image := m.rig.Image(slot)
		if !strings.HasSuffix(image, "!") {
			m.fatalf("slot %s boots and holds %q", slot, image)
		}
		if !strings.Contains(image, "dead") {
			m.Booted = slot
			m.trail = append(m.trail, "boots "+slot)
			return
		}
	}
	m.fatalf("nothing boots any more")
}

// Running returns the version that the running system shows.
func (m *Machine) Running() string {
	words := strings.Fields(m.rig.Image(m.Booted))
	if words[2] == "foreign!" {
		return "7"
	}
	return words[1]
}

// Load implements fota.Journal.
func (m *Machine) Load(string) ([]byte, error) { return m.journal, nil }

// Save implements fota.Journal.
func (m *Machine) Save(_ string, record []byte) error {
	return m.Step("journal "+string(record), func() error { m.journal = record; return nil })
}

// backend cuts an installation in its middle.
type backend struct {
	fota.Backend
	m *Machine
}

// Install implements fota.Backend.
func (b backend) Install(ctx context.Context, file, slot string) (image fota.Image, err error) {
	if slot == b.m.Booted {
		b.m.fatalf("the slot that runs is written")
	}
	ends := &interrupted{Context: ctx}
	if cuts := b.m.cuts; len(cuts) > 0 && cuts[0].step == b.m.steps+1 && !cuts[0].after {
		ends.left = 1 + (b.m.boots*7+b.m.steps)%40
	}
	err = b.m.Step("install "+slot, func() error { //nolint:contextcheck // it is one with an end of its own
		image, err = b.Backend.Install(ends, file, slot)
		return err
	})
	return image, err
}

// streamed is a backend that looks at packages while they come.
type streamed struct {
	backend
	inspector fota.StreamInspector
}

// InspectStream implements fota.StreamInspector.
func (s streamed) InspectStream(ctx context.Context, r io.Reader) (fota.Package, error) {
	return s.inspector.InspectStream(ctx, r)
}

// stepped returns a back end whose installations are steps.
func (m *Machine) stepped(b fota.Backend) fota.Backend {
	if i, ok := b.(fota.StreamInspector); ok {
		return streamed{backend{b, m}, i}
	}
	return backend{b, m}
}

// interrupted is a context that ends when it has been asked for a number of times;
// 0: it does not.
type interrupted struct {
	context.Context //nolint:containedctx // it is one
	left            int
}

// Err implements context.Context.
func (i *interrupted) Err() error {
	switch i.left {
	case 0:
		return i.Context.Err()
	case 1:
		return context.Canceled
	}
	i.left--
	return nil
}

func (m *Machine) reboot(context.Context) error {
	err := m.Step("reboot", func() error { return nil })
	if r, ok := m.rig.(Rebooter); ok && err == nil {
		r.Reboot()
	}
	if err == nil {
		m.mu.Lock()
		m.dead = true
		m.off()
		m.mu.Unlock()
	}
	return err
}

// changed is fota.Config.OnChange: what a server sees.
func (m *Machine) changed(s fota.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = s
	m.settled = m.settled || s.Phase >= fota.Ready
	seen := fmt.Sprintf("%d/%d", s.Phase.State(), s.Result)
	if len(m.told) > 0 && m.told[len(m.told)-1] == seen {
		return
	}
	m.told = append(m.told, seen)
	if s.Result == fota.Success && (m.Booted != s.New || !strings.Contains(m.rig.Image(m.Booted), "2 good")) {
		m.fatalf("success is told while %s runs: %+v", m.Booted, s)
	}
}

// run lives through boots until a server has seen how the update ended, and some
// boots more.
func (m *Machine) run(content []byte) {
	for range 40 {
		m.powerOn()
		if m.life(content) {
			break
		}
	}
	end, slot := strings.Join(m.told, " "), m.Booted
	for range 3 {
		m.powerOn()
		m.life(content)
		if m.Booted != slot {
			m.fatalf("after an update that is over, slot %s boots", m.Booted)
		}
	}
	if now := strings.Join(m.told, " "); now != end {
		m.fatalf("the outcome is told as %s, and then as %s", end, now)
	}
}

// life is one boot, in simulated time. It tells whether the update is over.
func (m *Machine) life(content []byte) (over bool) {
	ctx, off := context.WithCancel(m.Context())
	m.off = off
	u := fota.New(fota.Config{
		Key: "k", Backend: m.stepped(m.rig.Backend(m)), Journal: m, Dir: filepath.Join(m.Dir, "download"), Reboot: m.reboot,
		OnChange: m.changed, BootID: fmt.Sprint(m.boots),
	})
	m.changed(u.Status())
	var running sync.WaitGroup
	running.Go(func() { _ = u.Run(ctx) })
	defer running.Wait()
	defer off()
	for range 200 {
		synctest.Wait()
		m.mu.Lock()
		dead := m.dead
		m.mu.Unlock()
		if dead {
			return false
		}
		u.Contact(m.contact())
		s := u.Status()
		switch {
		case s.Phase == fota.Resting && s.Result != fota.Initial && s.Result != fota.ConnectionLost:
			return true
		case s.Phase == fota.Resting:
			m.push(ctx, u, content)
		case s.Phase == fota.Ready:
			_ = u.Update(ctx)
		default:
			<-time.After(time.Minute) // simulated
		}
	}
	m.fatalf("nothing goes on: %+v", u.Status())
	return false
}

// contact is how the servers like the system that runs.
func (m *Machine) contact() fota.Contact {
	if strings.Contains(m.rig.Image(m.Booted), "mute") {
		return fota.Contact{Answer: "4.03 Forbidden"}
	}
	return fota.Contact{Registered: true}
}

func (m *Machine) push(ctx context.Context, u *fota.Updater, content []byte) {
	m.rescued = m.rescued || m.settled
	r, err := u.Receive(ctx, int64(len(content)))
	if err == nil {
		err = r.Write(ctx, content)
	}
	if err == nil {
		_ = r.Close(ctx, false)
	}
}

// folder makes a folder in memory where there is such a file system: a sync of a
// simulated machine costs nothing then.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "fotatest") //nolint:usetesting // not on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

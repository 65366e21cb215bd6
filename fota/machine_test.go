package fota

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// machine is a gateway with two slots, a boot environment that counts attempts, a
// journal and a disk for the package. Everything that an Updater does to it is a
// step, and each step can be the one at which the power is cut: before it has an
// effect, or after.
type machine struct {
	t    *testing.T
	cuts []cut

	mu      sync.Mutex
	dead    bool // the power is off
	off     context.CancelFunc
	steps   int // so far
	trail   []string
	journal map[string][]byte
	slots   map[string]string // name to content; "" is half written
	primary string
	tries   map[string]int
	bad     map[string]bool
	good    map[string]bool // was marked so, and not bad since
	disk    []byte          // of the package, synced
	cache   []byte          // and what is not
	booted  string
	boots   int
	told    []string // what a server sees, in order
	fetched int      // bytes
	settled bool     // the package was good
	rescued bool     // it was fetched again all the same
	status  Status
}

// cut is a power cut: at a step, counted from the one before.
type cut struct {
	step  int
	after bool
}

var errCut = errors.New("the power is off")

const allTries = 3

func newMachine(t *testing.T, cuts ...cut) *machine {
	t.Helper()
	return &machine{
		t: t, cuts: cuts, journal: make(map[string][]byte), slots: map[string]string{"A": "gateway 1 good!", "B": "gateway 0 good!"},
		primary: "A", tries: map[string]int{"A": allTries, "B": allTries}, bad: map[string]bool{}, good: map[string]bool{},
	}
}

// step carries out an effect unless the power is off or is cut now.
func (m *machine) step(what string, effect func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errCut
	}
	m.steps++
	m.trail = append(m.trail, fmt.Sprintf("%d %s in %s", m.steps, what, m.booted))
	if len(m.cuts) == 0 || m.cuts[0].step > m.steps {
		effect()
		return nil
	}
	if m.cuts[0].after {
		effect()
	} else if strings.HasPrefix(what, "install") {
		m.slots[m.target()] = ""
	}
	m.trail = append(m.trail, fmt.Sprintf("cut %+v", m.cuts[0]))
	m.cuts, m.steps = m.cuts[1:], 0
	m.kill()
	return errCut
}

func (m *machine) kill() {
	m.dead = true
	m.cache = m.disk // what was not synced is gone
	m.off()
}

func (m *machine) target() string {
	if m.booted == "A" {
		return "B"
	}
	return "A"
}

// powerOn is the boot loader: the primary slot, while it is not bad and has
// attempts left, else the other one.
func (m *machine) powerOn() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = false
	m.cache = m.disk
	for range 20 {
		m.boots++
		chosen := ""
		for _, slot := range []string{m.primary, map[string]string{"A": "B", "B": "A"}[m.primary]} {
			if chosen == "" && !m.bad[slot] && m.tries[slot] > 0 {
				chosen = slot
			}
		}
		if chosen == "" {
			break
		}
		m.tries[chosen]--
		if !strings.HasSuffix(m.slots[chosen], "!") {
			m.fatalf("slot %s boots and is half written", chosen)
		}
		if !strings.Contains(m.slots[chosen], "dead") {
			m.booted = chosen
			m.trail = append(m.trail, "boots "+chosen)
			return
		}
		m.trail = append(m.trail, chosen+" does not boot")
	}
	m.fatalf("nothing boots any more")
}

func (m *machine) fatalf(format string, args ...any) {
	m.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(m.trail, "\n"))
}

// Load implements Journal.
func (m *machine) Load(key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.journal[key], nil
}

// Save implements Journal.
func (m *machine) Save(key string, record []byte) error {
	return m.step("journal "+string(record), func() { m.journal[key] = record })
}

// Slots implements Backend.
func (m *machine) Slots(context.Context) (Slots, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Slots{Booted: m.booted}
	for _, name := range []string{"A", "B"} {
		slot := Slot{Name: name, Good: !m.bad[name] && m.tries[name] == allTries}
		if f := strings.Fields(m.slots[name]); len(f) == 3 {
			slot.Image.Version = f[1]
			if f[2] == "foreign!" {
				slot.Image.Version = "7"
			}
		}
		s.All = append(s.All, slot)
	}
	return s, nil
}

// Inspect implements Backend.
func (m *machine) Inspect(context.Context, string) (Package, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := strings.Fields(string(m.cache))
	if len(f) != 3 || !strings.HasSuffix(f[2], "!") {
		return Package{}, Failf(IntegrityFailure, "the package is not whole")
	}
	return Package{f[0], f[1]}, nil
}

// Install implements Backend.
func (m *machine) Install(_ context.Context, _, slot string) (Image, error) {
	if slot == m.booted || !m.bad[slot] {
		m.fatalf("slot %s is written while it can boot", slot)
	}
	err := m.step("install "+slot, func() { m.slots[slot] = string(m.disk) })
	return Image{Version: strings.Fields(string(m.disk))[1]}, err
}

// Activate implements Backend.
func (m *machine) Activate(_ context.Context, slot string) error {
	return m.step("activate "+slot, func() { m.primary, m.tries[slot], m.bad[slot] = slot, allTries, false })
}

// Mark implements Backend.
func (m *machine) Mark(_ context.Context, slot string, good bool) error {
	return m.step(fmt.Sprintf("mark %s %v", slot, good), func() {
		m.bad[slot], m.good[slot] = !good, good
		if good {
			m.tries[slot] = allTries
		}
	})
}

// reboot is Config.Reboot.
func (m *machine) reboot(context.Context) error {
	err := m.step("reboot", func() {})
	if err == nil {
		m.mu.Lock()
		m.kill()
		m.mu.Unlock()
	}
	return err
}

// The machine is also the area of the package.
func (m *machine) create() (file, error) {
	return m, m.step("create", func() { m.disk, m.cache = nil, nil })
}

func (m *machine) extend(offset int64) (file, error) {
	return m, m.step("extend", func() { m.cache = m.cache[:offset:offset]; m.disk = m.disk[:min(len(m.disk), int(offset))] })
}

func (m *machine) size() (int64, error) { return int64(len(m.cache)), nil }
func (m *machine) room() (int64, error) { return 1 << 30, nil }
func (m *machine) path() string         { return "package" }
func (m *machine) Close() error         { return nil }
func (m *machine) remove() error {
	return m.step("remove", func() { m.disk, m.cache = nil, nil })
}

func (m *machine) Sync() error { return m.step("sync", func() { m.disk = m.cache }) }

func (m *machine) Write(b []byte) (int, error) {
	return len(b), m.step("write", func() { m.cache = append(slices.Clip(m.cache), b...) })
}

// Fetch implements Fetcher: the package comes in pieces, and the connection breaks
// once.
func (o origin) Fetch(_ context.Context, _ *url.URL, from Position, to Body) error {
	m := o.machine
	m.mu.Lock()
	m.rescued = m.rescued || m.settled
	m.mu.Unlock()
	if from.Validator != "v" {
		from = Position{Validator: "v"}
	}
	if err := to.Begin(from, int64(len(o.content))); err != nil {
		return err
	}
	for at := int(from.Offset); at < len(o.content); at += 6 {
		if _, err := to.Write([]byte(o.content[at:min(at+6, len(o.content))])); err != nil {
			return err
		}
		m.fetched += 6
		if at < 7 && at > 0 && from.Offset == 0 {
			return errors.New("the connection is lost")
		}
	}
	return nil
}

type origin struct {
	machine *machine
	content string
}

// changed is Config.OnChange: what a server sees.
func (m *machine) changed(s Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = s
	m.settled = m.settled || s.Phase >= Ready
	seen := fmt.Sprintf("%d/%d", s.Phase.State(), s.Result)
	if len(m.told) > 0 && m.told[len(m.told)-1] == seen {
		return
	}
	m.told = append(m.told, seen)
	if s.Result != Success {
		return
	}
	running := m.slots[m.booted]
	if m.booted != s.New || !m.good[m.booted] || m.primary != m.booted || !strings.Contains(running, "2 good") {
		m.fatalf("success is told while %s runs %q: %+v", m.booted, running, s)
	}
}

func (m *machine) updater(content string) *Updater {
	u := New(Config{
		Key: "k", Backend: m, Journal: m, Dir: "", Reboot: m.reboot, OnChange: m.changed, BootID: fmt.Sprint(m.boots),
		Fetchers: map[string]Fetcher{"coap": origin{m, content}},
	})
	u.area = m
	return u
}

// run lives through boots until a server has seen how the update ended, and some
// boots more.
func (m *machine) run(content string, push bool) {
	for range 40 {
		m.powerOn()
		if m.life(content, push) {
			break
		}
	}
	end := maps.Clone(map[string]string{"told": strings.Join(m.told, " ")})
	for lives, boots := 0, 0; lives < 2; boots++ {
		m.powerOn()
		if m.life(content, push) {
			lives++
		}
		if boots == 40 {
			m.fatalf("a machine whose update is over reboots")
		}
	}
	if now := strings.Join(m.told, " "); now != end["told"] {
		m.fatalf("the outcome is told as %s, and then as %s", end["told"], now)
	}
}

// life is one boot, in simulated time. It tells whether the update is over.
func (m *machine) life(content string, push bool) (over bool) {
	ctx, off := context.WithCancel(m.t.Context())
	m.off = off
	u := m.updater(content)
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
		case s.Phase == Resting && (s.Result == Success || s.Result == UpdateFailed || s.Result == IntegrityFailure):
			return true
		case s.Phase == Resting && push:
			m.push(ctx, u, content)
		case s.Phase == Resting:
			_ = u.Fetch(ctx, "coap://server/package")
		case s.Phase == Ready:
			_ = u.Update(ctx)
		default:
			time.Sleep(time.Minute)
		}
	}
	m.fatalf("nothing goes on: %+v", u.Status())
	return false
}

// contact is how the servers like the system that runs.
func (m *machine) contact() Contact {
	switch content := m.slots[m.booted]; {
	case strings.Contains(content, "mute"):
		return Contact{}
	case strings.Contains(content, "unwanted"):
		return Contact{Answer: "4.03 Forbidden"}
	}
	return Contact{Registered: true}
}

func (m *machine) push(ctx context.Context, u *Updater, content string) {
	r, err := u.Receive(ctx, int64(len(content)))
	for at := 0; err == nil && at < len(content); at += 8 {
		err = r.Write(ctx, []byte(content[at:min(at+8, len(content))]))
	}
	if err == nil {
		_ = r.Close(ctx, false)
	}
}

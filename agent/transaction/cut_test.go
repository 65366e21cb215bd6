package transaction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gateway is a device whose power can be cut at each thing that a Machine does to it: before it has
// an effect, or after.
type gateway struct {
	t    *testing.T
	cuts []cut

	mu    sync.Mutex
	dead  bool
	off   context.CancelFunc
	steps int
	trail []string
	files map[string][]byte
	runs  string // what is in force

	committed bool // the commit was answered
	kept      bool // and later told as kept
	last      Status
}

type cut struct {
	step  int
	after bool
}

var errCut = errors.New("the power is off")

// The texts; a key of each is in it.
const (
	former  = "key old-key"
	good    = "key new-key good"
	bad     = "key new-key bad"     // no server is reached
	broken  = "key new-key broken"  // cannot be applied
	strange = "key new-key strange" // the server says that the key is wrong
)

func (g *gateway) step(what string, effect func()) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return errCut
	}
	g.steps++
	g.trail = append(g.trail, fmt.Sprintf("%d %s", g.steps, what))
	if len(g.cuts) == 0 || g.cuts[0].step > g.steps {
		effect()
		return nil
	}
	if g.cuts[0].after {
		effect()
	}
	g.trail = append(g.trail, fmt.Sprintf("cut %+v", g.cuts[0]))
	g.cuts, g.steps, g.dead = g.cuts[1:], 0, true
	g.off()
	return errCut
}

func (g *gateway) fatalf(format string, args ...any) {
	g.t.Helper()
	g.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(g.trail, "\n"))
}

// Read implements Disk.
func (g *gateway) Read(name string) ([]byte, error) { return g.files[name], nil }

// Replace implements Disk.
func (g *gateway) Replace(name string, content []byte) error {
	return g.step("replace "+name+" "+string(content), func() {
		if content == nil {
			delete(g.files, name)
			return
		}
		g.files[name] = bytes.Clone(content)
	})
}

// life is one start of the agent, until nothing is under way or the power is cut. It commits what
// was not committed yet.
func (g *gateway) life(text string) (over bool) {
	ctx, off := context.WithCancel(g.t.Context())
	defer off()
	g.mu.Lock()
	g.dead, g.off = false, off
	g.mu.Unlock()
	m, err := Open(g)
	if err != nil {
		g.fatalf("open: %v", err)
	}
	if want := former; g.kept {
		if m.Overlay() != text {
			g.fatalf("starts with %q, which was replaced for good", m.Overlay())
		}
	} else if m.Overlay() != want && m.Overlay() != text {
		g.fatalf("starts with %q", m.Overlay())
	} else if m.Overlay() == text && !slices.ContainsFunc(m.Status().History, func(e Entry) bool { return e.Result == Kept }) {
		g.fatalf("starts with a text that nobody has vouched for")
	}
	g.runs = m.Overlay()
	m.Begin(Config{
		Apply:    func(_ context.Context, text string, on Trial) error { return g.apply(m, text, on) },
		Missing:  func() string { return "server 101: no answer" },
		Redact:   func(s, _ string) string { return strings.ReplaceAll(s, "old-key", "***") },
		OnChange: func() { g.told(m.Status()) },
		Now:      time.Now, Log: m.cfg.Log,
	})
	var running sync.WaitGroup
	running.Go(func() { _ = m.Run(ctx) })
	defer running.Wait()
	defer off()
	if !g.committed && len(m.Status().History) == 0 {
		if err := m.Commit(text, "server 101", 2*time.Second); err == nil {
			g.committed = true
		}
	}
	for range 100 {
		synctest.Wait()
		g.mu.Lock()
		dead := g.dead
		g.mu.Unlock()
		if dead {
			return false
		}
		if g.last = m.Status(); g.last.Phase == Resting {
			return true
		}
		time.Sleep(time.Minute)
	}
	g.fatalf("nothing goes on: %+v", m.Status())
	return false
}

// apply is Config.Apply, with servers that like or dislike what they see.
func (g *gateway) apply(m *Machine, text string, on Trial) error {
	if text == broken {
		return errors.New("no such driver")
	}
	if err := g.step("apply "+text, func() { g.runs = text }); err != nil {
		return err
	}
	switch {
	case on != Any && text == good:
		return m.Vouch(on, "server 101 was reached")
	case on != Any && text == strange:
		return m.Object(on, "server 101: alert 51")
	}
	return nil
}

func (g *gateway) told(s Status) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(s.History) > 0 && s.History[0].Result == Kept && !g.dead {
		g.kept = true
	}
}

// play plays a commit with cuts and returns the steps since the last one.
func play(t *testing.T, text string, cuts ...cut) (steps int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{t: t, cuts: cuts, files: map[string][]byte{overlayFile: []byte(former)}}
		for lives := 0; !g.life(text); lives++ {
			if lives > len(cuts) {
				g.fatalf("does not come to an end")
			}
		}
		g.check(text, len(cuts) == 0)
		steps = g.steps
	})
	return steps
}

// check looks at how it has ended.
func (g *gateway) check(text string, whole bool) {
	history := g.last.History
	switch {
	case len(history) == 0 && !g.committed:
		if g.runs != former || string(g.files[overlayFile]) != former {
			g.fatalf("nothing was committed, and %q is in force", g.runs)
		}
	case len(history) != 1:
		g.fatalf("the history is %v", history)
	case history[0].Result == Kept:
		if text != good || g.runs != good || string(g.files[overlayFile]) != good {
			g.fatalf("%q was kept, %q is in force", text, g.runs)
		}
		if all := fmt.Sprintf("%s", g.files); strings.Contains(all, "old-key") {
			g.fatalf("a key that is out of use is still there: %s", all)
		}
	case g.kept:
		g.fatalf("reverted after it was told as kept")
	case g.runs != former || string(g.files[overlayFile]) != former:
		g.fatalf("reverted, and %q is in force", g.runs)
	case history[0].Reason == "" || history[0].By != "server 101":
		g.fatalf("nothing says why, or who: %+v", history)
	case whole && text == good:
		g.fatalf("reverted without a cut: %+v", history)
	}
	if whole && text == bad && !strings.Contains(history[0].Reason, "server 101: no answer, within 10m") {
		g.fatalf("the reason is %q", history[0].Reason)
	}
	if journal := string(g.files[journalFile]); strings.Contains(journal, "new-key") {
		g.fatalf("a key that was given up is still there: %s", journal)
	}
}

// TestCuts cuts the power before and after each write and each change of what is in force, once and
// twice in a row.
func TestCuts(t *testing.T) {
	for _, text := range []string{good, bad, broken, strange} {
		t.Run(text, func(t *testing.T) {
			courses := 0
			for step := range play(t, text) {
				for _, after := range []bool{false, true} {
					first := cut{step + 1, after}
					for again := range play(t, text, first) {
						for _, after := range []bool{false, true} {
							play(t, text, first, cut{again + 1, after})
							courses++
						}
					}
					courses++
				}
			}
			if courses < 10 {
				t.Errorf("%d courses", courses)
			}
		})
	}
}

package transaction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// DefaultConfirmTime is how long servers may take to be reached.
const DefaultConfirmTime = 10 * time.Minute

// The bounds of the confirm time.
const (
	MinConfirmTime = 10 * time.Second
	MaxConfirmTime = 24 * time.Hour
)

// ErrNotNow says that a transaction is under way, or that there is none.
var ErrNotNow = errors.New("not now")

// How long after a failure of the disk it is tried again: twice as late each time, where that is for going back.
const (
	retryTime    = 30 * time.Second
	maxRetryTime = time.Hour
)

// Config is what a Machine works with.
type Config struct {
	Disk Disk
	// Apply puts a text in force; on a trial servers are to be reached with it, which Vouch and
	// Object tell of. It is called by Run only.
	Apply func(ctx context.Context, text string, on Trial) error
	// Missing says, when the time is over, which servers have not been reached, and why.
	Missing func() string
	// Redact returns a former text as it may be kept when another one replaces it: its secrets as ***.
	Redact func(former, text string) string
	// OnChange is told of each change. It must not call the Machine but for Status.
	OnChange func()

	Now func() time.Time // wall clock
	Log *slog.Logger
}

// Trial numbers the transactions of a run, from 1 on: what is found out about one says nothing about the next.
type Trial uint64

// Any is no trial for Apply, and whichever is under way for who vouches or objects.
const Any Trial = 0

// Status is how things stand.
type Status struct {
	Phase       Phase
	Until       time.Time // end of the trial
	By          string    // who wants what is tried
	History     []Entry   // the newest first
	ConfirmTime time.Duration
}

// Machine is the one writer of the overlay. Run carries transactions out; the other methods
// may be called from any goroutine.
type Machine struct {
	cfg  Config
	wake chan struct{}

	mu      sync.Mutex
	rec     record
	text    string    // in force, or to be put in force by Run
	leftOut bool      // the file has another one, which cannot be read
	back    bool      // the former text is in force, or left out; the disk lacks it yet
	until   time.Time // of the trial, with its monotonic clock
	pause   time.Duration
	trial   Trial  // of the last Commit
	vouched string // by what; "": nobody has
	objects string // why it is to be reverted now

	failures int // of the disk, in a row
}

// Open reads what is on disk and changes nothing. Overlay is what is in force then. What cannot be
// read is an error beside a Machine: of a journal, one that has none; of an overlay, one that leaves it out.
func Open(d Disk) (*Machine, error) {
	m := &Machine{cfg: Config{Disk: d, Now: time.Now, Log: slog.New(slog.DiscardHandler)}, wake: make(chan struct{}, 1)}
	var err error
	m.rec, err = readJournal(d)
	if m.rec.Phase != Resting {
		m.text = m.rec.Before
		return m, err
	}
	text, failure := d.Read(overlayFile)
	m.text, m.leftOut = string(text), failure != nil
	return m, errors.Join(err, failure)
}

// Begin says what the Machine works with, and ends a trial that was cut; if the disk does not take that, Run tries
// again: the former text is in force. It is called once, by who has the folder for itself, before the first transaction.
func (m *Machine) Begin(c Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.Disk = m.cfg.Disk
	m.cfg = c
	var cut bool
	if m.rec, cut = m.rec.after(started); !cut {
		return
	}
	if m.rec.Reason == "" {
		m.rec.Reason = "the agent ended, or the power was cut, before the servers were reached"
	}
	m.back = true // the agent has started with it
	if err := m.reverted(m.rec.Reason); err != nil {
		m.notBack(err)
	}
}

// Overlay returns the text in force.
func (m *Machine) Overlay() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text
}

// LeaveOut takes the empty text for the one that is in force, which cannot be read. The file
// stays as it is until the next transaction.
func (m *Machine) LeaveOut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text, m.leftOut = "", true
}

// LeftOut reports whether the file still has what LeaveOut has left out.
func (m *Machine) LeftOut() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leftOut
}

// Status returns how things stand.
func (m *Machine) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Phase: m.rec.Phase, By: m.rec.By, History: m.rec.History, ConfirmTime: m.confirmTime()}
	if m.onTrial() {
		s.Until = m.until.Round(0)
	}
	return s
}

func (m *Machine) confirmTime() time.Duration {
	if m.rec.ConfirmTime == 0 {
		return DefaultConfirmTime
	}
	return time.Duration(m.rec.ConfirmTime) * time.Second
}

// SetConfirmTime sets how long servers may take, from the next transaction on.
func (m *Machine) SetConfirmTime(d time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.rec
	next.ConfirmTime = int64(d / time.Second)
	return m.journal(next)
}

// Commit puts a text in force. It returns when that is certain to be tried, or reverted: what was in
// force is on disk beside it. Run applies it, after a pause in which an answer can go out.
func (m *Machine) Commit(text, by string, pause time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, free := m.rec.after(committed)
	if !free {
		return fmt.Errorf("%w: another transaction is under way, by %s", ErrNotNow, m.rec.By)
	}
	next.By, next.Before = by, m.text
	if err := m.journal(next); err != nil {
		return err
	}
	if err := m.cfg.Disk.Replace(overlayFile, contentOf(text)); err != nil {
		err = fmt.Errorf("write %s: %w", overlayFile, err)
		m.rec, _ = m.rec.after(unwritten)
		m.rec.Reason, m.back = err.Error(), true
		m.signal() // to try again, if that fails as well
		return errors.Join(err, m.reverted(m.rec.Reason))
	}
	m.text, m.pause, m.vouched, m.objects, m.leftOut = text, pause, "", "", false
	m.trial++
	m.until = time.Now().Add(m.confirmTime())
	m.signal()
	return nil
}

// contentOf returns what a file holds for a text: the empty one needs none.
func contentOf(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// onTrial says whether there is something to vouch for; what is said while it is put in force counts
// afterwards. The lock must be held.
func (m *Machine) onTrial() bool { return m.rec.Phase == Applying || m.rec.Phase == Trying }

// meant is onTrial for who means one trial, or any.
func (m *Machine) meant(on Trial) bool { return m.onTrial() && (on == Any || on == m.trial) }

// Vouch says that what is tried is good: it is kept.
func (m *Machine) Vouch(on Trial, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.meant(on) {
		return fmt.Errorf("%w: nothing waits to be confirmed", ErrNotNow)
	}
	m.vouched = why
	m.signal()
	return nil
}

// Object says that what is tried is no good: it is reverted.
func (m *Machine) Object(on Trial, reason string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.meant(on) {
		return fmt.Errorf("%w: nothing is being tried", ErrNotNow)
	}
	m.objects = reason
	m.signal()
	return nil
}

// Undo returns the text before the one that was kept last, its secrets as ***.
func (m *Machine) Undo() (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rec.Undo == nil {
		return "", fmt.Errorf("%w: there is nothing to go back to", ErrNotNow)
	}
	return *m.rec.Undo, nil
}

func (m *Machine) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// journal puts a record on disk. The lock must be held.
func (m *Machine) journal(next record) error {
	content, err := json.Marshal(next)
	if err == nil {
		err = m.cfg.Disk.Replace(journalFile, content)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", journalFile, err)
	}
	m.rec = next
	return nil
}

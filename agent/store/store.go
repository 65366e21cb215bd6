package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options are what a Store stands on. The zero value of a field is its default.
type Options struct {
	Log *slog.Logger // nil discards

	// RefuseVolatile makes Open fail on a file system that a reboot empties
	// (tmpfs, ramfs).
	RefuseVolatile bool

	// FlushAfter is how much of the counters a power cut may cost at most;
	// 5 minutes.
	FlushAfter time.Duration

	// OnFailure is told of each write that failed, and with nil that writing
	// works again. It must not block and must not call the Store.
	OnFailure func(error)

	// BeforeWrite is asked before each write; its error is that of a write that did not
	// happen. Tests cut the power between two writes with it. It must not call the Store.
	BeforeWrite func() error
}

// What is wrong with a state directory or a request; matched by errors.Is.
var (
	ErrInUse    = errors.New("in use by another process")
	ErrVolatile = errors.New("lies on a RAM disk")
	ErrNewer    = errors.New("was written by a newer agent")
	ErrTooLarge = errors.New("too large")
	ErrFull     = errors.New("full")
	ErrClosed   = errors.New("closed")
)

// Damage is a file of the state directory that was damaged when it was opened.
type Damage struct {
	File  string // "state.db"
	Aside string // where it lies now: "state.db.corrupt-1"; "" as long as it could not be moved
	Kept  int    // records that could be read and were kept
	Err   error  // what is wrong with it
}

// Store is an open state directory. Its methods may be called from any
// goroutine.
type Store struct {
	dir     string
	opts    Options
	lock    *os.File
	damages []Damage
	onRAM   bool

	writing sync.Mutex // held while files are written
	db      database   // under writing
	log     appendLog  // under writing
	failing error      // under writing: of the last write
	closed  bool       // under writing

	mu       sync.RWMutex // held only to copy
	records  records
	small    map[string][]byte
	deferred map[string][]byte // newer than small, not on disk yet; nil removes
	counters map[string]*Counter

	dirty chan struct{} // receives when counters or noted records wait for the disk
}

// Open opens a state directory, which is made (0700) if it is not there. A
// damaged file is moved aside, what can be read of it is kept, and Damages tells;
// a file system that is read-only is read, and OnFailure told. Only what no retry mends is an error: ErrInUse, ErrVolatile,
// ErrNewer, permissions.
func Open(dir string, opts Options) (*Store, error) { return open(dir, opts, fileSystemType) }

func open(dir string, opts Options, fsType func(string) (int64, error)) (*Store, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.FlushAfter == 0 {
		opts.FlushAfter = 5 * time.Minute
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // the operator names it
		return nil, unusable(dir, err)
	}
	t, err := fsType(dir)
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", dir, err)
	}
	onRAM := volatile(t)
	if onRAM && opts.RefuseVolatile {
		return nil, fmt.Errorf("state directory %s %w, which a reboot empties; give a folder on flash or disk with -state DIR", dir, ErrVolatile)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, opts: opts, lock: lock, onRAM: onRAM,
		counters: make(map[string]*Counter), dirty: make(chan struct{}, 1),
	}
	err = s.reset()
	if err == nil {
		err = s.load()
	}
	if err != nil {
		_ = s.db.close()
		_ = s.log.close()
		_ = unlockDir(lock)
		return nil, unusable(dir, err)
	}
	for _, d := range s.damages {
		opts.Log.Warn("a file of the state directory was damaged; what could be read was kept",
			slog.String("file", d.File), slog.String("aside", d.Aside), slog.Int("kept", d.Kept), slog.Any("error", d.Err))
	}
	return s, nil
}

// unusable says what to do about a directory that cannot be opened.
func unusable(dir string, err error) error {
	help := ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		help = "; it and all that is in it must belong to the user who runs this (chown -R)"
	case errors.Is(err, unix.ELOOP):
		help = ": a symbolic link is not followed there; the directory itself may be one"
	case errors.Is(err, errForeign), errors.Is(err, unix.EISDIR):
		help = "; move away what is none of the agent's"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), readOnly(err):
		help = "; give one that can be written with -state DIR"
	case full(err):
		help = "; its file system is full: make room there (df shows space, df -i inodes); the service starts by itself then"
	}
	return fmt.Errorf("state directory %s: %w%s", dir, err, help)
}

// Explain adds to an error of a write what to do if the file system is full.
func (s *Store) Explain(err error) error {
	if full(err) {
		return unusable(s.dir, err)
	}
	return err
}

func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// load brings both files into memory and opens them for writing.
func (s *Store) load() error {
	disk := folder(s.dir)
	r, failed, err := s.db.open(disk, &s.damages)
	if err != nil {
		return err
	}
	small, failed2, err := s.log.open(disk, &s.damages)
	if err != nil {
		return err
	}
	s.records, s.small = r, small
	_ = s.done(errors.Join(failed, failed2)) // told to OnFailure; the store works from memory
	return nil
}

// Damages returns what was found damaged by Open.
func (s *Store) Damages() []Damage { return append([]Damage(nil), s.damages...) }

// Volatile reports whether the directory lies on a file system that a reboot
// empties.
func (s *Store) Volatile() bool { return s.onRAM }

// Dir returns the path of the state directory.
func (s *Store) Dir() string { return s.dir }

// Path returns the path of a file or folder in the state directory.
func (s *Store) Path(name string) string { return filepath.Join(s.dir, name) }

// Run writes counters and noted records at the latest FlushAfter after a change,
// until ctx ends. It returns nil; the last change is written by Close.
func (s *Store) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.dirty:
		}
		timer := time.NewTimer(s.opts.FlushAfter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
			_ = s.Flush() // told to OnFailure, and tried again after the next FlushAfter
		}
	}
}

// Close writes what is left to write and releases the directory.
func (s *Store) Close() error {
	err := s.Flush()
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(err, s.db.close(), s.log.close(), unlockDir(s.lock))
}

// write writes, if Options.BeforeWrite lets it; writing must be held.
func (s *Store) write(f func() error) error {
	if before := s.opts.BeforeWrite; before != nil {
		if err := before(); err != nil {
			return s.done(err)
		}
	}
	return s.done(f())
}

// done keeps account of whether writing works; writing must be held.
func (s *Store) done(err error) error {
	if err == nil && s.failing == nil {
		return nil
	}
	if s.opts.OnFailure != nil {
		s.opts.OnFailure(err)
	}
	s.failing = err
	return err
}

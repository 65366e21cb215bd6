package store

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Store is an open state directory. Its methods may be called from any
// goroutine.
type Store struct{}

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
}

// What is wrong with a state directory or a request; matched by errors.Is.
var (
	ErrInUse    = errors.New("in use by another process")
	ErrVolatile = errors.New("lies on a RAM disk")
	ErrTooLarge = errors.New("too large")
	ErrFull     = errors.New("full")
	ErrClosed   = errors.New("closed")
)

// Damage is a file of the state directory that was damaged when it was opened.
type Damage struct {
	File  string // "state.db"
	Aside string // where it lies now: "state.db.corrupt-1"; "" if it could not be moved
	Kept  int    // records that could be read and were kept
	Err   error  // what is wrong with it
}

// Open opens a state directory, which is made (0700) if it is not there. A
// damaged file is moved aside, what can be read of it is kept, and Damages tells;
// only what no retry mends is an error: ErrInUse, ErrVolatile, permissions.
func Open(dir string, opts Options) (*Store, error) { return &Store{}, nil }

// Damages returns what was found damaged by Open.
func (s *Store) Damages() []Damage { return nil }

// Dir returns the path of the state directory.
func (s *Store) Dir() string { return "" }

// Run writes counters at the latest FlushAfter after a change, until ctx ends.
// It returns nil; the last change is written by Close.
func (s *Store) Run(ctx context.Context) error { return nil }

// Close writes what is left to write and releases the directory.
func (s *Store) Close() error { return nil }

// Bucket is a set of records by key in a Store. It satisfies the small storage
// interfaces of those who keep records.
type Bucket struct{}

// Name names a bucket.
type Name string

// The buckets.
const (
	Meta      Name = "meta"      // layout, endpoint, what was chosen once
	Accounts  Name = "accounts"  // objects 0, 1 and 2 as seeded, bootstrapped and written
	Client    Name = "client"    // of the LwM2M client: attributes, registrations
	Instances Name = "instances" // instance numbers: see Store.Instances
	Values    Name = "values"    // what servers wrote into objects: application types, set points
)

// Bucket returns a bucket, which is made with its first record.
func (s *Store) Bucket(n Name) *Bucket { return &Bucket{} }

// Load returns the record of a key, nil if there is none.
func (b *Bucket) Load(key string) ([]byte, error) { return nil, nil }

// Save replaces the record of a key; nil removes it. It returns when the record
// is on disk; if it fails, the former record is still there. A record that is
// the same as before costs no write. Errors: ErrTooLarge, ErrFull, ErrClosed, the
// disk's.
func (b *Bucket) Save(key string, record []byte) error { return nil }

// List returns all records of the bucket by key.
func (b *Bucket) List() (map[string][]byte, error) { return nil, nil }

// Update changes several records, of any buckets, at once: all of it is on disk
// when Update returns nil, and nothing of it otherwise. An error of change is
// returned as it is.
func (s *Store) Update(change func(*Tx) error) error { return nil }

// Tx is a change in progress.
type Tx struct{}

// Load returns the record of a key as the change has left it.
func (tx *Tx) Load(n Name, key string) []byte { return nil }

// Save replaces a record; nil removes it.
func (tx *Tx) Save(n Name, key string, record []byte) error { return nil }

// Claim asks for the instance number of one name in one object.
type Claim struct {
	Object uint16
	Name   string
	Wanted int // the number that the configuration asks for, or Any
}

// Any is the Claim.Wanted of a name that takes the next free number.
const Any = -1

// Instances returns the instance number of each claim, in order. The claims are
// all names in use: a wanted number goes to who wants it; a name keeps the number
// it had; the others get the lowest number that no name ever had, or where there
// is none left, one of a name that is no longer in use. The outcome is kept for
// the next start. Two claims that want one number of an object are an error.
func (s *Store) Instances(claims []Claim) ([]uint16, error) { return nil, nil }

// Counter is a number that only grows and outlives the process. A power cut
// costs at most what was added in the last Options.FlushAfter.
type Counter struct{}

// Counter returns the counter of that name.
func (s *Store) Counter(name string) *Counter { return &Counter{} }

// Value returns the count.
func (c *Counter) Value() uint64 { return 0 }

// Add adds n and returns the new count.
func (c *Counter) Add(n uint64) uint64 { return 0 }

// Small returns a small record, nil if there is none.
func (s *Store) Small(key string) []byte { return nil }

// SetSmall replaces a small record (at most 1 kB) and returns when it is on
// disk: an append of a few bytes, not a commit. nil removes it.
func (s *Store) SetSmall(key string, record []byte) error { return nil }

// NoteSmall replaces a small record and lets it reach the disk with the counters.
func (s *Store) NoteSmall(key string, record []byte) error { return nil }

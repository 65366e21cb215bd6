package client

// Store keeps opaque records by key over restarts: "attributes/101",
// "registration/101". Records carry their own version. Methods may block for the
// time of a disk write and are called from several goroutines, never two at a time
// for the same key.
type Store interface {
	// Load returns the record of a key, nil if there is none.
	Load(key string) ([]byte, error)
	// Save replaces the record of a key; nil removes it.
	Save(key string, record []byte) error
}

// Journal is a Store of small records that change often, of at most 1 kB.
type Journal interface {
	Store
	// Note is Save for what need not outlive more than what comes after it: the record
	// outlives the process when Note returns, and a power cut at the latest when anything
	// else is saved, in the Store too.
	Note(key string, record []byte) error
	// Defer is Save for what nothing outlives that comes before it: the record outlives the
	// process, as a power cut, at the latest when anything else is saved, in the Store too.
	Defer(key string, record []byte) error
}

// strictJournal is a Journal on a Store.
type strictJournal struct{ Store }

func (s strictJournal) Note(key string, record []byte) error { return s.Save(key, record) }

func (s strictJournal) Defer(key string, record []byte) error { return s.Save(key, record) }

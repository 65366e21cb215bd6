package client

// Store keeps opaque records by key over restarts: "attributes/101",
// "registration/101", of at most 64 kB. Records carry their own version. Methods may block for the
// time of a disk write and are called from several goroutines, never two at a time
// for the same key.
type Store interface {
	// Load returns the record of a key, nil if there is none.
	Load(key string) ([]byte, error)
	// Save replaces the record of a key; nil removes it.
	Save(key string, record []byte) error
	// SaveAll is Save for several records, all of them or none. One that is the same as before costs nothing.
	SaveAll(records map[string][]byte) error
	// Keys returns the keys of all records, in no order.
	Keys() []string
}

// Journal keeps small records that change often, of at most 1 kB, as Store does.
type Journal interface {
	// Load is that of Store.
	Load(key string) ([]byte, error)
	// Save is that of Store.
	Save(key string, record []byte) error
	// Keys is that of Store.
	Keys() []string
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

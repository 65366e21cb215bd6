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

package objects

import (
	"time"

	"lwm2m-agent/lwm2m/model"
)

// Traffic is a state of counters that only grow, until what counts them is
// restarted.
type Traffic struct {
	TxBytes, RxBytes uint64 // on the IP bearers, with all headers down to IP
	TxSMS, RxSMS     uint64
	Messages         uint64 // LwM2M messages, both ways
	MessageBytes     uint64 // of those messages
}

// Counters gives the numbers of object 7. Its methods answer at once.
type Counters interface {
	// Traffic returns the counters as they stand.
	Traffic() Traffic
	// MaxMessage returns the size of the largest message since the last
	// ResetMaxMessage, in bytes.
	MaxMessage() int64
	ResetMaxMessage()
}

// Statistics is object 7: what was sent and received between Start and Stop.
type Statistics struct{ model.Plain }

// NewStatistics adds object 7 with its instance to the tree, stopped. A nil
// save keeps nothing.
func NewStatistics(tree *model.Tree, counters Counters, save Save) (*Statistics, error) {
	return &Statistics{}, nil
}

// SetPeriod sets the collection period (/7/0/8), 0 for none, as a saved state
// says.
func (s *Statistics) SetPeriod(period time.Duration) error { return nil }

// Close stops what is timed.
func (s *Statistics) Close() {}

package transaction

//go:generate go test -run ^TestPicture$ -update .

// Phase is where a transaction stands; the journal has its word.
type Phase string

// The phases.
const (
	Resting   Phase = ""          // none is under way
	Applying  Phase = "applying"  // a new text is on disk, and is put in force
	Trying    Phase = "trying"    // it is in force, and nobody has vouched for it
	Reverting Phase = "reverting" // the former text comes back
)

// event is what a transaction reacts to.
type event uint8

const (
	committed    event = iota // somebody wants another text
	unwritten                 // the disk does not take it
	applied                   // it is in force
	inapplicable              // it cannot be put in force
	vouched                   // the servers were reached, or somebody confirms it
	objected                  // a server refuses what is new, or somebody rolls it back
	expired                   // the confirm time is over
	started                   // the agent starts: it had ended, or the power was cut
	restored                  // the former text is in force and on disk
	eventCount
)

var eventNames = [eventCount]string{
	"commit", "disk full or broken", "in force", "cannot be put in force", "vouched for", "objected to", "confirm time over", "start of the agent", "former text back",
}

func (e event) String() string { return eventNames[e] }

// transition is one line of the table; ends is the result that the history gets.
type transition struct {
	from Phase
	on   event
	to   Phase
	ends Result
}

// transitions is the whole life of a transaction. What is not in it is refused, and changes nothing.
var transitions = []transition{
	{Resting, committed, Applying, ""},

	{Applying, unwritten, Reverting, ""},
	{Applying, applied, Trying, ""},
	{Applying, inapplicable, Reverting, ""},
	{Applying, started, Reverting, ""},

	{Trying, vouched, Resting, Kept},
	{Trying, objected, Reverting, ""},
	{Trying, expired, Reverting, ""},
	{Trying, started, Reverting, ""},

	{Reverting, started, Reverting, ""},
	{Reverting, restored, Resting, Reverted},
}

// next returns the line for an event, and whether there is one.
func next(from Phase, on event) (transition, bool) {
	for _, t := range transitions {
		if t.from == from && t.on == on {
			return t, true
		}
	}
	return transition{}, false
}

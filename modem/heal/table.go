package heal

import "time"

// State is where the healing of a link stands.
type State uint8

// The states.
const (
	Well    State = iota // the link is there
	Waiting              // for the time of the next attempt
	Acting               // an attempt was made, and has its time to help
	Resting              // every stage has used up what it may do
	Barred               // the network has refused for good: nothing is tried
	stateCount
)

var stateNames = [stateCount]string{"well", "waiting", "acting", "resting", "barred"}

// String returns the state's name: "waiting".
func (s State) String() string { return stateNames[min(s, stateCount-1)] }

// Event is what happens to a link.
type Event uint8

// The events.
const (
	Lost    Event = iota // the link is gone
	Back                 // it is there again
	Elapsed              // the time that was ordered is over
	Refused              // the network refuses for good (modem.Cause.Permanent)
	Changed              // another SIM, APN or modem: what was refused may be allowed
	Another              // it is gone in another way, against which something may help sooner
	eventCount
)

var eventNames = [eventCount]string{"lost", "back", "time over", "refused for good", "SIM or settings changed", "another fault"}

// String returns the event in words: "time over".
func (e Event) String() string { return eventNames[min(e, eventCount-1)] }

// action is what follows from an event.
type action uint8

const (
	wait   action = iota // for the next attempt, a random while longer than its pause
	act                  // the stage that is next and allowed
	forget               // at which stage this was
	actionCount
)

var actionNames = [actionCount]string{"wait", "act", "begin with the first stage"}

// transition is one line of the table.
type transition struct {
	from State
	on   Event
	to   State
	do   []action
}

// transitions is the whole course. What is not in it changes nothing. Where no stage is
// allowed, act leads to Resting instead.
var transitions = []transition{
	{Well, Lost, Waiting, []action{wait}},
	{Well, Refused, Barred, nil},

	{Waiting, Back, Well, []action{forget}},
	{Waiting, Elapsed, Acting, []action{act}},
	{Waiting, Refused, Barred, nil},
	{Waiting, Changed, Waiting, []action{forget, wait}},
	{Waiting, Another, Waiting, []action{wait}},

	{Acting, Back, Well, []action{forget}},
	{Acting, Elapsed, Waiting, []action{wait}},
	{Acting, Refused, Barred, nil},
	{Acting, Changed, Waiting, []action{forget, wait}},

	{Resting, Back, Well, []action{forget}},
	{Resting, Elapsed, Acting, []action{act}},
	{Resting, Refused, Barred, nil},
	{Resting, Changed, Waiting, []action{forget, wait}},
	{Resting, Another, Waiting, []action{wait}},

	{Barred, Back, Well, []action{forget}},
	{Barred, Changed, Waiting, []action{forget, wait}},
}

// Fault is a set of ways in which a link can be gone.
type Fault uint8

// The faults.
const (
	NoCell   Fault = 1 << iota // not registered: no coverage, or the modem does not search
	NoBearer                   // registered, and without a connection
	NoAnswer                   // the modem does not answer
)

// Stage is what can be done, the gentlest first.
type Stage uint8

// The stages.
const (
	Register   Stage = iota // have the modem choose a network again
	Reconnect               // make the connection anew
	FlightMode              // radio off and on
	Reset                   // by command
	PowerCycle              // by the power line
	stageCount
)

// rule says against which faults a stage helps, and what it may cost.
type rule struct {
	name    string
	against Fault
	pause   time.Duration // before it
	effect  time.Duration // how long it has to help
	hour    int           // attempts in any hour
	day     int           // attempts in any 24 hours
}

// Budget is what all stages together may cost in any 24 hours. Each attempt has the modem attach to the network
// anew, and then servers may have to be told everything again.
type Budget struct {
	Attachments int
	Bytes       int
}

// PerDay is the budget that holds.
var PerDay = Budget{Attachments: 36, Bytes: 48 << 10}

// AttachmentBytes is what an attachment may cost for each server: a handshake, a Register and an Observe
// (docs/queue-mode.md has 956 bytes for them), with a message that is repeated.
const AttachmentBytes = 1280

// rules keep the sum of what a modem asks of a network low: a lost cell never leads to a
// reset (TS.34, 4.0_REQ_034 and 036), resets are few (REQ_019), attempts are counted
// (REQ_012). The numbers are ours; TS.34 leaves them to the device.
var rules = [stageCount]rule{
	Register:   {"register again", NoCell, 2 * time.Minute, 3 * time.Minute, 4, 24},
	Reconnect:  {"reconnect the bearer", NoBearer, 30 * time.Second, 3 * time.Minute, 4, 24},
	FlightMode: {"flight mode off and on", NoCell | NoBearer, 5 * time.Minute, 5 * time.Minute, 1, 8},
	Reset:      {"reset by command", NoBearer, 15 * time.Minute, 5 * time.Minute, 1, 3},
	PowerCycle: {"power off and on", NoBearer | NoAnswer, 30 * time.Minute, 5 * time.Minute, 1, 2},
}

// String returns the stage in words: "reset by command".
func (s Stage) String() string { return rules[min(s, stageCount-1)].name }

// StageOf returns a stage by its name, false if there is none.
func StageOf(name string) (Stage, bool) {
	for s := range stageCount {
		if rules[s].name == name {
			return s, true
		}
	}
	return 0, false
}

const maxPause = 6 * time.Hour

func lookUp(s State, e Event) (transition, bool) {
	for _, t := range transitions {
		if t.from == s && t.on == e {
			return t, true
		}
	}
	return transition{}, false
}

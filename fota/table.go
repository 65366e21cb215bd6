package fota

import "fmt"

// Phase is where an update stands: finer than State, which is a view of it.
type Phase uint8

// The phases.
const (
	Resting    Phase = iota // no update is under way
	Receiving               // a server pushes the package
	Fetching                // the package is downloaded from its URI
	Verifying               // the package is there and is looked at
	Ready                   // the package is good; nobody has said "install"
	Deferred                // a server has; the local user has not agreed yet
	Installing              // the package is written to the slot that does not run
	Switching               // the boot environment is told to start the new slot
	Rebooting               // into the new slot
	Trial                   // the new system runs and has to prove itself
	Confirming              // it has; the boot environment is told so
	Reverting               // back to the old slot
	phaseCount
)

var phases = [phaseCount]struct {
	name  string
	state State
}{
	{"idle", Idle},
	{"receiving", Downloading},
	{"fetching", Downloading},
	{"verifying", Downloading},
	{"ready", Downloaded},
	{"deferred", Downloaded},
	{"installing", Updating},
	{"switching", Updating},
	{"rebooting", Updating},
	{"trial", Updating},
	{"confirming", Updating},
	{"reverting", Updating},
}

// String returns the phase's name, which is also the journal's word for it.
func (p Phase) String() string {
	if p < phaseCount {
		return phases[p].name
	}
	return fmt.Sprintf("phase %d", uint8(p))
}

// State returns what a server sees of the phase.
func (p Phase) State() State {
	if p < phaseCount {
		return phases[p].state
	}
	return Idle
}

// event is what an update reacts to.
type event uint8

const (
	pushBegun     event = iota // the first block of a package
	uriGiven                   // a Package URI that can be fetched
	uriRefused                 // one that cannot
	progressed                 // a part of the package is on disk
	received                   // all of the package is on disk
	broke                      // it will not come
	spoilt                     // what has come is bad, and may be good elsewhere
	verified                   // the package is good
	verifiedNow                // it is, and is to be installed at once
	verifiedAsked              // it is, and is to be installed when the local user agrees
	refused                    // it is not
	reset                      // an empty package or URI
	cancel                     // Cancel is executed
	update                     // Update is executed
	updateAsked                // Update is executed, and the local user is asked
	agreed                     // the local user agrees, or the defer period is over
	installed                  // the other slot has the new system
	switched                   // it is the one that boots next
	failed                     // a step of the installation
	passed                     // the new system has proved itself
	rejected                   // it has not
	marked                     // the boot environment knows that it is good
	reverted                   // the old system runs and boots next
	ousted                     // the old system boots next, and the new one runs
	unheard                    // the new system runs, and has not reached the boot environment for the confirm time
	handBack                   // the local user wants the other slot
	vouched                    // the local user says that the system is good
	started                    // the agent starts; no slot has been touched yet
	startedSame                // the agent starts, in the old system and without a boot in between
	startedOld                 // the old system has booted
	startedNew                 // the new system has booted
	startedAstray              // neither runs
	startedBack                // the system has booted that a local rollback has left, in place of the other one
	startedEarly               // the agent starts, as startedSame, before the hours in which the machine may reboot
	exhausted                  // the agent starts, in this phase once too often
	retry                      // a step that failed is due again
	eventCount
	nothing = eventCount // of work that has gone well and changes nothing
)

var eventNames = [eventCount]string{
	"push begins", "URI written", "unusable URI written", "part is on disk", "all is on disk", "transfer failed", "package is bad, and may be good elsewhere", "package is good",
	"package is good, to be installed at once", "package is good, and the local user is asked", "package is bad", "reset", "Cancel", "Update", "Update, and the local user is asked",
	"consent, or defer period over", "installed", "switched", "step failed", "passed", "not passed", "marked", "reverted",
	"the old system boots next", "boot environment out of reach",
	"local rollback", "local mark-good", "start", "start without a boot", "start of the old system", "start of the new system",
	"start of neither", "start of the system that was left", "start before the hours of a reboot", "start once too often", "time to retry",
}

func (e event) String() string { return eventNames[e] }

// action is what is done with an event. The first ones are part of the record that
// is written before anything else is done.
type action uint8

const (
	begin     action = iota // an update: forget the one before, result 0
	clean                   // forget the update, result 0
	fail                    // note result and reason of what happened
	succeed                 // result 1
	cancelled               // result 10
	postpone                // result 11, note until when
	note                    // note how much is on disk
	avoid                   // note from where a bad package has come
	keep                    // note the package's name and version
	target                  // note the slots and when the work begins
	turn                    // note the slots the other way round
	summon                  // note that the boot environment knows which system a local user wants back
	image                   // note what was installed
	count                   // note one more start in this phase
	// from here on: what is done when the record is on disk
	open         // empty the file for the package
	fetch        // download
	verify       // look at the package
	awaitConsent // set the time at which the defer period is over
	install      // forbid the other slot to boot, write it
	activate     // have the other slot boot next
	reboot       //
	try          // check the slot, give it all its boots again, begin the health gate
	confirm      // mark the new slot good
	goBack       // forbid the new slot, have the old one boot next
	leave        // reboot into it
	fallBack     // reboot, for the boot loader to go back
	vouch        // mark the running slot good
	discard      // remove the package
	actionCount
)

var actionNames = [actionCount]string{
	"note: begun", "note: nothing", "note: failed, why", "note: success", "note: cancelled", "note: deferred, until when", "note: progress", "note: from where it came",
	"note: name and version", "note: slots", "note: slots, the other way round", "note: which boots next", "note: what was installed", "note: one more start",
	"empty the file", "download", "verify", "await consent", "install", "activate", "reboot", "begin the trial", "mark good", "go back", "reboot",
	"reboot, for the boot loader to go back",
	"mark the running slot good", "remove the package",
}

func (a action) String() string { return actionNames[a] }

// recorded reports whether the action is part of the record.
func (a action) recorded() bool { return a < open }

// transition is one line of the table.
type transition struct {
	from Phase
	on   event
	to   Phase
	do   []action
}

// transitions is the life of an update. What is not in it is refused and changes
// nothing.
var transitions = []transition{
	{Resting, pushBegun, Receiving, []action{begin, open}},
	{Resting, uriGiven, Fetching, []action{begin, open, fetch}},
	{Resting, uriRefused, Resting, []action{begin, fail}},
	{Resting, reset, Resting, []action{clean, discard}},
	{Resting, handBack, Reverting, []action{begin, target, fail, goBack}},
	{Resting, vouched, Resting, []action{vouch}},
	{Resting, started, Resting, []action{discard}},

	{Receiving, pushBegun, Receiving, []action{begin, open}},
	{Receiving, received, Verifying, []action{note, verify}},
	{Receiving, broke, Resting, []action{fail, discard}},
	{Receiving, reset, Resting, []action{clean, discard}},
	{Receiving, cancel, Resting, []action{cancelled, discard}},
	{Receiving, started, Resting, []action{fail, discard}},

	{Fetching, progressed, Fetching, []action{note}},
	{Fetching, received, Verifying, []action{note, verify}},
	{Fetching, broke, Resting, []action{fail, discard}},
	{Fetching, spoilt, Fetching, []action{avoid, open, fetch}},
	{Fetching, reset, Resting, []action{clean, discard}},
	{Fetching, cancel, Resting, []action{cancelled, discard}},
	{Fetching, started, Fetching, []action{fetch}},

	{Verifying, verified, Ready, []action{keep}},
	{Verifying, verifiedNow, Installing, []action{keep, target, install}},
	{Verifying, verifiedAsked, Deferred, []action{keep, postpone, awaitConsent}},
	{Verifying, refused, Resting, []action{fail, discard}},
	{Verifying, spoilt, Fetching, []action{avoid, open, fetch}},
	{Verifying, reset, Resting, []action{clean, discard}},
	{Verifying, cancel, Resting, []action{cancelled, discard}},
	{Verifying, started, Verifying, []action{verify}},

	{Ready, update, Installing, []action{target, install}},
	{Ready, updateAsked, Deferred, []action{postpone, awaitConsent}},
	{Ready, reset, Resting, []action{clean, discard}},
	{Ready, cancel, Resting, []action{cancelled, discard}},
	{Ready, started, Ready, nil},

	{Deferred, agreed, Installing, []action{target, install}},
	{Deferred, update, Installing, []action{target, install}},
	{Deferred, updateAsked, Deferred, []action{awaitConsent}},
	{Deferred, refused, Resting, []action{fail, discard}},
	{Deferred, reset, Resting, []action{clean, discard}},
	{Deferred, cancel, Resting, []action{cancelled, discard}},
	{Deferred, started, Deferred, []action{awaitConsent}},

	{Installing, installed, Switching, []action{image, activate}},
	{Installing, failed, Resting, []action{fail, discard}},
	{Installing, startedSame, Installing, []action{count, install}},
	{Installing, startedOld, Installing, []action{count, install}},
	{Installing, startedNew, Reverting, []action{fail, goBack}},
	{Installing, startedAstray, Resting, []action{fail, discard}},
	{Installing, exhausted, Resting, []action{fail, discard}},

	{Switching, switched, Rebooting, []action{reboot}},
	{Switching, failed, Reverting, []action{fail, goBack}},
	{Switching, startedSame, Switching, []action{count, activate}},
	{Switching, startedOld, Switching, []action{count, activate}},
	{Switching, startedNew, Trial, []action{count, try}},
	{Switching, startedAstray, Resting, []action{fail, discard}},
	{Switching, exhausted, Reverting, []action{fail, goBack}},

	{Rebooting, failed, Reverting, []action{fail, goBack}},
	{Rebooting, startedSame, Rebooting, []action{count, reboot}},
	{Rebooting, startedEarly, Rebooting, []action{reboot}},
	{Rebooting, startedOld, Reverting, []action{fail, goBack}},
	{Rebooting, startedNew, Trial, []action{count, try}},
	{Rebooting, startedAstray, Resting, []action{fail, discard}},
	{Rebooting, exhausted, Reverting, []action{fail, goBack}},

	{Trial, passed, Confirming, []action{confirm}},
	{Trial, vouched, Confirming, []action{confirm}},
	{Trial, rejected, Reverting, []action{fail, goBack}},
	{Trial, handBack, Reverting, []action{fail, goBack}},
	{Trial, startedOld, Reverting, []action{fail, goBack}},
	{Trial, startedNew, Trial, []action{count, try}},
	{Trial, startedAstray, Resting, []action{fail, discard}},
	{Trial, exhausted, Reverting, []action{fail, goBack}},

	{Confirming, marked, Resting, []action{succeed, discard}},
	{Confirming, failed, Reverting, []action{fail, goBack}},
	{Confirming, startedOld, Reverting, []action{fail, goBack}},
	{Confirming, startedNew, Confirming, []action{confirm}},
	{Confirming, startedAstray, Resting, []action{fail, discard}},

	{Reverting, reverted, Resting, []action{discard}},
	{Reverting, ousted, Reverting, []action{summon, leave}},
	{Reverting, unheard, Reverting, []action{fallBack}},
	{Reverting, retry, Reverting, []action{goBack}},
	{Reverting, startedSame, Reverting, []action{count, goBack}},
	{Reverting, startedOld, Reverting, []action{count, goBack}},
	{Reverting, startedNew, Reverting, []action{count, goBack}},
	{Reverting, startedBack, Reverting, []action{turn, fail, count, goBack}},
	{Reverting, startedAstray, Resting, []action{discard}},
	{Reverting, exhausted, Resting, []action{discard}},
}

// next says where a phase goes on an event and what is done on the way, in order;
// false: the event is out of place.
func next(p Phase, e event) (Phase, []action, bool) {
	for i := range transitions {
		if t := &transitions[i]; t.from == p && t.on == e {
			return t.to, t.do, true
		}
	}
	return p, nil, false
}

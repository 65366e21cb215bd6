package client

import "strconv"

//go:generate go test -run ^(TestPicture|TestDay)$ -update .

// State is where an account stands.
type State uint8

// The states of an account.
const (
	Waiting       State = iota // for the next attempt to connect
	Connecting                 // dialling, DTLS handshake
	Registering                // Register sent
	Registered                 // and awake
	Updating                   // Update sent
	Asleep                     // registered, queue mode: the server must not send
	Disabling                  // Deregister sent because of Disable
	Disabled                   // until a time-out
	Deregistering              // Deregister sent, for good
	Stopped                    // for good
	stateCount
)

var stateNames = [stateCount]string{
	"waiting", "connecting", "registering", "registered", "updating", "asleep",
	"disabling", "disabled", "deregistering", "stopped",
}

// String returns the state's name: "registered".
func (s State) String() string {
	if s < stateCount {
		return stateNames[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// event is what an account's registration reacts to.
type event uint8

const (
	waitOver       event = iota // the time of a back-off or of a Disable is up
	connected                   // a new security context, or NoSec from a new address
	continued                   // the server knows the security context: a Connection ID continues
	resumed                     // and the registration, both of an earlier process
	unreachable                 // no connection could be made
	accepted                    // the request in flight was answered with success
	versionRefused              // 4.12, and a lower version is left
	listWanted                  // the server does not know the object list that a Profile ID stands for
	unknown                     // the server does not know the registration
	busy                        // the server has no time for an Update now (5.03, 4.29)
	rejected                    // any other error code
	silent                      // no answer
	lost                        // the connection has ended
	elsewhere                   // one way to the server has failed and there is another
	updateDue                   // the lifetime is running out, or what was registered has changed
	queueChanged                // queue mode has begun or ended, which no Update can say
	reportDue                   // a notification wants to be sent
	awakeOver                   // nothing was exchanged during the awake time of queue mode
	triggered                   // an Update is asked for
	networkBack                 // addresses or routes have changed
	moved                       // the own address has changed
	reconfigured                // URI or credentials have changed
	delayed                     // likewise, or after a bootstrap, and it is to register after its Initial Registration Delay
	disable                     // Disable is asked for
	leave                       // the account is to end with a Deregister
	stop                        // the account is to end at once
	eventCount
)

var eventNames = [eventCount]string{
	"wait over", "connected", "session continued", "session resumed", "unreachable", "accepted", "version refused (4.12)",
	"object list wanted",
	"registration unknown", "server busy (5.03, 4.29)", "rejected", "no answer", "connection lost", "another way", "update due", "queue mode changed", "report due", "awake time over",
	"update triggered", "network changed", "own address changed", "account changed", "account changed, with a delay", "disable", "leave", "stop",
}

func (e event) String() string { return eventNames[e] }

// action is what an account does on entering a state.
type action uint8

const (
	dial           action = iota // begin to connect
	hangUp                       // end the connection, its session and what is in flight
	suspend                      // leave the connection, but keep its session
	lowerVersion                 // offer the next lower version
	tellList                     // beside its Profile ID
	sendRegister                 // the old registration and its observations are void
	sendUpdate                   // with what differs from what was registered
	sendDeregister               //
	begin                        // a new registration stands: note its location, answer requests
	goOn                         // the registration goes on: send what waited
	updateAgain                  // send another Update when the registration goes on
	putOff                       // it goes on, and the next Update is sent when the server wants one
	backOff                      // set the time of the next attempt
	waitDisabled                 // set the time at which Disable ends
	waitDelay                    // set the time of the first attempt
	actionCount
)

var actionNames = [actionCount]string{
	"dial", "hang up", "suspend", "lower the version", "tell the object list", "send Register", "send Update", "send Deregister",
	"begin the registration", "go on", "send another Update", "put the Update off", "back off", "wait until enabled", "wait for the Initial Registration Delay",
}

func (a action) String() string { return actionNames[a] }

// transition is one line of the table.
type transition struct {
	from State
	on   event
	to   State
	do   []action
}

// transitions is the life of a registration (Core, sections 6.2.1 to 6.2.4).
// What is not in it changes nothing.
var transitions = []transition{
	{Waiting, waitOver, Connecting, []action{dial}},
	{Waiting, triggered, Connecting, []action{dial}},
	{Waiting, networkBack, Connecting, []action{dial}},
	{Waiting, reconfigured, Connecting, []action{dial}},
	{Waiting, delayed, Waiting, []action{waitDelay}},
	{Waiting, disable, Disabled, []action{waitDisabled}},
	{Waiting, leave, Stopped, nil},
	{Waiting, stop, Stopped, nil},

	{Connecting, connected, Registering, []action{sendRegister}},
	{Connecting, continued, Updating, []action{sendUpdate}},
	{Connecting, resumed, Registered, []action{goOn}},
	{Connecting, unreachable, Waiting, []action{hangUp, backOff}},
	{Connecting, elsewhere, Connecting, []action{hangUp, dial}},
	{Connecting, moved, Connecting, []action{hangUp, dial}},
	{Connecting, reconfigured, Connecting, []action{hangUp, dial}},
	{Connecting, delayed, Waiting, []action{hangUp, waitDelay}},
	{Connecting, disable, Disabled, []action{hangUp, waitDisabled}},
	{Connecting, leave, Stopped, []action{hangUp}},
	{Connecting, stop, Stopped, []action{hangUp}},

	{Registering, accepted, Registered, []action{begin}},
	{Registering, versionRefused, Registering, []action{lowerVersion, sendRegister}},
	{Registering, listWanted, Registering, []action{tellList, sendRegister}},
	{Registering, unknown, Waiting, []action{hangUp, backOff}},
	{Registering, rejected, Waiting, []action{hangUp, backOff}},
	{Registering, silent, Waiting, []action{hangUp, backOff}},
	{Registering, lost, Waiting, []action{hangUp, backOff}},
	{Registering, elsewhere, Connecting, []action{hangUp, dial}},
	{Registering, moved, Connecting, []action{hangUp, dial}},
	{Registering, reconfigured, Connecting, []action{hangUp, dial}},
	{Registering, delayed, Waiting, []action{hangUp, waitDelay}},
	{Registering, disable, Disabled, []action{hangUp, waitDisabled}},
	{Registering, leave, Stopped, []action{hangUp}},
	{Registering, stop, Stopped, []action{hangUp}},

	{Registered, updateDue, Updating, []action{sendUpdate}},
	{Registered, triggered, Updating, []action{sendUpdate}},
	{Registered, queueChanged, Registering, []action{sendRegister}},
	{Registered, awakeOver, Asleep, nil},
	{Registered, silent, Connecting, []action{hangUp, dial}},
	{Registered, lost, Waiting, []action{hangUp, backOff}},
	{Registered, moved, Connecting, []action{suspend, dial}},
	{Registered, reconfigured, Connecting, []action{hangUp, dial}},
	{Registered, delayed, Waiting, []action{hangUp, waitDelay}},
	{Registered, disable, Disabling, []action{sendDeregister}},
	{Registered, leave, Deregistering, []action{sendDeregister}},
	{Registered, stop, Stopped, []action{hangUp}},

	{Updating, accepted, Registered, []action{goOn}},
	{Updating, unknown, Registering, []action{sendRegister}},
	{Updating, busy, Registered, []action{putOff}},
	{Updating, triggered, Updating, []action{updateAgain}}, // who asks may have had the Update that is under way
	{Updating, rejected, Registering, []action{sendRegister}},
	{Updating, silent, Connecting, []action{hangUp, dial}},
	{Updating, lost, Connecting, []action{hangUp, dial}},
	{Updating, moved, Connecting, []action{suspend, dial}},
	{Updating, reconfigured, Connecting, []action{hangUp, dial}},
	{Updating, delayed, Waiting, []action{hangUp, waitDelay}},
	{Updating, disable, Disabling, []action{sendDeregister}},
	{Updating, leave, Deregistering, []action{sendDeregister}},
	{Updating, stop, Stopped, []action{hangUp}},

	{Asleep, updateDue, Updating, []action{sendUpdate}},
	{Asleep, reportDue, Updating, []action{sendUpdate}},
	{Asleep, triggered, Updating, []action{sendUpdate}},
	{Asleep, queueChanged, Registering, []action{sendRegister}},
	{Asleep, lost, Waiting, []action{hangUp, backOff}},
	{Asleep, moved, Connecting, []action{suspend, dial}},
	{Asleep, reconfigured, Connecting, []action{hangUp, dial}},
	{Asleep, delayed, Waiting, []action{hangUp, waitDelay}},
	{Asleep, disable, Disabling, []action{sendDeregister}},
	{Asleep, leave, Deregistering, []action{sendDeregister}},
	{Asleep, stop, Stopped, []action{hangUp}},

	{Disabling, accepted, Disabled, []action{hangUp, waitDisabled}},
	{Disabling, unknown, Disabled, []action{hangUp, waitDisabled}},
	{Disabling, rejected, Disabled, []action{hangUp, waitDisabled}},
	{Disabling, silent, Disabled, []action{hangUp, waitDisabled}},
	{Disabling, lost, Disabled, []action{hangUp, waitDisabled}},
	{Disabling, leave, Deregistering, nil},
	{Disabling, stop, Stopped, []action{hangUp}},

	{Disabled, waitOver, Connecting, []action{dial}},
	{Disabled, triggered, Connecting, []action{dial}},
	{Disabled, delayed, Waiting, []action{waitDelay}},
	{Disabled, disable, Disabled, []action{waitDisabled}},
	{Disabled, leave, Stopped, nil},
	{Disabled, stop, Stopped, nil},

	{Deregistering, accepted, Stopped, []action{hangUp}},
	{Deregistering, unknown, Stopped, []action{hangUp}},
	{Deregistering, rejected, Stopped, []action{hangUp}},
	{Deregistering, silent, Stopped, []action{hangUp}},
	{Deregistering, lost, Stopped, []action{hangUp}},
	{Deregistering, stop, Stopped, []action{hangUp}},
}

// next says where a state goes on an event and what is done on the way, in order.
func next(s State, e event) (State, []action) {
	for i := range transitions {
		if t := &transitions[i]; t.from == s && t.on == e {
			return t.to, t.do
		}
	}
	return s, nil
}

package client

import "strconv"

//go:generate go test -run ^TestBootstrapPicture$ -update .

// BootstrapState is where the bootstrap stands.
type BootstrapState uint8

// The states of the bootstrap.
const (
	BootstrapIdle       BootstrapState = iota // nothing asks for one
	BootstrapWaiting                          // for the next attempt
	BootstrapConnecting                       // dialling, DTLS handshake
	BootstrapPacking                          // Bootstrap-Pack-Request sent
	BootstrapRequesting                       // Bootstrap-Request sent
	BootstrapOpen                             // the bootstrap server writes, until its Finish
	BootstrapDone                             // it has; its last message may come again
	BootstrapStopped                          // for good
	bootstrapStateCount
)

var bootstrapStateNames = [bootstrapStateCount]string{
	"idle", "waiting", "connecting", "asking for the pack", "requesting", "bootstrapping", "done", "stopped",
}

// String returns the state's name: "waiting".
func (s BootstrapState) String() string {
	if s < bootstrapStateCount {
		return bootstrapStateNames[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s BootstrapState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// bootEvent is what the bootstrap reacts to.
type bootEvent uint8

const (
	bootWanted       bootEvent = iota // there is a reason for a bootstrap
	bootAsked                         // a server or a person asks for one
	bootUnwanted                      // the reason has gone
	bootDue                           // the wait is over
	bootConnected                     // a pack is not to be asked for
	bootConnectedNew                  // a pack is to be asked for first
	bootUnreachable                   // no connection could be made
	bootPackless                      // there is no pack, or it cannot be used
	bootAccepted                      // the Bootstrap-Request was answered with success
	bootNoFormat                      // 4.15: the preferred format is not known
	bootRejected                      // any other error code
	bootSilent                        // no answer
	bootLost                          // the connection has ended
	bootFinished                      // what was written is in force
	bootExpired                       // nothing came for EXCHANGE_LIFETIME, or no Finish in all
	bootOver                          // nothing of the bootstrap server's comes again
	bootGone                          // the bootstrap account is another one, or none
	bootStop                          // at once
	bootEventCount
)

var bootEventNames = [bootEventCount]string{
	"wanted", "asked for", "not wanted any more", "wait over", "connected", "connected, a pack may be had", "unreachable", "no usable pack",
	"accepted", "format refused (4.15)", "rejected", "no answer", "connection lost", "finished", "no Finish in time", "time for repetitions over",
	"account changed", "stop",
}

func (e bootEvent) String() string { return bootEventNames[e] }

// bootAction is what the bootstrap does on entering a state.
type bootAction uint8

const (
	bootPlan      bootAction = iota // set the time of the attempt
	bootDial                        // begin to connect
	bootHangUp                      // end the connection and forget what was staged
	bootAskPack                     // send a Bootstrap-Pack-Request
	bootRequest                     // send a Bootstrap-Request
	bootAnyFormat                   // without a preferred format
	bootBegin                       // stage what the bootstrap server writes; servers have to wait
	bootBackOff                     // set the time of the next attempt
	bootConclude                    // let servers go on; registrations follow
	bootActionCount
)

var bootActionNames = [bootActionCount]string{
	"plan", "dial", "hang up", "send Bootstrap-Pack-Request", "send Bootstrap-Request", "name no format", "begin to stage", "back off", "conclude",
}

func (a bootAction) String() string { return bootActionNames[a] }

// bootTransition is one line of the table.
type bootTransition struct {
	from BootstrapState
	on   bootEvent
	to   BootstrapState
	do   []bootAction
}

// bootTransitions is the life of a bootstrap (Core, sections 6.1.3.3 and 6.1.6). What is not
// in it changes nothing.
var bootTransitions = []bootTransition{
	{BootstrapIdle, bootWanted, BootstrapWaiting, []bootAction{bootPlan}},
	{BootstrapIdle, bootAsked, BootstrapConnecting, []bootAction{bootDial}},
	{BootstrapIdle, bootStop, BootstrapStopped, nil},

	{BootstrapWaiting, bootDue, BootstrapConnecting, []bootAction{bootDial}},
	{BootstrapWaiting, bootAsked, BootstrapConnecting, []bootAction{bootDial}},
	{BootstrapWaiting, bootGone, BootstrapIdle, nil},
	{BootstrapWaiting, bootUnwanted, BootstrapIdle, nil},
	{BootstrapWaiting, bootStop, BootstrapStopped, nil},

	{BootstrapConnecting, bootConnected, BootstrapRequesting, []bootAction{bootRequest}},
	{BootstrapConnecting, bootConnectedNew, BootstrapPacking, []bootAction{bootAskPack}},
	{BootstrapConnecting, bootUnreachable, BootstrapWaiting, []bootAction{bootHangUp, bootBackOff}},
	{BootstrapConnecting, bootUnwanted, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapConnecting, bootGone, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapConnecting, bootStop, BootstrapStopped, []bootAction{bootHangUp}},

	{BootstrapPacking, bootFinished, BootstrapDone, []bootAction{bootConclude}},
	{BootstrapPacking, bootPackless, BootstrapRequesting, []bootAction{bootRequest}},
	{BootstrapPacking, bootSilent, BootstrapWaiting, []bootAction{bootHangUp, bootBackOff}},
	{BootstrapPacking, bootLost, BootstrapWaiting, []bootAction{bootHangUp, bootBackOff}},
	{BootstrapPacking, bootUnwanted, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapPacking, bootGone, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapPacking, bootStop, BootstrapStopped, []bootAction{bootHangUp}},

	{BootstrapRequesting, bootAccepted, BootstrapOpen, []bootAction{bootBegin}},
	{BootstrapRequesting, bootNoFormat, BootstrapRequesting, []bootAction{bootAnyFormat, bootRequest}},
	{BootstrapRequesting, bootRejected, BootstrapWaiting, []bootAction{bootHangUp, bootBackOff}},
	{BootstrapRequesting, bootSilent, BootstrapWaiting, []bootAction{bootHangUp, bootBackOff}},
	{BootstrapRequesting, bootLost, BootstrapWaiting, []bootAction{bootHangUp, bootBackOff}},
	{BootstrapRequesting, bootUnwanted, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapRequesting, bootGone, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapRequesting, bootStop, BootstrapStopped, []bootAction{bootHangUp}},

	{BootstrapOpen, bootFinished, BootstrapDone, []bootAction{bootConclude}},
	{BootstrapOpen, bootExpired, BootstrapWaiting, []bootAction{bootHangUp, bootBackOff}},
	{BootstrapOpen, bootLost, BootstrapWaiting, []bootAction{bootHangUp, bootBackOff}},
	{BootstrapOpen, bootGone, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapOpen, bootStop, BootstrapStopped, []bootAction{bootHangUp}},

	{BootstrapDone, bootOver, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapDone, bootLost, BootstrapIdle, []bootAction{bootHangUp}},
	{BootstrapDone, bootWanted, BootstrapWaiting, []bootAction{bootHangUp, bootPlan}},
	{BootstrapDone, bootAsked, BootstrapConnecting, []bootAction{bootHangUp, bootDial}},
	{BootstrapDone, bootStop, BootstrapStopped, []bootAction{bootHangUp}},
}

// nextBootstrap says where a state goes on an event and what is done on the way, in order.
func nextBootstrap(s BootstrapState, e bootEvent) (BootstrapState, []bootAction) {
	for i := range bootTransitions {
		if t := &bootTransitions[i]; t.from == s && t.on == e {
			return t.to, t.do
		}
	}
	return s, nil
}

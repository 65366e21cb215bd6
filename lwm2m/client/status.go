package client

import (
	"time"

	"lwm2m-agent/lwm2m"
)

// AccountStatus is what is known about the account of one server at one moment.
type AccountStatus struct {
	ShortServerID uint16
	URI           string
	State         State
	Words         string    // the state in words: "registered", "no answer; next attempt in 8 s"
	Since         time.Time // of the state
	NextUpdate    time.Time // zero: none due (not registered, or the lifetime is infinite)
	NextAttempt   time.Time // to register again; zero: none due

	Version   lwm2m.Version // in use or to be offered
	Lifetime  time.Duration // zero: infinite
	QueueMode bool
	Location  string // of the registration: "/rd/5a3f"

	Transport string // "UDP", "DTLS PSK", "DTLS RPK"; "" while there is no connection
	Local     string // local address
	CID       string // Connection ID on our records, in hexadecimal; "" for none

	ReceivedBytes, SentBytes       uint64 // of CoAP messages, over all connections of this run
	ReceivedMessages, SentMessages uint64

	Observations int // by the server
	Queued       int // notifications that wait for the server

	LastError     string // in words, "" for none yet
	Remedy        string // what a person can do about it, "" if nothing
	LastErrorTime time.Time
	ErrorCleared  bool // the account has worked since
}

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
)

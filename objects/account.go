package objects

import (
	"log/slog"
	"time"

	"lwm2m-agent/lwm2m"
)

// SecurityMode is how a connection is secured (/0/x/2).
type SecurityMode int

// The security modes (Core, appendix E.1).
const (
	ModePSK         SecurityMode = 0 // pre-shared key
	ModeRPK         SecurityMode = 1 // raw public keys
	ModeCertificate SecurityMode = 2
	ModeNoSec       SecurityMode = 3
	ModeEST         SecurityMode = 4 // certificate, obtained by EST
)

// Secret is key material. It prints and logs as "***".
type Secret []byte

// String returns "***".
func (Secret) String() string { return "***" }

// GoString returns "***".
func (Secret) GoString() string { return "***" }

// LogValue returns "***".
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText returns "***".
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Account is a server, or the bootstrap server, as the configuration names it:
// what an instance of Security and, but for the bootstrap server, one of Server
// begin with.
type Account struct {
	SecurityInstance uint16 // of object 0
	ServerInstance   uint16 // of object 1; without meaning for a bootstrap server

	URI       string // "coaps://host:5684"
	Bootstrap bool   // this is the bootstrap server
	Mode      SecurityMode
	Identity  []byte // /0/x/3: PSK identity, or own public key or certificate
	ServerKey []byte // /0/x/4: the server's public key or certificate
	Key       Secret // /0/x/5: PSK, or own private key

	HoldOff time.Duration // /0/x/11, bootstrap server only
	Timeout time.Duration // /0/x/12, bootstrap server only: the account is purged this long after a bootstrap; 0 keeps it

	ShortServerID uint16        // /0/x/10 and /1/x/0; 1 to 65534
	Lifetime      time.Duration // /1/x/1, whole seconds; 0 is for ever
	DropOffline   bool          // /1/x/6 is false: notifications are not stored while the server cannot be reached
	Binding       string        // /1/x/7; "" is "U"

	// Security and Server hold further resources of the two objects by
	// identifier, single ones only: {17: lwm2m.Unsigned(5)}.
	Security, Server map[uint16]lwm2m.Value
}

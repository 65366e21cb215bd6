package modem

import (
	"net/netip"
	"slices"
	"time"
)

// State is all that is known of a modem. It is a value: who is handed one keeps
// it as long as it likes.
type State struct {
	Presence Presence
	Trouble  error // why the modem is missing or silent, else nil
	Starts   int   // how often it was seen to start or to come, by who sees that: what it does not keep may be gone then
	Identity Identity
	SIM      SIM
	Network  Network
	Signal   Signal
	Bearers  []Bearer // in the order of their context numbers
	Sleep    Sleep
	Release  Release
	Datagram int // bytes of the longest datagram of the modem's own UDP sockets; 0: it has none

	Selection Selection
}

// Part is a set of parts of a State: what a change was about.
type Part uint16

// The parts.
const (
	PartPresence Part = 1 << iota
	PartIdentity
	PartSIM
	PartNetwork
	PartSignal
	PartBearers
	PartSleep
	PartSelection
	AllParts Part = 1<<iota - 1
)

// Clone returns a copy that shares nothing that is ever changed.
func (s *State) Clone() State {
	out := *s
	out.Bearers = slices.Clone(s.Bearers)
	out.Sleep.EDRX = slices.Clone(s.Sleep.EDRX)
	out.Selection = s.Selection.clone()
	return out
}

// Presence is whether a modem can be talked to.
type Presence uint8

// The presences.
const (
	Missing Presence = iota // no port, or it is held by another program
	Silent                  // the port is there and nothing sensible comes from it
	Ready                   // it answers
	Asleep                  // in power saving mode: it does not answer, and that is as it should be
)

var presences = [...]string{"missing", "silent", "ready", "asleep"}

// String returns the presence in words: "ready".
func (p Presence) String() string { return name(presences[:], p) }

// Identity is what a modem says of itself (3GPP TS 27.007, clauses 5.1 to 5.4).
type Identity struct {
	Manufacturer string
	Model        string
	Revision     string // of its firmware
	IMEI         string // 15 digits
}

// Network is where a modem is registered.
type Network struct {
	Time         time.Time // of the last change
	Registration Registration
	Technology   Technology
	Dual         bool   // LTE with 5G beside it
	Operator     string // name; "" if not known
	MCC, MNC     string // digits, "262" and "01"; "" if not known
	Area         *int64 // tracking area code, or location area code of GSM and UMTS
	Cell         *int64 // cell identity: 28 bits in E-UTRAN, 36 in NR
	Band         int    // of E-UTRAN or NR; 0 if not known
	Reject       *Cause // why the network refused; nil if it did not or did not say
}

// Registration is the state of the registration, that of the packet domain.
type Registration uint8

// The registration states (3GPP TS 27.007, clause 10.1.22).
const (
	RegistrationUnknown Registration = iota
	Unregistered                     // and not searching
	Searching
	Home
	Roaming
	Denied
	Emergency // attached for emergency services only
)

var registrations = [...]string{"unknown", "not registered", "searching", "home", "roaming", "denied", "emergency only"}

// String returns the state in words: "roaming".
func (r Registration) String() string { return name(registrations[:], r) }

// Registered reports whether the network lets the modem exchange data.
func (r Registration) Registered() bool { return r == Home || r == Roaming }

// Technology is a radio access technology.
type Technology uint8

// The technologies.
const (
	TechnologyUnknown Technology = iota
	GSM                          // with GPRS and EDGE
	UMTS                         // with HSPA
	LTE
	LTEM  // E-UTRA category M
	NBIoT // E-UTRA category NB
	NR    // 5G
)

var technologies = [...]string{"unknown", "GSM", "UMTS", "LTE", "LTE-M", "NB-IoT", "5G NR"}

// String returns the usual name: "LTE-M".
func (t Technology) String() string { return name(technologies[:], t) }

// TDD reports whether the band in use is one of time division: 33 to 53 of E-UTRA
// (3GPP TS 36.101, table 5.5-1), and of NR those and 77 to 79, 90, 101 and 104
// (TS 38.101-1, table 5.2-1). A band that is not known counts as one of frequency
// division, as most are.
func (n *Network) TDD() bool {
	b := n.Band
	if n.Technology == NR && (b >= 77 && b <= 79 || b == 90 || b == 101 || b == 104) {
		return true
	}
	return b >= 33 && b <= 54
}

// Signal is what the modem hears of its cell. A field is nil where the technology
// has no such measure or the modem has not measured it.
type Signal struct {
	Time time.Time // of the measurement
	RSSI *float64  // dBm
	RSRP *float64  // dBm
	RSRQ *float64  // dB
	SNR  *float64  // dB, signal to noise and interference

	Coverage *int64 // coverage enhancement level of NB-IoT and LTE-M, 0 to 3
	Srxlev   *int64 // dB, cell selection receive level (3GPP TS 36.304, clause 5.2.3.2)
}

// Strength returns the measure that suits the technology: RSRP where there is
// one, else RSSI, in dBm; nil if neither is known.
func (s *Signal) Strength() *float64 {
	if s.RSRP != nil {
		return s.RSRP
	}
	return s.RSSI
}

// PDNType is which protocol a bearer carries.
type PDNType uint8

// The types (3GPP TS 27.007, clause 10.1.1).
const (
	IPv4 PDNType = iota + 1
	IPv6
	IPv4v6
	NonIP
)

// Bearer is one packet data context.
type Bearer struct {
	CID       int // context number
	APN       string
	Type      PDNType
	Active    bool
	Since     time.Time // when it became what Active says
	Addresses []netip.Addr
	Gateways  []netip.Addr
	DNS       []netip.Addr
	Traffic   *Traffic // nil if the modem does not count
	Reject    *Cause   // why it could not be activated the last time; nil if it could
}

// Traffic is what a bearer has carried since it was activated, in bytes.
type Traffic struct{ Sent, Received uint64 }

// Profile is what a bearer is wanted to be.
type Profile struct {
	APN   string
	Type  PDNType
	Login *Login // nil leaves what the modem has
}

// Login is who a bearer is for.
type Login struct {
	Authentication Authentication
	User           string
	Password       Secret
}

// Authentication is how a bearer's user proves who it is.
type Authentication uint8

// The kinds of authentication (3GPP TS 27.007, clause 10.1.31).
const (
	AuthenticationNone Authentication = iota
	PAP
	CHAP
)

// Secret is a text that is never printed.
type Secret string

// String implements fmt.Stringer without telling.
func (Secret) String() string { return "***" }

// GoString implements fmt.GoStringer without telling.
func (Secret) GoString() string { return "***" }

// MarshalText implements encoding.TextMarshaler, which slog asks, without telling.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

func name[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return "?"
}

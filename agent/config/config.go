package config

import (
	"net/url"
	"time"

	"lwm2m-agent/agent/keys"
	"lwm2m-agent/lwm2m"
)

// The defaults where neither configuration nor flag says otherwise.
const (
	DefaultFile     = "/etc/lwm2m-agent/agent.toml"
	DefaultStateDir = "/var/lib/lwm2m-agent"
	DefaultSocket   = "/run/lwm2m-agent/agent.sock"
	DefaultLifetime = 24 * time.Hour
	DefaultInterval = 60 * time.Second
)

// Config is a configuration that has been read and checked. It can as well be
// built in code, as the demo does.
type Config struct {
	Endpoint    string // "": to be chosen once, then kept
	TestObject  bool   // serve object 3442
	Objects     string // folder with definitions of further objects, absolute; "": none
	Device      Device
	Location    *Location // nil: not configured
	Servers     []Server
	Bootstrap   *Bootstrap // nil: none
	Sensors     []Sensor
	Derived     []Derived
	Geofences   []Geofence
	Actuators   []Actuator
	Modems      []Modem
	EventLogs   []EventLog
	Apps        []App
	Firmware    *Firmware    // nil: no updates
	LockAndWipe *LockAndWipe // nil: no object 8
	Log         Log
	Metrics     Metrics
	Page        Page
	TPM         TPM
	Remote      []uint16 // Short Server IDs of those who may set the configuration

	StateDir string
	Socket   string

	Files    []string   // what was read, in order
	KeyFiles []string   // what was read of keys, certificates and tokens
	Warnings []*Problem // what works but should not stay so, such as a key that everyone can read
}

// Device is what DMI or the device tree does not say; "" is not given.
type Device struct {
	Section
	Manufacturer, Model, Serial, HardwareVersion string
}

// TPM says where the TPM is.
type TPM struct {
	Section
	Device string
}

// Log says how much is logged: "debug", "info", "warn" or "error".
type Log struct {
	Section
	Level string
}

// Security is how an account is secured.
type Security string

// The kinds of security.
const (
	SecurityNone Security = "none" // for the laboratory
	SecurityPSK  Security = "psk"
	SecurityRPK  Security = "rpk"  // raw public keys
	SecurityX509 Security = "x509" // certificates
)

// Account is what a server and a bootstrap server have in common.
type Account struct {
	Section
	URI       *url.URL   // scheme "coap", "coaps", "coap+tcp" or "coaps+tcp", host and port always there
	Secondary []*url.URL // other ways to the same server, likewise, in order
	Interface string     // network interface to go through; "": as the routes say
	Modem     string     // the modem through whose own UDP sockets to go; "": none
	Security  Security
	Identity  string     // of the pre-shared key
	Key       Secret     // the pre-shared one; the own private one, as PKCS #8
	Held      keys.Place // where the key is held if it is not in Key; the zero Place: it is
	Public    []byte     // the own public key; the own certificate and those above it: DER
	NotBefore time.Time  // from when on the own certificate is valid; zero: there is none
	NotAfter  time.Time  // and until when
	ServerKey []byte     // the server's public key, or a certificate to judge its own by, in DER; or its digest
	Instance  int        // wanted: of object 1 for a server, of object 0 for a bootstrap server; NoInstance
	QueueMode bool
	Version   lwm2m.Version // highest to offer; zero: the highest there is

	SNI              string   // the server's name; "": that of the URI
	CertificateUsage int      // of ServerKey: 0 to 3 (/0/x/15); NoInstance: not given
	MatchingType     int      // of ServerKey: 0 to 3 (/0/x/13)
	CipherSuites     []uint16 // in order; nil: not given

	// Fingerprint tells whether the section was edited since accounts were made
	// from it. It covers what the section says, keys included, and not defaults.
	Fingerprint string
}

// Bearer is the kind of network that a server is reached over, for the timers.
type Bearer string

// The bearers. The zero Bearer is that of the default route.
const (
	BearerEthernet Bearer = "ethernet"
	BearerWLAN     Bearer = "wlan"
	BearerLTE      Bearer = "lte"
	BearerLTEM     Bearer = "lte-m"
	BearerNBIoT    Bearer = "nb-iot"
)

// NoInstance is the Instance of a section that leaves the number to the agent.
const NoInstance = -1

// Server is one [[server]].
type Server struct {
	Account
	ShortServerID uint16
	Lifetime      time.Duration
	Bearer        Bearer
	Awake         time.Duration // zero: the default
	Gather        time.Duration
	KeepAlive     bool    // where the bearer allows it
	SMSNumber     string  // "": none
	Rights        []Right // nil: not given

	// More has the settings that are resources of object 1 and are given, by key: bool,
	// int64, string or, in whole seconds, time.Duration.
	More map[string]any
}

// Right is what a server may do when there are several.
type Right string

// The rights.
const (
	RightRead    Right = "read"
	RightWrite   Right = "write"
	RightExecute Right = "execute"
	RightDelete  Right = "delete"
	RightCreate  Right = "create"
)

// Bootstrap is the [bootstrap] section.
type Bootstrap struct {
	Account
	HoldOff time.Duration
}

// Sensor is one [[sensor]].
type Sensor struct {
	Section
	Name            string
	Driver          string
	Object          uint16 // 0: the one that suits the channel
	Instance        int    // NoInstance: the next free one, then kept for this name
	ApplicationType string // "": the name
	Settings        Settings
	IntervalMin     time.Duration // 0: the interval
	IntervalMax     time.Duration // 0: the interval
	Channels        []Channel
}

// Channel is one [[sensor.channel]]: what becomes of a driver's channel.
type Channel struct {
	Section
	Name            string
	Object          uint16 // 0: the one that suits the channel
	Resource        int    // NoResource: the one that suits the channel
	Instance        int    // as Sensor.Instance
	ApplicationType string
	Processing      Processing
	Register        *Register // of a Modbus device; nil: none
}

// NoResource is the Resource of a channel that leaves it to the agent.
const NoResource = -1

// Actuator is one [[actuator]].
type Actuator struct {
	Section
	Name            string
	Driver          string
	Object          uint16 // 0: 3306, Actuation
	Resource        int    // NoResource: the one that suits
	Instance        int
	ApplicationType string
	Settings        Settings
	Safe            Safe
	Watchdog        time.Duration // 0 is none
	Interlocks      []Interlock
}

// Interlock is one [[actuator.interlock]]: when the output must be in its safe state.
type Interlock struct {
	Section
	Input        string   // "sensor/channel", or a derived one's name
	Off          bool     // of a state: it must be on
	Above, Below *float64 // of a number: from where on
	Hysteresis   float64
}

// Settings are the keys that drivers share. Which of them a driver takes is in
// the table of drivers. The zero value of a field means that it was not given,
// but for Interval, which has its default.
type Settings struct {
	Bus              string
	Address          uint16
	Chip             string
	Line             Line
	Device           string
	Trigger          string
	Interval         time.Duration
	Debounce         time.Duration
	Active           string
	Bias             string
	Edge             string
	Drive            string
	Shunt            float64
	Frequency, Range float64
	Baud             int
	Parity           string
	StopBits         int
	Timeout          time.Duration
	Register         *Register // of a Modbus actuator; nil: none
	Unit             string
	Wave             string
	Min, Max         float64
	Period           time.Duration
	Seed             uint64
	File             string // absolute
}

// Line names a line of a chip: by Name, or by Offset if Given and Name is "".
type Line struct {
	Given  bool
	Offset int
	Name   string
}

// Safe is the state of an actuator when nobody is in charge of it.
type Safe struct {
	Keep  bool    // as it was
	On    bool    // else off
	Level float64 // of one that takes a level, in percent
}

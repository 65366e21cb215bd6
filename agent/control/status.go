package control

import "time"

// Status is the answer of GET /v1/status.
type Status struct {
	Endpoint string    `json:"endpoint"`
	Version  string    `json:"version"` // of the agent
	Started  time.Time `json:"started"`
	Booted   time.Time `json:"booted,omitzero"`       // when the machine started
	BootWhy  string    `json:"boot_reason,omitempty"` // "power on", "watchdog" …, as far as the hardware tells
	StateDir string    `json:"state_dir,omitempty"`
	Firmware *Firmware `json:"firmware,omitempty"` // without slots; nil: no updates
	Servers  []Server  `json:"servers"`
	Modems   []Modem   `json:"modems,omitempty"`
	SMS      *SMS      `json:"sms,omitempty"`      // nil: there is no modem
	Location *Location `json:"location,omitempty"` // nil: nobody is asked

	Bootstrap *Bootstrap `json:"bootstrap,omitempty"` // nil: there is no bootstrap server

	Health []Trouble `json:"health"` // filled in by Handler
}

// Server is one server account. Times are zero where there is nothing to tell.
type Server struct {
	ShortServerID uint16    `json:"short_server_id"`
	URI           string    `json:"uri"`
	State         string    `json:"state"` // one word: "registered", "waiting"
	Words         string    `json:"words"` // the state in words: "no answer; next attempt in 8 s"
	Since         time.Time `json:"since,omitzero"`
	Registered    time.Time `json:"registered_since,omitzero"` // over Updates and sleep
	NextUpdate    time.Time `json:"next_update,omitzero"`
	NextAttempt   time.Time `json:"next_attempt,omitzero"`
	Lifetime      int64     `json:"lifetime"` // in seconds; 0: without end
	Version       string    `json:"version,omitempty"`
	QueueMode     bool      `json:"queue_mode"`
	Location      string    `json:"location,omitempty"`
	Continued     bool      `json:"continued,omitempty"` // the registration is that of an earlier run of the agent
	Transport     string    `json:"transport,omitempty"` // "UDP", "TCP", "DTLS PSK", "TLS X.509" …
	Local         string    `json:"local,omitempty"`     // address
	CID           string    `json:"cid,omitempty"`       // Connection ID, in hexadecimal
	SentBytes     uint64    `json:"sent_bytes"`
	ReceivedBytes uint64    `json:"received_bytes"`

	SentMessages     uint64 `json:"sent_messages"` // of CoAP
	ReceivedMessages uint64 `json:"received_messages"`
	Retransmissions  uint64 `json:"retransmissions"` // messages that were sent again

	Traffic      []Traffic `json:"traffic,omitempty"` // by purpose
	Observations int       `json:"observations"`
	Queued       int       `json:"queued"`            // notifications that wait for the server
	Dropped      uint64    `json:"dropped,omitempty"` // notifications that found no room while they waited

	// Renewal says why the former credentials are still in use: the new ones fail.
	Renewal string `json:"renewal,omitempty"`

	LastError     string    `json:"last_error,omitempty"`
	Remedy        string    `json:"remedy,omitempty"`
	LastErrorTime time.Time `json:"last_error_time,omitzero"`
	ErrorCleared  bool      `json:"error_cleared,omitempty"` // the account has worked since
}

// Traffic is what went between the agent and a server for one purpose, on the wire: with the
// headers of IP, UDP and DTLS.
type Traffic struct {
	Purpose string `json:"purpose"` // "handshake", "register", "update", "notify", "send", "request", "firmware", "bootstrap"
	Day     Flow   `json:"day"`     // in the last 24 hours of this run
	Total   Flow   `json:"total"`   // in this run
}

// Flow counts both ways.
type Flow struct {
	SentDatagrams     uint64 `json:"sent_datagrams"`
	ReceivedDatagrams uint64 `json:"received_datagrams"`
	SentBytes         uint64 `json:"sent_bytes"`
	ReceivedBytes     uint64 `json:"received_bytes"`
}

// Modem is one [[modem]], without who its SIM is for.
type Modem struct {
	Name         string   `json:"name"`
	State        string   `json:"state"`                  // "ready", "missing", "silent", "asleep"
	Words        string   `json:"words"`                  // all that is known, in words
	Model        string   `json:"model,omitempty"`        // with its manufacturer
	Firmware     string   `json:"firmware,omitempty"`     // its version
	SIM          string   `json:"sim,omitempty"`          // "ready", "wants its PIN"
	EID          string   `json:"eid,omitempty"`          // of an eSIM
	Registration string   `json:"registration,omitempty"` // "home", "roaming", "searching"
	Technology   string   `json:"technology,omitempty"`   // "LTE-M"
	Operator     string   `json:"operator,omitempty"`
	Signal       *int     `json:"signal,omitempty"`    // RSRP or RSSI, in dBm
	Connected    []string `json:"connected,omitempty"` // APNs of the connections that are up
	Released     uint64   `json:"released,omitempty"`  // how often it was told that nothing more was to be exchanged
}

// SMS are the short messages since the start.
type SMS struct {
	Received uint64 `json:"received"`
	Woken    uint64 `json:"woken"`   // of them: had an account update its registration
	Ignored  uint64 `json:"ignored"` // of them: should have, but the server may not, or did too often
}

// Location is how a receiver stands, without where the device is.
type Location struct {
	Source string    `json:"source"`           // "nmea", "gpsd", "modem"
	Where  string    `json:"where"`            // "/dev/ttyS1", an address, a modem's name
	State  string    `json:"state"`            // "fix", "waiting", "resting", "no fix", "failing"
	Words  string    `json:"words"`            // the state in words
	Fix    time.Time `json:"fix,omitzero"`     // when the last one was
	Radius int       `json:"radius,omitempty"` // m
}

// Bootstrap is how the bootstrap stands. Times are zero where there is nothing to tell.
type Bootstrap struct {
	URI         string    `json:"uri"`
	State       string    `json:"state"` // one word, mostly: "idle", "waiting"
	Words       string    `json:"words"`
	Since       time.Time `json:"since,omitzero"`
	Reason      string    `json:"reason,omitempty"` // why one is wanted, or was last
	NextAttempt time.Time `json:"next_attempt,omitzero"`
	Attempts    int       `json:"attempts"`          // that failed in a row
	Last        time.Time `json:"last,omitzero"`     // when the last one succeeded
	Purge       time.Time `json:"purge,omitzero"`    // when the account is removed
	Traffic     []Traffic `json:"traffic,omitempty"` // by purpose

	LastError     string    `json:"last_error,omitempty"`
	Remedy        string    `json:"remedy,omitempty"`
	LastErrorTime time.Time `json:"last_error_time,omitzero"`
	ErrorCleared  bool      `json:"error_cleared,omitempty"`
}

// Trouble is one thing that is wrong, with what to do about it.
type Trouble struct {
	Code     string    `json:"code"`
	Severity string    `json:"severity"` // "error", "warning", "notice"
	Text     string    `json:"text"`
	Subject  string    `json:"subject,omitempty"` // what kind of thing On is: "server", "sensor"
	On       string    `json:"on,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Remedy   string    `json:"remedy"`
	Since    time.Time `json:"since"`
}

// shown returns an account as the interface shows it.
func shown(s Server) *Server {
	for _, t := range []*time.Time{&s.Since, &s.Registered, &s.NextUpdate, &s.NextAttempt, &s.LastErrorTime} {
		*t = inUTC(*t)
	}
	return &s
}

package client

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// AccountStatus is what is known about the account of one server at one moment.
type AccountStatus struct {
	ShortServerID uint16
	URI           string
	State         State
	Words         string    // the state in words: "registered", "no answer; next attempt in 8 s"
	Since         time.Time // of the state
	Registered    time.Time // since when without a break, over Updates and sleep; zero: not now
	NextUpdate    time.Time // zero: none due (not registered, or the lifetime is infinite)
	NextAttempt   time.Time // to connect and register; zero: none due
	Attempts      int       // that failed in a row
	Held          bool      // until servers that come before it have registered or failed (/1/x/13)

	Version   lwm2m.Version // in use or to be offered
	Lifetime  time.Duration // zero: infinite
	QueueMode bool
	Location  string // of the registration: "/rd/5a3f"
	Continued bool   // the registration is that of an earlier run of the agent
	Gone      int    // registrations in a row that the server no longer had before their lifetime was over

	Transport string // "UDP", "TCP", "DTLS PSK", "TLS X.509" …; "" while there is no connection
	Local     string // local address
	CID       string // Connection ID on our records, in hexadecimal; "" for none

	// Of CoAP messages, over all connections of this run.
	ReceivedBytes, SentBytes       uint64
	ReceivedMessages, SentMessages uint64
	Retransmissions                uint64 // of what was sent

	Traffic, Day Flows // by purpose, on the wire: in this run, and of that in the last 24 hours

	Observations int    // by the server
	Queued       int    // notifications that wait for the server
	Dropped      uint64 // notifications that were to be stored and found no room, in this run

	// Renewal says why the account goes on with its former credentials; "": it does not.
	Renewal string

	Cause         Cause  // of the last error, in kind
	LastError     string // in words, "" for none yet
	Remedy        string // what a person can do about it, "" if nothing is known
	LastErrorTime time.Time
	ErrorCleared  bool // the account has registered or updated since
}

// view is what others see of an account.
type view struct {
	mu       sync.Mutex
	status   AccountStatus
	conn     *coap.Conn // nil: there is none
	earlier  coap.Counters
	cause    Cause
	lastErr  string
	remedy   string
	failedAt time.Time
	cleared  bool

	traffic ledger
}

// retire adds the counters of a connection that is over.
func (v *view) retire(c *coap.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.earlier = sum(v.earlier, c.Counters())
	v.conn = nil
}

func sum(a, b coap.Counters) coap.Counters {
	a.ReceivedBytes += b.ReceivedBytes
	a.SentBytes += b.SentBytes
	a.ReceivedDatagrams += b.ReceivedDatagrams
	a.SentDatagrams += b.SentDatagrams
	a.Retransmissions += b.Retransmissions
	return a
}

// read returns the status at a time.
func (v *view) read(now time.Time) AccountStatus {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.earlier
	if v.conn != nil {
		n = sum(n, v.conn.Counters())
	}
	s := v.status
	s.ReceivedBytes, s.SentBytes = n.ReceivedBytes, n.SentBytes
	s.ReceivedMessages, s.SentMessages, s.Retransmissions = n.ReceivedDatagrams, n.SentDatagrams, n.Retransmissions
	s.Cause, s.LastError, s.Remedy, s.LastErrorTime, s.ErrorCleared = v.cause, v.lastErr, v.remedy, v.failedAt, v.cleared
	s.Traffic, s.Day = v.traffic.read(now)
	s.Words = s.words(now)
	if s.Renewal != "" && s.State != Waiting {
		s.Words += "; with the former credentials, since the new ones fail: " + s.Renewal
	}
	if s.State == Registering && v.conn != nil {
		if err := v.conn.TransportError(s.Since); err != nil {
			s.Words += fmt.Sprintf(" (%s)", plain(err))
		}
	}
	return s
}

// impatience is how long a first attempt, or an Update, may go on before its words say that
// nobody answers.
const impatience = 5 * time.Second

// words says where the account stands.
func (s *AccountStatus) words(now time.Time) string {
	switch s.State {
	case Waiting:
		return s.waitingWords(now)
	case Connecting, Registering:
		if s.Attempts > 0 {
			return fmt.Sprintf("%s, attempt %d; before: %s", s.State, s.Attempts+1, s.LastError)
		}
		words := s.State.String()
		if s.State == Registering && s.Cause == NoCause && s.LastError != "" && !s.ErrorCleared {
			words += " anew: " + s.LastError
		}
		return words + s.silence(now)
	case Updating:
		return "registered, sending an Update" + s.silence(now)
	case Asleep:
		return "registered, asleep (queue mode)"
	case Disabling:
		return "disabled by the server, deregistering"
	case Disabled:
		return "disabled by the server until " + s.NextAttempt.Format(time.RFC3339)
	case Registered:
		if s.Continued {
			return "registered (continued after a restart of the agent)"
		}
	case Deregistering, Stopped, stateCount:
	}
	return s.State.String()
}

// silence says for how long nobody has answered in this state, once that is worth a word.
func (s *AccountStatus) silence(now time.Time) string {
	silent := now.Sub(s.Since)
	if silent < impatience {
		return ""
	}
	return ", no answer for " + span(silent)
}

func (s *AccountStatus) waitingWords(now time.Time) string {
	if s.Held {
		return "waiting until the servers before it in the Registration Priority Order have registered or failed"
	}
	when := "no further attempt until the network changes or an Update is asked for"
	if !s.NextAttempt.IsZero() {
		when = fmt.Sprintf("next attempt in %s", span(s.NextAttempt.Sub(now)))
	}
	if s.Attempts == 0 {
		return "not registered yet; " + when
	}
	return fmt.Sprintf("not registered: %s; %s", s.LastError, when)
}

// span is a length of time in words: "90 s", "12 min", "24 h".
func span(d time.Duration) string {
	switch d = max(d, 0).Round(time.Second); {
	case d <= 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d <= 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d h", d/time.Hour)
}

// show puts the present state on view and tells who asked for it.
func (a *account) show() {
	a.exhibit()
	if f := a.client.config.OnStatus; f != nil {
		f(a.view.read(a.now()))
	}
}

// exhibit puts the present state on view.
func (a *account) exhibit() {
	s := AccountStatus{
		ShortServerID: a.ssid,
		URI:           a.uri(),
		Renewal:       a.renewal.reason,
		State:         a.state,
		Since:         a.since,
		Registered:    a.upSince,
		Attempts:      a.failed,
		Held:          a.behind,
		Version:       a.version,
		Lifetime:      a.settings.lifetime,
		QueueMode:     a.queueMode(),
		Location:      a.location,
		Continued:     a.fromEarlier,
		Gone:          a.gone,
		Observations:  len(a.observations.byToken),
		Queued:        a.queued(),
		Dropped:       a.history.dropped,
	}
	switch a.state {
	case Waiting, Disabled:
		s.NextAttempt = a.waitUntil
	case Registered, Updating, Asleep:
		s.NextUpdate, s.Attempts = earliest(a.updateAt, a.gatherUntil), 0
	case Connecting, Registering, Disabling, Deregistering, Stopped, stateCount:
	}
	v := &a.view
	if a.state == Registered {
		a.repeated.over()
		a.shutOut = 0
	}
	v.mu.Lock()
	if a.state == Registered {
		v.cleared = v.lastErr != ""
	}
	if a.connection != nil {
		v.conn = a.connection.conn
		s.Transport, s.CID, s.Local = a.connection.transport, a.connection.cid, a.connection.conn.LocalAddr().String()
	}
	v.status = s
	v.mu.Unlock()
}

// showCounts brings the counts on view up to date.
func (a *account) showCounts() {
	a.view.mu.Lock()
	defer a.view.mu.Unlock()
	a.view.status.Observations = len(a.observations.byToken)
	a.view.status.Queued, a.view.status.Dropped = a.queued(), a.history.dropped
}

// queued returns how many notifications wait for the server.
func (a *account) queued() int {
	if a.state == Registered {
		return a.history.count() // what else waits, waits for its pmin
	}
	return a.history.count() + a.observations.waiting
}

// trouble notes an error of the account.
func (a *account) trouble(err error) {
	if err == nil {
		return
	}
	a.failure = failureOf(err)
	if e, ok := alertOf(err); ok && e.Remote && a.failure == refusal {
		a.shutOut++
	} else {
		a.shutOut = 0
	}
	cause, help, text := causeOf(err), remedy(err), plain(err)
	if cause == NoCause {
		a.log.Info("the server does not have the registration", slog.String("err", text))
	} else {
		a.log.Log(a.ctx, a.repeated.level(text, a.now()), "server account in trouble", slog.String("err", text), slog.String("remedy", help))
	}
	a.alert(err) // before the status tells of it
	a.view.mu.Lock()
	a.view.cause = cause
	a.view.lastErr, a.view.remedy, a.view.failedAt, a.view.cleared = text, help, a.now(), false
	a.view.mu.Unlock()
}

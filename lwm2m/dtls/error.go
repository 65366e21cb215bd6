package dtls

import (
	"errors"
	"fmt"
	"time"

	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Errors of a Conn whose session cannot send another record. Each is wrapped.
var (
	// ErrReserved means that the record numbers reserved by the last call of
	// [Conn.Session] are used up: store a new Session before sending on.
	ErrReserved = record.ErrReserved

	// ErrExhausted means that all 2^48 record numbers are used up
	// (RFC 6347, section 4.1): a new handshake is needed.
	ErrExhausted = record.ErrExhausted

	// ErrSessionEnded means that a session was closed or refused by an alert:
	// it carries no more records.
	ErrSessionEnded = errors.New("session has ended")
)

// Error is a handshake or a session ended by an alert, ours or the server's.
type Error struct {
	Alert  Alert
	Remote bool   // the server sent the alert; false: we sent it
	Reason string // why we sent it, empty if Remote
}

// Error names the alert, and the reason if it is ours. It never has key material.
func (e *Error) Error() string {
	if e.Remote {
		return fmt.Sprintf("dtls: server sent alert %d (%s)", uint8(e.Alert), e.Alert)
	}
	return fmt.Sprintf("dtls: %s; sent alert %d (%s)", e.Reason, uint8(e.Alert), e.Alert)
}

// refuse returns the error of a handshake that we end.
func refuse(a Alert, format string, args ...any) error {
	return &Error{Alert: a, Reason: fmt.Sprintf(format, args...)}
}

// TimeoutError is a handshake in which the server fell silent. A wrong pre-shared
// key looks like this with servers that drop what they cannot decrypt
// (RFC 6347, section 4.1.2.7): then Awaited is "Finished".
type TimeoutError struct {
	Awaited string        // the handshake message that did not come, such as "ServerHello"
	After   time.Duration // since the handshake began
	Trouble error         // the last thing that went wrong below, such as an ICMP error; may be nil
	cause   error
}

// Error names the message that was awaited and the last trouble. Its time is coarse, so that the same silence reads the same
// each time: who logs only what is new relies on it.
func (e *TimeoutError) Error() string {
	after := e.After.Round(time.Second)
	if after == 0 {
		after = e.After.Round(time.Millisecond)
	}
	s := fmt.Sprintf("dtls: no %s from server after %v", e.Awaited, after)
	if e.Trouble != nil {
		s += fmt.Sprintf(" (last trouble: %v)", e.Trouble)
	}
	return s
}

// Timeout reports true, as a net.Error does.
func (e *TimeoutError) Timeout() bool { return true }

// Unwrap returns what ended the wait, a deadline of the context or of the attempt,
// and the last trouble.
func (e *TimeoutError) Unwrap() []error {
	if e.Trouble == nil {
		return []error{e.cause}
	}
	return []error{e.cause, e.Trouble}
}

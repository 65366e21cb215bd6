package fota

import (
	"errors"
	"fmt"
)

// State is the State of object 5 (/5/0/3; Core, appendix E.6).
type State uint8

// The states.
const (
	Idle        State = 0
	Downloading State = 1
	Downloaded  State = 2
	Updating    State = 3
)

// String returns the state's name: "downloading".
func (s State) String() string {
	names := [...]string{"idle", "downloading", "downloaded", "updating"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Result is the Update Result of object 5 (/5/0/5; Core, appendix E.6).
type Result uint8

// The results.
const (
	Initial             Result = 0
	Success             Result = 1
	NoStorage           Result = 2
	NoMemory            Result = 3
	ConnectionLost      Result = 4
	IntegrityFailure    Result = 5
	UnsupportedPackage  Result = 6
	InvalidURI          Result = 7
	UpdateFailed        Result = 8
	UnsupportedProtocol Result = 9
	Cancelled           Result = 10
	Deferral            Result = 11
)

// String returns the result in words.
func (r Result) String() string {
	names := [...]string{
		"none", "updated", "not enough storage", "out of memory", "connection lost", "integrity check failed", "unsupported package",
		"invalid URI", "update failed", "unsupported protocol", "cancelled", "deferred",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("result %d", uint8(r))
}

// Failure is why an update ended: what the server is told, and the reason in
// words. Back ends and fetchers return it, wrapped or not.
type Failure struct { //nolint:errname // it is a verdict first
	Result Result
	Reason string
}

// Error implements error.
func (f *Failure) Error() string { return f.Reason }

// Failf makes a Failure.
func Failf(r Result, format string, args ...any) *Failure {
	return &Failure{Result: r, Reason: fmt.Sprintf(format, args...)}
}

// failureOf returns the Failure that an error wraps, with all of the error's words,
// and one with the given result for any other error.
func failureOf(err error, otherwise Result) *Failure {
	f := &Failure{Result: otherwise, Reason: err.Error()}
	if known, ok := errors.AsType[*Failure](err); ok {
		f.Result = known.Result
	}
	if len(f.Reason) > maxReason {
		f.Reason = f.Reason[:maxReason]
	}
	return f
}

// maxReason bounds a reason in the journal, in bytes.
const maxReason = 1000

// Errors of commands, matched by errors.Is.
var (
	// ErrNotNow: the state of the update does not allow it.
	ErrNotNow = errors.New("not in this state")
	// ErrStopped: the Updater does not run.
	ErrStopped = errors.New("the updater has ended")
)

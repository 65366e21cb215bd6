package leshan

import (
	"fmt"
	"strings"
	"time"

	"lwm2m-agent/test/workspace"
)

// Event is something that happened at the server.
type Event struct {
	Seq      int64  // 1 for the first
	Type     string // registered, updated, unregistered, expired, awake, sleeping, notification; not from the demo server: send, error
	Endpoint string
	Client   Client // of registered, updated, unregistered, expired
	Path     string // of notification: what is observed
	Answer          // of notification; of send its Content and Format
	History  []Past // of notification and send with time stamps: every value, as the payload had them
	Error    string // of error
}

// Past is content with the time it had.
type Past struct {
	Time    int64 // milliseconds since 1970; 0 for none
	Content Content
}

// Now returns the number of the newest event, after which a test can wait for what it is about to cause.
func (s *Server) Now(t workspace.T) int64 {
	t.Helper()
	return s.backend.now(t)
}

// Events returns what happened after event number after.
func (s *Server) Events(t workspace.T, after int64) []Event {
	t.Helper()
	return s.backend.events(t, after, 0)
}

// Await waits for the first event after number after that match accepts. None within timeout ends the test; what names it there.
func (s *Server) Await(t workspace.T, after int64, timeout time.Duration, what string, match func(Event) bool) Event {
	t.Helper()
	var seen []string
	for end := time.Now().Add(timeout); ; {
		for _, e := range s.backend.events(t, after, max(0, time.Until(end))) {
			if match(e) {
				return e
			}
			after = e.Seq
			seen = append(seen, fmt.Sprintf("%s %s %s %v %s", e.Type, e.Endpoint, e.Path, e.Content, e.Error))
		}
		if time.Now().After(end) {
			t.Fatalf("no %s within %v; Leshan saw:\n%s", what, timeout, strings.Join(seen, "\n"))
		}
	}
}

// AwaitType is Await for an event of a type from an endpoint.
func (s *Server) AwaitType(t workspace.T, after int64, timeout time.Duration, typ, endpoint string) Event {
	t.Helper()
	return s.Await(t, after, timeout, typ+" of "+endpoint, func(e Event) bool { return e.Type == typ && e.Endpoint == endpoint })
}

// AwaitRegistered waits until the endpoint is registered, if it is not already, and returns its registration.
func (s *Server) AwaitRegistered(t workspace.T, endpoint string, timeout time.Duration) Client {
	t.Helper()
	after := s.Now(t)
	if client, ok := s.Clients(t)[endpoint]; ok {
		return client
	}
	return s.AwaitType(t, after, timeout, "registered", endpoint).Client
}

// AwaitNotification waits for a notification of an observed path whose content match accepts.
func (s *Server) AwaitNotification(
	t workspace.T, after int64, timeout time.Duration, endpoint, path string, match func(Content) bool,
) Event {
	t.Helper()
	return s.Await(t, after, timeout, "such notification of "+path, func(e Event) bool {
		return e.Type == "notification" && e.Endpoint == endpoint && e.Path == path && match(e.Content)
	})
}

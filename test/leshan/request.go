package leshan

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/workspace"
)

// AnyFormat leaves the choice to Leshan: no Accept in a read, its default format in a write.
const AnyFormat lwm2m.Format = 65535

// requestTime is how long the server waits for a client's answer if a Request does not say.
const requestTime = 10 * time.Second

// Values are texts by path, relative to the path of the request: "" for itself, "/110" or "/1110/0" below. Numbers are decimal, opaque
// values hex, times seconds since 1970, object links "3:0"; types come from the object's definition.
type Values map[string]string

// Content is texts by absolute path, in the same notation.
type Content map[string]string

// Request is one operation on a client.
type Request struct {
	Endpoint   string
	Op         string // read, observe, cancel, forget, discover, delete, execute, attributes, replace, update, create; the composite ones
	Path       string
	Format     lwm2m.Format
	Paths      []string      // of composite operations
	Accept     lwm2m.Format  // of composite operations: 0: as Format
	Values     Values        // of replace, update, create; of write-composite by absolute path
	Arguments  string        // of execute: "0='x',1"
	Attributes string        // of attributes: "pmin=1&pmax=5"
	Timeout    time.Duration // 0: 10 s
}

// Answer is what a client answered, or why it did not.
type Answer struct {
	Code        string       // "2.05"; empty if there was no answer
	Message     string       // the diagnostic payload of an error, or the text of a failure
	Format      lwm2m.Format // of the payload; AnyFormat if there was none, and always from the demo server
	Size        int          // of the payload in bytes, put together from its blocks; not from the demo server
	Confirmable bool         // whether it came in a CON message; not from the demo server
	Content     Content      // of read, observe, cancel and notifications
	Links       string       // of discover
	Location    string       // of create
	Failure     string       // the name of Leshan's exception: "TimeoutException", "ClientSleepingException" …; empty if there was an answer
}

// Do performs an operation.
func (s *Server) Do(t workspace.T, r Request) Answer {
	t.Helper()
	if r.Timeout == 0 {
		r.Timeout = requestTime
	}
	return s.backend.perform(t, r)
}

// Read reads a path in a format.
func (s *Server) Read(t workspace.T, endpoint, path string, f lwm2m.Format) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "read", Path: path, Format: f})
}

// Observe reads a path in a format and asks for notifications, which come as events.
func (s *Server) Observe(t workspace.T, endpoint, path string, f lwm2m.Format) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "observe", Path: path, Format: f})
}

// Cancel ends the observation of a path by a request with Observe 1.
func (s *Server) Cancel(t workspace.T, endpoint, path string) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "cancel", Path: path, Format: AnyFormat})
}

// Forget ends the observation of a path on the server's side alone: the next notification is answered by a Reset.
func (s *Server) Forget(t workspace.T, endpoint, path string) {
	t.Helper()
	s.Do(t, Request{Endpoint: endpoint, Op: "forget", Path: path, Format: AnyFormat})
}

// Replace writes by PUT: an instance loses what values leaves out.
func (s *Server) Replace(t workspace.T, endpoint, path string, f lwm2m.Format, v Values) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "replace", Path: path, Format: f, Values: v})
}

// Update writes by POST: an instance keeps what values leaves out.
func (s *Server) Update(t workspace.T, endpoint, path string, f lwm2m.Format, v Values) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "update", Path: path, Format: f, Values: v})
}

// Create makes an instance: of the ID in path "/3442/7", or for path "/3442" of one that the client chooses, for which Leshan knows no
// format but TLV.
func (s *Server) Create(t workspace.T, endpoint, path string, f lwm2m.Format, v Values) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "create", Path: path, Format: f, Values: v})
}

// Delete deletes an instance.
func (s *Server) Delete(t workspace.T, endpoint, path string) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "delete", Path: path, Format: AnyFormat})
}

// Execute executes a resource, with arguments such as "0='x',1" or none.
func (s *Server) Execute(t workspace.T, endpoint, path, arguments string) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "execute", Path: path, Format: AnyFormat, Arguments: arguments})
}

// Discover asks what there is below a path, with attributes.
func (s *Server) Discover(t workspace.T, endpoint, path string) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "discover", Path: path, Format: AnyFormat})
}

// Composite performs read-composite, observe-composite, write-composite or cancel-composite (of the only one); paths and answer are in the
// format. The demo server knows none of them.
func (s *Server) Composite(t workspace.T, endpoint, op string, f lwm2m.Format, v Values, paths ...string) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: op + "-composite", Path: "/", Format: f, Values: v, Paths: paths})
}

// WriteAttributes sets the attributes of a path: "pmin=1&pmax=5", a name alone unsets one.
func (s *Server) WriteAttributes(t workspace.T, endpoint, path, attributes string) Answer {
	t.Helper()
	return s.Do(t, Request{Endpoint: endpoint, Op: "attributes", Path: path, Format: AnyFormat, Attributes: attributes})
}

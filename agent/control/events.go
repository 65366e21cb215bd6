package control

import (
	"net/http"
	"time"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The kinds of events.
const (
	EventValue        = "value"        // a value is, or has become, this
	EventTree         = "tree"         // a place has come or gone, or is not there when the stream begins
	EventRegistration = "registration" // an account's state has changed
	EventBootstrap    = "bootstrap"    // the bootstrap has gone on, or is wanted
	EventFirmware     = "firmware"     // the update of the firmware has gone on
	EventHealth       = "health"       // a trouble was set or cleared
	EventLost         = "lost"         // changes were missed; all values follow anew
)

// Event is one line of GET /v1/events. Which fields it has depends on its kind.
type Event struct {
	Event string `json:"event"`

	Path    string    `json:"path,omitempty"`    // value, tree
	Name    string    `json:"name,omitempty"`    // value
	Type    string    `json:"type,omitempty"`    // value
	Value   any       `json:"value,omitempty"`   // value; missing if it is null
	Unit    string    `json:"unit,omitempty"`    // value
	Time    time.Time `json:"time,omitzero"`     // value
	Quality string    `json:"quality,omitempty"` // value

	Change  string   `json:"change,omitempty"`  // tree: "created", "deleted", "missing"; health: "set", "cleared"
	Server  *Server  `json:"server,omitempty"`  // registration
	Trouble *Trouble `json:"trouble,omitempty"` // health

	Bootstrap *Bootstrap `json:"bootstrap,omitempty"` // bootstrap: as in a Status
	Firmware  *Firmware  `json:"firmware,omitempty"`  // firmware: as in a Status
}

// events streams what happens until the client goes, does not keep up, or the
// agent ends.
func (h *handler) events(w http.ResponseWriter, r *http.Request) error {
	paths, err := h.paths(r)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if _, err := h.backend.Readings(p); err != nil && lwm2m.CodeOf(err) != lwm2m.NotFound {
			return err // nothing would ever come
		}
	}
	end, err := h.beginStream()
	if err != nil {
		return err
	}
	defer end()
	sub := h.backend.Subscribe(paths)
	defer sub.Close()
	s := stream{handler: h, lines: beginLines(w), paths: paths}
	s.begin()
	for s.send() {
		select {
		case <-sub.Wake():
			s.happened(sub.Take())
		case <-r.Context().Done():
			return nil
		case <-h.done:
			return nil
		}
	}
	return nil
}

// beginStream takes one of the few places that streams have.
func (h *handler) beginStream() (end func(), err error) {
	select {
	case h.streams <- struct{}{}:
		return func() { <-h.streams }, nil
	default:
		return nil, lwm2m.Errorf(lwm2m.ServiceUnavailable, "%d event streams are open already", maxStreams)
	}
}

// stream is one client of the events.
type stream struct {
	*handler
	lines
	paths   []lwm2m.Path
	pending []Event
}

// send sends what is pending and reports whether that worked.
func (s *stream) send() bool {
	sent := sendLines(s.lines, s.pending)
	s.pending = s.pending[:0]
	return sent
}

func (s *stream) add(e Event) { s.pending = append(s.pending, e) }

// begin adds how things stand: accounts, troubles, values, and paths where nothing is yet.
func (s *stream) begin() {
	status := s.backend.Status()
	for _, server := range status.Servers {
		s.add(Event{Event: EventRegistration, Server: shown(server)})
	}
	if status.Bootstrap != nil {
		s.add(Event{Event: EventBootstrap, Bootstrap: status.Bootstrap})
	}
	if status.Firmware != nil {
		s.add(Event{Event: EventFirmware, Firmware: status.Firmware})
	}
	for _, t := range s.backend.Health() {
		s.add(Event{Event: EventHealth, Change: "set", Trouble: trouble(t)})
	}
	s.current()
	for _, p := range s.paths {
		if _, err := s.backend.Readings(p); err != nil {
			s.add(Event{Event: EventTree, Change: "missing", Path: p.String()})
		}
	}
}

// current adds the values below the paths. A path that has none yet is no error.
func (s *stream) current() {
	for _, p := range s.paths {
		readings, err := s.backend.Readings(p)
		if err != nil {
			continue
		}
		for _, r := range readings {
			s.reading(r)
		}
	}
}

func (s *stream) reading(r model.Reading) {
	v := s.value(r)
	s.add(Event{Event: EventValue, Path: v.Path, Name: v.Name, Type: v.Type, Value: v.Value, Unit: v.Unit, Time: v.Time, Quality: v.Quality})
}

func (s *stream) happened(what Happened) {
	for _, server := range what.Servers {
		s.add(Event{Event: EventRegistration, Server: shown(server)})
	}
	if what.Bootstrap != nil {
		s.add(Event{Event: EventBootstrap, Bootstrap: what.Bootstrap})
	}
	for _, c := range what.Health {
		change := "cleared"
		if c.Set {
			change = "set"
		}
		s.add(Event{Event: EventHealth, Change: change, Trouble: trouble(c.Trouble)})
	}
	if what.Firmware != nil {
		s.add(Event{Event: EventFirmware, Firmware: what.Firmware})
	}
	if what.Lost {
		s.add(Event{Event: EventLost})
		s.current()
		return
	}
	for _, c := range what.Changes {
		s.change(c)
	}
}

// change adds a change of the tree. Values that a local user may not read stay
// inside, so each is read anew.
func (s *stream) change(c model.Change) {
	switch c.Kind {
	case model.Created:
		s.add(Event{Event: EventTree, Change: "created", Path: c.Path.String()})
	case model.Deleted:
		s.add(Event{Event: EventTree, Change: "deleted", Path: c.Path.String()})
	case model.Valued:
		if readings, err := s.backend.Readings(c.Path); err == nil && len(readings) == 1 {
			r := readings[0]
			r.Value, r.Time, r.Quality = c.Value, c.Time, c.Quality
			s.reading(r)
		}
	}
}

func trouble(t health.Trouble) *Trouble {
	return &Trouble{
		Code: string(t.Code), Severity: t.Severity.String(), Text: t.Text, Subject: t.Subject, On: t.On,
		Detail: t.Detail, Remedy: t.Remedy, Since: inUTC(t.Since),
	}
}

func (h *handler) troubles() []Trouble { return Troubles(h.backend) }

// Troubles lists what is wrong now, as GET /v1/health does.
func Troubles(b Backend) []Trouble {
	troubles := b.Health()
	list := make([]Trouble, len(troubles))
	for i, t := range troubles {
		list[i] = *trouble(t)
	}
	return list
}

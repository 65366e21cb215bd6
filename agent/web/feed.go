package web

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/lwm2m"
)

// Message is one CoAP message on the wire, decoded for the side panel.
type Message struct {
	Time      time.Time `json:"time"`
	Sent      bool      `json:"sent"`      // by the board
	Operation string    `json:"operation"` // of LwM2M, in words: "Write", "Notify"; "" if none is known
	Answer    bool      `json:"answer"`    // to the operation
	Type      string    `json:"type"`      // CON, NON, ACK, RST
	Code      string    `json:"code"`      // "GET", "2.05"
	ID        uint16    `json:"id"`
	Token     string    `json:"token"`
	Path      string    `json:"path"` // of an answer that of its request, if known
	Query     string    `json:"query"`
	Options   string    `json:"options"` // the others, in words
	Format    string    `json:"format"`
	Values    []Value   `json:"values,omitempty"`
	Text      string    `json:"text,omitempty"` // a payload that is no list of values
	Size      int       `json:"size"`           // of the datagram, in bytes
	Protected bool      `json:"protected"`      // travelled inside DTLS
}

// Feed sends what happens to every open page as server-sent events. The zero
// Feed is ready; a page that does not keep up misses events rather than hold
// up the board.
type Feed struct {
	// Now gives the time of values for the charts; nil is time.Now.
	Now func() time.Time

	history history
	turns   atomic.Int64 // taken so far

	mu       sync.Mutex
	closed   bool
	readers  map[chan []byte]struct{}
	audience chan struct{}
}

// feedBuffer is how many events may wait for one page.
const feedBuffer = 512

func (f *Feed) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// turn orders what a page is told: answers to its requests and events come by
// different ways and may overtake each other. A request takes its turn when it
// begins, since what it brings may be as old as that.
func (f *Feed) turn() int64 { return f.turns.Add(1) }

// valuesEvent is the data of the event of that name.
type valuesEvent struct {
	Turn   int64   `json:"turn"`
	Values []Value `json:"values"`
}

// registrationEvent is the data of the event of that name.
type registrationEvent struct {
	Turn int64 `json:"turn"`
	Registration
}

// troublesEvent is the data of the event of that name.
type troublesEvent struct {
	Turn     int64             `json:"turn"`
	Troubles []control.Trouble `json:"troubles"`
}

// observedEvent is the data of the event of that name.
type observedEvent struct {
	Turn  int64        `json:"turn"`
	Paths []lwm2m.Path `json:"paths"`
}

// Values tells of new values. Numbers among them are remembered for the charts
// of pages to come.
func (f *Feed) Values(nodes []lwm2m.Node) {
	turn := f.turn()
	f.history.add(nodes, f.now())
	if f.Watched() {
		f.send("values", valuesEvent{turn, valuesOf(nodes)})
	}
}

// Registration tells that the registration has changed.
func (f *Feed) Registration(r Registration) {
	f.send("registration", registrationEvent{f.turn(), r})
}

// Troubles tells what is wrong with the gateway now, the gravest first.
func (f *Feed) Troubles(now []control.Trouble) {
	f.send("troubles", troublesEvent{f.turn(), append([]control.Trouble{}, now...)})
}

// Objects tells that objects or instances came or went.
func (f *Feed) Objects() { f.send("objects", struct{}{}) }

// Observed tells which paths are observed.
func (f *Feed) Observed(paths []lwm2m.Path) {
	f.send("observed", observedEvent{f.turn(), sorted(paths)})
}

// Note tells a person something in a sentence.
func (f *Feed) Note(text string) { f.send("note", text) }

// Message tells of a message on the wire.
func (f *Feed) Message(m *Message) { f.send("message", m) }

// Watched reports whether a page is open: what nobody would see need not be
// prepared.
func (f *Feed) Watched() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers) > 0
}

// Audience returns a channel that receives when the first page was opened or the
// last one closed; Watched says which.
func (f *Feed) Audience() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.change()
}

// change returns the channel of Audience. mu is held.
func (f *Feed) change() chan struct{} {
	if f.audience == nil {
		f.audience = make(chan struct{}, 1)
	}
	return f.audience
}

// changed tells that there are pages now, or none any more. mu is held.
func (f *Feed) changed() {
	select {
	case f.change() <- struct{}{}:
	default: // the same channel says so already
	}
}

func (f *Feed) send(event string, data any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.readers) == 0 {
		return
	}
	body, err := json.Marshal(data)
	if err != nil {
		return // cannot happen: nothing here has a value that JSON does not know
	}
	line := append(append(append(append([]byte("event: "), event...), "\ndata: "...), body...), "\n\n"...)
	for ch := range f.readers {
		select {
		case ch <- line:
		default:
		}
	}
}

// Close tells every page that this is the end and ends its event stream.
func (f *Feed) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for ch := range f.readers {
		close(ch)
		delete(f.readers, ch)
	}
	return nil
}

func (f *Feed) open() (chan []byte, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, false
	}
	if f.readers == nil {
		f.readers = make(map[chan []byte]struct{})
	}
	ch := make(chan []byte, feedBuffer)
	f.readers[ch] = struct{}{}
	if len(f.readers) == 1 {
		f.changed()
	}
	return ch, true
}

func (f *Feed) forget(ch chan []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, ch)
	if len(f.readers) == 0 {
		f.changed()
	}
}

// ServeHTTP streams the events to one page.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ch, ok := f.open()
	if !ok {
		http.Error(w, "the program is ending", http.StatusServiceUnavailable)
		return
	}
	defer f.forget(ch)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	write := func(text []byte) bool {
		_, err := w.Write(text)
		return err == nil && out.Flush() == nil
	}
	for more := write([]byte(": open\n\n")); more; {
		select {
		case line, ok := <-ch:
			if !ok {
				write([]byte("event: end\ndata: {}\n\n"))
				return
			}
			more = write(line)
		case <-r.Context().Done():
			return
		}
	}
}

package web

import (
	"encoding/json"
	"net/http"
	"sync"

	"lwm2m-agent/lwm2m"
)

// Message is one CoAP message on the wire, decoded for the side panel.
type Message struct {
	Time      string  `json:"time"` // RFC 3339
	Sent      bool    `json:"sent"` // by the board
	Type      string  `json:"type"` // CON, NON, ACK, RST
	Code      string  `json:"code"` // "GET", "2.05"
	ID        uint16  `json:"id"`
	Token     string  `json:"token"`
	Path      string  `json:"path"`
	Query     string  `json:"query"`
	Options   string  `json:"options"` // the others, in words
	Format    string  `json:"format"`
	Values    []Value `json:"values,omitempty"`
	Text      string  `json:"text,omitempty"` // a payload that is no list of values
	Size      int     `json:"size"`           // of the datagram, in bytes
	Protected bool    `json:"protected"`      // travelled inside DTLS
}

// Feed sends what happens to every open page as server-sent events. The zero
// Feed is ready; a page that does not keep up misses events rather than hold
// up the board.
type Feed struct {
	mu      sync.Mutex
	closed  bool
	readers map[chan []byte]struct{}
}

// feedBuffer is how many events may wait for one page.
const feedBuffer = 512

// Values tells of new values.
func (f *Feed) Values(nodes []lwm2m.Node) { f.send("values", valuesOf(nodes)) }

// Registration tells that the registration has changed.
func (f *Feed) Registration(r Registration) { f.send("registration", r) }

// Objects tells that objects or instances came or went.
func (f *Feed) Objects() { f.send("objects", struct{}{}) }

// Message tells of a message on the wire.
func (f *Feed) Message(m Message) { f.send("message", m) }

func (f *Feed) send(event string, data any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.readers) == 0 {
		return
	}
	body, err := json.Marshal(data)
	if err != nil {
		return // only a float that is no number, which no page can show
	}
	line := append(append(append(append([]byte("event: "), event...), "\ndata: "...), body...), "\n\n"...)
	for ch := range f.readers {
		select {
		case ch <- line:
		default:
		}
	}
}

// Close ends all event streams.
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
	return ch, true
}

func (f *Feed) forget(ch chan []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, ch)
}

// ServeHTTP streams the events to one page.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ch, ok := f.open()
	if !ok {
		http.Error(w, "the demo is ending", http.StatusServiceUnavailable)
		return
	}
	defer f.forget(ch)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	if _, err := w.Write([]byte(": open\n\n")); err != nil || out.Flush() != nil {
		return
	}
	for {
		select {
		case line, ok := <-ch:
			if !ok {
				return
			}
			if _, err := w.Write(line); err != nil || out.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

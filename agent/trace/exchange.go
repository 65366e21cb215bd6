package trace

import (
	"container/list"
	"slices"
	"strings"
	"sync"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// Exchanges remembers requests for the messages that answer them, which name
// neither path nor operation. The zero value is ready; all methods may be called
// from any goroutine.
type Exchanges struct {
	mu       sync.Mutex
	entries  map[exchangeKey]*list.Element
	order    list.List            // of *exchange, the latest in front
	observed map[coap.Token]About // by the peer, from before the first message; has no bound of its own
}

// mostExchanges bounds the requests that are remembered. Those whose answers
// still come, such as observations, stay.
const mostExchanges = 512

// exchangeKey tells exchanges apart: both ends choose tokens for themselves.
type exchangeKey struct {
	token  coap.Token
	byPeer bool
}

type exchange struct {
	key      exchangeKey
	about    About
	answered bool
}

// About is what a message is about; zero if it is not known.
type About struct {
	Path      string // of the request
	Operation string // of LwM2M, in words: "Write", "Notify"
}

// Note takes up a message that this end has sent or received, and returns what it is about.
func (e *Exchanges) Note(m *coap.Message, sent bool) About {
	switch {
	case m.Code.IsRequest():
		return e.request(m, sent)
	case m.Code.IsResponse():
		return e.response(m, sent)
	}
	return About{Operation: empty(m)}
}

// Observed takes up requests of the peer that were answered before the first message
// was seen, and that notifications still answer.
func (e *Exchanges) Observed(requests []*coap.Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observed = make(map[coap.Token]About, len(requests))
	for _, m := range requests {
		e.observed[m.Token] = About{m.Path(), Notify}
	}
}

func (e *Exchanges) request(m *coap.Message, sent bool) About {
	x := &exchange{key: exchangeKey{m.Token, !sent}, about: About{m.Path(), operation(m, sent)}}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.entries == nil {
		e.entries = make(map[exchangeKey]*list.Element)
	}
	if old := e.entries[x.key]; old != nil {
		e.order.Remove(old)
	}
	e.entries[x.key] = e.order.PushFront(x)
	if e.order.Len() > mostExchanges {
		oldest := e.order.Remove(e.order.Back()).(*exchange) // the list holds nothing else
		delete(e.entries, oldest.key)
	}
	return x.about
}

func (e *Exchanges) response(m *coap.Message, sent bool) About {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, observed := m.Observe()
	element := e.entries[exchangeKey{m.Token, sent}]
	switch {
	case element != nil:
	case sent && observed:
		return e.observed[m.Token]
	default:
		return About{}
	}
	e.order.MoveToFront(element)
	x := element.Value.(*exchange) // the list holds nothing else
	out := x.about
	if observed && x.answered {
		out.Operation = Notify
	}
	x.answered = true
	return out
}

// The operations that have a part in how a message is shown.
const (
	Execute = "Execute"
	Notify  = "Notify"
	create  = "Create"
	send    = "Send"
	asking  = "Bootstrap-Request"
)

// empty is what a message without code does (RFC 7252, section 4).
func empty(m *coap.Message) string {
	switch m.Type {
	case coap.ACK:
		return "Acknowledgement"
	case coap.RST:
		return "Reset"
	case coap.CON:
		return "Ping"
	case coap.NON:
	}
	return ""
}

// operation is what a request does in the terms of LwM2M (Transport, section
// 6.4): of the client interfaces if the board sent it, else of device management
// and information reporting.
func operation(m *coap.Message, sent bool) string {
	if sent {
		return clientOperation(m)
	}
	observe, observes := m.Observe()
	switch method := m.Code; {
	case method == coap.GET:
		accept, _ := m.Accept()
		return reading(observes, observe, lwm2m.Format(accept) == lwm2m.FormatLink, "Read", "Observe", "Cancel Observation")
	case method == coap.FETCH:
		return reading(observes, observe, false, "Read-Composite", "Observe-Composite", "Cancel Observation-Composite")
	case method == coap.PUT && len(m.Payload) == 0 && len(m.Queries()) > 0:
		return "Write-Attributes"
	case method == coap.PUT:
		return "Write"
	case method == coap.POST:
		return posting(m)
	case method == coap.IPATCH:
		return "Write-Composite"
	case method == coap.DELETE:
		return "Delete"
	}
	return ""
}

func reading(observes bool, observe uint32, links bool, read, begin, end string) string {
	switch {
	case observes && observe == 0:
		return begin
	case observes:
		return end
	case links:
		return "Discover"
	}
	return read
}

// posting tells Create, partial Write and Execute apart: by the level of the
// path, and by the format, since Execute has Plain Text or no payload.
func posting(m *coap.Message) string {
	segments := m.PathSegments()
	format, known := m.ContentFormat()
	switch {
	case len(segments) == 1 && segments[0] == "bs":
		return "Bootstrap-Finish"
	case len(segments) == 1:
		return create
	case len(segments) == 3 && (!known || lwm2m.Format(format) == lwm2m.FormatText):
		return Execute
	}
	return "Write"
}

func clientOperation(m *coap.Message) string {
	segments := m.PathSegments()
	at := strings.Join(segments[:min(len(segments), 1)], "")
	switch {
	case at == "rd" && len(segments) == 1:
		return "Register"
	case at == "rd" && m.Code == coap.DELETE:
		return "Deregister"
	case at == "rd":
		return "Update"
	case at == "dp":
		return send
	case slices.Contains([]string{"bs", "bspack"}, at):
		return asking
	}
	return ""
}

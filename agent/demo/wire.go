package demo

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// Decoder makes the messages that the agent sends and receives readable.
type Decoder struct {
	Feed      *web.Feed
	Shapes    lwm2m.Shapes
	Protected bool // they travel inside DTLS
	Now       func() time.Time

	mu       sync.Mutex
	requests map[coap.Token]string // the path that an answer with the token is about
	order    []coap.Token
}

// mostRequests bounds the requests that are remembered for their answers.
const mostRequests = 256

// mostText is how much of a payload that is no list of values is shown, in bytes.
const mostText = 512

// Trace takes a datagram as the agent sends or receives it.
func (d *Decoder) Trace(_ uint16, direction coap.Direction, datagram []byte) {
	m, err := coap.Parse(datagram)
	if err != nil {
		return // rejected by the message layer, which counts it
	}
	out := web.Message{
		Time: d.Now().UTC().Format("2006-01-02T15:04:05.000Z"), Sent: direction == coap.Sent, Type: m.Type.String(),
		Code: m.Code.String(), ID: m.ID, Token: m.Token.String(), Query: strings.Join(m.Queries(), "&"),
		Options: options(m), Size: len(datagram), Protected: d.Protected,
	}
	base := d.about(m)
	if m.Code.IsRequest() {
		out.Path = m.Path()
	}
	d.payload(&out, m, base)
	d.Feed.Message(out)
}

// about returns the path that a message is about.
func (d *Decoder) about(m *coap.Message) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !m.Code.IsRequest() {
		return d.requests[m.Token]
	}
	if d.requests == nil {
		d.requests = make(map[coap.Token]string)
	}
	if _, known := d.requests[m.Token]; !known {
		d.order = append(d.order, m.Token)
	}
	d.requests[m.Token] = m.Path()
	if len(d.order) > mostRequests {
		delete(d.requests, d.order[0])
		d.order = d.order[1:]
	}
	return m.Path()
}

func (d *Decoder) payload(out *web.Message, m *coap.Message, base string) {
	if len(m.Payload) == 0 {
		return
	}
	if format, ok := m.ContentFormat(); ok {
		out.Format = lwm2m.Format(format).String()
		if p, err := lwm2m.ParsePath(base); err == nil && !partial(m) {
			if nodes, err := wire.Decode(lwm2m.Format(format), m.Payload, p, d.Shapes); err == nil {
				for _, n := range nodes {
					out.Values = append(out.Values, web.ValueOf(n))
				}
				return
			}
		}
	}
	text := m.Payload
	if len(text) > mostText {
		text = text[:mostText]
	}
	if utf8.Valid(text) {
		out.Text = string(text)
	} else {
		out.Text = fmt.Sprintf("% x", text)
	}
}

// partial reports whether the payload is one block of several.
func partial(m *coap.Message) bool {
	one, hasOne := m.Block1()
	two, hasTwo := m.Block2()
	return hasOne && (one.More || one.Number > 0) || hasTwo && (two.More || two.Number > 0)
}

// options are a message's options that the panel has no column for.
func options(m *coap.Message) string {
	var out []string
	if n, ok := m.Observe(); ok {
		out = append(out, fmt.Sprintf("Observe %d", n))
	}
	if f, ok := m.Accept(); ok {
		out = append(out, "Accept "+lwm2m.Format(f).String())
	}
	if b, ok := m.Block1(); ok {
		out = append(out, "Block1 "+b.String())
	}
	if b, ok := m.Block2(); ok {
		out = append(out, "Block2 "+b.String())
	}
	if l := m.LocationPath(); l != "" {
		out = append(out, "Location "+l)
	}
	return strings.Join(out, " ")
}

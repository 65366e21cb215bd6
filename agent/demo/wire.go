package demo

import (
	"fmt"
	"strings"
	"time"

	"lwm2m-agent/agent/trace"
	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// Decoder makes the messages that the agent sends and receives readable. While
// no page is open it does next to nothing.
type Decoder struct {
	Feed      *web.Feed
	Shapes    lwm2m.Shapes
	Protected bool // they travel inside DTLS
	Now       func() time.Time

	exchanges trace.Exchanges
}

// Bounds of what is shown of one payload: bytes of one that is no list of
// values, values of one that is.
const (
	mostText   = 512
	mostValues = 256
)

// Trace takes a datagram as the agent sends or receives it.
func (d *Decoder) Trace(direction coap.Direction, datagram []byte) {
	watched := d.Feed.Watched()
	if !watched && !isRequest(datagram) {
		return
	}
	m, err := coap.Parse(datagram)
	if err != nil {
		return // the message layer refuses it, too, and counts it
	}
	// Requests are taken note of in any case: a page that is opened later sees
	// the notifications that they asked for.
	sent := direction == coap.Sent
	about := d.exchanges.Note(m, sent)
	if !watched {
		return
	}
	out := web.Message{
		Time: d.Now(), Sent: sent, Operation: about.Operation, Answer: m.Code.IsResponse() && about.Operation != trace.Notify, Type: m.Type.String(),
		Code: trace.CodeOf(m), ID: m.ID, Token: m.Token.String(), Path: about.Path, Query: strings.Join(m.Queries(), "&"),
		Options: trace.Options(m), Size: len(datagram), Protected: d.Protected,
	}
	d.payload(&out, m)
	d.Feed.Message(&out)
}

// isRequest looks at the code only: class 0, not 0.00 (RFC 7252, section 3).
func isRequest(datagram []byte) bool {
	return len(datagram) >= 4 && datagram[1] != 0 && datagram[1]>>5 == 0
}

func (d *Decoder) payload(out *web.Message, m *coap.Message) {
	if len(m.Payload) == 0 {
		return
	}
	format, known := m.ContentFormat()
	if known {
		out.Format = lwm2m.Format(format).String()
	}
	if known && !trace.Partial(m) && d.values(out, lwm2m.Format(format), m.Payload) {
		return
	}
	text, more := m.Payload, ""
	if len(text) > mostText {
		text, more = text[:mostText], " …"
	}
	if trace.Printable(text) {
		out.Text = strings.ToValidUTF8(string(text), "") + more
	} else {
		out.Text = fmt.Sprintf("% x", text) + more
	}
}

// values decodes a list of values. What is executed, or is no answer of
// content, has none.
func (d *Decoder) values(out *web.Message, format lwm2m.Format, payload []byte) bool {
	if out.Operation == trace.Execute || strings.HasPrefix(out.Code, "4.") || strings.HasPrefix(out.Code, "5.") {
		return false
	}
	base, err := lwm2m.ParsePath(out.Path)
	if err != nil {
		return false
	}
	nodes, err := wire.Decode(format, payload, base, d.Shapes)
	if err != nil {
		return false
	}
	for _, n := range nodes[:min(len(nodes), mostValues)] {
		out.Values = append(out.Values, web.ValueOf(n))
	}
	if more := len(nodes) - mostValues; more > 0 {
		out.Text = fmt.Sprintf("and %d more", more)
	}
	return true
}

package trace

import (
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

// Message is a message in words. Fields that say nothing of it are empty.
type Message struct {
	Time          time.Time `json:"time"`
	ShortServerID uint16    `json:"short_server_id"` // 0: of the bootstrap server
	Sent          bool      `json:"sent"`            // by the agent
	Transport     string    `json:"transport"`       // "udp" or "tcp", with or without security above it
	Local         string    `json:"local"`           // addresses with ports
	Remote        string    `json:"remote"`
	Type          string    `json:"type,omitempty"` // CON, NON, ACK, RST; none over TCP
	Code          string    `json:"code,omitempty"` // "GET", "2.05 Content"
	ID            uint16    `json:"id,omitempty"`   // message ID; none over TCP
	Token         string    `json:"token,omitempty"`
	Operation     string    `json:"operation,omitempty"` // of LwM2M, in words: "Write", "Notify"
	Path          string    `json:"path,omitempty"`      // of a response that of its request
	Name          string    `json:"name,omitempty"`      // the path by name: "/temperature/0/sensor-value"
	Query         string    `json:"query,omitempty"`
	Options       string    `json:"options,omitempty"` // the others, in words
	Format        string    `json:"format,omitempty"`  // of the payload
	Values        []Value   `json:"values,omitempty"`
	Text          string    `json:"text,omitempty"`     // a payload that is no list of values; "..." behind what is cut
	Hidden        bool      `json:"hidden,omitempty"`   // some of the payload is not shown
	Size          int       `json:"size"`               // of the message, in bytes
	Datagram      string    `json:"datagram,omitempty"` // the message in Base64, over TCP as one over UDP; what is hidden is replaced
	Lost          uint64    `json:"lost,omitempty"`     // so many messages before it are missing: whoever listens was too slow
}

// Value is one value of a payload.
type Value struct {
	Path  string    `json:"path"`
	Name  string    `json:"name,omitempty"` // the path by name
	Value string    `json:"value"`          // in words, with its unit; "***" if it is hidden
	Time  time.Time `json:"time,omitzero"`  // of the value, where the payload says it
}

// Decoder makes messages readable. One listener uses it.
type Decoder struct {
	Definition func(oid uint16) *model.Definition // nil: there is none
	Name       func(p lwm2m.Path) string          // the path by name

	exchanges map[uint16]*Exchanges // by Short Server ID
}

// Observed takes up what a server has observed before the first message.
func (d *Decoder) Observed(shortServerID uint16, requests []*coap.Message) {
	d.with(shortServerID).Observed(requests)
}

// with returns the exchanges with a server.
func (d *Decoder) with(shortServerID uint16) *Exchanges {
	if d.exchanges == nil {
		d.exchanges = make(map[uint16]*Exchanges)
	}
	e := d.exchanges[shortServerID]
	if e == nil {
		e = new(Exchanges)
		d.exchanges[shortServerID] = e
	}
	return e
}

// Object implements model.Definitions.
func (d *Decoder) Object(oid uint16) (*model.Definition, bool) {
	def := d.Definition(oid)
	return def, def != nil
}

func (d *Decoder) decode(n *note) Message {
	out := Message{
		Time: n.at.UTC(), ShortServerID: n.over.ShortServerID, Sent: n.sent, Transport: "udp",
		Local: address(n.over.Local), Remote: address(n.over.Remote), Size: len(n.datagram), Lost: n.lost,
	}
	m, err := coap.Parse(n.datagram)
	if err != nil {
		out.Text = fmt.Sprintf("%d bytes that are no message: %v", len(n.datagram), err)
		return out
	}
	out.Type, out.ID = m.Type.String(), m.ID
	if n.over.Stream {
		out.Transport, out.Type, out.ID = "tcp", "", 0
	}
	about := d.with(n.over.ShortServerID).Note(m, n.sent)
	out.Code, out.Token, out.Operation, out.Path = CodeOf(m), m.Token.String(), about.Operation, about.Path
	out.Query, out.Options = strings.Join(m.Queries(), "&"), Options(m)
	if p, err := lwm2m.ParsePath(about.Path); err == nil && !p.IsRoot() {
		out.Name = d.Name(p)
	}
	if f, ok := m.ContentFormat(); ok && len(m.Payload) > 0 {
		out.Format = lwm2m.Format(f).String()
	}
	shown := n.datagram
	if len(m.Payload) > 0 {
		if replaced := d.payload(&out, m, n.sent); replaced != nil {
			shown, out.Hidden = replaced, true
		}
	}
	out.Datagram = base64.StdEncoding.EncodeToString(shown)
	return out
}

func address(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// payload puts the payload in words. If there is something to hide in it, it returns the
// message without it.
func (d *Decoder) payload(out *Message, m *coap.Message, sent bool) (replaced []byte) {
	format, known := m.ContentFormat()
	f := lwm2m.Format(format)
	base, located := place(out, m)
	switch { // links are what the agent says of its tree; what a server calls so may be anything
	case m.Code.Class() >= 4 || sent && f == lwm2m.FormatLink && known || out.Operation == Execute && !d.hides(base):
		out.Text = short(m.Payload)
		return nil
	case m.Code == coap.FETCH:
		if paths, err := wire.DecodePaths(f, m.Payload); err == nil {
			out.Text = listed(paths)
			return nil
		}
	case known && !Partial(m) && (located || namesPaths(f)):
		if nodes, err := d.nodes(f, m.Payload, base, out.Operation); err == nil {
			return d.values(out, m, base, nodes)
		}
	}
	if d.mayHide(base, located, sent) {
		out.Text = fmt.Sprintf("%s (%d bytes)", hidden, len(m.Payload))
		return blank(m)
	}
	out.Text = short(m.Payload)
	return nil
}

// place returns where the payload of a message lies in the tree, the root if it names
// its paths itself, and false if that is not known.
func place(out *Message, m *coap.Message) (base lwm2m.Path, located bool) {
	switch {
	case out.Operation == send, m.Code == coap.IPATCH, out.Operation == asking:
		return lwm2m.Path{}, true
	case out.Path == "":
		return lwm2m.Path{}, false
	}
	p, err := lwm2m.ParsePath(out.Path)
	return p, err == nil
}

// namesPaths reports whether a format says by itself where its values lie.
func namesPaths(f lwm2m.Format) bool {
	switch f {
	case lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR, lwm2m.FormatSenMLETCHJSON, lwm2m.FormatSenMLETCHCBOR:
		return true
	default:
		return false
	}
}

// nodes decodes a list of values. An instance that a Create leaves open is shown as 0.
func (d *Decoder) nodes(f lwm2m.Format, payload []byte, base lwm2m.Path, operation string) ([]lwm2m.Node, error) {
	if operation == create {
		nodes, _, err := wire.DecodeCreate(f, payload, base, 0, model.Shapes(d))
		return nodes, err
	}
	return wire.Decode(f, payload, base, model.Shapes(d))
}

// Bounds of what is shown of one payload.
const (
	mostValues = 256
	mostText   = 256 // bytes of what is no list of values, and of one value
	mostHex    = 32  // bytes of what is no text
)

// values puts values in words, and returns the message without what is to be hidden, nil
// if that is nothing.
func (d *Decoder) values(out *Message, m *coap.Message, base lwm2m.Path, nodes []lwm2m.Node) (replaced []byte) {
	secrets := false
	for i := range nodes {
		n := &nodes[i]
		hide := d.secret(n)
		if hide {
			n.Value, secrets = without(n.Value), true
		}
		if i < mostValues {
			out.Values = append(out.Values, Value{Path: n.Path.String(), Name: d.Name(n.Path), Value: d.inWords(n, hide), Time: n.Time})
		}
	}
	if more := len(nodes) - mostValues; more > 0 {
		out.Text = fmt.Sprintf("and %d more", more)
	}
	if !secrets {
		return nil
	}
	return rewritten(m, out.Operation, base, nodes)
}

func (d *Decoder) inWords(n *lwm2m.Node, hide bool) string {
	switch {
	case hide:
		return hidden
	case n.Value.IsZero():
		return "(nothing)"
	case n.Value.Type() == lwm2m.TypeOpaque:
		return fmt.Sprintf("%s (%d bytes)", hex(n.Value.Bytes()), n.Value.Len())
	case n.Value.Type() == lwm2m.TypeBoolean:
		return strconv.FormatBool(n.Value.Bool())
	case n.Value.Type() == lwm2m.TypeTime:
		return n.Value.Time().UTC().Format(time.RFC3339)
	}
	text := cut(n.Value.String())
	if n.Value.Type() == lwm2m.TypeFloat {
		text = strconv.FormatFloat(n.Value.Float(), 'g', 9, 64) // no more digits than a sensor has
	}
	if r := d.resource(n.Path); r != nil && r.Unit != "" {
		text += " " + r.Unit
	}
	return text
}

func listed(paths []lwm2m.Path) string {
	var b strings.Builder
	for _, p := range paths {
		b.WriteString(" " + p.String())
	}
	return cut(strings.TrimPrefix(b.String(), " "))
}

// short returns the beginning of a payload, as text if it is text.
func short(payload []byte) string {
	if len(payload) > mostText && Printable(payload[:mostText]) || Printable(payload) {
		return cut(string(payload))
	}
	return fmt.Sprintf("%s (%d bytes)", hex(payload), len(payload))
}

const more = " ..."

func cut(text string) string {
	if len(text) > mostText {
		return strings.ToValidUTF8(text[:mostText], "") + more
	}
	return text
}

func hex(b []byte) string {
	if len(b) > mostHex {
		return fmt.Sprintf("% x", b[:mostHex]) + more
	}
	return fmt.Sprintf("% x", b)
}

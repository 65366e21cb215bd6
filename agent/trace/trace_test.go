package trace

import (
	"encoding/base64"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func now() time.Time { return noon }

// definitions are a few objects, as the registry has them.
var definitions = map[uint16]*model.Definition{
	0: {ID: 0, Resources: []model.ResourceDefinition{
		{ID: 0, Name: "LWM2M Server URI", Type: lwm2m.TypeString},
		{ID: 3, Name: "Public Key or Identity", Type: lwm2m.TypeOpaque},
		{ID: 5, Name: "Secret Key", Type: lwm2m.TypeOpaque},
		{ID: 10, Name: "Short Server ID", Type: lwm2m.TypeInteger},
	}},
	3: {ID: 3, Resources: []model.ResourceDefinition{
		{ID: 0, Name: "Manufacturer", Ops: model.OpRead, Type: lwm2m.TypeString},
		{ID: 4, Name: "Reboot", Ops: model.OpExecute},
		{ID: 13, Name: "Current Time", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeTime},
	}},
	5: {ID: 5, Resources: []model.ResourceDefinition{
		{ID: 0, Name: "Package", Ops: model.OpWrite, Type: lwm2m.TypeOpaque}, {ID: 1, Name: "Package URI", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeString},
	}},
	11: {ID: 11, Resources: []model.ResourceDefinition{
		{ID: 0, Name: "Profile name", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeString}, {ID: 6, Name: "Secret", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeString},
	}},
	21: {ID: 21, Resources: []model.ResourceDefinition{{ID: 0, Name: "OSCORE Master Secret", Type: lwm2m.TypeOpaque}}},
	3303: {ID: 3303, Resources: []model.ResourceDefinition{
		{ID: 5700, Name: "Sensor Value", Ops: model.OpRead, Type: lwm2m.TypeFloat, Unit: "Cel"},
	}},
	26241: {ID: 26241, Resources: []model.ResourceDefinition{
		{ID: 0, Name: "Active", Ops: model.OpRead, Type: lwm2m.TypeString},
		{ID: 1, Name: "Candidate", Ops: model.OpWrite, Type: lwm2m.TypeString},
		{ID: 3, Name: "Commit", Ops: model.OpExecute},
	}},
}

func newDecoder() *Decoder {
	return &Decoder{
		Definition: func(oid uint16) *model.Definition { return definitions[oid] },
		Name:       func(p lwm2m.Path) string { return "name of " + p.String() },
	}
}

// with changes a message that a test makes.
type with func(*coap.Message)

func at(path string) with         { return func(m *coap.Message) { m.SetPath(path) } }
func as(f lwm2m.Format) with      { return func(m *coap.Message) { m.SetContentFormat(uint16(f)) } }
func holding(payload string) with { return func(m *coap.Message) { m.Payload = []byte(payload) } }
func observing(n uint32) with     { return func(m *coap.Message) { m.SetObserve(n) } }
func queried(query string) with   { return func(m *coap.Message) { m.AddQuery(query) } }
func block1(number uint32) with {
	return func(m *coap.Message) { m.SetOptionUint(coap.Block1, number<<4|8) }
}

func block2(number uint32) with {
	return func(m *coap.Message) { m.SetOptionUint(coap.Block2, number<<4|8) }
}
func numbered(id uint16) with { return func(m *coap.Message) { m.ID = id } }
func values(t *testing.T, f lwm2m.Format, base string, nodes ...lwm2m.Node) with {
	t.Helper()
	p := lwm2m.Path{}
	if base != "" {
		p = lwm2m.MustPath(base)
	}
	payload, err := wire.Append(nil, f, p, nodes)
	if err != nil {
		t.Fatal(err)
	}
	return func(m *coap.Message) { m.Payload = payload; m.SetContentFormat(uint16(f)) }
}

// datagram makes a message.
func datagram(t *testing.T, typ coap.Type, code coap.Code, token string, more ...with) []byte {
	t.Helper()
	tok, err := coap.MakeToken([]byte(token))
	if err != nil {
		t.Fatal(err)
	}
	m := &coap.Message{Type: typ, Code: code, Token: tok}
	for _, change := range more {
		change(m)
	}
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	agentAt  = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 40000}
	serverAt = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 5684}
	link     = &Link{ShortServerID: 101, Local: agentAt, Remote: serverAt}
)

func node(path string, v lwm2m.Value) lwm2m.Node {
	return lwm2m.Node{Path: lwm2m.MustPath(path), Value: v}
}

func TestDecode(t *testing.T) {
	const path, name = "/3303/0/5700", "name of /3303/0/5700"
	d := newDecoder()
	earlier := &coap.Message{Code: coap.GET}
	earlier.Token, _ = coap.MakeToken([]byte("early"))
	earlier.SetPath(path)
	earlier.SetObserve(0)
	d.Observed(101, []*coap.Message{earlier})
	temperature := []Value{{Path: path, Name: name, Value: "21.5 Cel"}}
	for _, c := range []struct {
		name string
		sent bool
		data []byte
		want Message
	}{
		{
			"Read", false, datagram(t, coap.CON, coap.GET, "a", at(path), numbered(7)),
			Message{Type: "CON", Code: "GET", ID: 7, Token: "61", Operation: "Read", Path: path, Name: name},
		},
		{
			"its answer", true, datagram(t, coap.ACK, coap.Content, "a", holding("21.5"), as(lwm2m.FormatText)),
			Message{Type: "ACK", Code: "2.05 Content", Token: "61", Operation: "Read", Path: path, Name: name, Format: "text/plain", Values: temperature},
		},
		{
			"a notification that was asked for before", true,
			datagram(t, coap.NON, coap.Content, "early", observing(9), values(t, lwm2m.FormatTLV, path, node(path, lwm2m.Float(21.5)))),
			Message{
				Type: "NON", Code: "2.05 Content", Token: "6561726c79", Operation: "Notify", Path: path, Name: name, Options: "Observe 9",
				Format: "application/vnd.oma.lwm2m+tlv", Values: temperature,
			},
		},
		{
			"a notification of nothing that is known, whose format names the path", true,
			datagram(t, coap.NON, coap.Content, "x", observing(9), values(t, lwm2m.FormatSenMLCBOR, path, node(path, lwm2m.Float(21.5)))),
			Message{Type: "NON", Code: "2.05 Content", Token: "78", Options: "Observe 9", Format: "application/senml+cbor", Values: temperature},
		},
		{
			"Send", true, datagram(t, coap.CON, coap.POST, "s", at("/dp"), values(t, lwm2m.FormatSenMLJSON, "",
				node(path, lwm2m.Float(21.5)), node("/3/0/13", lwm2m.UnixTime(1_700_000_000)))),
			Message{
				Type: "CON", Code: "POST", Token: "73", Operation: "Send", Path: "/dp", Format: "application/senml+json",
				Values: []Value{{Path: "/3/0/13", Name: "name of /3/0/13", Value: "2023-11-14T22:13:20Z"}, temperature[0]},
			},
		},
		{
			"Register", true, datagram(t, coap.CON, coap.POST, "r", at("/rd"), as(lwm2m.FormatLink), queried("ep=gw"), queried("lt=60"), holding("</1/0>")),
			Message{
				Type: "CON", Code: "POST", Token: "72", Operation: "Register", Path: "/rd", Query: "ep=gw&lt=60",
				Format: "application/link-format", Text: "</1/0>",
			},
		},
		{
			"a refusal", false, datagram(t, coap.ACK, coap.BadRequest, "r", holding("who are you?")),
			Message{Type: "ACK", Code: "4.00 Bad Request", Token: "72", Operation: "Register", Path: "/rd", Text: "who are you?"},
		},
		{
			"Read-Composite", false, datagram(t, coap.CON, coap.FETCH, "f", as(lwm2m.FormatSenMLJSON), holding(`[{"n":"/3/0/0"},{"n":"/3303"}]`)),
			Message{
				Type: "CON", Code: "FETCH", Token: "66", Operation: "Read-Composite", Path: "/", Format: "application/senml+json", Text: "/3/0/0 /3303",
			},
		},
		{
			"Execute", false, datagram(t, coap.CON, coap.POST, "e", at("/26241/0/3"), holding("0='5'")),
			Message{Type: "CON", Code: "POST", Token: "65", Operation: "Execute", Path: "/26241/0/3", Name: "name of /26241/0/3", Text: "0='5'"},
		},
		{"a ping", false, datagram(t, coap.CON, coap.Empty, ""), Message{Type: "CON", Code: "EMPTY", Operation: "Ping"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := d.decode(&note{at: noon, over: link, sent: c.sent, datagram: c.data, lost: 3})
			c.want.Time, c.want.ShortServerID, c.want.Sent, c.want.Size, c.want.Lost = noon, 101, c.sent, len(c.data), 3
			c.want.Transport, c.want.Local, c.want.Remote = "udp", "10.0.0.1:40000", "10.0.0.2:5684"
			c.want.Datagram = base64.StdEncoding.EncodeToString(c.data)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDecodeMalformed: what is no message is told of, and in no capture.
func TestDecodeMalformed(t *testing.T) {
	m := newDecoder().decode(&note{at: noon, over: link, datagram: []byte{0x40, 1}})
	if m.Datagram != "" || m.Size != 2 || m.Text == "" {
		t.Errorf("got %+v", m)
	}
}

func TestTap(t *testing.T) {
	var tap Tap
	data := datagram(t, coap.CON, coap.GET, "a", at("/3303"))
	note := func() { tap.Note(link, coap.Received, data, now) }
	if n := testing.AllocsPerRun(100, note); n != 0 {
		t.Errorf("a message that nobody hears takes %v allocations", n)
	}
	one, two := tap.Listen(newDecoder()), tap.Listen(newDecoder())
	note()
	<-one.Wake()
	if got := one.Take(); len(got) != 1 || got[0].Path != "/3303" || got[0].Lost != 0 {
		t.Errorf("heard %+v", got)
	}
	one.Close()
	one.Close() // once more does no harm
	for range mostNotes + 5 {
		note()
	}
	if got := one.Take(); len(got) != 0 {
		t.Errorf("heard %d messages after the end", len(got))
	}
	<-two.Wake()
	if got := two.Take(); len(got) != mostNotes {
		t.Errorf("heard %d messages, want %d", len(got), mostNotes)
	}
	note()
	if got := two.Take(); len(got) != 1 || got[0].Lost != 6 {
		t.Errorf("heard %d messages, want one that tells of 6 lost ones", len(got))
	}
	long := make([]byte, mostBytes/2)
	for range 3 {
		tap.Note(link, coap.Sent, long, now)
	}
	if got := two.Take(); len(got) != 2 {
		t.Errorf("%d long messages wait, want 2", len(got))
	}
	two.Close()
	if tap.open.Load() != 0 || len(tap.listeners) != 0 {
		t.Error("somebody listens still")
	}
}

func BenchmarkTapUnheard(b *testing.B) {
	var tap Tap
	data := make([]byte, 100)
	for b.Loop() {
		tap.Note(link, coap.Sent, data, now)
	}
}

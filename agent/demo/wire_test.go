package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/trace"
	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// option is one option of a datagram, by number.
type option struct {
	number int
	value  string
}

func path(p string) (out []option) {
	for s := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		out = append(out, option{11, s})
	}
	return out
}

// datagram makes a CoAP message (RFC 7252, section 3); options come in order.
func datagram(t coap.Type, code coap.Code, id uint16, token, payload string, options ...option) []byte {
	b := []byte{0x40 | byte(t)<<4 | byte(len(token)), byte(code), byte(id >> 8), byte(id)}
	b = append(b, token...)
	last := 0
	for _, o := range options {
		delta, length := o.number-last, len(o.value)
		last = o.number
		b = append(b, byte(min(delta, 13))<<4|byte(min(length, 13)))
		for _, n := range []int{delta, length} {
			if n >= 13 {
				b = append(b, byte(n-13))
			}
		}
		b = append(b, o.value...)
	}
	if payload != "" {
		b = append(append(b, 0xff), payload...)
	}
	return b
}

func shapes(p lwm2m.Path) (lwm2m.Shape, bool) {
	switch p.Resource() {
	case 5700:
		return lwm2m.Shape{Type: lwm2m.TypeFloat}, true
	case 5850:
		return lwm2m.Shape{Type: lwm2m.TypeBoolean}, true
	}
	return lwm2m.Shape{}, false
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// watched returns a decoder with an open page, and what the page is told of next.
func watched(t *testing.T) (*Decoder, func() web.Message) {
	t.Helper()
	feed := &web.Feed{}
	p := open(t, feed)
	next := func() (m web.Message) {
		t.Helper()
		p.next("message", &m)
		return m
	}
	return &Decoder{Feed: feed, Shapes: shapes, Now: func() time.Time { return noon }}, next
}

func TestTrace(t *testing.T) {
	text, link, tlv := "", "\x28", "\x2d\x16"
	decoder, next := watched(t) // the messages come in this order
	for _, c := range []struct {
		name string
		sent bool
		data []byte
		want web.Message
	}{
		{
			"Read", false, datagram(coap.CON, coap.GET, 1, "a", "", path("/3303/0/5700")...),
			web.Message{Operation: "Read", Type: "CON", Code: "GET", ID: 1, Token: "61", Path: "/3303/0/5700"},
		},
		{
			"its answer", true, datagram(coap.ACK, coap.Content, 1, "a", "21.5", option{12, text}),
			web.Message{Operation: "Read", Answer: true, Type: "ACK", Code: "2.05 Content", ID: 1, Token: "61", Path: "/3303/0/5700", Format: "text/plain", Values: []web.Value{
				{Path: lwm2m.MustPath("/3303/0/5700"), Value: 21.5},
			}},
		},
		{
			"Register, with a token that the other end uses, too", true,
			datagram(coap.CON, coap.POST, 2, "a", "</1/0>", append(path("/rd"), option{12, link}, option{15, "ep=gw"}, option{15, "lt=60"})...),
			web.Message{Operation: "Register", Type: "CON", Code: "POST", ID: 2, Token: "61", Path: "/rd", Query: "ep=gw&lt=60", Format: "application/link-format", Text: "</1/0>"},
		},
		{
			"its answer", false, datagram(coap.ACK, coap.Created, 2, "a", "", option{8, "rd"}, option{8, "5a"}),
			web.Message{Operation: "Register", Answer: true, Type: "ACK", Code: "2.01 Created", ID: 2, Token: "61", Path: "/rd", Options: "Location /rd/5a"},
		},
		{
			"Write", false, datagram(coap.CON, coap.PUT, 3, "b", "1", append(path("/3306/0/5850"), option{12, text})...),
			web.Message{Operation: "Write", Type: "CON", Code: "PUT", ID: 3, Token: "62", Path: "/3306/0/5850", Format: "text/plain", Values: []web.Value{
				{Path: lwm2m.MustPath("/3306/0/5850"), Value: true},
			}},
		},
		{
			"a refusal", true, datagram(coap.ACK, coap.BadRequest, 3, "b", "not now", option{12, text}),
			web.Message{Operation: "Write", Answer: true, Type: "ACK", Code: "4.00 Bad Request", ID: 3, Token: "62", Path: "/3306/0/5850", Format: "text/plain", Text: "not now"},
		},
		{
			"Execute", false, datagram(coap.CON, coap.POST, 4, "c", "0='a'", append(path("/3442/0/3"), option{12, text})...),
			web.Message{Operation: "Execute", Type: "CON", Code: "POST", ID: 4, Token: "63", Path: "/3442/0/3", Format: "text/plain", Text: "0='a'"},
		},
		{
			"partial Write", false, datagram(coap.CON, coap.POST, 5, "d", "\xc1\x05\x01", append(path("/3306/0"), option{12, tlv})...),
			web.Message{Operation: "Write", Type: "CON", Code: "POST", ID: 5, Token: "64", Path: "/3306/0", Format: "application/vnd.oma.lwm2m+tlv", Values: []web.Value{
				{Path: lwm2m.MustPath("/3306/0/5"), Value: "AQ=="},
			}},
		},
		{
			"a block of more", false, datagram(coap.CON, coap.PUT, 6, "e", "1", append(path("/3306/0/5850"), option{12, text}, option{27, "\x08"})...),
			web.Message{Operation: "Write", Type: "CON", Code: "PUT", ID: 6, Token: "65", Path: "/3306/0/5850", Format: "text/plain", Options: "Block1 0/1/16", Text: "1"},
		},
		{
			"the last block", true, datagram(coap.ACK, coap.Content, 7, "e", "ab", option{12, text}, option{23, "\x10"}),
			web.Message{Operation: "Write", Answer: true, Type: "ACK", Code: "2.05 Content", ID: 7, Token: "65", Path: "/3306/0/5850", Format: "text/plain", Options: "Block2 1/0/16", Text: "ab"},
		},
		{
			"bytes that are no text", false, datagram(coap.CON, coap.PUT, 8, "f", "\xde\xad", append(path("/5/0/0"), option{12, "\x2a"})...),
			web.Message{Operation: "Write", Type: "CON", Code: "PUT", ID: 8, Token: "66", Path: "/5/0/0", Format: "application/octet-stream", Values: []web.Value{
				{Path: lwm2m.MustPath("/5/0/0"), Value: "3q0="},
			}},
		},
		{
			"a payload that its format does not fit", false, datagram(coap.CON, coap.PUT, 9, "g", "\xff\x00", append(path("/3306/0/5850"), option{12, text})...),
			web.Message{Operation: "Write", Type: "CON", Code: "PUT", ID: 9, Token: "67", Path: "/3306/0/5850", Format: "text/plain", Text: "ff 00"},
		},
		{
			"an answer to nothing", true, datagram(coap.NON, coap.Content, 10, "zz", "5", option{6, "\x05"}),
			web.Message{Answer: true, Type: "NON", Code: "2.05 Content", ID: 10, Token: "7a7a", Options: "Observe 5", Text: "5"},
		},
		{"empty ACK", true, datagram(coap.ACK, coap.Empty, 11, "", ""), web.Message{Operation: "Acknowledgement", Type: "ACK", Code: "EMPTY", ID: 11}},
		{"RST", true, datagram(coap.RST, coap.Empty, 12, "", ""), web.Message{Operation: "Reset", Type: "RST", Code: "EMPTY", ID: 12}},
		{"ping", false, datagram(coap.CON, coap.Empty, 13, "", ""), web.Message{Operation: "Ping", Type: "CON", Code: "EMPTY", ID: 13}},
	} {
		t.Run(c.name, func(t *testing.T) {
			decoder.Trace(coap.Direction(c.sent), c.data)
			c.want.Time, c.want.Sent, c.want.Size = noon, c.sent, len(c.data)
			if d := cmp.Diff(c.want, next(), cmp.AllowUnexported(lwm2m.Path{})); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestNotify: what follows the answer to an Observe is a notification, also for a
// page that is opened after the Observe, and after many other requests.
func TestNotify(t *testing.T) {
	d := &Decoder{Feed: &web.Feed{}, Shapes: shapes, Now: func() time.Time { return noon }}
	d.Trace(coap.Received, datagram(coap.CON, coap.GET, 1, "ob", "", append([]option{{6, ""}}, path("/3303/0/5700")...)...))
	late, next := watched(t)
	d.Feed = late.Feed
	notification := datagram(coap.NON, coap.Content, 2, "ob", "20", option{6, "\x02"}, option{12, ""})
	for i := range 3 * 512 { // more than are remembered
		if i%100 == 0 {
			d.Trace(coap.Sent, notification)
			want := trace.Notify
			if i == 0 {
				want = "Observe" // its answer
			}
			if m := next(); m.Operation != want || m.Answer != (i == 0) || m.Path != "/3303/0/5700" || len(m.Values) != 1 {
				t.Fatalf("after %d other requests: %+v, want %s", i, m, want)
			}
		}
		d.exchanges.Note(parsed(t, datagram(coap.CON, coap.GET, 3, fmt.Sprint(i), "", path("/3/0")...)), false)
	}
}

func parsed(t *testing.T, b []byte) *coap.Message {
	t.Helper()
	m, err := coap.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTraceBounds: of what is long, some is shown.
func TestTraceBounds(t *testing.T) {
	d, next := watched(t)
	d.Trace(coap.Sent, datagram(coap.CON, coap.POST, 1, "a", strings.Repeat("é", mostText), path("/rd")...))
	if m := next(); m.Text != strings.Repeat("é", mostText/2)+" …" {
		t.Errorf("text is %q", m.Text)
	}
	d.Trace(coap.Sent, datagram(coap.CON, coap.POST, 2, "b", strings.Repeat("é", mostText)[1:], path("/rd")...))
	if m := next(); !strings.HasPrefix(m.Text, "a9 c3") || len(m.Text) != 3*mostText-1+len(" …") {
		t.Errorf("text of bytes is %q", m.Text)
	}
	nodes := make([]lwm2m.Node, 0, mostValues+10)
	for i := range mostValues + 10 {
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.NewPath(3306, uint16(i), 5850), Value: lwm2m.Boolean(true)})
	}
	payload, err := wire.Append(nil, lwm2m.FormatSenMLCBOR, lwm2m.NewPath(3306), nodes)
	if err != nil {
		t.Fatal(err)
	}
	d.Trace(coap.Received, datagram(coap.CON, coap.PUT, 3, "c", string(payload), append(path("/3306"), option{12, "\x70"})...))
	if m := next(); len(m.Values) != mostValues || m.Text != "and 10 more" {
		t.Errorf("%d values, text %q", len(m.Values), m.Text)
	}
}

// TestTraceUnwatched: without a page the decoder keeps requests in mind and does
// nothing else.
func TestTraceUnwatched(t *testing.T) {
	d := &Decoder{Feed: &web.Feed{}, Now: func() time.Time { t.Error("a message was decoded"); return noon }}
	notification := datagram(coap.NON, coap.Content, 2, "ob", "20", option{6, "\x02"}, option{12, ""})
	if n := testing.AllocsPerRun(100, func() { d.Trace(coap.Sent, notification) }); n != 0 {
		t.Errorf("a notification that nobody sees takes %v allocations", n)
	}
	d.Trace(coap.Received, datagram(coap.CON, coap.GET, 1, "ob", "", path("/3303/0/5700")...))
	if about := d.exchanges.Note(parsed(t, notification), true); about.Path != "/3303/0/5700" {
		t.Errorf("what was asked for before is remembered as %+v", about)
	}
}

func BenchmarkTraceUnwatched(b *testing.B) {
	d := &Decoder{Feed: &web.Feed{}, Now: time.Now}
	request := datagram(coap.CON, coap.GET, 1, "ob", "", path("/3303/0/5700")...)
	for b.Loop() {
		d.Trace(coap.Received, request)
	}
}

// FuzzTrace: no datagram does harm, whichever way it went.
func FuzzTrace(f *testing.F) {
	for _, b := range [][]byte{
		nil,
		{0x40},
		{0x40, 1, 0, 1, 0xff},
		datagram(coap.CON, coap.GET, 1, "ob", "", append([]option{{6, ""}}, path("/3303/0/5700")...)...),
		datagram(coap.NON, coap.Content, 2, "ob", "20", option{6, "\x02"}, option{12, ""}),
		datagram(coap.CON, coap.PUT, 3, "c", "\x81\xa2\x20", append(path("/3306"), option{12, "\x70"})...),
		datagram(coap.CON, coap.POST, 5, "d", "\xc1\x05\x01", append(path("/x/3306/0"), option{12, "\x2d\x16"})...),
		datagram(coap.ACK, coap.Content, 7, "e", "ab", option{12, ""}, option{23, "\x10"}),
	} {
		f.Add(b, true)
		f.Add(b, false)
	}
	feed := &web.Feed{}
	s := httptest.NewServer(feed)
	f.Cleanup(s.Close)
	f.Cleanup(func() { _ = feed.Close() })
	ctx, cancel := context.WithCancel(f.Context())
	f.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		f.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req) // a page that does not read: events beyond its buffer are dropped
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = resp.Body.Close() })
	d := &Decoder{Feed: feed, Shapes: shapes, Now: time.Now}
	f.Fuzz(func(_ *testing.T, data []byte, sent bool) { d.Trace(coap.Direction(sent), data) })
}

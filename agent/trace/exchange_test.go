package trace

import (
	"strconv"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

func TestOperation(t *testing.T) {
	type option = func(*coap.Message)
	path := func(p string) []option { return []option{func(m *coap.Message) { m.SetPath(p) }} }
	observe, cancel := func(m *coap.Message) { m.SetObserve(0) }, func(m *coap.Message) { m.SetObserve(1) }
	format := func(f lwm2m.Format) option { return func(m *coap.Message) { m.SetContentFormat(uint16(f)) } }
	cbor := format(lwm2m.FormatSenMLCBOR)
	for _, c := range []struct {
		want    string
		sent    bool
		code    coap.Code
		payload string
		options []option
	}{
		{"Read", false, coap.GET, "", path("/3/0")},
		{"Discover", false, coap.GET, "", append(path("/3/0"), func(m *coap.Message) { m.SetAccept(uint16(lwm2m.FormatLink)) })},
		{"Observe", false, coap.GET, "", append([]option{observe}, path("/3/0")...)},
		{"Cancel Observation", false, coap.GET, "", append([]option{cancel}, path("/3/0")...)},
		{"Read-Composite", false, coap.FETCH, "\x80", []option{cbor}},
		{"Observe-Composite", false, coap.FETCH, "\x80", []option{observe, cbor}},
		{"Cancel Observation-Composite", false, coap.FETCH, "\x80", []option{cancel, cbor}},
		{"Write", false, coap.PUT, "x", path("/3/0/14")},
		{"Write", false, coap.PUT, "", path("/3/0/14")},
		{"Write-Attributes", false, coap.PUT, "", append(path("/3/0/9"), func(m *coap.Message) { m.AddQuery("pmin=1") })},
		{"Write", false, coap.POST, "x", append(path("/3/0"), cbor)},
		{"Write", false, coap.POST, "x", append(path("/3442/0/1110"), cbor)},
		{"Execute", false, coap.POST, "", path("/3/0/4")},
		{"Execute", false, coap.POST, "1", append(path("/3/0/4"), format(lwm2m.FormatText))},
		{"Create", false, coap.POST, "x", append(path("/3442"), cbor)},
		{"Delete", false, coap.DELETE, "", path("/3442/1")},
		{"Write-Composite", false, coap.IPATCH, "\x80", []option{cbor}},
		{"Bootstrap-Finish", false, coap.POST, "", path("/bs")},
		{"", false, coap.PATCH, "", path("/3")},
		{"Register", true, coap.POST, "", path("/rd")},
		{"Update", true, coap.POST, "", path("/rd/x")},
		{"Deregister", true, coap.DELETE, "", path("/rd/x")},
		{"Send", true, coap.POST, "", path("/dp")},
		{"Bootstrap-Request", true, coap.POST, "", path("/bs")},
		{"Bootstrap-Request", true, coap.GET, "", path("/bspack")},
		{"", true, coap.POST, "", path("/elsewhere")},
		{"", true, coap.POST, "", nil},
	} {
		m := &coap.Message{Code: c.code, Payload: []byte(c.payload)}
		for _, with := range c.options {
			with(m)
		}
		if got := operation(m, c.sent); got != c.want {
			t.Errorf("%s %s is %q, want %q", m.Code, m.Path(), got, c.want)
		}
	}
}

// TestExchangesBound: of many requests the latest are remembered, and those that are answered again
// and again.
func TestExchangesBound(t *testing.T) {
	var e Exchanges
	token := func(i int) coap.Token {
		made, err := coap.MakeToken([]byte(strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	request := func(i int) *coap.Message {
		m := &coap.Message{Code: coap.GET, Token: token(i)}
		m.SetPath("/3/0/" + strconv.Itoa(i))
		return m
	}
	answer := func(i int) About { return e.Note(&coap.Message{Code: coap.Content, Token: token(i)}, true) }
	for i := range 3 * mostExchanges {
		e.Note(request(i), false)
		if about := answer(0); about.Path != "/3/0/0" {
			t.Fatalf("after %d other requests the first one is %+v", i, about)
		}
	}
	if n := len(e.entries); n != mostExchanges || e.order.Len() != n {
		t.Errorf("%d requests are remembered, want %d", n, mostExchanges)
	}
	if about := answer(1); about != (About{}) {
		t.Errorf("an old request is remembered: %+v", about)
	}
}

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// bootstrapped waits for the end of a bootstrap.
func bootstrapped(t *testing.T, events <-chan Event) error {
	t.Helper()
	select {
	case e := <-events:
		if e.Kind != Bootstrapped || e.Endpoint != "ep" {
			t.Fatalf("event %+v", e)
		}
		return e.Err
	case <-time.After(generous):
		t.Fatal("no bootstrap in time")
		return nil
	}
}

// obedient answers what a bootstrap server asks for; it refuses to finish once.
func obedient() func(*coap.Exchange) {
	refused := false
	return func(x *coap.Exchange) {
		m := &coap.Message{Code: coap.Changed}
		switch path := x.Request.Path(); {
		case x.Request.Code == coap.GET && path == "/1":
			m.Code = coap.Content
			m.SetContentFormat(uint16(lwm2m.FormatTLV))
			m.Payload = []byte("\x03\x00\xc1\x00\x65")
		case x.Request.Code == coap.GET:
			m.Code = coap.Content
			m.SetContentFormat(uint16(lwm2m.FormatLink))
			m.Payload = []byte("</>;lwm2m=1.2,</0/0>;ssid=101")
		case x.Request.Code == coap.DELETE:
			m.Code = coap.Deleted
		case path == "/bs" && !refused:
			refused = true
			m.Code, m.Payload = coap.NotAcceptable, []byte("no server")
		}
		_ = x.Respond(m)
	}
}

func TestBootstrapScript(t *testing.T) {
	shapes := func(p lwm2m.Path) (lwm2m.Shape, bool) { return lwm2m.Shape{Type: lwm2m.TypeInteger}, true }
	root := lwm2m.Path{}
	var log []string
	s, addr := start(t, Config{Shapes: shapes, Bootstrap: &Bootstrap{Script: func(ctx context.Context, b *Bootstrapping) error {
		log = append(log, fmt.Sprint(b.Endpoint, " ", b.Format, " ", b.Prefers))
		links, err := b.Discover(ctx, root)
		log = append(log, fmt.Sprint(len(links), err))
		nodes, err := b.Read(ctx, lwm2m.NewPath(1), lwm2m.FormatTLV)
		log = append(log, fmt.Sprint(nodes[0].Path, nodes[0].Value, err))
		at := lwm2m.MustPath("/1/0/1")
		err = errors.Join(b.Delete(ctx, root), b.Write(ctx, at, lwm2m.FormatText, []lwm2m.Node{{Path: at, Value: lwm2m.Integer(60)}}))
		log = append(log, fmt.Sprint(err, lwm2m.CodeOf(b.Finish(ctx))))
		return b.Finish(ctx)
	}}})
	events, end := s.Events(8)
	defer end()
	d := connect(t, addr, obedient())
	if m := d.post(t, "/bs", "", "ep=ep", "pct=112"); m.Code != coap.Changed {
		t.Fatalf("Bootstrap-Request: %v", m.Code)
	}
	if err := bootstrapped(t, events); err != nil {
		t.Fatal(err)
	}
	want := []string{"ep application/senml+cbor true", "2 <nil>", "/1/0/0 101 <nil>", "<nil> 4.06 Not Acceptable"}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Error(diff)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff("GET /, GET /1, DELETE /, PUT /1/0/1, POST /bs, POST /bs", strings.Join(d.requests, ", ")); diff != "" {
		t.Error(diff)
	}
}

func TestBootstrapRequestsRefused(t *testing.T) {
	refuse := func(b *Bootstrapping) error {
		if b.Endpoint == "stranger" {
			return lwm2m.Errorf(lwm2m.BadRequest, "who?")
		}
		return nil
	}
	_, addr := start(t, Config{Bootstrap: &Bootstrap{Refuse: refuse}})
	d := connect(t, addr, obedient())
	for query, want := range map[string]coap.Code{"": coap.BadRequest, "ep=stranger": coap.BadRequest, "ep=ep&pct=40": coap.UnsupportedContentFormat, "ep=ep&pct=x": coap.UnsupportedContentFormat} {
		if m := d.post(t, "/bs", "", strings.Split(query, "&")...); m.Code != want {
			t.Errorf("%q: %v, want %v", query, m.Code, want)
		}
	}
	if m := getPack(t, d, 112); m.Code != coap.NotImplemented {
		t.Errorf("pack: %v", m.Code)
	}
	_, addr = start(t, Config{})
	d = connect(t, addr, obedient())
	if m := d.post(t, "/bs", "", "ep=ep"); m.Code != coap.NotFound {
		t.Errorf("a server that is none: %v", m.Code)
	}
}

func getPack(t *testing.T, d *device, accept uint16) *coap.Message {
	t.Helper()
	m := &coap.Message{Code: coap.GET}
	m.SetPath("/bspack")
	m.AddQuery("ep=ep")
	m.SetAccept(accept)
	answer, err := d.Do(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestPack(t *testing.T) {
	nodes := []lwm2m.Node{{Path: lwm2m.MustPath("/1/0/1"), Value: lwm2m.Integer(60)}}
	s, addr := start(t, Config{Bootstrap: &Bootstrap{Pack: func(*Bootstrapping) ([]lwm2m.Node, error) { return nodes, nil }}})
	events, end := s.Events(8)
	defer end()
	d := connect(t, addr, obedient())
	for _, f := range []lwm2m.Format{lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatLwM2MCBOR} {
		m := getPack(t, d, uint16(f))
		got, err := wire.Decode(f, m.Payload, lwm2m.Path{}, nil)
		if err != nil || len(got) != 1 || got[0].Path != nodes[0].Path {
			t.Errorf("%v: %v %q: %v", f, m.Code, m.Payload, err)
		}
		if err := bootstrapped(t, events); err != nil {
			t.Error(err)
		}
	}
	if m := getPack(t, d, uint16(lwm2m.FormatTLV)); m.Code != coap.NotAcceptable {
		t.Errorf("a pack as TLV: %v", m.Code)
	}
}

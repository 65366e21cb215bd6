package server

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// composite answers a FETCH with the number 1 at each path of its list, and takes an
// iPATCH; what it is asked goes to the channel.
func composite(t *testing.T, asked chan<- *coap.Message) func(x *coap.Exchange) {
	t.Helper()
	return func(x *coap.Exchange) {
		asked <- x.Request.Clone()
		m := &coap.Message{Code: coap.Changed}
		if x.Request.Code == coap.FETCH {
			f, _ := x.Request.ContentFormat()
			paths, err := wire.DecodePaths(lwm2m.Format(f), x.Request.Payload)
			if err != nil {
				t.Errorf("list of paths: %v", err)
			}
			m = ones(t, paths)
			if n, ok := x.Request.Observe(); ok && n == 0 {
				m.SetObserve(x.Conn().NextObserve())
			}
		}
		_ = x.Respond(m)
	}
}

func ones(t *testing.T, paths []lwm2m.Path) *coap.Message {
	t.Helper()
	nodes := make([]lwm2m.Node, len(paths))
	for i, p := range paths {
		nodes[i] = lwm2m.Node{Path: p, Value: lwm2m.Integer(1)}
	}
	m := &coap.Message{Code: coap.Content}
	m.SetContentFormat(uint16(lwm2m.FormatSenMLCBOR))
	var err error
	if m.Payload, err = wire.Append(nil, lwm2m.FormatSenMLCBOR, lwm2m.Path{}, nodes); err != nil {
		t.Errorf("encode: %v", err)
	}
	return m
}

func TestComposite(t *testing.T) {
	s, addr := start(t, Config{})
	events, end := s.Events(10)
	defer end()
	asked := make(chan *coap.Message, 10)
	d := connect(t, addr, composite(t, asked))
	d.register(t)
	c, _ := s.Client("dev")
	a, b := lwm2m.MustPath("/1/0/1"), lwm2m.MustPath("/3/0/9")

	nodes, err := c.ReadComposite(t.Context(), lwm2m.FormatSenMLETCHCBOR, a, b)
	if err != nil || len(nodes) != 2 || nodes[0].Path != a || nodes[1].Value != lwm2m.Integer(1) {
		t.Errorf("Read-Composite: %v %v", nodes, err)
	}
	m := <-asked
	content, _ := m.ContentFormat()
	accept, _ := m.Accept()
	if m.Code != coap.FETCH || m.Path() != "/" || lwm2m.Format(content) != lwm2m.FormatSenMLETCHCBOR || lwm2m.Format(accept) != lwm2m.FormatSenMLCBOR {
		t.Errorf("asked %s %s in %d, accepts %d", m.Code, m.Path(), content, accept)
	}

	if err := c.WriteComposite(t.Context(), lwm2m.FormatSenMLJSON, nodes); err != nil {
		t.Errorf("Write-Composite: %v", err)
	}
	if m := <-asked; m.Code != coap.IPATCH || m.Path() != "/" || string(m.Payload) != `[{"bn":"/","n":"1/0/1","v":1},{"n":"3/0/9","v":1}]` {
		t.Errorf("asked %s %s %s", m.Code, m.Path(), m.Payload)
	}

	if nodes, err = c.ObserveComposite(t.Context(), lwm2m.FormatSenMLCBOR, a, b); err != nil || len(nodes) != 2 {
		t.Fatalf("Observe-Composite: %v %v", nodes, err)
	}
	observe := <-asked
	if err := d.Notify(observe, ones(t, []lwm2m.Path{b}), nil); err != nil {
		t.Fatal(err)
	}
	if e := next(t, events, Notified); !e.Path.IsRoot() || len(e.Nodes) != 1 || e.Nodes[0].Path != b {
		t.Errorf("notified of %+v", e)
	}
	if err := c.Cancel(t.Context(), lwm2m.Path{}); err != nil || len(c.Observed()) != 0 {
		t.Errorf("cancel: %v, observed %v", err, c.Observed())
	}
	if m := <-asked; m.Code != coap.FETCH || string(m.Payload) != string(observe.Payload) {
		t.Errorf("cancelled with %s %x", m.Code, m.Payload)
	}
	if _, err := c.ReadComposite(t.Context(), lwm2m.FormatTLV, a); err == nil {
		t.Error("a list of paths in TLV")
	}
}

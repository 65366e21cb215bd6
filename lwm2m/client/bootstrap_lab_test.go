package client

import (
	"fmt"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

const (
	bootstrapURI    = "coap://bootstrap.invalid"
	packRequest     = "GET /bspack [ep=lab acc=</0/9>]"
	bootRequestCall = "POST /bs [ep=lab pct=112]"
)

// bootLab is a lab with a bootstrap account, instance 9 of object 0, and access control.
type bootLab struct {
	*lab
	control *model.Publisher
}

// bootstrapping runs a test with a bootLab in simulated time; servers says whether there
// is a server account.
func bootstrapping(t *testing.T, servers bool, change func(*Config), f func(l *bootLab)) {
	t.Helper()
	simulate(t, change, func(l *lab) {
		b := &bootLab{lab: l}
		var err error
		if b.control, err = l.tree.AddRegistered(2, model.Plain{}); err != nil {
			t.Fatal(err)
		}
		if !servers {
			l.publish(l.security, func(b *model.Batch) { b.Delete(0) })
			l.publish(l.accounts, func(b *model.Batch) { b.Delete(0) })
		}
		l.publish(l.security, func(b *model.Batch) {
			b.Create(9)
			b.Set(9, 0, lwm2m.String(bootstrapURI))
			b.Set(9, 1, lwm2m.Boolean(true))
			b.Set(9, 2, lwm2m.Integer(3))
		})
		f(b)
	})
}

func (l *bootLab) wantBootstrap(want BootstrapState) {
	l.t.Helper()
	if s := l.client.BootstrapStatus(); s.State != want {
		l.t.Fatalf("bootstrap is %v (%s), want %v", s.State, s.Words, want)
	}
}

// bs returns the bootstrap server's end of its connection.
func (l *bootLab) bs() *coap.Conn {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	return l.server.conns[0]
}

// say sends a request of the bootstrap server.
func (l *bootLab) say(code coap.Code, path string, options ...func(*coap.Message)) *coap.Message {
	l.t.Helper()
	m := &coap.Message{Code: code}
	m.SetPath(path)
	for _, o := range options {
		o(m)
	}
	answer, err := l.bs().Do(l.t.Context(), m)
	if err != nil {
		l.t.Fatalf("%s %s: %v", code, path, err)
	}
	return answer
}

func accept(f lwm2m.Format) func(*coap.Message) {
	return func(m *coap.Message) { m.SetAccept(uint16(f)) }
}

func payload(f lwm2m.Format, text string) func(*coap.Message) {
	return func(m *coap.Message) {
		m.SetContentFormat(uint16(f))
		m.Payload = []byte(text)
	}
}

// put is a Bootstrap-Write of nodes in a format.
func (l *bootLab) put(f lwm2m.Format, path string, nodes ...lwm2m.Node) *coap.Message {
	l.t.Helper()
	p := lwm2m.MustPath(path)
	body, err := wire.Append(nil, f, p, nodes)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.say(coap.PUT, path, payload(f, string(body)))
}

func n(path string, v lwm2m.Value) lwm2m.Node {
	return lwm2m.Node{Path: lwm2m.MustPath(path), Value: v}
}

func securityNodes(iid uint16, uri string, ssid int64) []lwm2m.Node {
	at := fmt.Sprintf("/0/%d/", iid)
	return []lwm2m.Node{
		n(at+"0", lwm2m.String(uri)), n(at+"1", lwm2m.Boolean(false)), n(at+"2", lwm2m.Integer(3)),
		n(at+"10", lwm2m.Integer(ssid)),
	}
}

func serverNodes(iid uint16, ssid, lifetime int64) []lwm2m.Node {
	at := fmt.Sprintf("/1/%d/", iid)
	return []lwm2m.Node{
		n(at+"0", lwm2m.Integer(ssid)), n(at+"1", lwm2m.Integer(lifetime)), n(at+"6", lwm2m.Boolean(false)),
		n(at+"7", lwm2m.String("U")),
	}
}

// provision writes the account of server 102.
func (l *bootLab) provision(f lwm2m.Format) {
	l.t.Helper()
	l.wantCode(l.put(f, "/0/3", securityNodes(3, "coap://server102.invalid", 102)...), coap.Changed)
	l.wantCode(l.put(f, "/1/3", serverNodes(3, 102, 600)...), coap.Changed)
}

func (l *bootLab) finish() *coap.Message {
	l.t.Helper()
	return l.say(coap.POST, "/bs")
}

// open starts a client without servers and takes its Bootstrap-Request.
func (l *bootLab) open() {
	l.t.Helper()
	l.run()
	l.wantCalls(packRequest, bootRequestCall)
	l.wantBootstrap(BootstrapOpen)
}

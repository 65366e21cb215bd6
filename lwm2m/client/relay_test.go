package client

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// counted is an object whose resource 0 counts by its arguments how often it is executed,
// and whose instances hold one number.
type counted struct {
	model.Plain

	mu     sync.Mutex
	runs   map[string]int
	during func() // nil: nothing
}

var countedDefinition = &model.Definition{ID: 26300, Name: "Counted", Multiple: true, Resources: []model.ResourceDefinition{
	{ID: 0, Name: "Run", Ops: model.OpExecute},
	{ID: 1, Name: "Number", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeInteger, Mandatory: true},
}}

func (c *counted) Execute(_ context.Context, _ model.Origin, _ lwm2m.Path, args model.Arguments) error {
	text, _ := args.Get(0)
	c.mu.Lock()
	c.runs[text]++
	during := c.during
	c.mu.Unlock()
	if during != nil {
		during()
	}
	return nil
}

// badRelay loses, doubles and delays a fifth of all datagrams each; what is delayed is
// overtaken by others.
type badRelay struct {
	mu     sync.Mutex
	random *rand.Rand
	good   bool
}

func (r *badRelay) arrivals() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	const fifth = 0.2
	transit := 10 * time.Millisecond
	if r.good {
		return []time.Duration{transit}
	}
	var copies []time.Duration
	n := 1
	if r.random.Float64() < fifth {
		n = 2
	}
	for range n {
		at := transit
		if r.random.Float64() < fifth {
			at += time.Duration(r.random.Float64() * float64(20*time.Second))
		}
		if r.random.Float64() >= fifth {
			copies = append(copies, at)
		}
	}
	return copies
}

// confirmations notes from the wire which notifications the server has confirmed.
type confirmations struct {
	mu        sync.Mutex
	sent      map[uint16]string // payload by message ID
	confirmed map[string]bool
}

func (c *confirmations) trace(_ *Link, d coap.Direction, datagram []byte) {
	m, err := coap.Parse(datagram)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, observe := m.Observe()
	switch {
	case d == coap.Sent && m.Type == coap.CON && observe && m.Code == coap.Content:
		c.sent[m.ID] = string(bytes.Clone(m.Payload))
	case d == coap.Sent && m.Type == coap.CON:
		delete(c.sent, m.ID)
	case d == coap.Received && m.Type == coap.ACK && m.Code == coap.Empty:
		if payload, ok := c.sent[m.ID]; ok {
			c.confirmed[payload] = true
		}
	}
}

// TestBadRelay shows an hour over a relay that loses, doubles, delays and so reorders a
// fifth of all datagrams: no operation is carried out twice, no notification is lost that
// the server has confirmed, and both sides agree in the end.
func TestBadRelay(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { hourOfBadRelay(t, seed) })
	}
}

func hourOfBadRelay(t *testing.T, seed uint64) {
	t.Helper()
	relay := &badRelay{random: rand.New(rand.NewPCG(seed, 0))}
	wire := &confirmations{sent: make(map[uint16]string), confirmed: make(map[string]bool)}
	simulate(t, func(c *Config) { c.Trace = wire.trace }, func(l *lab) {
		object := &counted{runs: make(map[string]int)}
		p, err := l.tree.Add(countedDefinition, object)
		if err != nil {
			l.t.Fatal(err)
		}
		l.publish(p, func(b *model.Batch) {
			b.Create(0)
			b.Declare(0, 0)
			b.Set(0, 1, lwm2m.Integer(0))
		})
		l.server.relay = relay.arrivals
		l.run()
		h := &hour{lab: l, random: relay.random, relay: relay, told: make(map[string]bool), answered: make(map[string]bool), number: "0", instances: map[string]bool{"0": true}}
		h.run()
		relay.mu.Lock()
		relay.good = true
		relay.mu.Unlock()
		l.after(20 * time.Minute)
		h.check(object, wire)
	})
}

// hour is what a server does meanwhile, and what came of it.
type hour struct {
	lab       *lab
	random    *rand.Rand
	relay     *badRelay
	mu        sync.Mutex
	told      map[string]bool // payloads that the server was notified of
	answered  map[string]bool // executions
	number    string          // the last that was written and answered
	unsure    []string        // written after it, not answered
	instances map[string]bool // true: it must be there; false: it may be
	observing *coap.Conn
}

func (h *hour) run() {
	end := time.Now().Add(time.Hour)
	for i := 1; time.Now().Before(end); i++ {
		h.observe()
		h.lab.temperature(0, float64(i))
		switch i % 4 {
		case 0:
			text := fmt.Sprint(i)
			if h.ask(coap.POST, "/26300/0/0", lwm2m.FormatText, "0='"+text+"'") == coap.Changed {
				h.answered[text] = true
			}
		case 1, 3:
			text := fmt.Sprint(i)
			h.unsure = append(h.unsure, text)
			if h.ask(coap.PUT, "/26300/0/1", lwm2m.FormatText, text) == coap.Changed {
				h.number, h.unsure = text, nil
			}
		case 2:
			iid := fmt.Sprint(i)
			payload := fmt.Sprintf(`[{"bn":"/26300/%s/","n":"1","v":1}]`, iid)
			h.instances[iid] = h.ask(coap.POST, "/26300", lwm2m.FormatSenMLJSON, payload) == coap.Created
		}
		h.lab.after(5 * time.Second)
	}
}

// observe observes the temperature, once for each registration.
func (h *hour) observe() {
	conn := h.lab.server.connection()
	if conn == h.observing || h.lab.client.Status()[0].State != Registered {
		return
	}
	m := &coap.Message{Code: coap.GET}
	m.SetPath(temperature)
	m.AddQuery("con=1")
	o, first, err := conn.Observe(h.lab.t.Context(), m)
	if err != nil || o == nil {
		return
	}
	h.observing = conn
	h.note(string(first.Payload))
	h.lab.server.wg.Go(func() {
		for {
			m, err := o.Next(h.lab.t.Context())
			if err != nil {
				return
			}
			h.note(string(m.Payload))
		}
	})
}

func (h *hour) note(payload string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told[payload] = true
}

// ask returns the code of the answer, 0 if there is none.
func (h *hour) ask(code coap.Code, path string, f lwm2m.Format, payload string) coap.Code {
	m := &coap.Message{Code: code, Payload: []byte(payload)}
	m.SetPath(path)
	m.SetContentFormat(uint16(f))
	answer, err := h.lab.server.connection().Do(h.lab.t.Context(), m)
	if err != nil {
		return 0
	}
	return answer.Code
}

func (h *hour) check(object *counted, wire *confirmations) {
	l := h.lab
	l.t.Helper()
	l.wantState(Registered)
	l.server.mu.Lock()
	location := fmt.Sprintf("/rd/%d", l.server.count)
	l.server.mu.Unlock()
	if s := l.status(); s.Location != location {
		l.t.Errorf("the client thinks of %s, the server of %s", s.Location, location)
	}
	for text, n := range object.runs {
		if n != 1 {
			l.t.Errorf("execution %s was carried out %d times", text, n)
		}
	}
	for text := range h.answered {
		if object.runs[text] != 1 {
			l.t.Errorf("execution %s was answered and not carried out", text)
		}
	}
	if got := l.tree.Value(lwm2m.MustPath("/26300/0/1")).String(); got != h.number && !slices.Contains(h.unsure, got) {
		l.t.Errorf("the number is %s, want %s or one of %q", got, h.number, h.unsure)
	}
	for iid, sure := range h.instances {
		if sure && l.tree.Value(lwm2m.MustPath("/26300/"+iid+"/1")).IsZero() {
			l.t.Errorf("instance %s was created and is not there", iid)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for payload := range maps.Keys(wire.confirmed) {
		if !h.told[payload] {
			l.t.Errorf("notification %q was confirmed, but the server does not have it", payload)
		}
	}
	if len(object.runs) < 10 || len(wire.confirmed) < 10 {
		l.t.Errorf("%d executions and %d confirmed notifications are too few to mean anything", len(object.runs), len(wire.confirmed))
	}
	l.t.Logf("%d executions, %d confirmed notifications, %d registrations", len(object.runs), len(wire.confirmed), l.server.count)
}

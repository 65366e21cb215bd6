package ets

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire/link"
)

// registrationProcedures are int-101 to int-111, the registration interface.
func registrationProcedures() []Procedure {
	v10, v11, v12 := lwm2m.Version10, lwm2m.Version11, lwm2m.Version12
	return []Procedure{
		{ID: 101, Title: "Initial Registration", Since: v10, Condition: "C.1", run: initialRegistration},
		{ID: 102, Title: "Registration Update", Since: v10, Condition: "C.1", run: registrationUpdate, Note: shorter},
		{ID: 103, Title: "Deregistration", Since: v10, Condition: "C.1", run: deregistration},
		{ID: 104, Title: "Registration Update Trigger", Since: v10, Condition: "C.1", run: updateTrigger, Note: shorter},
		{
			ID: 105, Title: "Discarded Register Update", Since: v11, Condition: "C.1", run: discardedUpdate,
			Note: "the server forgets the registration instead of waiting for its lifetime to pass", Erratum: byPUT,
		},
		{ID: 106, Title: "Registration with TCP binding", Since: v11, Condition: "C.18", run: tcpBinding, Note: "without security"},
		{ID: 107, Title: "Extending the lifetime of a registration", Since: v11, Condition: "C.1", run: extendedLifetime, Note: shorter},
		{ID: 108, Title: "Turn on Queue Mode", Since: v11, Condition: "C.1", run: queueModeOn},
		{
			ID: 109, Title: "Behavior in Queue Mode", Since: v11, Condition: "C.1", run: queueMode,
			Note: "awake time of 2 s instead of 93 s, lifetime of 8 s", Erratum: byPUT,
		},
		{
			ID: 110, Title: "Registration with Profile ID", Since: v12, Condition: "C.1", run: profileID,
			Erratum: foreignProfile,
		},
		{
			ID: 111, Title: "Registration with Profile ID and object list", Since: v12, Condition: "C.1", run: profileIDAndList,
			Erratum: foreignProfile,
		},
	}
}

// Mistakes of the document's that several procedures have.
const (
	byPUT          = "resources are written by PUT, not POST"
	foreignProfile = "the Profile ID that the document prints is none of the object list beside it"
)

// shortLifetime stands for the lifetimes of 20 to 120 s that the procedures wait for.
const (
	shortLifetime = 4 * time.Second
	shorter       = "lifetime of 4 s"
)

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func initialRegistration(t *trial) {
	s := t.start(conditions{})
	// 1. The client sends a Register.
	r := s.register()
	// A. It tells endpoint, lifetime, version, and maybe binding and SMS number, and
	// lists objects and object instances, the Security object left out.
	r.query("ep", endpoint).query("lt", seconds(lifetime)).query("lwm2m", t.version.String()).query("b", "U")
	if f, ok := r.coap.ContentFormat(); !ok || lwm2m.Format(f) != lwm2m.FormatLink {
		t.failf("Register: expected the format %s, got %s", lwm2m.FormatLink, lwm2m.Format(f))
	}
	objects := s.client().Registration().Objects
	for _, wanted := range []string{"/1/0", "/3/0"} {
		if !slices.ContainsFunc(objects, func(l link.Link) bool { return l.Target == wanted }) {
			t.failf("Register: expected <%s> in the object list, got %s", wanted, r.coap.Payload)
		}
	}
	if slices.ContainsFunc(objects, func(l link.Link) bool { return l.Target == "/0" || strings.HasPrefix(l.Target, "/0/") }) {
		t.failf("Register: expected no Security object in the object list, got %s", r.coap.Payload)
	}
	// B. The client gets 2.01 and a location.
	if m := r.answered(coap.Created); !strings.HasPrefix(m.LocationPath(), "/rd/") {
		t.failf("Register: expected a location, got %q", m.LocationPath())
	}
}

func tcpBinding(t *trial) {
	s := t.start(conditions{tcp: true})
	// 1. The client registers over TCP. A. It tells the binding T, and gets 2.01.
	s.register().query("b", "T")
	if !s.client().Registration().Stream {
		t.failf("expected a registration over TCP")
	}
	// 2. The server reads. B. It gets 2.05 over the same connection.
	s.read("/3/0/0", lwm2m.FormatText).content("/3/0/0").says("/3/0/0=" + manufacturer)
	s.read("/1/0/7", lwm2m.FormatText).content("/1/0/7").says("/1/0/7=T")
}

func registrationUpdate(t *trial) {
	s := t.registered(conditions{})
	// 1. The server sets the lifetime. A. It gets 2.04.
	s.put("/1/0/1", seconds(shortLifetime))
	// 2. The client sends an Update. B. It tells the lifetime. C. The client gets 2.04.
	s.update(patience).query("lt", seconds(shortLifetime))
	// 3. Before the registration expires, the client sends an Update. D. It has no parameter.
	s.update(shortLifetime).bare()
}

func deregistration(t *trial) {
	s := t.registered(conditions{})
	// 1. The server executes Disable. A. It gets 2.04.
	s.execute("/1/0/4")
	// 2. The client sends a Deregister. B. It gets 2.02.
	s.awaits(patience, coap.DELETE, "/rd/").answered(coap.Deleted)
	// C. The registration is gone.
	if _, ok := s.server.Client(endpoint); ok {
		t.failf("the client is still registered")
	}
}

func updateTrigger(t *trial) {
	s := t.start(conditions{lifetime: shortLifetime})
	r := s.register()
	id := s.client().Registration().ID
	// 1. Before the registration expires, the server executes Registration Update
	// Trigger. A, B. It gets 2.04.
	s.execute("/1/0/8")
	// 2. The client sends an Update. C. It has no parameter. D. The client gets 2.04.
	s.update(patience).bare()
	// E. The client is still registered when the first lifetime has passed.
	t.wait(time.Until(r.at.Add(shortLifetime + serverGrace)))
	s.stillRegistered(id)
}

// stillRegistered checks that the registration has not ended.
func (s *tester) stillRegistered(id string) {
	if got := s.client().Registration().ID; got != id {
		s.t.failf("expected the registration %s to go on, got another", id)
	}
}

func discardedUpdate(t *trial) {
	s := t.registered(conditions{})
	// 1. The client sends an Update before its registration expires. A. It gets 2.04.
	s.triggered().answered(coap.Changed)
	// 2. The server drops the registration, then the client sends an Update. B. It gets 4.04.
	s.server.Forget(endpoint)
	s.triggered().answered(coap.NotFound)
	// 3. The client sends a Register. C. It gets 2.01.
	s.register().query("ep", endpoint)
}

// triggered has the device send an Update, as its user can, and waits for it. A client
// that is not done with the one before sends no second one: it is asked again.
func (s *tester) triggered() *incoming {
	for began := time.Now(); time.Since(began) < patience; {
		s.t.must(s.t.device().Update(s.id))
		if u, ok := s.comes(time.Second, coap.POST, "/rd/"); ok {
			return u
		}
	}
	s.t.failf("expected an Update, got none")
	return nil
}

func extendedLifetime(t *trial) {
	s := t.registered(conditions{})
	id := s.client().Registration().ID
	// 1. The server sets a lifetime, the client sends an Update with it.
	s.put("/1/0/1", seconds(shortLifetime))
	s.update(patience).query("lt", seconds(shortLifetime))
	// 2. The client sends Updates in time. A. They have no parameter; the registration goes on.
	began := time.Now()
	for time.Since(began) < shortLifetime+serverGrace {
		s.update(shortLifetime).bare()
	}
	s.stillRegistered(id)
}

func queueModeOn(t *trial) {
	s := t.start(conditions{queue: true})
	// 1. The client registers in queue mode. A. The server takes the registration so.
	r := s.register()
	if t.atLeast(lwm2m.Version11) {
		r.query("b", "U").query("Q", "")
	} else {
		r.query("b", "UQ")
	}
	if !s.client().Registration().Queue {
		t.failf("expected queue mode, got %q", r.coap.Queries())
	}
}

func queueMode(t *trial) {
	const awake = 2 * time.Second
	s := t.registered(conditions{queue: true, awake: awake, lifetime: 2 * shortLifetime})
	// 1. Nothing is sent for the awake time, and the client sleeps.
	t.wait(awake)
	// 2. The server has a Write for it. A. It waits.
	position := s.tap.length()
	written := make(chan error, 1)
	const value values = "/1/0/5=2000"
	nodes, err := value.nodes(t.lab.Shapes)
	t.must(err)
	c := s.client()
	t.sandbox.running.Go(func() {
		written <- c.Replace(t.ctx, lwm2m.MustPath("/1/0/5"), lwm2m.FormatText, nodes)
	})
	// 3. The client wakes up and sends an Update. B. It gets 2.04.
	u := s.update(2 * shortLifetime)
	for log, _ := s.tap.from(position); len(log) > 0 && log[0].at.Before(u.at); log = log[1:] {
		if log[0].sent {
			t.failf("expected no message to the client that sleeps, got %s %s", log[0].coap.Code, log[0].coap.Path())
		}
	}
	// 4. The server sends the Write. C. It gets 2.04 and the value is written.
	select {
	case err := <-written:
		t.must(err)
	case <-time.After(patience):
		t.failf("expected the Write to be carried out, got no answer")
	}
	s.read("/1/0/5", lwm2m.FormatText).content("/1/0/5").says(value)
}

package ets

import (
	"slices"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire/link"
)

// bootstrapProcedures are int-0 to int-19, the bootstrap interface.
func bootstrapProcedures() []Procedure {
	v10, v11, v12 := lwm2m.Version10, lwm2m.Version11, lwm2m.Version12
	return []Procedure{
		{ID: 0, Title: "Client Initiated Bootstrap", Since: v10, Condition: "C.13", run: clientInitiated},
		{ID: 1, Title: "Client Initiated Bootstrap Full (PSK)", Since: v10, Condition: "C.13", run: bootstrapFull("")},
		{ID: 2, Title: "Client Initiated Bootstrap Full (Cert)", Since: v10, Condition: "C.17", run: bootstrapFull(serverName)},
		{ID: 3, Title: "Simple Bootstrap from Smartcard", Since: v10, Condition: "C.13", Missing: needsCard},
		{ID: 4, Title: "Bootstrap Delete", Since: v10, Condition: "C.13", run: bootstrapDelete},
		{ID: 5, Title: "Server Initiated Bootstrap", Since: v11, Condition: "C.13", run: serverInitiated},
		{ID: 6, Title: "Bootstrap Sequence", Since: v11, Condition: "C.13", run: bootstrapSequence},
		{
			ID: 7, Title: "Fallback to bootstrap", Since: v11, Condition: "C.13", run: bootstrapFallback,
			Note: "the server refuses the client instead of not answering; one attempt",
		},
		{ID: 8, Title: "Bootstrap Read", Since: v11, Condition: "C.13", run: bootstrapRead},
		{ID: 9, Title: "Bootstrap and Configuration Consistency", Since: v11, Condition: "C.13", run: bootstrapConsistency},
		{ID: 10, Title: "Client Initiated Bootstrap Full (EST)", Since: v11, Condition: "C.21", Missing: withEST},
		{ID: 11, Title: "Client Initiated Bootstrap (OSCORE)", Since: v12, Condition: "C.22", Missing: withOSCORE},
		{ID: 12, Title: "Bootstrap-Pack-Request", Since: v12, Condition: "C.13", run: bootstrapPack, Erratum: "the success is 2.05, not 2.04"},
		{ID: 19, Title: "Client Initiated Bootstrap over MQTT", Since: v12, Condition: "C.25", Missing: overMQTT},
	}
}

func clientInitiated(t *trial) {
	t.start(conditions{bootstrap: &bootstrapping{}})
	// 1. The client has a bootstrap account only, and sends a Bootstrap-Request. A. It tells its
	// endpoint, and from 1.1 on its preferred format. B. It gets 2.04.
	b := t.bootstrap.requested()
	// 2. The bootstrap server writes objects 0 and 1. C. It gets 2.04.
	b.write(t.account(0))
	// 3. It sends a Bootstrap-Finish. D. It gets 2.04.
	b.finish().is(coap.Changed)
}

// bootstrapFull is int-1, and with the name in servers' certificates int-2.
func bootstrapFull(name string) func(*trial) {
	return func(t *trial) {
		s := t.start(conditions{server: name, bootstrap: &bootstrapping{}})
		// 1. Bootstrap, as in int-0, over DTLS.
		b := t.bootstrap.requested()
		if b.client.Identity != endpoint {
			t.failf("expected a bootstrap over DTLS with the identity of %s, got %q", endpoint, b.client.Identity)
		}
		b.write(t.account(0))
		b.finish().is(coap.Changed)
		// 2. The client registers at the server with what it was given. A. It gets 2.01, over DTLS.
		s.register().query("ep", endpoint)
		if reg := s.client().Registration(); !reg.Secure || reg.Identity != endpoint {
			t.failf("expected a registration over DTLS with the identity of %s, got %q", endpoint, reg.Identity)
		}
		// 3. The server reads. B. It gets 2.05.
		s.read("/3/0/0", lwm2m.FormatText).content("/3/0/0").says("/3/0/0=" + manufacturer)
	}
}

// asked has the server ask for a bootstrap, and waits for it.
func (s *tester) asked() *bootstrapSession {
	s.execute("/1/0/9")
	return s.t.bootstrap.requested()
}

func bootstrapDelete(t *trial) {
	first := t.registered(conditions{servers: 2, bootstrap: &bootstrapping{known: true}})
	second := t.servers[1]
	second.register()
	b := first.asked()
	// 1. The bootstrap server discovers the objects. A. There are both accounts.
	b.discover("/0").has("/0/0", "/0/1", "/0/2")
	// 2. It deletes the account of one server. B. It gets 2.02. C. It is gone.
	b.delete("/1/1")
	b.delete("/0/2")
	b.discover("/0").only("/", "/0", "/0/0", "/0/1")
	b.discover("/1").only("/", "/1", "/1/0")
	// 3. It deletes everything. D. It gets 2.02. E. The bootstrap account and the device stay.
	b.delete("/")
	b.discover("/0").only("/", "/0", "/0/1")
	b.discover("/1").only("/", "/1")
	b.discover("/3").only("/", "/3", "/3/0")
	// 4. It writes the account of the other server again and finishes. F. It gets 2.04.
	b.write(t.account(0))
	b.finish().is(coap.Changed)
	// G. The client leaves the one server, and is registered at the other.
	second.awaits(patience, coap.DELETE, "/rd/")
	first.read("/1/0/0").is(coap.Content)
}

func serverInitiated(t *trial) {
	s := t.registered(conditions{bootstrap: &bootstrapping{known: true}})
	t.bootstrap.untouched()
	// 1. The server executes Bootstrap-Request Trigger. A. It gets 2.04. 2. The client sends a
	// Bootstrap-Request. B. It gets 2.04.
	b := s.asked()
	// 3. The bootstrap server writes objects 0 and 1 and finishes. C. It gets 2.04.
	nodes := t.account(0)
	i := slices.IndexFunc(nodes, func(n lwm2m.Node) bool { return n.Path == lwm2m.MustPath("/1/0/1") })
	nodes[i].Value = lwm2m.Integer(7200)
	b.write(nodes)
	b.finish().is(coap.Changed)
	// 4. The client is registered at the server, as it was told.
	s.update(patience).query("lt", "7200")
}

func bootstrapSequence(t *trial) {
	// 1. A client that has an account of a server registers there, without a bootstrap.
	s := t.registered(conditions{bootstrap: &bootstrapping{known: true}})
	s.read("/3/0/0").is(coap.Content)
	t.bootstrap.untouched()
	t.startAgain()
	// 2. A client that has none bootstraps first, then registers.
	s = t.start(conditions{bootstrap: &bootstrapping{}})
	b := t.bootstrap.requested()
	b.write(t.account(0))
	if _, ok := s.server.Client(endpoint); ok {
		t.failf("expected no registration before the end of the bootstrap")
	}
	b.finish().is(coap.Changed)
	s.register()
}

func bootstrapFallback(t *trial) {
	// 1. The client cannot register at its server: all attempts fail.
	t.start(conditions{servers: 2, refusing: true, resources: "/1/0/17=1, /1/0/20=1", bootstrap: &bootstrapping{known: true}})
	second := t.servers[1]
	// 2. It sends a Bootstrap-Request. 3. The bootstrap server gives it the account of another
	// server.
	b := t.bootstrap.requested()
	b.delete("/0")
	b.delete("/1")
	b.write(t.account(1))
	b.finish().is(coap.Changed)
	// 4. The client registers there. A. It gets 2.01.
	second.register()
}

func bootstrapRead(t *trial) {
	s := t.registered(conditions{bootstrap: &bootstrapping{known: true}})
	b := s.asked()
	// 1. The bootstrap server reads object 1 and its instance. A. It gets 2.05 with the account.
	for _, path := range []string{"/1", "/1/0"} {
		b.read(path).in(b.format()).content(path).says("/1/0/0=1").has("/1/0/1", "/1/0/7")
	}
	// 2. It reads object 2. B. It gets 2.05.
	b.read("/2").is(coap.Content)
	// 3. It reads other objects. C. It gets an error, and no key.
	for _, path := range []string{"/0", "/0/0", "/3", "/3/0"} {
		b.read(path).is(coap.MethodNotAllowed)
	}
	// 4. It finishes. D. It gets 2.04.
	b.finish().is(coap.Changed)
}

func bootstrapConsistency(t *trial) {
	s := t.registered(conditions{bootstrap: &bootstrapping{known: true}})
	b := s.asked()
	// 1. The bootstrap server leaves an instance of object 1 without one of object 0. A. It gets
	// 2.02. 2. It finishes. B. It gets 4.06.
	b.delete("/0/0")
	b.finish().is(coap.NotAcceptable)
	// 3. It leaves no account. C. It gets 4.06.
	b.delete("/1")
	b.finish().is(coap.NotAcceptable)
	// D. What was in force is in force: the client is registered.
	if _, ok := s.server.Client(endpoint); !ok {
		t.failf("expected the registration to go on")
	}
	// 4. It corrects that and finishes. E. It gets 2.04. F. The client is there.
	b.write(t.account(0))
	b.finish().is(coap.Changed)
	s.read("/1/0/0").is(coap.Content)
}

func bootstrapPack(t *trial) {
	s := t.start(conditions{bootstrap: &bootstrapping{pack: true}})
	bs := t.bootstrap
	// 1. The client sends a Bootstrap-Pack-Request. A. It tells its endpoint and a format. B. It
	// gets 2.05 with the pack.
	r := bs.awaits(patience, coap.GET, "/bspack")
	r.query("ep", endpoint)
	if f, ok := r.coap.Accept(); !ok || !strings.Contains(lwm2m.Format(f).String(), "senml") {
		t.failf("Bootstrap-Pack-Request: expected a format, got %s", lwm2m.Format(f))
	}
	if acc, ok := r.coap.Query("acc"); ok {
		links, err := link.Parse([]byte(acc))
		if err != nil || len(links) != 1 || links[0].Target != "/0/1" {
			t.failf("Bootstrap-Pack-Request: expected the bootstrap account </0/1>, got %s", acc)
		}
	}
	r.answered(coap.Content)
	// 2. The client registers at the server of the pack. C. It gets 2.01. D. There was no
	// Bootstrap-Request.
	s.register()
	if _, ok := bs.comes(0, coap.POST, "/bs"); ok {
		t.failf("expected no Bootstrap-Request after a pack")
	}
}

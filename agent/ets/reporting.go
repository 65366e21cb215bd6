package ets

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// reportingProcedures are those of the 300s about one path, and Send.
func reportingProcedures() []Procedure {
	v10, v11, v12 := lwm2m.Version10, lwm2m.Version11, lwm2m.Version12
	return []Procedure{
		{ID: 301, Title: "Observation and Notification of parameter values", Since: v10, Condition: "C.4", run: observe, Note: quicker},
		{ID: 302, Title: "Cancel Observations using Reset Operation", Since: v10, Condition: "C.4", run: cancelByReset, Note: quicker},
		{ID: 303, Title: "Cancel Observations using Observe with Cancel parameter", Since: v10, Condition: "C.4", run: cancelByOption, Note: quicker},
		{ID: 306, Title: "Send Operation", Since: v11, Condition: "C.3", run: send},
		{ID: 307, Title: "Muting Send", Since: v11, Condition: "C.3", run: muteSend, Erratum: byPUT},
		{ID: 311, Title: "Send command", Since: v11, Condition: "C.3", run: sendObjects},
		{ID: 312, Title: "Observe with attributes", Since: v12, Condition: "C.4", run: observeWithAttributes, Note: quicker},
		{ID: 313, Title: "Observe parameters override", Since: v12, Condition: "C.4", run: observeOverride, Note: quicker},
	}
}

// quicker is noted where periods of seconds stand for longer ones.
const quicker = "periods of 1 to 3 s instead of 5 s and more"

// The paths of the power sources' voltages and currents.
const (
	voltage = "/3/0/7"
	current = "/3/0/8"
)

// observePower is how int-301 to 303 begin: both resources are observed with periods of
// their own.
func observePower(s *tester) (volts, amperes *watch) {
	// 1. The server reads which power sources there are. A. It gets 2.05 with two.
	s.read("/3/0/6", s.t.several()).content("/3/0/6").has("/3/0/6/0", "/3/0/6/1")
	// 2. It attaches pmin and pmax to voltage and current. B. It gets 2.04.
	s.attach(voltage, "pmin=1", "pmax=2")
	s.attach(current, "pmin=1", "pmax=3")
	// 3. It observes both. C. It gets 2.05 with the values.
	volts, amperes = s.observe(voltage, s.t.several()), s.observe(current, s.t.several())
	volts.first.says(voltage + "/0=3800")
	amperes.first.says(current + "/0=125")
	return volts, amperes
}

func observe(t *trial) {
	volts, amperes := observePower(t.registered(conditions{}))
	// 4. The values change. D. The client notifies, no earlier than pmin and no later than pmax.
	t.powers(3700, 130, 79)
	volts.changed(2 * time.Second)
	amperes.changed(3 * time.Second)
	volts.between(time.Second, 2*time.Second).says(voltage + "/0=3700")
	amperes.between(time.Second, 3*time.Second).says(current + "/0=130")
	// 5. Nothing changes. E. The client notifies when pmax has passed.
	volts.between(2*time.Second, 2*time.Second).says(voltage + "/0=3700")
	amperes.between(3*time.Second, 3*time.Second).says(current + "/0=130")
}

func cancelByReset(t *trial) {
	volts, amperes := observePower(t.registered(conditions{}))
	// 1. The client notifies. A. The server gets notifications of both.
	volts.between(time.Second, 2*time.Second)
	amperes.between(time.Second, 3*time.Second)
	// 2, 3. The server answers the next notification of each with RST.
	volts.reset(2*time.Second + late)
	amperes.reset(3*time.Second + late)
	// 4. The client stops. B. No notification of either comes, though values change.
	t.powers(3600, 140, 78)
	volts.silent(4 * time.Second)
	amperes.silent(0)
}

func cancelByOption(t *trial) {
	s := t.registered(conditions{})
	volts, amperes := observePower(s)
	// 1. The client notifies. A. The server gets notifications of both.
	volts.between(time.Second, 2*time.Second)
	amperes.between(time.Second, 3*time.Second)
	// 2. The server sends each Observe again, with 1. B. It gets 2.05 with the values.
	volts.cancel().says(voltage + "/0=3800")
	amperes.cancel().says(current + "/0=125")
	position := s.tap.length()
	// 3. The client stops. C. No notification of either comes, though values change.
	t.powers(3600, 140, 78)
	t.wait(4 * time.Second)
	for log, _ := s.tap.from(position); len(log) > 0; log = log[1:] {
		if volts.notifies(&log[0]) || amperes.notifies(&log[0]) {
			t.failf("expected no notification after the cancellation, got one")
		}
	}
}

// sends has the client send paths and returns the content of the Send, which the server
// has answered with 2.04.
func (s *tester) sends(paths ...string) *content {
	list := make([]lwm2m.Path, len(paths))
	for i, p := range paths {
		list[i] = lwm2m.MustPath(p)
	}
	ctx, cancel := context.WithTimeout(s.t.ctx, patience)
	defer cancel()
	sent := make(chan error, 1)
	d := s.t.device()
	s.t.sandbox.running.Go(func() { sent <- d.Send(ctx, s.id, list...) })
	m, came := s.comes(patience, coap.POST, "/dp")
	if came {
		m.answered(coap.Changed)
	}
	s.t.must(<-sent) // says why, if nothing came
	if !came {
		s.t.failf("expected a Send, got none")
	}
	got := &answer{s: s, what: "Send", coap: m.coap}
	if f, _ := got.coap.ContentFormat(); lwm2m.Format(f) != lwm2m.FormatSenMLCBOR && lwm2m.Format(f) != lwm2m.FormatSenMLJSON && lwm2m.Format(f) != lwm2m.FormatLwM2MCBOR {
		got.failf("expected SenML or LwM2M CBOR, got %s", lwm2m.Format(f))
	}
	got.coap.Code = coap.Content // a request has a method there
	return got.content("/")
}

func send(t *trial) {
	// 1. The client sends a Send. A. The server gets the values. B. The client gets 2.04.
	t.registered(conditions{}).sends("/3/0/0", "/3/0/11/0").
		says("/3/0/0="+manufacturer+", /3/0/11/0=0").only("/3/0/0", "/3/0/11/0")
}

func muteSend(t *trial) {
	s := t.registered(conditions{})
	// 1. The server sets Mute Send. A. It gets 2.04.
	s.put("/1/0/23", "1")
	// 2. The client shall send. B. Nothing comes.
	ctx, cancel := context.WithTimeout(t.ctx, time.Second)
	defer cancel()
	if err := t.device().Send(ctx, s.id, lwm2m.MustPath("/3/0/0")); err == nil {
		t.failf("expected the client to refuse a Send that is muted")
	}
	if m, ok := s.comes(time.Second, coap.POST, "/dp"); ok {
		t.failf("expected no Send while it is muted, got %s %s", m.coap.Code, m.coap.Path())
	}
	// 3. The server takes it back. C. It gets 2.04. 4. The client sends. D. The server gets the value.
	s.put("/1/0/23", "0")
	s.sends("/3/0/0").says("/3/0/0=" + manufacturer)
}

func sendObjects(t *trial) {
	// 1. The user has the client send two objects. A. The server gets all that it may read of them.
	t.registered(conditions{}).sends("/1", "/3").says(serverValues()).says(deviceValues()).only("/1", "/3")
}

func observeWithAttributes(t *trial) {
	s := t.registered(conditions{})
	// 1. The server observes with pmin and pmax as parameters. A. It gets 2.05 with the values.
	w := s.observe(voltage, t.several(), "pmin=1", "pmax=2")
	// 2. A value changes. B. The client notifies after pmin.
	t.powers(3700, 125, 80)
	w.changed(2 * time.Second)
	w.between(time.Second, 2*time.Second).says(voltage + "/0=3700")
	// 3. Nothing changes. C. The client notifies after pmax.
	w.between(2*time.Second, 2*time.Second)
	// D. The parameters hold for the observation only.
	if _, ok := s.discover(voltage).find(voltage).Attr("pmax"); ok && !s.inherits() {
		t.failf("expected no pmax to be attached to %s", voltage)
	}
}

// inherits reports whether a Discover tells attributes of the account, which are those of
// /1/0/2 and /1/0/3.
func (s *tester) inherits() bool {
	_, ok := s.discover(current).find(current).Attr("pmax")
	return ok
}

func observeOverride(t *trial) {
	s := t.registered(conditions{})
	// 1. The server attaches periods. A. It gets 2.04.
	s.attach(voltage, "pmin=20", "pmax=60")
	// 2. It observes with others as parameters. B. It gets 2.05 with the values.
	w := s.observe(voltage, t.several(), "pmin=1", "pmax=2")
	// 3. A value changes. C. The client notifies as the parameters say.
	t.powers(3700, 125, 80)
	w.changed(2 * time.Second)
	w.between(time.Second, 2*time.Second).says(voltage + "/0=3700")
	w.between(2*time.Second, 2*time.Second)
	// 4. It discovers. D. What was attached is as it was.
	s.discover(voltage).tells(voltage, "pmin=20", "pmax=60")
}

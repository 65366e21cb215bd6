package ets

import (
	"strconv"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// compositeProcedures are those of the 200s with several paths.
func compositeProcedures() []Procedure {
	v11 := lwm2m.Version11
	return []Procedure{
		{
			ID: 229, Title: "Read-Composite Operation", Since: v11, Condition: "C.3", run: inBothSenML(readComposite),
			Note: "void in the test specification for LwM2M 1.2.1",
		},
		{ID: 230, Title: "Write-Composite Operation", Since: v11, Condition: "C.12", run: inBothSenML(writeComposite)},
		{ID: 235, Title: "Read-Composite Operation on root path", Since: v11, Condition: "C.3", run: inBothSenML(readRoot)},
		{ID: 236, Title: "Read-Composite - Partial Presence", Since: v11, Condition: "C.3", run: inBothSenML(readPartlyPresent)},
		{ID: 257, Title: "Write-Composite Operation on Server and Device", Since: v11, Condition: "C.3", run: inBothSenML(writeServerAndDevice)},
		{ID: 280, Title: "Successful Read-Composite Operation", Since: v11, Condition: "C.3", run: inBothSenML(readThree)},
		{ID: 281, Title: "Partially Successful Read-Composite Operation", Since: v11, Condition: "C.3", run: inBothSenML(readPartlyReadable)},
	}
}

// inBothSenML runs the steps in SenML JSON, then in SenML CBOR.
func inBothSenML(steps func(*tester, lwm2m.Format)) func(*trial) {
	return func(t *trial) {
		s := t.registered(conditions{})
		steps(s, lwm2m.FormatSenMLJSON)
		steps(s, lwm2m.FormatSenMLCBOR)
	}
}

func readComposite(s *tester, f lwm2m.Format) {
	// 1. The server reads an object and an instance. A. It gets 2.05 with both.
	server := s.read("/1/0", f).content("/1/0") // an earlier Write may have changed it
	got := s.readComposite(f, "/3", "/1/0").in(f).content("/").only("/3", "/1/0").says(deviceValues())
	for _, n := range server.nodes {
		got.has(n.Path.String())
	}
	// 2. The server reads a resource and a resource instance. B. It gets 2.05 with both, and no more.
	s.readComposite(f, "/1/0/1", "/3/0/11/0").in(f).content("/").
		says("/1/0/1=86400, /3/0/11/0=0").only("/1/0/1", "/3/0/11/0")
}

func writeComposite(s *tester, f lwm2m.Format) {
	s.needs(16)
	// 1. The server writes resources of two objects. A. It gets 2.04.
	const set = "/1/0/1=60, /1/0/6=1, /16/0/0/0=aa, /16/0/0/1=bb, /16/0/0/2=cc, /16/0/0/3=dd"
	s.writeComposite(f, set).is(coap.Changed)
	// 2. The server reads them. B. They are changed.
	s.read("/1/0", f).content("/1/0").says("/1/0/1=60, /1/0/6=1")
	s.read("/16/0/0", f).content("/16/0/0").
		says("/16/0/0/0=aa, /16/0/0/1=bb, /16/0/0/2=cc, /16/0/0/3=dd")
	s.writeComposite(f, "/1/0/1=86400, /1/0/6=0").is(coap.Changed)
}

func readRoot(s *tester, f lwm2m.Format) {
	// 1. The server reads the root. A. It gets 2.05 with all that it may read, the Security object left out.
	got := s.readComposite(f, "/").in(f).content("/").says(deviceValues()).says(serverValues())
	for _, l := range s.client().Registration().Objects {
		p, err := l.Path("")
		s.t.must(err)
		if p.Level() == lwm2m.LevelInstance {
			got.has(p.String())
		}
	}
	if secrets := got.find("/0"); len(secrets) > 0 {
		got.failf("expected nothing of the Security object, got %s", secrets[0].Path)
	}
}

func readPartlyPresent(s *tester, f lwm2m.Format) {
	// 1. The server reads two paths that are there and two that are not. A. It gets 2.05 with the former.
	s.readComposite(f, "/1/0", "/3/0/11/0", "/3339/0/5522", "/3353/0/6030").in(f).content("/").
		says(serverValues().with("/3/0/11/0=0")).only("/1/0", "/3/0/11/0")
}

func writeServerAndDevice(s *tester, f lwm2m.Format) {
	// 1. The server writes resources of the Server and the Device object. A. It gets 2.04.
	const now = 1_700_000_000
	s.writeComposite(f, values("/1/0/2=102, /1/0/6=1, /3/0/13="+strconv.Itoa(now))).is(coap.Changed)
	// 2. The server reads them. B. They are changed; the clock goes on.
	got := s.readComposite(f, "/1/0", "/3/0/13").content("/").says("/1/0/2=102, /1/0/6=1")
	if clock := got.number("/3/0/13"); clock < now-1 || clock > now+patience.Seconds() {
		got.failf("expected a clock just after %d, got %v", now, clock)
	}
}

func readThree(s *tester, f lwm2m.Format) {
	// 1. The server reads a resource, a resource instance and an instance. A. It gets 2.05 with them, and no more.
	s.readComposite(f, "/3/0/16", "/3/0/11/0", "/1/0").in(f).content("/").
		says(serverValues().with("/3/0/16=UT, /3/0/11/0=0")).only("/3/0/16", "/3/0/11/0", "/1/0")
}

func readPartlyReadable(s *tester, f lwm2m.Format) {
	// 1. The server reads two resources and one that can only be executed. A. It gets 2.05 with the two.
	s.readComposite(f, "/1/0/1", "/1/0/7", "/1/0/8").in(f).content("/").
		says("/1/0/1=86400, /1/0/7=U").only("/1/0/1", "/1/0/7")
}

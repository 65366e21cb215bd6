package ets

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// compositeReportingProcedures are those of the 300s about several paths.
func compositeReportingProcedures() []Procedure {
	v11 := lwm2m.Version11
	return []Procedure{
		{ID: 304, Title: "Observe-Composite Operation", Since: v11, Condition: "C.3", run: observeComposite, Note: quicker},
		{ID: 305, Title: "Cancel Observation-Composite Operation", Since: v11, Condition: "C.3", run: cancelComposite, Note: quicker},
		{ID: 308, Title: "Observe-Composite and Creating Object Instance", Since: v11, Condition: "C.12", run: observeCreation, Note: quicker},
		{ID: 309, Title: "Observe-Composite and Deleting Object Instance", Since: v11, Condition: "C.12", run: observeDeletion, Note: quicker},
		{ID: 310, Title: "Observe-Composite and modification of parameter values", Since: v11, Condition: "C.4", run: observeModified, Note: quicker},
	}
}

// compositePaths are what int-304 and int-305 observe.
func compositePaths() []string { return []string{"/1/0/1", "/3/0/11/0", "/3/0/16"} }

func observeTogether(s *tester) *watch {
	// 1. The server sets the periods of the account. A. It gets 2.04.
	s.put("/1/0/2", "1")
	s.put("/1/0/3", "2")
	// 2. It observes a resource instance and resources together. B. It gets 2.05 with all values.
	w := s.observeComposite(compositePaths()...)
	w.first.in(compositeFormat).says("/1/0/1=86400, /3/0/11/0=0, /3/0/16=UT").only(compositePaths()...)
	return w
}

func observeComposite(t *trial) {
	w := observeTogether(t.registered(conditions{}))
	// 3. Nothing changes. C. The client notifies of all paths when pmax has passed, each time.
	for range 2 {
		w.between(2*time.Second, 2*time.Second).in(compositeFormat).
			says("/1/0/1=86400, /3/0/11/0=0, /3/0/16=UT").only(compositePaths()...)
	}
}

func cancelComposite(t *trial) {
	w := observeTogether(t.registered(conditions{}))
	w.between(2*time.Second, 2*time.Second)
	// 1. The server sends the same list with Observe 1. A. It gets 2.05 with all values.
	w.cancel().says("/1/0/1=86400, /3/0/11/0=0, /3/0/16=UT")
	// 2. The client stops. B. No notification comes.
	w.silent(4 * time.Second)
}

func observeCreation(t *trial) {
	s := t.registered(conditions{})
	s.needs(16)
	// 1. The server observes an object and a resource together. A. It gets 2.05 with the values.
	w := s.observeComposite("/3/0/16", "/16")
	w.first.has("/3/0/16", "/16/0/0/0")
	// 2. It creates an instance. B. It gets 2.01. C. The client notifies with it.
	set := portfolio("/16/1", "Host Device ID #2", "Host Device Model #2")
	s.create("/16", compositeFormat, set).is(coap.Created)
	w.between(time.Second, 10*time.Second).says(set).has("/3/0/16", "/16/0/0/0").only("/3/0/16", "/16")
}

func observeDeletion(t *trial) {
	s := t.registered(conditions{})
	s.needs(16)
	s.create("/16", compositeFormat, portfolio("/16/1", "Host Device ID #2", "Host Device Model #2")).is(coap.Created)
	// 1. The server observes two instances and a resource together. A. It gets 2.05 with the values.
	w := s.observeComposite("/3/0/16", "/16/0", "/16/1")
	w.first.has("/3/0/16", "/16/0", "/16/1")
	// 2. It deletes one. B. It gets 2.02. C. The client notifies without it.
	s.do(request(coap.DELETE, "/16/1")).is(coap.Deleted)
	w.between(time.Second, 10*time.Second).has("/3/0/16", "/16/0").only("/3/0/16", "/16/0")
}

func observeModified(t *trial) {
	s := t.registered(conditions{})
	// 1. The server attaches periods. A. It gets 2.04.
	s.attach(voltage, "pmin=1", "pmax=3")
	// 2. It observes two resources together. B. It gets 2.05 with the values.
	w := s.observeComposite(voltage, "/1/0/5")
	w.first.says(voltage + "/0=3800, /1/0/5=86400")
	// 3. Values change, one by a Write. C. The client notifies of both paths, not before pmin.
	s.put("/1/0/5", "2000")
	t.powers(3700, 125, 80)
	w.changed(3 * time.Second)
	w.between(time.Second, 3*time.Second).says("/1/0/5=2000").has(voltage)
	// 4. The server changes pmax. D. It gets 2.04. E. The client notifies as often as that says.
	s.attach(voltage, "pmax=1")
	w.next(3*time.Second + late) // what was due when the attribute came
	w.between(time.Second, time.Second).says(voltage + "/0=3700, /1/0/5=2000")
}

package ets

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// otherObjectProcedures are the 1000s but int-1200 to 1350, 1630 and 1635: objects 16, 19 and 20.
func otherObjectProcedures() []Procedure {
	v10, v11 := lwm2m.Version10, lwm2m.Version11
	return []Procedure{
		{ID: 1600, Title: "Portfolio", Since: v10, Missing: noProcedure},
		{ID: 1605, Title: "Portfolio", Since: v10, Missing: noProcedure},
		{ID: 1610, Title: "Portfolio", Since: v10, Missing: noProcedure},
		{ID: 1611, Title: "Portfolio", Since: v10, Missing: noProcedure},
		{ID: 1620, Title: "Portfolio", Since: v10, Missing: noProcedure},
		{ID: 1900, Title: "BinaryAppDataContainer: observing data", Since: v11, Condition: "C.15", run: observeData, Note: quicker},
		{ID: 1901, Title: "BinaryAppDataContainer: writing data", Since: v11, Condition: "C.15", run: writeData},
		{ID: 2000, Title: "Event Log: starting a collection", Since: v11, Condition: "C.16", run: startLog},
		{ID: 2001, Title: "Event Log: reading log data", Since: v11, Condition: "C.16", run: readLog},
	}
}

func observeData(t *trial) {
	s := t.registered(conditions{})
	s.needs(19)
	// 1. The server attaches pmin and pmax to the uplink's data. A. It gets 2.04.
	s.attach("/19/0/0", "pmin=1", "pmax=2")
	// 2. It observes the data. B. It gets 2.05 with what there is.
	w := s.observe("/19/0/0", t.several())
	// 3. The client notifies. C. No later than pmax.
	w.between(time.Second, 2*time.Second)
}

func writeData(t *trial) {
	s := t.registered(conditions{})
	s.needs(19)
	// 1. The server writes data to the downlink. A. It gets 2.04. 2. It reads them. B. They are there.
	const set = "/19/1/0/0=3q2+7w==" // DE AD BE EF
	s.replace("/19/1/0", t.several(), set).is(coap.Changed)
	s.read("/19/1/0", t.several()).content("/19/1/0").says(set)
}

// log returns the path of the first instance of the Event Log object.
func (s *tester) log() string {
	s.needs(20)
	for _, l := range s.client().Registration().Objects {
		if p, err := l.Path(""); err == nil && p.Level() == lwm2m.LevelInstance && p.Object() == 20 {
			return p.String()
		}
	}
	s.t.skipf("object 20 has no instance")
	return ""
}

func startLog(t *trial) {
	s := t.registered(conditions{})
	log := s.log()
	// 1. The server executes LogStart. A. It gets 2.04.
	s.execute(log + "/4011")
	// 2. It reads LogStatus. B. The first bit says that the collection runs.
	got := s.read(log+"/4013", lwm2m.FormatText).content(log + "/4013")
	if status := int(got.number(log + "/4013")); status&1 != 0 {
		got.failf("expected a collection that runs, got the status %d", status)
	}
}

func readLog(t *trial) {
	s := t.registered(conditions{})
	log := s.log()
	// 1. The server starts a collection, and stops it after a while. A. It gets 2.04.
	s.execute(log + "/4011")
	s.execute(log + "/4012")
	// 2. It reads LogStatus. B. The first bit says that the collection has stopped.
	got := s.read(log+"/4013", lwm2m.FormatText).content(log + "/4013")
	if status := int(got.number(log + "/4013")); status&1 != 1 {
		got.failf("expected a collection that has stopped, got the status %d", status)
	}
	// 3. It reads LogData. C. It gets 2.05 with them.
	s.read(log + "/4014").content(log + "/4014")
}

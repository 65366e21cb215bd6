package ets

import (
	"strconv"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// statusObjectProcedures are the 700s without firmware, the 800s and 900s: objects 4, 6
// and 7.
func statusObjectProcedures() []Procedure {
	v10 := lwm2m.Version10
	return []Procedure{
		{ID: 701, Title: "Connectivity Monitoring: querying the readable resources", Since: v10, Condition: "C.5", run: readConnectivity},
		{ID: 705, Title: "Connectivity Monitoring", Since: v10, Missing: noProcedure},
		{ID: 710, Title: "Connectivity Monitoring: observation and notification", Since: v10, Condition: "C.5", run: observeConnectivity, Note: quicker},
		{ID: 711, Title: "Connectivity Monitoring", Since: v10, Missing: noProcedure},
		{ID: 720, Title: "Connectivity Monitoring", Since: v10, Missing: noProcedure},
		{ID: 730, Title: "Connectivity Monitoring", Since: v10, Missing: noProcedure},
		{ID: 735, Title: "Connectivity Monitoring", Since: v10, Missing: noProcedure},
		{ID: 801, Title: "Location: querying the resources", Since: v10, Condition: "C.7", run: readLocation},
		{ID: 805, Title: "Location", Since: v10, Missing: noProcedure},
		{ID: 810, Title: "Location: observation and notification", Since: v10, Condition: "C.7", run: observeLocation, Note: quicker},
		{ID: 811, Title: "Location", Since: v10, Missing: noProcedure},
		{ID: 820, Title: "Location", Since: v10, Missing: noProcedure},
		{ID: 830, Title: "Location", Since: v10, Missing: noProcedure},
		{ID: 835, Title: "Location", Since: v10, Missing: noProcedure},
		{
			ID: 901, Title: "Connectivity Statistics: querying a data collection", Since: v10, Condition: "C.9", run: collect,
			Note: "the expected resources are those of object 7; the document lists those of object 4",
		},
		{ID: 905, Title: "Connectivity Statistics: setting the writable resources", Since: v10, Condition: "C.9", run: collectionPeriod},
		{ID: 910, Title: "Connectivity Statistics: observation and notification", Since: v10, Condition: "C.9", run: observeStatistics, Note: quicker},
		{ID: 911, Title: "Connectivity Statistics", Since: v10, Missing: noProcedure},
		{ID: 920, Title: "Connectivity Statistics", Since: v10, Missing: noProcedure},
		{ID: 930, Title: "Connectivity Statistics", Since: v10, Missing: noProcedure},
		{ID: 935, Title: "Connectivity Statistics", Since: v10, Missing: noProcedure},
	}
}

func readConnectivity(t *trial) {
	// 1. The server reads the instance. A to C. It gets 2.05 with the mandatory resources
	// and the optional ones of the configuration.
	t.registered(conditions{}).read("/4/0", t.several()).content("/4/0").
		has("/4/0/0", "/4/0/1/0", "/4/0/2", "/4/0/4/0").
		has("/4/0/3", "/4/0/5/0", "/4/0/6", "/4/0/7/0", "/4/0/8", "/4/0/9", "/4/0/10").
		says(values("/4/0/2=" + strconv.FormatInt(t.machine().Sensed().Signal, 10)))
}

// observeInstance is the beginning of int-710, 810 and 910.
func observeInstance(s *tester, path string) *watch {
	// 1. The server attaches pmin and pmax to the instance. A, B. It gets 2.04.
	s.attach(path, "pmin=1", "pmax=3")
	// 2. It observes the instance. C, D. It gets 2.05 with the values.
	return s.observe(path, s.t.several())
}

func observeConnectivity(t *trial) {
	w := observeInstance(t.registered(conditions{}), "/4/0")
	w.first.says("/4/0/2=-87")
	// 3. The signal changes. E, F. The client notifies between pmin and pmax with the new value.
	sensed := t.machine().Sensed()
	sensed.Signal = -101
	t.machine().Sense(sensed)
	t.senses(nil)
	w.between(time.Second, 3*time.Second).says("/4/0/2=-101").has("/4/0/0", "/4/0/1/0", "/4/0/4/0")
	// Nothing changes: it notifies after pmax.
	w.between(3*time.Second, 3*time.Second)
}

func readLocation(t *trial) {
	// 1. The server reads the instance. A to C. It gets 2.05 with the mandatory resources
	// and the optional ones of the configuration.
	got := t.registered(conditions{}).read("/6/0", t.several()).content("/6/0").has("/6/0/2", "/6/0/3", "/6/0/5", "/6/0/6")
	liesAt(got, initiallySensed())
}

// liesAt checks a position, to what a float of 32 bits tells.
func liesAt(c *content, want Sensed) {
	const near = 1e-4
	lat, lon := c.number("/6/0/0")-want.Latitude, c.number("/6/0/1")-want.Longitude
	if lat*lat+lon*lon > near*near {
		c.failf("expected the position %v %v, got %s %s", want.Latitude, want.Longitude, c.value("/6/0/0"), c.value("/6/0/1"))
	}
}

func observeLocation(t *trial) {
	w := observeInstance(t.registered(conditions{}), "/6/0")
	liesAt(w.first, initiallySensed())
	first := w.first.number("/6/0/5")
	// 3. The device moves. E, F. The client notifies between pmin and pmax with the new
	// position, whose time stamp is later.
	sensed := t.machine().Sensed()
	sensed.Latitude, sensed.Longitude = 47.0707, 15.4395
	t.wait(time.Second) // the time stamp's resolution
	t.machine().Sense(sensed)
	t.senses(nil)
	got := w.between(time.Second, 3*time.Second)
	liesAt(got, sensed)
	if stamp := got.number("/6/0/5"); stamp <= first {
		got.failf("expected a time stamp after %v, got %v", first, stamp)
	}
}

func collect(t *trial) {
	s := t.registered(conditions{})
	// 1. The server executes Start. A, B. It gets 2.04.
	s.execute("/7/0/6")
	// 2. After some traffic it executes Stop. C, D. It gets 2.04.
	t.must(t.machine().Traffic(5000, 3000))
	s.read("/3/0", t.several()).is(coap.Content)
	s.execute("/7/0/7")
	t.must(t.machine().Traffic(9000, 9000)) // no more part of it
	// 3. It reads the instance. E to H. It gets 2.05 with what was collected between.
	got := s.read("/7/0", t.several()).content("/7/0").
		says("/7/0/0=0, /7/0/1=0, /7/0/2=5, /7/0/3=3")
	if average, most := got.number("/7/0/5"), got.number("/7/0/4"); average <= 0 || average > most {
		got.failf("expected an average message size above 0 and not above the maximum, got %v and %v", average, most)
	}
}

func collectionPeriod(t *trial) {
	s := t.registered(conditions{})
	// 1. The server reads the instance. A, B. It gets 2.05 with the period.
	before := s.read("/7/0", t.several()).content("/7/0").number("/7/0/8")
	// 2. It writes another period. C, D. It gets 2.04.
	other := strconv.Itoa(int(before) + 1)
	s.put("/7/0/8", other)
	// 3. It reads the instance. E to G. It has the other period.
	s.read("/7/0", t.several()).content("/7/0").says(values("/7/0/8=" + other))
}

func observeStatistics(t *trial) {
	s := t.registered(conditions{})
	// 2. The server sets the collection period to 0. B. It gets 2.04.
	s.put("/7/0/8", "0")
	w := observeInstance(s, "/7/0")
	// 4. It executes Start. It gets 2.04.
	s.execute("/7/0/6")
	t.must(t.machine().Traffic(5000, 3000))
	// 5, 6. The client notifies. E, F. Between pmin and pmax, with what was collected.
	w.between(time.Second, 3*time.Second)
	w.between(time.Second, 3*time.Second).says("/7/0/2=5, /7/0/3=3, /7/0/8=0")
	// 7. It executes Stop. It gets 2.04. 8. It cancels the observation.
	s.execute("/7/0/7")
	w.cancel().says("/7/0/2=5")
}

package ets

import (
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire/link"
)

// cellularObjectProcedures are int-1200 to 1350: objects 10, 11 and 13.
func cellularObjectProcedures() []Procedure {
	v10, v11 := lwm2m.Version10, lwm2m.Version11
	return []Procedure{
		{
			ID: 1200, Title: "Cellular Connectivity: querying the readable resources", Since: v10, Condition: "C.10", run: readCellular,
			Note: "a simulated modem, which knows no Serving PLMN Rate Control",
		},
		{
			ID: 1201, Title: "Cellular Connectivity: querying the resources of version 1.1", Since: v11, Condition: "C.11", run: discoverCellular,
			Note: "a simulated modem, which knows no Serving PLMN Rate Control", Erratum: wrongSavingModes,
		},
		{
			ID: 1202, Title: "Cellular Connectivity: setting the power saving modes", Since: v10, Condition: "C.10", run: savePower,
			Note: "a simulated modem", Erratum: wrongSavingModes + "; the TLV is C1 0D 02",
		},
		{
			ID: 1203, Title: "Cellular Connectivity: observing the power saving modes", Since: v10, Condition: "C.10", run: observeSavingModes,
			Note: quicker + "; a simulated modem", Erratum: wrongSavingModes,
		},
		{ID: 1204, Title: "Cellular Connectivity: observing timers", Since: v11, Condition: "C.11", Missing: "later: the timers of a modem"},
		{ID: 1250, Title: "APN Connection Profile: configuration", Since: v10, Condition: "C.10", Missing: "profiles are the modem's: servers create none"},
		{ID: 1350, Title: "Bearer Selection: configuration", Since: v10, Condition: "C.10", Missing: "later: the selection of bearers"},
	}
}

const wrongSavingModes = "the saving modes are /10/0/12 (supported) and 13 (active) in the registered object, not 13 and 14"

// The resources of object 10 that procedures are about.
const (
	cellularObject   = "/10"
	cellularInstance = "/10/0"
	activeProfiles   = "/10/0/11"
	supportedSaving  = "/10/0/12"
	activeSaving     = "/10/0/13"
)

// withModem is registered with a modem in the device, which serves what it is about a while after its start.
func (t *trial) withModem() *tester {
	s := t.registered(conditions{modem: true})
	serves := func(l link.Link) bool { return l.Target == cellularInstance }
	for end := time.Now().Add(patience); !slices.ContainsFunc(s.client().Registration().Objects, serves); t.wait(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.skipf(needsModem)
		}
	}
	return s
}

func readCellular(t *trial) {
	// 1. The server reads the instance. A, B. It gets 2.05 with what the configuration has.
	t.withModem().read(cellularInstance, lwm2m.FormatTLV).in(lwm2m.FormatTLV).content(cellularInstance).
		has(activeProfiles).says(supportedSaving + "=3, " + activeSaving + "=0")
}

// discoversCellular is the beginning of int-1201 to 1203.
func discoversCellular(t *trial) *tester {
	s := t.withModem()
	// 1. The server discovers the object. A. It gets 2.05 with its version and resources.
	got := s.discover(cellularObject).has(cellularObject, activeProfiles, supportedSaving, activeSaving)
	if version, _ := got.find(cellularObject).Attr("ver"); version != "1.1" && t.atLeast(lwm2m.Version11) {
		got.failf("expected the version 1.1, got %s", got.coap.Payload)
	}
	return s
}

func discoverCellular(t *trial) {
	s := discoversCellular(t)
	// 2. It reads the instance. B, C. It gets 2.05 with what the configuration has.
	s.read(cellularInstance, lwm2m.FormatTLV).in(lwm2m.FormatTLV).content(cellularInstance).has(activeProfiles, supportedSaving, activeSaving)
}

func savePower(t *trial) {
	s := discoversCellular(t)
	// 2. The server reads the supported modes. B. It gets 2.05 with those of the configuration.
	s.read(supportedSaving).content(supportedSaving).says(supportedSaving + "=3")
	// 3. It writes the active ones. C. It gets 2.04.
	const wanted = activeSaving + "=2"
	s.replace(activeSaving, lwm2m.FormatTLV, wanted).is(coap.Changed)
	// 4. It reads them. D. They are as written.
	s.read(activeSaving).content(activeSaving).says(wanted)
}

func observeSavingModes(t *trial) {
	s := discoversCellular(t)
	watches := make(map[string]*watch)
	for _, path := range []string{supportedSaving, activeSaving} {
		// 2. The server attaches pmin and pmax to each. B. It gets 2.04.
		s.attach(path, "pmin=1", "pmax=3")
		// 3. It observes each. C. It gets 2.05 with the value.
		watches[path] = s.observe(path, t.several())
	}
	watches[supportedSaving].first.says(supportedSaving + "=3")
	watches[activeSaving].first.says(activeSaving + "=0")
	// 4. The client notifies. D. Regularly, and of what changes.
	s.replace(activeSaving, lwm2m.FormatTLV, activeSaving+"=2").is(coap.Changed)
	watches[activeSaving].between(time.Second, 3*time.Second).says(activeSaving + "=2")
	watches[supportedSaving].next(3*time.Second + late).says(supportedSaving + "=3")
}

package ets

import (
	"strconv"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// coreObjectProcedures are the 500s and 600s, on objects 1 and 3, and those with two
// servers.
func coreObjectProcedures() []Procedure {
	v10 := lwm2m.Version10
	return []Procedure{
		{ID: 551, Title: "Server object: setting the writable resources", Since: v10, Condition: "C.3", run: writeTLV, Note: "the same as int-215"},
		{ID: 555, Title: "Server object", Since: v10, Missing: noProcedure},
		{ID: 556, Title: "Server object: Registration Update Trigger", Since: v10, Condition: "C.1", run: updateTrigger, Note: "the same as int-104; " + shorter},
		{ID: 560, Title: "Delayed report", Since: v10, Missing: noProcedure},
		{ID: 565, Title: "Server object", Since: v10, Missing: noProcedure},
		{ID: 566, Title: "Server object", Since: v10, Missing: noProcedure},
		{ID: 651, Title: "Querying and setting the resources of the Device object", Since: v10, Condition: "C.6", run: deviceResources},
		{ID: 652, Title: "Querying the firmware version from the client", Since: v10, Condition: "C.3", run: firmwareVersion},
		{ID: 655, Title: "Device object: Reboot", Since: v10, Condition: "C.1", run: reboot, Note: "the same as int-241"},
		{ID: 656, Title: "Factory Reset", Since: v10, Missing: noProcedure},
		{ID: 657, Title: "Error Code", Since: v10, Missing: noProcedure},
		{ID: 660, Title: "Device object: observing", Since: v10, Condition: "C.4", run: observe, Note: "the same as int-301; " + quicker},
		{ID: 661, Title: "Device object", Since: v10, Missing: noProcedure},
		{ID: 670, Title: "Device object", Since: v10, Missing: noProcedure},
		{ID: 680, Title: "Create Object Instance of the Device object", Since: v10, Condition: "C.1", run: createDevice},
		{ID: 685, Title: "Delete Object Instance of the Device object", Since: v10, Condition: "C.1", run: deleteDevice},
		{ID: 950, Title: "Multi-servers registration", Since: v10, Condition: "C.14", run: twoServers},
		{ID: 951, Title: "Multi-servers attributes", Since: v10, Condition: "C.14", run: attributesOfTwoServers},
	}
}

func deviceResources(t *trial) {
	s := t.registered(conditions{})
	before := s.read("/3/0", lwm2m.FormatTLV).content("/3/0")
	// 1. The server writes clock, offset and time zone as TLV by POST. A. It gets 2.04.
	const clock = 1367491215
	const place values = "/3/0/14=+02:00, /3/0/15=" + zone
	s.partial("/3/0", lwm2m.FormatTLV, place.with(values("/3/0/13="+strconv.Itoa(clock)))).is(coap.Changed)
	// 2. It reads the instance. B. It has the values; the clock goes on.
	got := s.read("/3/0", lwm2m.FormatTLV).content("/3/0").says(place)
	if now := got.number("/3/0/13"); now < clock-1 || now > clock+patience.Seconds() {
		got.failf("expected a clock just after %d, got %v", clock, now)
	}
	// 3. It writes what the resources had by PUT. A. It gets 2.04.
	initial := values("/3/0/14=" + before.value("/3/0/14") + ", /3/0/15=" + before.value("/3/0/15"))
	s.replace("/3/0", lwm2m.FormatTLV, initial.with(values("/3/0/13="+before.value("/3/0/13")))).is(coap.Changed)
	// 4. It reads the instance. C. It has what it had.
	after := s.read("/3/0", lwm2m.FormatTLV).content("/3/0").says(initial).says(deviceValues())
	if now, then := after.number("/3/0/13"), before.number("/3/0/13"); now < then-1 || now > then+patience.Seconds() {
		after.failf("expected a clock just after %v, got %v", then, now)
	}
}

func firmwareVersion(t *trial) {
	// 1. The server reads the firmware version. A, B. It gets 2.05 with it, in a format that the client chooses.
	t.registered(conditions{}).read("/3/0/3").content("/3/0/3").says("/3/0/3=" + osVersion)
}

func createDevice(t *trial) {
	// 1. The server creates a second Device. A. It gets 4.05.
	t.registered(conditions{}).do(request(coap.POST, "/3")).is(coap.MethodNotAllowed)
}

func deleteDevice(t *trial) {
	// 1. The server deletes the Device. A. It gets 4.05.
	t.registered(conditions{}).do(request(coap.DELETE, "/3/0")).is(coap.MethodNotAllowed)
}

func twoServers(t *trial) {
	t.start(conditions{servers: 2})
	// 1, 2. The client registers at each server. A to D. As in int-101, with 2.01.
	for _, s := range t.servers {
		s.register().query("ep", endpoint).query("lt", seconds(lifetime)).query("lwm2m", t.version.String())
		s.needs(2) // configuration C.14 has access control
	}
}

func attributesOfTwoServers(t *trial) {
	t.start(conditions{servers: 2})
	periods := [][]string{{"pmin=2", "pmax=10"}, {"pmin=15", "pmax=50"}}
	for _, s := range t.servers {
		s.register()
		s.needs(2) // configuration C.14 has access control
	}
	// 1, 2. Each server attaches periods of its own to the Device. A, B. It gets 2.04.
	for i, s := range t.servers {
		s.attach("/3/0", periods[i]...)
	}
	// 3, 4. Each discovers the Device. C, D. It is told its own periods.
	for i, s := range t.servers {
		s.discover("/3/0").has("/3/0/0", "/3/0/1", "/3/0/2", "/3/0/3", "/3/0/11", "/3/0/16").tells("/3/0", periods[i]...)
	}
}

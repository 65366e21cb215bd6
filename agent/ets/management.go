package ets

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// managementProcedures are those of the 200s that read, and that are refused.
func managementProcedures() []Procedure {
	v10, v11 := lwm2m.Version10, lwm2m.Version11
	return []Procedure{
		{ID: 201, Title: "Querying basic information in Plain Text format", Since: v10, Condition: "C.3", run: readText},
		{ID: 202, Title: "Querying basic information in Opaque format", Since: v10, Missing: noProcedure},
		{ID: 203, Title: "Querying basic information in TLV format", Since: v10, Condition: "C.3", run: readTLV},
		{ID: 204, Title: "Querying basic information in JSON format", Since: v10, Condition: "C.3", run: readJSON, Note: jsonIsSenML},
		{ID: 211, Title: "Querying basic information in CBOR format", Since: v11, Condition: "C.3", run: readCBOR},
		{ID: 221, Title: "Attempt to perform operations on Security", Since: v11, Condition: "C.1", run: touchSecurity},
		{ID: 222, Title: "Read on Object", Since: v11, Condition: "C.3", run: readObject},
		{ID: 223, Title: "Read on Object Instance", Since: v11, Condition: "C.3", run: readInstance},
		{ID: 224, Title: "Read on Resource", Since: v11, Condition: "C.3", run: readResource},
		{ID: 225, Title: "Read on Resource Instance", Since: v11, Condition: "C.3", run: readResourceInstance},
		{ID: 231, Title: "Querying basic information in SenML JSON format", Since: v11, Condition: "C.3", run: readSenML(lwm2m.FormatSenMLJSON)},
		{ID: 232, Title: "Querying basic information in SenML CBOR format", Since: v11, Condition: "C.3", run: readSenML(lwm2m.FormatSenMLCBOR)},
		{ID: 237, Title: "Read on Object without specifying Content-Type", Since: v11, Condition: "C.3", run: readAsTheClientLikes},
		{ID: 241, Title: "Executable Resource: Rebooting the device", Since: v10, Condition: "C.1", run: reboot},
		{ID: 256, Title: "Write Operation Failure", Since: v11, Condition: "C.3", run: writeFailure},
	}
}

// jsonIsSenML is noted where the procedure says JSON.
const jsonIsSenML = "JSON is OMA JSON (11543) in LwM2M 1.0, which is not to be sent from 1.1 on, and SenML JSON (110) there"

// json returns what JSON is in the version.
func (t *trial) json() lwm2m.Format {
	if t.atLeast(lwm2m.Version11) {
		return lwm2m.FormatSenMLJSON
	}
	return lwm2m.FormatOMAJSON
}

// several returns the format for more than one value where a procedure names none.
func (t *trial) several() lwm2m.Format {
	if t.atLeast(lwm2m.Version11) {
		return lwm2m.FormatSenMLCBOR
	}
	return lwm2m.FormatTLV
}

// deviceValues are those of configuration C.3 in object 3, but for the bindings: the document has
// a device without TCP.
func deviceValues() values {
	return "/3/0/0=" + manufacturer + ", /3/0/1=" + modelNumber + ", /3/0/2=" + serialNumber + ", /3/0/3=" + osVersion +
		", /3/0/11/0=0, /3/0/16=UT"
}

// serverValues are those of configuration C.3 in object 1.
func serverValues() values {
	return "/1/0/0=1, /1/0/1=86400, /1/0/2=1, /1/0/3=10, /1/0/5=86400, /1/0/6=0, /1/0/7=U"
}

func readText(t *trial) {
	s := t.registered(conditions{})
	// 1. The server reads manufacturer, model and serial number as text. A. It gets 2.05 with them.
	for _, p := range deviceValues().pairs()[:3] {
		got := s.read(p.path, lwm2m.FormatText).is(coap.Content).in(lwm2m.FormatText)
		if string(got.coap.Payload) != p.value {
			got.failf("expected %q, got %q", p.value, got.coap.Payload)
		}
	}
}

func readTLV(t *trial) {
	s := t.registered(conditions{})
	// 1. The server reads the Device object's instance as TLV. A. It gets 2.05 with the values.
	got := s.read("/3/0", lwm2m.FormatTLV).in(lwm2m.FormatTLV)
	got.content("/3/0").says(deviceValues())
	// 2, 3. Bits 7 and 6 of the first type are those of a Resource with Value.
	if got.coap.Payload[0]>>6 != 3 {
		got.failf("expected the TLV of a resource, got %#x", got.coap.Payload[0])
	}
}

func readJSON(t *trial) {
	// 1. The server reads the Device object's instance as JSON. A. It gets 2.05 with the values.
	t.registered(conditions{}).read("/3/0", t.json()).in(t.json()).content("/3/0").says(deviceValues())
}

func readCBOR(t *trial) {
	s := t.registered(conditions{})
	// 1. The server reads Short Server ID, storing and binding as CBOR. A. It gets 2.05 with them.
	for _, p := range []pair{{"/1/0/0", "\x01"}, {"/1/0/6", "\xf4"}, {"/1/0/7", "\x61U"}} {
		got := s.read(p.path, lwm2m.FormatCBOR).is(coap.Content).in(lwm2m.FormatCBOR)
		if string(got.coap.Payload) != p.value {
			got.failf("expected %#x, got %#x", p.value, got.coap.Payload)
		}
	}
}

func touchSecurity(t *trial) {
	s := t.registered(conditions{})
	// 1. The server reads, writes, discovers, and attaches attributes to, the Security
	// object. A. It gets 4.01 each time.
	s.read("/0/0").is(coap.Unauthorized)
	s.replace("/0/0/0", lwm2m.FormatText, "/0/0/0=coap://localhost").is(coap.Unauthorized)
	m := request(coap.GET, "/0")
	m.SetAccept(uint16(lwm2m.FormatLink))
	s.do(m).is(coap.Unauthorized)
	s.do(request(coap.PUT, "/0", "pmin=10")).is(coap.Unauthorized)
}

func readObject(t *trial) {
	s := t.registered(conditions{})
	// 1, 2. The server reads the Server and the Device object. A, B. It gets 2.05 with the instance.
	s.read("/1", t.several()).content("/1").says(serverValues()).only("/1/0")
	s.read("/3", t.several()).content("/3").says(deviceValues()).only("/3/0")
}

func readInstance(t *trial) {
	s := t.registered(conditions{})
	// 1, 2. The server reads an instance of each. A, B. It gets 2.05 with the resources.
	s.read("/1/0", t.several()).content("/1/0").says(serverValues())
	s.read("/3/0", t.several()).content("/3/0").says(deviceValues())
}

func readResource(t *trial) {
	s := t.registered(conditions{})
	// 1. The server reads resources. A. It gets 2.05 with each value.
	for _, p := range serverValues().pairs() {
		s.read(p.path).content(p.path).says(values(p.path + "=" + p.value)).only(p.path)
	}
}

func readResourceInstance(t *trial) {
	// 1. The server reads a resource instance. A. It gets 2.05 with its value.
	const path = "/3/0/11/0"
	t.registered(conditions{}).read(path).content(path).says(values(path + "=0")).only(path)
}

// readSenML is int-231 and int-232.
func readSenML(f lwm2m.Format) func(*trial) {
	return func(t *trial) {
		s := t.registered(conditions{})
		// 1 to 4. The server reads an object, an instance, a resource and a resource
		// instance. A to D. It gets 2.05 with the values in the format.
		s.read("/1", f).in(f).content("/1").says(serverValues())
		s.read("/3/0", f).in(f).content("/3/0").says(deviceValues())
		s.read("/3/0/16", f).in(f).content("/3/0/16").says("/3/0/16=UT")
		s.read("/3/0/11/0", f).in(f).content("/3/0/11/0").says("/3/0/11/0=0")
	}
}

func readAsTheClientLikes(t *trial) {
	s := t.registered(conditions{})
	// 1, 2. The server reads objects and names no format. A, B. It gets 2.05 in one that
	// the client chooses.
	s.read("/1").content("/1").says(serverValues())
	s.read("/3").content("/3").says(deviceValues())
}

func reboot(t *trial) {
	s := t.registered(conditions{})
	first := s.client().Registration().ID
	// 1. The server executes Reboot. A. It gets 2.04.
	s.execute("/3/0/4")
	// 2. The device starts again and registers. B. As in int-101.
	s.register().query("ep", endpoint).query("lwm2m", t.version.String())
	if s.client().Registration().ID == first {
		t.failf("expected a new registration")
	}
}

func writeFailure(t *trial) {
	s := t.registered(conditions{})
	// 1. The server writes a resource that is read only. A. It gets 4.05.
	s.replace("/1/0/0", lwm2m.FormatText, "/1/0/0=123").is(coap.MethodNotAllowed)
	// 2. The server reads it. B. It is what it was.
	s.read("/1/0/0").content("/1/0/0").says("/1/0/0=1")
}

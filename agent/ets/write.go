package ets

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// writeProcedures are those of the 200s that write.
func writeProcedures() []Procedure {
	v10, v11 := lwm2m.Version10, lwm2m.Version11
	return []Procedure{
		{ID: 205, Title: "Setting basic information in Plain Text format", Since: v10, Condition: "C.3", run: writeText},
		{ID: 210, Title: "Setting basic information in Opaque format", Since: v10, Missing: noProcedure},
		{ID: 212, Title: "Setting basic information in CBOR format", Since: v11, Condition: "C.3", run: writeCBOR},
		{ID: 215, Title: "Setting basic information in TLV format", Since: v10, Condition: "C.3", run: writeTLV},
		{ID: 220, Title: "Setting basic information in JSON format", Since: v10, Condition: "C.3", run: writeJSON, Note: jsonIsSenML},
		{ID: 226, Title: "Write (Partial Update) on Object Instance", Since: v11, Condition: "C.3", run: partialUpdate},
		{ID: 227, Title: "Write (Replace) on Resource", Since: v11, Condition: "C.3", run: replaceResource},
		{
			ID: 228, Title: "Write on Resource Instance", Since: v11, Condition: "C.12", run: writeResourceInstance,
			Erratum: byPUT,
		},
		{ID: 233, Title: "Setting basic information in SenML CBOR format", Since: v11, Condition: "C.12", run: writeSenML(lwm2m.FormatSenMLCBOR)},
		{ID: 234, Title: "Setting basic information in SenML JSON format", Since: v11, Condition: "C.12", run: writeSenML(lwm2m.FormatSenMLJSON)},
	}
}

// changedValues are what int-205, 215 and 220 write.
func changedValues() values { return "/1/0/2=101, /1/0/3=1010, /1/0/5=2000" }

func writeText(t *trial) {
	s := t.registered(conditions{})
	// 1 and 2 with the values of the procedure, then 3 with those of the configuration.
	for _, set := range []values{changedValues(), "/1/0/2=1, /1/0/3=10, /1/0/5=86400"} {
		// 1. The server writes each resource as text. A. It gets 2.04.
		for _, p := range set.pairs() {
			s.put(p.path, p.value)
		}
		// 2. The server reads the instance as TLV. B. It has the values.
		s.read("/1/0", lwm2m.FormatTLV).in(lwm2m.FormatTLV).content("/1/0").says(set)
	}
}

func writeCBOR(t *trial) {
	s := t.registered(conditions{})
	// 1. The server writes each resource as CBOR. A. It gets 2.04. 2. It reads them. B. They have the values.
	for _, p := range values("/1/0/2=101, /1/0/3=1010, /1/0/6=1").pairs() {
		set := values(p.path + "=" + p.value)
		s.replace(p.path, lwm2m.FormatCBOR, set).is(coap.Changed)
		s.read(p.path, lwm2m.FormatCBOR).in(lwm2m.FormatCBOR).content(p.path).says(set)
	}
}

func writeTLV(t *trial) { writeInstance(t, lwm2m.FormatTLV) }

func writeJSON(t *trial) { writeInstance(t, t.json()) }

// writeInstance is int-215 and int-220.
func writeInstance(t *trial, f lwm2m.Format) {
	s := t.registered(conditions{})
	set := changedValues().with("/1/0/6=1, /1/0/7=U")
	if !t.atLeast(lwm2m.Version11) {
		set = set.with("/1/0/7=UQ")
	}
	const initial = "/1/0/1=86400, /1/0/2=1, /1/0/3=10, /1/0/5=86400, /1/0/6=0, /1/0/7=U" // what can be written of serverValues
	// 1. The server writes the set of values by POST. A. It gets 2.04.
	s.partial("/1/0", f, set).is(coap.Changed)
	// 2. The server reads the instance. B. It has the values.
	s.read("/1/0", f).in(f).content("/1/0").says(set)
	// 3. The server writes the initial values by PUT. A. It gets 2.04.
	s.replace("/1/0", f, initial).is(coap.Changed)
	// 4. The server reads the instance. C. It is what it was.
	s.read("/1/0", f).in(f).content("/1/0").says(serverValues())
}

func partialUpdate(t *trial) {
	s := t.registered(conditions{})
	// 1. The server writes two resources of an instance by POST. A. It gets 2.04.
	const set = "/1/0/1=60, /1/0/6=1"
	s.partial("/1/0", t.several(), set).is(coap.Changed)
	// 2. The server reads the instance. B. They are changed, the others are not.
	s.read("/1/0", t.several()).content("/1/0").says(serverValues().with(set))
}

func replaceResource(t *trial) {
	s := t.registered(conditions{})
	// 1. The server writes the lifetime by PUT. A. It gets 2.04.
	s.put("/1/0/1", "63")
	// 2. The client sends an Update. B. It tells the lifetime.
	s.update(patience).query("lt", "63")
	// 3. The server reads the resource. C. It is changed.
	s.read("/1/0/1").content("/1/0/1").says("/1/0/1=63")
}

func writeResourceInstance(t *trial) {
	s := t.registered(conditions{})
	s.needs(16)
	// 1. The server writes a resource instance. A. It gets 2.04. 2. It reads it. B. It is changed.
	const path = "/16/0/0/0"
	s.put(path, "test")
	s.read(path).content(path).says(values(path + "=test"))
}

// writeSenML is int-233 and int-234.
func writeSenML(f lwm2m.Format) func(*trial) {
	return func(t *trial) {
		s := t.registered(conditions{})
		s.needs(16)
		// 1 to 3. The server writes an instance, a resource instance and a resource.
		// A to C. It gets 2.04, and reads what it wrote.
		for _, step := range []struct {
			write func(string, lwm2m.Format, values) *answer
			path  string
			set   values
		}{
			{s.partial, "/1/0", "/1/0/1=61, /1/0/6=1"},
			{s.replace, "/16/0/0/0", "/16/0/0/0=test value"},
			{s.replace, "/1/0/1", "/1/0/1=63"},
		} {
			step.write(step.path, f, step.set).is(coap.Changed)
			s.read(step.path, f).in(f).content(step.path).says(step.set)
		}
	}
}

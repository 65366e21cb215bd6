package ets

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// lifecycleProcedures are those of the 200s, and int-1630 and 1635 for which they stand,
// that create and delete.
func lifecycleProcedures() []Procedure {
	v10, v12 := lwm2m.Version10, lwm2m.Version12
	return []Procedure{
		{ID: 270, Title: "Create Operation", Since: v12, Condition: "C.12", run: createPortfolio, Note: "the same as int-1630"},
		{ID: 271, Title: "Create Operation", Since: v12, Missing: noProcedure},
		{ID: 290, Title: "Delete Operation", Since: v12, Condition: "C.12", run: deletePortfolio, Note: "the same as int-1635"},
		{ID: 1630, Title: "Create Portfolio Object Instance", Since: v10, Condition: "C.12", run: createPortfolio},
		{
			ID: 1635, Title: "Delete Portfolio Object Instance", Since: v10, Condition: "C.12", run: deletePortfolio,
			Erratum: "the success of a Delete is 2.02, not 2.04",
		},
	}
}

// portfolio returns the values of an instance of object 16: its identities.
func portfolio(instance, id, model string) values {
	return values(instance + "/0/0=" + id + ", " + instance + "/0/1=" + model)
}

func createPortfolio(t *trial) {
	s := t.registered(conditions{})
	s.needs(16)
	// 1. The server discovers the object. A. There is instance 0.
	s.discover("/16").has("/16/0/0")
	// 2. It creates instance 1 with identities. B. It gets 2.01.
	set := portfolio("/16/1", "Host Device ID #2", "Host Device Model #2")
	s.create("/16", lwm2m.FormatTLV, set).is(coap.Created)
	// 3. It discovers the object. C. There are both.
	s.discover("/16").has("/16/0/0", "/16/1/0")
	// 4. It reads the object. D. It gets 2.05 with the identities.
	s.read("/16", lwm2m.FormatTLV).in(lwm2m.FormatTLV).content("/16").says(set).has("/16/0/0/0")
}

func deletePortfolio(t *trial) {
	s := t.registered(conditions{})
	s.needs(16)
	// 1. The server discovers the object. A. There is instance 0.
	s.discover("/16").has("/16/0/0")
	// 2. It deletes each instance. B. It gets 2.02.
	s.do(request(coap.DELETE, "/16/0")).is(coap.Deleted)
	// 3. It discovers the object. C. There is none.
	s.discover("/16").only("/16")
}

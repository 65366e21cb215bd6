package ets

import (
	"cmp"
	"slices"
	"strconv"

	"lwm2m-agent/lwm2m"
)

// Procedure is one procedure of the test specification.
type Procedure struct {
	ID        int           // 101 of LightweightM2M-1.2-int-101
	Title     string        // short, where the test specification's is long or there is no procedure
	Since     lwm2m.Version // whose list has it first
	Condition string        // the configuration that it asks for: "C.3"

	// Missing is why the procedure is not run, "" if it is.
	Missing string
	// Note says where a run does otherwise than the document's letter.
	Note string
	// Erratum is a mistake of the document's, where what the specifications of LwM2M and
	// its objects say is expected instead.
	Erratum string

	run func(*trial)
}

// Name is the procedure's short identifier: "int-101".
func (p *Procedure) Name() string { return "int-" + strconv.Itoa(p.ID) }

// Why procedures are not run. What is to come is named by its issue.
const (
	noProcedure = "no procedure in the test specification"
	withEST     = "later: enrolment over secure transport (EST)"
	noTLSKeys   = "TLS is there with certificates only: Go's has no pre-shared keys"
	overMQTT    = "later: LwM2M over MQTT"
	withOSCORE  = "later: OSCORE"
	needsModem  = "needs a modem"
	needsCard   = "needs a smartcard"
)

// Procedures returns all procedures of the test specification for LwM2M 1.2, in
// order of their IDs.
func Procedures() []*Procedure {
	var list []*Procedure
	for _, some := range [][]Procedure{
		bootstrapProcedures(), registrationProcedures(), managementProcedures(), writeProcedures(), discoveryProcedures(),
		compositeProcedures(), lifecycleProcedures(), reportingProcedures(), compositeReportingProcedures(), securityProcedures(),
		coreObjectProcedures(), firmwareProcedures(), statusObjectProcedures(), cellularObjectProcedures(), otherObjectProcedures(),
	} {
		for i := range some {
			list = append(list, &some[i])
		}
	}
	slices.SortFunc(list, func(a, b *Procedure) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// ProceduresOf returns those of the list of a version, 1.0, 1.1 or 1.2. The list for
// 1.0 is what later lists took over of it.
func ProceduresOf(v lwm2m.Version) []*Procedure {
	return slices.DeleteFunc(Procedures(), func(p *Procedure) bool { return v.Less(p.Since) })
}

// Select returns the procedures with the given IDs, all if there are none, and the
// IDs that no procedure has.
func Select(all []*Procedure, ids []int) (found []*Procedure, unknown []int) {
	if len(ids) == 0 {
		return all, nil
	}
	for _, id := range ids {
		i := slices.IndexFunc(all, func(p *Procedure) bool { return p.ID == id })
		if i < 0 {
			unknown = append(unknown, id)
			continue
		}
		found = append(found, all[i])
	}
	return found, unknown
}

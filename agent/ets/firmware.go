package ets

import (
	"cmp"

	"lwm2m-agent/lwm2m"
)

// firmwareProcedures are int-751 to int-780, on object 5.
func firmwareProcedures() []Procedure {
	list := []Procedure{
		{ID: 751, Title: "Firmware Update: querying the readable resources"},
		{ID: 755, Title: "Firmware Update: setting Package"},
		{ID: 756, Title: "Firmware Update: setting Package URI"},
		{ID: 760, Title: "Firmware Update: observation and notification"},
		{ID: 770, Title: "Successful firmware update (push)"},
		{ID: 771, Title: "Successful firmware update (pull)"},
		{ID: 772, Title: "Error case 1: no package"},
		{ID: 773, Title: "Error case 2: not enough storage"},
		{ID: 774, Title: "Error case 3: out of RAM", Erratum: "the result is 3 (out of RAM), not 2"},
		{ID: 775, Title: "Error case 4: connection lost"},
		{ID: 776, Title: "Error case 5: integrity check failure"},
		{ID: 777, Title: "Error case 6: unsupported package type"},
		{ID: 778, Title: "Error case 7: invalid URI"},
		{ID: 779, Title: "Error case 8: unsuccessful update"},
		{ID: 780, Title: "Error case 9: unsupported protocol", Missing: noProcedure},
	}
	for i := range list {
		p := &list[i]
		p.Since, p.Missing = lwm2m.Version10, cmp.Or(p.Missing, firmware)
		if p.Missing == firmware {
			p.Condition = "C.8"
		}
	}
	return list
}

package ets

import "lwm2m-agent/lwm2m"

// bootstrapProcedures are int-0 to int-19, the bootstrap interface.
func bootstrapProcedures() []Procedure {
	v10, v11, v12 := lwm2m.Version10, lwm2m.Version11, lwm2m.Version12
	return []Procedure{
		{ID: 0, Title: "Client Initiated Bootstrap", Since: v10, Condition: "C.13", Missing: sessionsTrust},
		{ID: 1, Title: "Client Initiated Bootstrap Full (PSK)", Since: v10, Condition: "C.13", Missing: sessionsTrust},
		{ID: 2, Title: "Client Initiated Bootstrap Full (Cert)", Since: v10, Condition: "C.17", Missing: sessionsTrust},
		{ID: 3, Title: "Simple Bootstrap from Smartcard", Since: v10, Condition: "C.13", Missing: needsCard},
		{ID: 4, Title: "Bootstrap Delete", Since: v10, Condition: "C.13", Missing: sessionsTrust},
		{ID: 5, Title: "Server Initiated Bootstrap", Since: v11, Condition: "C.13", Missing: sessionsTrust},
		{ID: 6, Title: "Bootstrap Sequence", Since: v11, Condition: "C.13", Missing: sessionsTrust},
		{ID: 7, Title: "Fallback to bootstrap", Since: v11, Condition: "C.13", Missing: sessionsTrust},
		{ID: 8, Title: "Bootstrap Read", Since: v11, Condition: "C.13", Missing: sessionsTrust},
		{ID: 9, Title: "Bootstrap and Configuration Consistency", Since: v11, Condition: "C.13", Missing: sessionsTrust},
		{ID: 10, Title: "Client Initiated Bootstrap Full (EST)", Since: v11, Condition: "C.21", Missing: sessionsTrust},
		{ID: 11, Title: "Client Initiated Bootstrap (OSCORE)", Since: v12, Condition: "C.22", Missing: withOSCORE},
		{ID: 12, Title: "Bootstrap-Pack-Request", Since: v12, Condition: "C.13", Missing: sessionsTrust, Erratum: "the success is 2.05, not 2.04"},
		{ID: 19, Title: "Client Initiated Bootstrap over MQTT", Since: v12, Condition: "C.25", Missing: overMQTT},
	}
}

package ets

import "lwm2m-agent/lwm2m"

// securityProcedures are int-401 to int-406.
func securityProcedures() []Procedure {
	v10, v11, v12 := lwm2m.Version10, lwm2m.Version11, lwm2m.Version12
	return []Procedure{
		{ID: 401, Title: "UDP Channel Security - PSK Mode", Since: v10, Condition: "C.1", run: preSharedKey},
		{ID: 402, Title: "UDP Channel Security - Certificate Mode", Since: v10, Condition: "C.17", Missing: sessionsTrust},
		{ID: 403, Title: "UDP Channel Security - Certificate, wrong server", Since: v11, Condition: "C.17", Missing: sessionsTrust},
		{ID: 404, Title: "TCP Channel Security - Certificate Mode", Since: v11, Condition: "C.19", Missing: overTCP},
		{
			ID: 405, Title: "OSCORE", Since: v12, Condition: "C.22", Missing: withOSCORE,
			Erratum: "the document asks for configuration C.19",
		},
		{ID: 406, Title: "TCP Channel Security - PSK Mode", Since: v12, Condition: "C.20", Missing: overTCP},
	}
}

func preSharedKey(t *trial) {
	s := t.start(conditions{})
	// 1. Client and server shake hands with the pre-shared key of the account; the server
	// knows TLS_PSK_WITH_AES_128_CCM_8 only. 2. The client registers. A, B. It gets 2.01.
	s.register()
	reg := s.client().Registration()
	if !reg.Secure || reg.Identity != endpoint {
		t.failf("expected a registration over DTLS with the identity %s, got %q", endpoint, reg.Identity)
	}
	// 3. The server reads. C. It gets 2.05 over the same session.
	s.read("/3/0/0", lwm2m.FormatText).content("/3/0/0").says("/3/0/0=" + manufacturer)
}

package ets

import (
	"strings"

	"lwm2m-agent/lwm2m"
)

// securityProcedures are int-401 to int-406.
func securityProcedures() []Procedure {
	v10, v11, v12 := lwm2m.Version10, lwm2m.Version11, lwm2m.Version12
	return []Procedure{
		{ID: 401, Title: "UDP Channel Security - PSK Mode", Since: v10, Condition: "C.1", run: preSharedKey},
		{ID: 402, Title: "UDP Channel Security - Certificate Mode", Since: v10, Condition: "C.17", run: certificates},
		{ID: 403, Title: "UDP Channel Security - Certificate, wrong server", Since: v11, Condition: "C.17", run: wrongCertificate},
		{ID: 404, Title: "TCP Channel Security - Certificate Mode", Since: v11, Condition: "C.19", run: tlsCertificates},
		{
			ID: 405, Title: "OSCORE", Since: v12, Condition: "C.22", Missing: withOSCORE,
			Erratum: "the document asks for configuration C.19",
		},
		{ID: 406, Title: "TCP Channel Security - PSK Mode", Since: v12, Condition: "C.20", Missing: noTLSKeys},
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

func certificates(t *trial) {
	s := t.start(conditions{server: serverName})
	// 1. Client and server shake hands with certificates of one authority; of the suites with
	// certificates on P-256 the server knows TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 only. 2. The
	// client registers. A, B. It gets 2.01.
	s.register()
	if reg := s.client().Registration(); !reg.Secure || reg.Identity != endpoint {
		t.failf("expected a registration over DTLS with the certificate of %s, got %q", endpoint, reg.Identity)
	}
	// 3. The server reads. C. It gets 2.05 over the same session.
	s.read("/3/0/0", lwm2m.FormatText).content("/3/0/0").says("/3/0/0=" + manufacturer)
}

func tlsCertificates(t *trial) {
	s := t.start(conditions{server: serverName, tcp: true})
	// 1. Client and server shake hands by TLS with certificates of one authority. 2. The client
	// registers. A, B. It gets 2.01.
	s.register().query("b", "T")
	if reg := s.client().Registration(); !reg.Secure || !reg.Stream || reg.Identity != endpoint {
		t.failf("expected a registration over TLS with the certificate of %s, got %q", endpoint, reg.Identity)
	}
	// 3. The server reads. C. It gets 2.05 over the same session.
	s.read("/3/0/0", lwm2m.FormatText).content("/3/0/0").says("/3/0/0=" + manufacturer)
}

func wrongCertificate(t *trial) {
	s := t.start(conditions{server: wrongServer})
	// 1. The server shows a certificate of the right authority for another name. A. The client
	// refuses it by an alert. B. It does not register.
	if err := s.refused(); !strings.Contains(err.Error(), "BadCertificate") {
		t.failf("handshake: expected an alert for a bad certificate, got %v", err)
	}
	if _, ok := s.server.Client(endpoint); ok {
		t.failf("expected no registration at a server of another name")
	}
}

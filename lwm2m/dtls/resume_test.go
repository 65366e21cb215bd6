package dtls_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// resumption runs a full handshake with one pair of configurations and a second
// one, that may resume, with another.
func resumption(t *testing.T, first, second variant, between func()) (resumed bool, err error) {
	t.Helper()
	var session *dtls.Session
	synctest.Test(t, func(t *testing.T) {
		c, _ := connect(t, first.client, first.server)
		if session, err = c.Session(0); err != nil {
			t.Fatal(err)
		}
	})
	second.client.Resume = store(t, session)
	between()
	synctest.Test(t, func(t *testing.T) {
		c, s, clientErr, _ := shake(t, second.client, second.server, nil, nil)
		if err = clientErr; err != nil {
			return
		}
		echo(t, c, s, "hello")
		if resumed = c.Parameters().Resumed; resumed != s.Resumed() {
			t.Errorf("client resumed: %v, server: %v", resumed, s.Resumed())
		}
	})
	return resumed, err
}

func TestResume(t *testing.T) {
	_, otherPub := newKey()
	psk := variant{"", pskClient, pskServer}
	rpk := variant{"", rpkClient, rpkServer}
	chain := variant{"", x509Client, x509Server}
	ids := variant{"", with(pskClient, func(c *dtls.Config) { c.CIDLength = 4 }), with(pskServer, func(s *dtlstest.Config) { s.CIDLength = 6 })}
	noEMS := variant{"", pskClient, with(pskServer, func(s *dtlstest.Config) { s.NoExtendedMasterSecret = true })}
	client := func(v variant, change func(*dtls.Config)) variant { change(&v.client); return v }
	for name, v := range map[string]struct {
		first, second variant
		resumed       bool
		forget        bool
	}{
		"psk":                        {first: psk, second: psk, resumed: true},
		"rpk":                        {first: rpk, second: rpk, resumed: true},
		"x509":                       {first: chain, second: chain, resumed: true},
		"IDs are negotiated anew":    {first: psk, second: ids, resumed: true},
		"IDs are given up":           {first: ids, second: psk, resumed: true},
		"no extended master secret":  {first: noEMS, second: noEMS, resumed: true},
		"forgotten by the server":    {first: psk, second: psk, forget: true},
		"another pre-shared key":     {first: psk, second: variant{"", with(pskClient, func(c *dtls.Config) { c.PSK = []byte("new") }), with(pskServer, func(s *dtlstest.Config) { s.PSK = dtlstest.Key("gw-17", []byte("new")) })}},
		"suite no longer offered":    {first: psk, second: client(psk, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM} })},
		"EMS is required meanwhile":  {first: noEMS, second: variant{"", with(pskClient, func(c *dtls.Config) { c.RequireExtendedMasterSecret = true }), pskServer}},
		"another suite is preferred": {first: psk, second: client(psk, func(c *dtls.Config) { c.Suites = []dtls.Suite{dtls.PSKWithAES128CCM, dtls.PSKWithAES128CCM8} }), resumed: true},
	} {
		t.Run(name, func(t *testing.T) {
			sessions := new(dtlstest.Sessions)
			v.first.server.Sessions = sessions
			v.second.server.Sessions = sessions
			between := func() {}
			if v.forget {
				between = sessions.Forget
			}
			resumed, err := resumption(t, v.first, v.second, between)
			if err != nil || resumed != v.resumed {
				t.Errorf("resumed: %v, %v", resumed, err)
			}
		})
	}
	t.Run("certificate expired since", func(t *testing.T) {
		sessions := new(dtlstest.Sessions)
		first, second := chain, client(chain, func(c *dtls.Config) { c.Now = lastDay })
		first.server.Sessions, second.server.Sessions = sessions, sessions
		_, err := resumption(t, first, second, func() {})
		var e *dtls.Error
		if !errors.As(err, &e) || e.Alert != dtls.AlertCertificateExpired {
			t.Errorf("a session got around the end of the certificate: %v", err)
		}
	})
	t.Run("another server key", func(t *testing.T) {
		sessions := new(dtlstest.Sessions)
		first, second := rpk, client(rpk, func(c *dtls.Config) { c.PeerKey = otherPub })
		first.server.Sessions, second.server.Sessions = sessions, sessions
		_, err := resumption(t, first, second, func() {})
		var e *dtls.Error
		if !errors.As(err, &e) || e.Alert != dtls.AlertCertificateUnknown {
			t.Errorf("a session got around the new key: %v", err)
		}
	})
}

// A server that takes up a session but changes what belongs to it is refused.
func TestResumeLies(t *testing.T) {
	const hello, finished = 2, 20
	for name, v := range map[string]struct {
		typ   uint8
		lie   func([]byte) []byte
		alert dtls.Alert
	}{
		"suite": {hello, func(b []byte) []byte { b[68] = 0xa4; return b }, dtls.AlertIllegalParameter},
		"extended master secret": {hello, func(b []byte) []byte {
			b = bytes.Replace(b, []byte{0, 0x17, 0, 0}, nil, 1)
			b[71] -= 4
			return b
		}, dtls.AlertHandshakeFailure},
		"finished": {finished, func(b []byte) []byte { b[0] ^= 1; return b }, dtls.AlertDecryptError},
	} {
		t.Run(name, func(t *testing.T) {
			sessions := new(dtlstest.Sessions)
			first := variant{"", pskClient, with(pskServer, func(s *dtlstest.Config) { s.Sessions = sessions })}
			second := first
			second.server.Mutate = func(typ uint8, body []byte) (uint8, []byte) {
				if typ == v.typ {
					return typ, v.lie(body)
				}
				return typ, body
			}
			_, err := resumption(t, first, second, func() {})
			var e *dtls.Error
			if !errors.As(err, &e) || e.Remote || e.Alert != v.alert {
				t.Errorf("%v, want alert %d", err, v.alert)
			}
		})
	}
}

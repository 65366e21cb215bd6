package agent

import (
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m/dtls"
)

// TestCipherSuites: the configuration has the names of what DTLS has.
func TestCipherSuites(t *testing.T) {
	for _, s := range config.CipherSuites {
		if name := dtls.Suite(s.Number).String(); name != s.Name {
			t.Errorf("%#04x is %s in the configuration, %s in DTLS", s.Number, s.Name, name)
		}
	}
}

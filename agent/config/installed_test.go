package config

import (
	"slices"
	"testing"
)

// TestInstalled: commands look at what the service of this machine has.
func TestInstalled(t *testing.T) {
	for _, tt := range []struct {
		there       []string
		file, state string
	}{
		{nil, "/etc/lwm2m-agent/agent.toml", "/var/lib/lwm2m-agent"},
		{[]string{"/etc/lwm2m-agent/agent.toml"}, "/etc/lwm2m-agent/agent.toml", "/var/lib/lwm2m-agent"},
		{[]string{"/etc/config/lwm2m-agent"}, "/etc/config/lwm2m-agent", "/etc/lwm2m-agent/state"},
		{[]string{"/etc/config/lwm2m-agent", "/etc/lwm2m-agent/agent.toml"}, "/etc/lwm2m-agent/agent.toml", "/var/lib/lwm2m-agent"},
	} {
		file := installed(func(file string) bool { return slices.Contains(tt.there, file) })
		if state := StateDirOf(file); file != tt.file || state != tt.state {
			t.Errorf("%v: %s, %s; want %s, %s", tt.there, file, state, tt.file, tt.state)
		}
	}
}

package config

import (
	"strings"
	"testing"
)

// TestMetrics: metrics are served where only this machine reaches them.
func TestMetrics(t *testing.T) {
	for listen, want := range map[string]Local{
		"127.0.0.1:9464": {Network: "tcp", Address: "127.0.0.1:9464"}, "[::1]:9464": {Network: "tcp", Address: "[::1]:9464"},
		"127.9.9.9:1": {Network: "tcp", Address: "127.9.9.9:1"}, "unix:/run/m.sock": {Network: "unix", Address: "/run/m.sock"},
	} {
		cfg, err := build(sources("[metrics]\nlisten = '"+listen+"'"), Options{}, nil)
		if err != nil || cfg.Metrics.Listen != want {
			t.Errorf("%s: %+v, %v", listen, cfg, err)
		}
	}
	for _, listen := range []string{"0.0.0.0:9464", ":9464", "192.0.2.1:9464", "localhost:9464", "127.0.0.1", "127.0.0.1:0", "unix:m.sock", "unix:/run/../m.sock", "[::]:1"} {
		_, err := build(sources("[metrics]\nlisten = '"+listen+"'"), Options{}, nil)
		if err == nil || !strings.Contains(err.Error(), "agent.toml:2: metrics: listen: ") || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: %v", listen, err)
		}
	}
	if cfg, err := build(sources(""), Options{}, nil); err != nil || cfg.Metrics.Listen != (Local{}) {
		t.Errorf("by default: %+v, %v", cfg, err)
	}
}

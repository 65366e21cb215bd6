package config

import (
	"net/netip"
	"path/filepath"
	"strings"
)

// Metrics says where metrics are served.
type Metrics struct {
	Section
	Network string // "tcp" or "unix"; "": nowhere
	Address string
}

// unixScheme begins the address of a unix socket.
const unixScheme = "unix:"

var metricsSection = section{
	name: "metrics", help: "Metrics for Prometheus; docs/metrics.md. Read at the start.", keys: []key{
		{name: "listen", kind: loopbackAddress, fallback: "nowhere", help: `"127.0.0.1:9464", or "unix:/run/lwm2m-agent/metrics.sock", which members of group lwm2m-agent may use; no other address than of the loopback interface`},
	},
}

// loopbackAddress takes an address that only this machine reaches, and returns a Metrics.
var loopbackAddress = kind{`an address of the loopback interface with a port, such as "127.0.0.1:9464", or "unix:" and an absolute path`, func(v any) (any, bool) {
	text, ok := v.(string)
	if path, unix := strings.CutPrefix(text, unixScheme); unix {
		return Metrics{Network: "unix", Address: path}, filepath.IsAbs(path) && filepath.Clean(path) == path
	}
	a, err := netip.ParseAddrPort(text)
	return Metrics{Network: "tcp", Address: text}, ok && err == nil && a.Addr().Unmap().IsLoopback() && a.Port() != 0
}}

func (b *builder) metrics(root *node) {
	if n := root.table["metrics"]; n != nil {
		b.cfg.Metrics = get(n, "listen", Metrics{})
		b.cfg.Metrics.Section = Section{n, "metrics"}
	}
}

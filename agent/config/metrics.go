package config

// Metrics says where metrics are served.
type Metrics struct {
	Section
	Listen Local // zero: nowhere
}

var metricsSection = section{
	name: "metrics", help: "Metrics for Prometheus; docs/metrics.md. Read at the start.", keys: []key{
		{name: "listen", kind: localAddress("127.0.0.1:9464"), fallback: "nowhere", help: `"127.0.0.1:9464", or "unix:/run/lwm2m-agent/local/metrics.sock", which members of group lwm2m-agent may use; no other address than of the loopback interface`},
	},
}

func (b *builder) metrics(root *node) {
	if n := root.table["metrics"]; n != nil {
		b.cfg.Metrics = Metrics{Section{n, "metrics"}, get(n, "listen", Local{})}
	}
}

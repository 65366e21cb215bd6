package agent

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m/server"
)

// TestMetrics: an agent at work serves its metrics where the configuration says, and nowhere afterwards.
func TestMetrics(t *testing.T) {
	l := newLab(t)
	cfg := l.config(sensor("cold room"))
	path := filepath.Join(t.TempDir(), "metrics.sock")
	cfg.Metrics = config.Metrics{Listen: config.Local{Network: "unix", Address: path}}
	_, stop := l.run(t, cfg)
	l.next(t, server.Registered)
	samples := make(map[string]float64)
	for end := time.Now().Add(generous); time.Now().Before(end); {
		samples = scrape(t, path)
		if samples[`lwm2m_agent_sensor_readings_total{sensor="cold room",channel="value"}`] > 0 && samples[`lwm2m_agent_server_registered{server="101"}`] > 0 {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	for _, name := range []string{
		`lwm2m_agent_info{version="test"}`, `lwm2m_agent_server_registered{server="101"}`, `lwm2m_agent_server_state{server="101",state="registered"}`,
		`lwm2m_agent_server_messages_sent_total{server="101"}`, `lwm2m_agent_server_exchanges_sent_total{server="101",purpose="register"}`,
		`lwm2m_agent_sensor_readings_total{sensor="cold room",channel="value"}`, `process_resident_memory_bytes`, `go_heap_objects_bytes`, `go_goroutines`,
	} {
		if samples[name] <= 0 {
			t.Errorf("%s is %v", name, samples[name])
		}
	}
	stop()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
}

// scrape reads the metrics on a socket; none while there is no socket yet.
func scrape(t *testing.T, path string) map[string]float64 {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://agent/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	out := make(map[string]float64)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || i < 0 {
			continue
		}
		if out[line[:i]], err = strconv.ParseFloat(line[i+1:], 64); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	return out
}

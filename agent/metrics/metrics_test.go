package metrics

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/control"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// snapshot has something of each family.
func snapshot() Snapshot {
	started := time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)
	flow := control.Flow{SentDatagrams: 3, ReceivedDatagrams: 4, SentBytes: 300, ReceivedBytes: 1 << 40}
	signal := -97
	return Snapshot{
		Status: control.Status{
			Version: "1.0", Started: started, Firmware: &control.Firmware{State: "downloading", Result: 8},
			Servers: []control.Server{
				{
					ShortServerID: 101, State: "asleep", SentMessages: 20, ReceivedMessages: 21, Retransmissions: 2, Observations: 5, Queued: 6, Dropped: 7,
					Traffic: []control.Traffic{{Purpose: "update", Total: flow}, {Purpose: "notify", Total: flow}},
				},
				{ShortServerID: 102, State: "waiting"},
			},
			Bootstrap: &control.Bootstrap{Traffic: []control.Traffic{{Purpose: "bootstrap", Total: flow}}},
			Modems:    []control.Modem{{Name: "wwan", State: "ready", Signal: &signal}, {Name: "spare", State: "missing"}},
		},
		Troubles: []control.Trouble{{Code: "sensor-failing", Severity: "error"}, {Code: "server-missing", Severity: "warning"}, {Code: "sensor-failing", Severity: "error"}},
		Channels: []Channel{{"cold room", "temperature", 100, 1}, {"a \"quote\\\n", "x", 1, 0}},
		Process:  Process{ResidentBytes: 20 << 20, HeapBytes: 1 << 20, Goroutines: 30},
	}
}

// samples reads the text format strictly (version 0.0.4): each family once, its HELP and TYPE before
// its samples, names and labels of the allowed form, no sample twice.
func samples(t *testing.T, text string) map[string]float64 {
	t.Helper()
	name, label := `[a-zA-Z_:][a-zA-Z0-9_:]*`, `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*"`
	help := regexp.MustCompile(`^# HELP (` + name + `) ((?:[^\\\n]|\\[\\n])+)$`)
	kind := regexp.MustCompile(`^# TYPE (` + name + `) (counter|gauge)$`)
	sample := regexp.MustCompile(`^(` + name + `)(\{` + label + `(?:,` + label + `)*\})? (\S+)$`)
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
	out, seen := make(map[string]float64), make(map[string]bool)
	family, typ := "", ""
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if m := help.FindStringSubmatch(line); m != nil {
			if seen[m[1]] {
				t.Errorf("family %s comes twice", m[1])
			}
			family, typ, seen[m[1]] = m[1], "", true
			continue
		}
		if m := kind.FindStringSubmatch(line); m != nil && m[1] == family && typ == "" {
			typ = m[2]
			if strings.HasSuffix(family, "_total") != (typ == "counter") {
				t.Errorf("%s is a %s", family, typ)
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || m[1] != family || typ == "" {
			t.Errorf("within %s: %q", family, line)
			continue
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if _, twice := out[m[1]+m[2]]; twice || err != nil {
			t.Errorf("%q: twice is %v, %v", line, twice, err)
		}
		out[m[1]+m[2]] = v
	}
	return out
}

func TestAppend(t *testing.T) {
	s := snapshot()
	got := samples(t, string(Append(nil, &s)))
	want := map[string]float64{
		`lwm2m_agent_info{version="1.0"}`: 1, `lwm2m_agent_start_time_seconds`: 1772366400.5,
		`lwm2m_agent_server_registered{server="101"}`: 1, `lwm2m_agent_server_registered{server="102"}`: 0,
		`lwm2m_agent_server_state{server="101",state="asleep"}`: 1, `lwm2m_agent_server_state{server="102",state="waiting"}`: 1,
		`lwm2m_agent_server_messages_sent_total{server="101"}`: 20, `lwm2m_agent_server_messages_sent_total{server="102"}`: 0,
		`lwm2m_agent_server_messages_received_total{server="101"}`: 21, `lwm2m_agent_server_messages_received_total{server="102"}`: 0,
		`lwm2m_agent_server_retransmissions_total{server="101"}`: 2, `lwm2m_agent_server_retransmissions_total{server="102"}`: 0,
		`lwm2m_agent_server_observations{server="101"}`: 5, `lwm2m_agent_server_observations{server="102"}`: 0,
		`lwm2m_agent_server_notifications_stored{server="101"}`: 6, `lwm2m_agent_server_notifications_stored{server="102"}`: 0,
		`lwm2m_agent_server_notifications_dropped_total{server="101"}`: 7, `lwm2m_agent_server_notifications_dropped_total{server="102"}`: 0,
		`lwm2m_agent_sensor_readings_total{sensor="cold room",channel="temperature"}`: 100, `lwm2m_agent_sensor_failures_total{sensor="cold room",channel="temperature"}`: 1,
		`lwm2m_agent_sensor_readings_total{sensor="a \"quote\\\n",channel="x"}`: 1, `lwm2m_agent_sensor_failures_total{sensor="a \"quote\\\n",channel="x"}`: 0,
		`lwm2m_agent_troubles{code="sensor-failing",severity="error"}`: 2, `lwm2m_agent_troubles{code="server-missing",severity="warning"}`: 1,
		`lwm2m_agent_firmware_state{state="downloading"}`: 1, `lwm2m_agent_firmware_result`: 8,
		`lwm2m_agent_modem_state{modem="wwan",state="ready"}`: 1, `lwm2m_agent_modem_state{modem="spare",state="missing"}`: 1, `lwm2m_agent_modem_signal_dbm{modem="wwan"}`: -97,
		`process_resident_memory_bytes`: 20 << 20, `go_heap_objects_bytes`: 1 << 20, `go_goroutines`: 30,
	}
	for _, at := range []string{`server="101",purpose="update"`, `server="101",purpose="notify"`, `server="bootstrap",purpose="bootstrap"`} {
		want["lwm2m_agent_server_exchanges_sent_total{"+at+"}"], want["lwm2m_agent_server_exchanges_received_total{"+at+"}"] = 3, 4
		want["lwm2m_agent_server_traffic_sent_bytes_total{"+at+"}"], want["lwm2m_agent_server_traffic_received_bytes_total{"+at+"}"] = 300, 1<<40
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for i := range families {
		if f := &families[i]; !slices.ContainsFunc(slices.Collect(keys(got)), func(k string) bool { return k == f.name || strings.HasPrefix(k, f.name+"{") }) {
			t.Errorf("nothing shows %s", f.name)
		}
	}
	samples(t, string(Append(nil, &Snapshot{}))) // of an agent that has nothing
}

func keys(m map[string]float64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestPage: docs/metrics.md has the table; -update writes it.
func TestPage(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "metrics.md")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), "| name |")
	_, after, ok2 := strings.Cut(rest, "\n\n")
	if !ok || !ok2 {
		t.Fatal("docs/metrics.md has no table")
	}
	want := before + Page() + "\n" + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if d := cmp.Diff(want, string(content)); d != "" {
		t.Errorf("go test ./agent/metrics -update:\n%s", d)
	}
}

// TestServe: metrics are for those who ask this machine by its own name, and end with the agent.
func TestServe(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := Serve(ctx, l, snapshot); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		method, path, host, origin string
		code                       int
	}{
		{"GET", "/metrics", "", "", 200},
		{"HEAD", "/metrics", "localhost:1", "", 200},
		{"GET", "/metrics", "[::1]:1", "", 200},
		{"GET", "/metrics", "agent", "", 200},
		{"GET", "/metrics", "evil.example", "", 403},
		{"GET", "/metrics", "192.0.2.1", "", 403},
		{"GET", "/metrics", "", "http://evil.example", 403},
		{"POST", "/metrics", "", "", 405},
		{"GET", "/", "", "", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+l.Addr().String()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.host != "" {
			r.Host = c.host
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != c.code {
			t.Errorf("%+v: %d, %v", c, answer.StatusCode, err)
		}
		if c.code == 200 && c.method == "GET" && (len(samples(t, string(text))) < 20 || answer.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8") {
			t.Errorf("%+v: %v %s", c, answer.Header, text)
		}
	}
	cancel()
	serving.Wait()
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("the listener is left")
	}
}

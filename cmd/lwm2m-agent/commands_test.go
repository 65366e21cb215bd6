package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// fakeAgent answers on a control socket what a test says, and remembers what it was
// asked.
type fakeAgent struct {
	socket  string
	answers map[string]string // by "METHOD PATH"
	later   map[string]string // answers from the second time on, where they are others

	mu    sync.Mutex
	asked []string
}

func startAgent(t *testing.T, answers map[string]string) *fakeAgent {
	t.Helper()
	a := &fakeAgent{socket: filepath.Join(t.TempDir(), "s"), answers: answers}
	l, err := net.Listen("unix", a.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: a}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(l) })
	t.Cleanup(func() { server.Close(); serving.Wait() })
	return a
}

func (a *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	before := a.asked
	a.asked = append(a.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	a.mu.Unlock()
	what := r.Method + " " + r.URL.Path
	text, ok := a.answers[what]
	if again, is := a.later[what]; is && slices.ContainsFunc(before, func(asked string) bool { return strings.HasPrefix(asked, what) }) {
		text = again
	}
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error":"4.04","message":"there is no instance /3303/9"}`)
	case text == "":
		w.WriteHeader(http.StatusNoContent)
	default:
		io.WriteString(w, text)
	}
}

// run runs a command at noon of a fixed day and returns what it prints and its
// exit code.
func run(ctx context.Context, args ...string) (out, problems string, code int) {
	var stdout, stderr bytes.Buffer
	for _, cmd := range commands() {
		if len(args) > 0 && cmd.name == args[0] {
			c := newCall(cmd, args[1:], &stdout, &stderr)
			c.now = func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
			c.zone = time.FixedZone("here", 3600)
			code = report(&stderr, cmd.name, cmd.run(ctx, c))
			return stdout.String(), stderr.String(), code
		}
	}
	code = execute(ctx, args, &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

const statusAnswer = `{"endpoint":"urn:dev:os:32473-gw-17","version":"1.0","started":"2026-03-01T08:55:00Z","booted":"2026-02-28T12:00:00Z","boot_reason":"watchdog","servers":[
{"short_server_id":101,"uri":"coaps://lwm2m.example.com:5684","state":"registered","words":"registered","since":"2026-03-01T11:58:00Z","registered_since":"2026-03-01T11:00:00Z","next_update":"2026-03-01T12:58:27Z","lifetime":3600,"transport":"DTLS PSK","cid":"0a0b","sent_bytes":12345,"received_bytes":999,
 "traffic":[{"purpose":"handshake","day":{"sent_bytes":0,"received_bytes":0},"total":{"sent_bytes":400,"received_bytes":300}},{"purpose":"update","day":{"sent_bytes":2100,"received_bytes":1900},"total":{"sent_bytes":21000,"received_bytes":19000}},{"purpose":"notify","day":{"sent_bytes":70,"received_bytes":0},"total":{"sent_bytes":70,"received_bytes":0}}],"observations":3,"queued":2,"queue_mode":true,
 "last_error":"no answer to Update","last_error_time":"2026-03-01T10:59:30Z","error_cleared":true,"remedy":"not shown"},
{"short_server_id":102,"uri":"coap://192.0.2.1:5683","state":"waiting","words":"no answer; next attempt in 8 s","since":"2026-03-01T11:59:52Z","lifetime":86400,"sent_bytes":0,"received_bytes":0,"observations":0,"queued":40,"dropped":7,"queue_mode":false,
 "last_error":"no answer to Register within 93 s","last_error_time":"2026-03-01T11:59:52Z","remedy":"check the address"}],
"modems":[{"name":"wwan","state":"ready","words":"ready: Quectel BG95-M3, SIM ready, home, LTE-M, Lab LTE 26201, -97 dBm, connected: iot.lab"}],
"sms":{"received":3,"woken":1,"ignored":0},
"bootstrap":{"uri":"coaps://bs.example.com:5684","state":"waiting","words":"no answer; next attempt in 8 s","attempts":2,"traffic":[{"purpose":"bootstrap","day":{"sent_bytes":600,"received_bytes":900},"total":{"sent_bytes":600,"received_bytes":900}}],"last":"2026-03-01T11:00:00Z","purge":"2026-03-01T13:00:00Z","last_error":"no answer","last_error_time":"2026-03-01T11:59:52Z","remedy":"check the address"},
"health":[{"code":"sensor-failing","severity":"error","text":"the sensor gives no values","subject":"sensor","on":"cold room\u001b[2J","detail":"no device answers","remedy":"Check wiring.","since":"2026-02-27T12:00:00Z"},
{"code":"sensor-failing","severity":"error","text":"the sensor gives no values","subject":"sensor","on":"attic","remedy":"Check wiring.","since":"2026-03-01T11:59:00Z"},
{"code":"server-missing","severity":"warning","text":"no server is configured","remedy":"Add one.","since":"2026-03-01T11:59:59Z"}]}`

const treeAnswer = `[{"path":"/3","name":"Device","version":"1.2","mandatory":true},{"path":"/3/0"},
{"path":"/3/0/4","name":"Reboot","type":"None","operations":"E"},
{"path":"/3/0/11","name":"Error Code","type":"Integer","operations":"R","multiple":true},
{"path":"/3/0/11/0","value":8,"quality":"good","time":"2026-03-01T11:00:00Z"},
{"path":"/3/0/13","name":"Current Time","type":"Time","operations":"RW","value":1700000000,"quality":"good","time":"2026-03-01T11:00:00Z"},
{"path":"/3303/0/5700","name":"Sensor Value","type":"Float","operations":"R","value":21.500000000000004,"unit":"Cel","quality":"stale","time":"2026-03-01T11:55:00Z"},
{"path":"/3303/0/5750","name":"Application Type","type":"String","operations":"RW","value":"a\u0007b","quality":"good","time":"2026-03-01T11:00:00Z"},
{"path":"/26241/0/8","name":"Hash","type":"String","operations":"R","value":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","quality":"good","time":"2026-03-01T11:00:00Z"}]`

const valueAnswer = `[{"path":"/3303/0/5700","name":"Sensor Value","type":"Float","value":21.5,"unit":"Cel","quality":"invalid","time":"0001-01-01T00:00:00Z"},
{"path":"/3200/0/5500","name":"Digital Input State","type":"Boolean","value":true,"unit":"","quality":"good","time":"2026-03-01T11:00:00Z"},
{"path":"/3/0/0","name":"Manufacturer","type":"String","value":"","unit":"","quality":"good","time":"2026-03-01T11:00:00Z"},
{"path":"/9/0/1","name":"Big","type":"Unsigned Integer","value":18446744073709551615,"unit":"","quality":"good","time":"2026-03-01T11:00:00Z"}]`

const eventsAnswer = `{"event":"registration","server":{"short_server_id":101}}
{"event":"tree","path":"/3303/7","change":"missing"}
{"event":"value","path":"/3303/0/5700","name":"Sensor Value","type":"Float","value":21.5,"unit":"Cel","time":"2026-03-01T11:59:59.25Z","quality":"good"}
{"event":"value","path":"/3303/0/5700","name":"Sensor Value","type":"Float","value":22,"unit":"Cel","time":"2026-03-01T12:00:00Z","quality":"uncertain"}
{"event":"lost"}
{"event":"tree","path":"/3303/1","change":"deleted"}
`

const traceAnswer = `{"time":"2026-03-01T11:59:59.25Z","short_server_id":101,"sent":false,"transport":"udp","local":"10.0.0.1:40000","remote":"10.0.0.2:5684","type":"CON","code":"GET","id":7,"token":"0a0b","operation":"Read","path":"/3303/0/5700","name":"/temperature/0/sensor-value","size":20,"datagram":"QAEAAQ=="}
{"time":"2026-03-01T11:59:59.5Z","short_server_id":101,"sent":true,"transport":"tcp","local":"10.0.0.1:40000","remote":"10.0.0.2:5684","code":"2.05 Content","token":"0a0b","operation":"Read","path":"/3303/0/5700","name":"/temperature/0/sensor-value","options":"Observe 5, Accept text/plain","format":"text/plain","values":[{"path":"/3303/0/5700","name":"/temperature/0/sensor-value","value":"21.5 Cel","time":"2026-03-01T11:59:59Z"}],"size":25,"datagram":"QAEAAQ=="}
{"time":"2026-03-01T12:00:00Z","short_server_id":0,"sent":true,"transport":"tcp","local":"","remote":"","code":"POST","query":"ep=gw","text":"\u001b[2J","size":9,"lost":5}
`

func TestOutput(t *testing.T) {
	answers := map[string]string{
		"GET /v1/status": statusAnswer, "GET /v1/tree": treeAnswer, "GET /v1/value": valueAnswer, "GET /v1/events": eventsAnswer,
		"GET /v1/trace": traceAnswer, "PUT /v1/value": "", "POST /v1/execute": "", "POST /v1/update": "", "POST /v1/bootstrap": "", "POST /v1/deregister": "",
		"POST /v1/send": `[{"short_server_id":101,"sent":true},{"short_server_id":102,"sent":false,"error":"muted"}]`,
	}
	tests := []struct {
		args  []string
		asked string
		out   string
		err   string
		code  int
	}{
		{[]string{"status"}, "GET /v1/status", `urn:dev:os:32473-gw-17, lwm2m-agent 1.0, running for 3 h 5 min
machine up for 1 d, last start: watchdog

server 101, coaps://lwm2m.example.com:5684
  registered since 12:00:00 (1 h), next update at 13:58:27 (in 58 min 27 s)
  DTLS PSK, CID 0a0b, queue mode, sent 12.3 kB, received 999 B, queued 2
  4.1 kB on the wire in 24 hours: update 4.0 kB, notify 70 B
  last error at 11:59:30 (1 h ago), over since: no answer to Update

server 102, coap://192.0.2.1:5683
  waiting since 12:59:52 (8 s): no answer; next attempt in 8 s
  sent 0 B, received 0 B, queued 40 (7 dropped)
  last error at 12:59:52 (8 s ago): no answer to Register within 93 s

modem wwan, ready: Quectel BG95-M3, SIM ready, home, LTE-M, Lab LTE 26201,
  -97 dBm, connected: iot.lab
short messages: 3 received, 1 woke the agent, 0 to wake it were ignored

bootstrap server, coaps://bs.example.com:5684
  no answer; next attempt in 8 s
  1.5 kB on the wire in 24 hours: bootstrap 1.5 kB
  bootstrapped at 12:00:00 (1 h ago)
  its account is removed at 14:00:00 (in 1 h)

health:
  error sensor-failing sensor "cold room\x1b[2J", since 2026-02-27 13:00 (2 d):
    the sensor gives no values
    why: no device answers
    what to do: Check wiring.
  error sensor-failing sensor attic, since 12:59:00 (1 min): the sensor gives no
    values
    what to do: as above
  warning server-missing, since 12:59:59 (1 s): no server is configured
    what to do: Add one.
`, "", 0},
		{[]string{"tree"}, "GET /v1/tree", `/3            Device 1.2
/3/0
/3/0/4        Reboot            E
/3/0/11       Error Code        R
/3/0/11/0                           8
/3/0/13       Current Time      RW  2023-11-14T22:13:20Z
/3303/0/5700  Sensor Value      R   21.5 Cel  stale, 5 min old
/3303/0/5750  Application Type  RW  "a\ab"
/26241/0/8    Hash              R   0123456789abcdef0123456789abcd… (64 characters)
`, "", 0},
		{[]string{"tree", "/device"}, "GET /v1/tree?path=%2Fdevice", "*", "", 0},
		{[]string{"read", "/temperature", "/3/0"}, "GET /v1/value?path=%2Ftemperature&path=%2F3%2F0", `/3303/0/5700  Sensor Value         21.5 Cel  invalid
/3200/0/5500  Digital Input State  true
/3/0/0        Manufacturer         ""
/9/0/1        Big                  18446744073709551615
`, "", 0},
		{[]string{"read", "-json", "/3"}, "GET /v1/value?path=%2F3", `[{"path":"/3303/0/5700","name":"Sensor Value","type":"Float","value":21.5,"unit":"Cel","time":"0001-01-01T00:00:00Z","quality":"invalid"},` +
			`{"path":"/3200/0/5500","name":"Digital Input State","type":"Boolean","value":true,"unit":"","time":"2026-03-01T11:00:00Z","quality":"good"},` +
			`{"path":"/3/0/0","name":"Manufacturer","type":"String","value":"","unit":"","time":"2026-03-01T11:00:00Z","quality":"good"},` +
			`{"path":"/9/0/1","name":"Big","type":"Unsigned Integer","value":18446744073709551615,"unit":"","time":"2026-03-01T11:00:00Z","quality":"good"}]` + "\n", "", 0},
		{[]string{"write", "/3306/0/5851", "-5"}, `PUT /v1/value {"/3306/0/5851":"-5"}`, "", "", 0},
		{[]string{"write", "/3/0/14", "--", "-x"}, `PUT /v1/value {"/3/0/14":"-x"}`, "", "", 0},
		{[]string{"execute", "/3/0/4"}, `POST /v1/execute {"path":"/3/0/4"}`, "", "", 0},
		{[]string{"execute", "/3/0/4", "0='a',1"}, `POST /v1/execute {"path":"/3/0/4","args":"0='a',1"}`, "", "", 0},
		{[]string{"send", "/3303", "/3/0/0"}, `POST /v1/send {"paths":["/3303","/3/0/0"]}`, "server 101: sent\nserver 102: not sent: muted\n", "lwm2m-agent send: not every server took it\n", 1},
		{[]string{"send", "-to", "101,102", "-json", "/3303"}, `POST /v1/send {"paths":["/3303"],"servers":[101,102]}`, `[{"short_server_id":101,"sent":true},{"short_server_id":102,"sent":false,"error":"muted"}]` + "\n", "lwm2m-agent send: not every server took it\n", 1},
		{[]string{"update"}, "POST /v1/update {}", "", "", 0},
		{[]string{"bootstrap"}, "POST /v1/bootstrap {}", "", "", 0},
		{[]string{"deregister"}, "POST /v1/deregister {}", "", "", 0},
		{[]string{"update", "101", "102"}, `POST /v1/update {"servers":[101,102]}`, "", "", 0},
		{[]string{"observe", "/3303"}, "GET /v1/events?path=%2F3303", `12:59:59.250  /3303/0/5700  Sensor Value  21.5 Cel
13:00:00.000  /3303/0/5700  Sensor Value  22 Cel  uncertain
13:00:00.000  /3303/1  deleted
`, "there is nothing at /3303/7 yet; its values follow when they are there\nsome changes were missed; all values follow\nlwm2m-agent observe: the agent has ended the stream\n", 1},
		{[]string{"observe", "-json", "/3303"}, "GET /v1/events?path=%2F3303", "*", "lwm2m-agent observe: the agent has ended the stream\n", 1},
		{[]string{"trace"}, "GET /v1/trace", `12:59:59.250 <- 101  CON  GET  Read  /3303/0/5700  /temperature/0/sensor-value  token 0a0b  id 7  20 B
12:59:59.500 -> 101  2.05 Content  Read  /3303/0/5700  /temperature/0/sensor-value  Observe 5, Accept text/plain  text/plain  token 0a0b  25 B
    /3303/0/5700  /temperature/0/sensor-value  21.5 Cel  at 2026-03-01 12:59:59.000
               5 messages are missing here
13:00:00.000 -> bootstrap  POST  ?ep=gw  9 B
    "\x1b[2J"
`, "listening; interrupt to end\n3 messages, 5 lost\nlwm2m-agent trace: the agent has ended the stream\n", 1},
		{[]string{"trace", "-count", "2", "-json"}, "GET /v1/trace", "*", "listening; interrupt to end\n2 messages, 0 lost\n", 0},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			a := startAgent(t, answers)
			// The flag stands behind the command, before its arguments.
			args := append([]string{tt.args[0], "-socket", a.socket}, tt.args[1:]...)
			out, problems, code := run(t.Context(), args...)
			if d := cmp.Diff(tt.out, out); d != "" && tt.out != "*" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.err, problems); d != "" || code != tt.code {
				t.Errorf("exit code %d\n%s", code, d)
			}
			if d := cmp.Diff([]string{tt.asked}, a.asked); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRefused: what the agent refuses is printed with its code, and fails.
func TestRefused(t *testing.T) {
	a := startAgent(t, nil)
	for _, args := range [][]string{{"status"}, {"tree"}, {"read", "/3303/9"}, {"write", "/3303/9/1", "x"}, {"execute", "/3"}, {"observe", "/3"}, {"send", "/3"}, {"update"}} {
		out, problems, code := run(t.Context(), append(args, "-socket", a.socket)...)
		if want := "lwm2m-agent " + args[0] + ": 4.04 there is no instance /3303/9\n"; code != 1 || out != "" || problems != want {
			t.Errorf("%q: %d %q %q", args, code, out, problems)
		}
	}
}

func TestNoAgent(t *testing.T) {
	socket, file := filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "capture")
	for _, args := range [][]string{
		{"status"}, {"tree"}, {"read", "/3"}, {"write", "/3", "x"}, {"execute", "/3"}, {"observe", "/3"}, {"trace"}, {"trace", "-pcap", file}, {"update"},
	} {
		_, problems, code := run(t.Context(), append(args, "-socket", socket)...)
		if want := "is it running? \"lwm2m-agent check\" says"; code != 1 || !strings.Contains(problems, want) || strings.Count(problems, "\n") != 1 {
			t.Errorf("%q: %d %q", args, code, problems)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a capture of nothing is in the way of the next one")
	}
}

// TestTraceCapture: a capture goes to a file that was not there, which others cannot read, or to
// standard output; TestCapture of test/interop opens one.
func TestTraceCapture(t *testing.T) {
	a := startAgent(t, map[string]string{"GET /v1/trace": traceAnswer})
	file := filepath.Join(t.TempDir(), "capture")
	for _, flag := range []string{"-pcap", "-pcapng"} {
		_, problems, code := run(t.Context(), "trace", flag, file, "-socket", a.socket)
		if code != 1 || !strings.HasSuffix(problems, "3 messages, 5 lost\nlwm2m-agent trace: the agent has ended the stream\n") {
			t.Errorf("%d %q", code, problems)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		if _, problems, code := run(t.Context(), "trace", flag, file, "-socket", a.socket); code != 1 || !strings.Contains(problems, "file exists") {
			t.Errorf("over a file: %d %q", code, problems)
		}
		out, _, _ := run(t.Context(), "trace", flag, "-", "-socket", a.socket)
		if out != string(content) || !strings.HasPrefix(out, "\x0a\x0d\x0d\x0a") || strings.Count(out, "server 101: Read /temperature/0/sensor-value") != 2 {
			t.Errorf("to standard output: %q\nto a file: %q", out, content)
		}
		os.Remove(file)
	}
	if _, problems, code := run(t.Context(), "trace", "-json", "-pcap", file, "-socket", a.socket); code != 2 || !strings.Contains(problems, "exclude each other") {
		t.Errorf("%d %q", code, problems)
	}
}

// TestObserveIsInterrupted: who is asked to end has done its work.
func TestObserveIsInterrupted(t *testing.T) {
	a := startAgent(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, problems, code := run(ctx, "observe", "/3", "-socket", a.socket); code != 0 || problems != "" {
		t.Errorf("%d %q", code, problems)
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args []string
		want string
		code int
	}{
		{nil, "usage: lwm2m-agent COMMAND", 2},
		{[]string{"frobnicate"}, `there is no command "frobnicate"; run "lwm2m-agent help"`, 2},
		{[]string{"read"}, "needs PATH...", 2},
		{[]string{"write", "/3/0/14"}, "needs PATH VALUE", 2},
		{[]string{"write", "/3/0/14", "a", "b"}, `unexpected argument "b"`, 2},
		{[]string{"status", "now"}, `unexpected argument "now"`, 2},
		{[]string{"status", "-nope"}, "flag provided but not defined: -nope", 2},
		{[]string{"update", "here"}, `"here" is no Short Server ID`, 2},
		{[]string{"execute", "/3/0/4", "-x"}, "flag provided but not defined: -x", 2},
	}
	for _, tt := range tests {
		out, problems, code := run(t.Context(), tt.args...)
		if code != tt.code || out != "" || !strings.Contains(problems, tt.want) {
			t.Errorf("%q: %d %q %q", tt.args, code, out, problems)
		}
	}
	for _, flag := range []string{"-h", "--help", "help"} {
		out, _, code := run(t.Context(), flag)
		for _, cmd := range commands() {
			if code != 0 || !strings.Contains(out, fmt.Sprintf("\n  %-10s  %s\n", cmd.name, cmd.summary)) {
				t.Errorf("%s: %d, %q is not listed", flag, code, cmd.name)
			}
		}
	}
}

// TestHelp: each command has -h, and help, which run nothing.
func TestHelp(t *testing.T) {
	for _, cmd := range commands() {
		out, problems, code := run(t.Context(), cmd.name, "-h")
		if other, _, _ := run(t.Context(), "help", cmd.name); other != out {
			t.Errorf("help %s: %q", cmd.name, other)
		}
		if code != 0 || problems != "" || !strings.HasPrefix(out, "usage: lwm2m-agent "+cmd.name) || !strings.Contains(out, cmd.summary) {
			t.Errorf("%s: %d %q %q", cmd.name, code, out, problems)
		}
		for word := range strings.FieldsFuncSeq(cmd.arguments, func(r rune) bool { return strings.ContainsRune("[]| .", r) }) {
			if details[cmd.name] != nil && !strings.Contains(strings.Join(details[cmd.name], " "), word) {
				t.Errorf("%s: -h does not explain %s", cmd.name, word)
			}
		}
	}
	for name := range details {
		if !slices.ContainsFunc(commands(), func(cmd command) bool { return cmd.name == name }) {
			t.Errorf("details of %s, which is no command", name)
		}
	}
}

// TestListings: every listing takes -json.
func TestListings(t *testing.T) {
	for _, name := range []string{"status", "tree", "read", "observe", "trace", "check", "scan", "version", "provision"} {
		out, _, _ := run(t.Context(), name, "-h")
		if !strings.Contains(out, "\n  -json\n") {
			t.Errorf("%s has no -json", name)
		}
	}
}

// TestScanOfNothing: a machine on which nothing is found has an empty list.
func TestScanOfNothing(t *testing.T) {
	var out strings.Builder
	c := &call{stdout: &out}
	if err := c.printScan(nil, "", true); err != nil || out.String() != `{"configuration":"","findings":[]}`+"\n" {
		t.Errorf("%s, %v", out.String(), err)
	}
}

// TestCheckJSON: a program that reads what check says always gets a list, of what is wrong with the configuration too.
func TestCheckJSON(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	for text, want := range map[string]struct {
		out  string
		code int
	}{
		"":           {"[]\n", 0},
		"nope = 1\n": {`[{"part":"configuration","name":"nope","where":"` + file + `:1","ok":false,"detail":"unknown;`, 2},
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, problems, code := run(t.Context(), "check", "-json", "-config", file, "-state", dir); code != want.code || !strings.HasPrefix(out, want.out) {
			t.Errorf("%q: exit %d, %s%s", text, code, out, problems)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, _ := run(t.Context(), "check", "-config", file, "-state", dir); !strings.Contains(out, "there is no server in it") {
		t.Errorf("%q", out)
	}
}

func TestFlagsAnywhere(t *testing.T) {
	tests := []struct {
		raw  []string
		x    bool
		args []string
	}{
		{[]string{"-x", "a", "b"}, true, []string{"a", "b"}},
		{[]string{"a", "-x", "b"}, true, []string{"a", "b"}},
		{[]string{"a", "b", "-x"}, true, []string{"a", "b"}},
		{[]string{"a", "-5"}, false, []string{"a", "-5"}},
		{[]string{"-.5", "-x", "-1e3"}, true, []string{"-.5", "-1e3"}},
		{[]string{"a", "-"}, false, []string{"a", "-"}},
		{[]string{"a", "--", "-x"}, false, []string{"a", "-x"}},
		{[]string{"--", "a", "--", "-x"}, false, []string{"a", "--", "-x"}},
	}
	for _, tt := range tests {
		c := newCall(command{name: "test"}, tt.raw, io.Discard, io.Discard)
		x := c.flags.Bool("x", false, "")
		if err := c.parse(0, -1); err != nil || *x != tt.x || !slices.Equal(c.args, tt.args) {
			t.Errorf("%q: %v, %q, %v", tt.raw, *x, c.args, err)
		}
	}
	c := newCall(command{name: "test"}, []string{"a", "-h"}, io.Discard, io.Discard)
	if err := c.parse(0, 0); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h behind an argument: %v", err)
	}
}

func TestVersion(t *testing.T) {
	out, _, code := run(t.Context(), "version")
	if code != 0 || !strings.HasPrefix(out, "lwm2m-agent ") || !strings.Contains(out, "\nLwM2M       1.0, 1.1, 1.2\n") {
		t.Errorf("%d %q", code, out)
	}
	if other, _, code := run(t.Context(), "--version"); code != 0 || other != out {
		t.Errorf("--version: %d %q", code, other)
	}
	out, _, _ = run(t.Context(), "version", "-json")
	if !strings.Contains(out, `"lwm2m":["1.0","1.1","1.2"]`) {
		t.Errorf("%q", out)
	}
}

// TestNarrowTerminal: what people read fits into 80 columns, but for words that are longer.
func TestNarrowTerminal(t *testing.T) {
	a := startAgent(t, map[string]string{"GET /v1/status": statusAnswer})
	texts := map[string]string{}
	texts["status"], _, _ = run(t.Context(), "status", "-socket", a.socket)
	texts["help"], _, _ = run(t.Context(), "help")
	for _, cmd := range commands() {
		texts[cmd.name+" -h"], _, _ = run(t.Context(), cmd.name, "-h")
	}
	for name, text := range texts {
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    ")); n > 80 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
	var out bytes.Buffer
	c := newCall(command{name: "test"}, nil, &out, io.Discard)
	long := "/dev/serial/by-id/" + strings.Repeat("x", 80)
	c.say("  ", "a port that is long: "+long+" and more")
	if want := "  a port that is long:\n    " + long + "\n    and more\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 0: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 61 * time.Second: "1 min 1 s",
		2*time.Hour + 3*time.Minute: "2 h 3 min", 24 * time.Hour: "1 d", 50 * time.Hour: "2 d 2 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_234_567: "1.2 MB", 1<<64 - 1: "18.4 EB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

//go:build interop

package interop

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/relay"
	"lwm2m-agent/test/workspace"
)

const (
	endpoint = "gw-1"
	identity = "gw-1-key"
	patience = time.Minute
)

var key = []byte("0123456789abcdef")

func TestMain(m *testing.M) {
	code := m.Run()
	gateway.RemoveBinaries()
	os.Exit(code)
}

// definitions are the objects that the agent serves here.
func definitions(t *testing.T) []model.Definition {
	t.Helper()
	return leshan.Models(t, 1, 3, 4, 6, 7, 3303, 3306, 3442)
}

// board is the configuration of a board without hardware.
func board(endpoint string) string {
	return fmt.Sprintf("endpoint = %q", endpoint) + boardToml
}

const boardToml = `
test_object = true

[[sensor]]
name     = "cold room"
driver   = "sim"
object   = 3303
wave     = "ramp"
min      = 0
max      = 1000
period   = "1000s"
interval = "1s"
unit     = "Cel"

[[actuator]]
name   = "relay"
driver = "sim"
`

func server(uri string, secure bool, more string) string {
	s := fmt.Sprintf("\n[[server]]\nuri = %q\nshort_server_id = 101\nlifetime = \"5m\"\n%s\n", uri, more)
	if secure {
		s += fmt.Sprintf("identity = %q\nkey = %q\n", identity, hex.EncodeToString(key))
	}
	return s
}

// TestLeshan has both servers ask the agent for everything, with and without DTLS.
func TestLeshan(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(workspace.T, leshan.Options) *leshan.Server{
		"newest": leshan.Start, "M4": leshan.StartDemo,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := start(t, leshan.Options{Models: definitions(t)})
			t.Run("UDP", func(t *testing.T) {
				t.Parallel()
				s := peer{l, "gw-udp", name == "newest"}
				s.checkAll(t, gateway.Start(t, board(s.endpoint)+server(s.CoAP, false, "")))
			})
			t.Run("DTLS", func(t *testing.T) {
				t.Parallel()
				s := peer{l, "gw-dtls", name == "newest"}
				s.PSK(t, s.endpoint, identity, key)
				a := gateway.Start(t, board(s.endpoint)+server(s.CoAPS, true, ""))
				s.checkAll(t, a)
				status := a.Status(t).Servers[0]
				if status.Transport != "DTLS PSK" || (status.CID != "") != (name == "newest") {
					t.Errorf("transport %q, Connection ID %q", status.Transport, status.CID)
				}
			})
		})
	}
}

// peer is a Leshan of one of the two kinds.
type peer struct {
	*leshan.Server
	endpoint string // of the agent
	newest   bool   // else the demo of 2.0.0-M4, whose web interface knows less
}

// checkAll has the server ask for everything that it can.
func (s peer) checkAll(t *testing.T, a *gateway.Agent) {
	t.Helper()
	c := s.AwaitRegistered(t, s.endpoint, patience)
	version := "1.2"
	if s.newest {
		version = "1.1" // it refuses 1.2 with 4.12
	}
	if c.Version != version || c.Binding != "U" || c.Lifetime != 300 || c.Queue {
		t.Errorf("registration is %+v", c)
	}
	for _, link := range []string{"</1/0>", "</3/0>", "</4/0>", "</7/0>", "</3303/0>", "</3306/0>", "</3442/0>"} {
		if !strings.Contains(c.Links, link) {
			t.Errorf("%s is missing in %s", link, c.Links)
		}
	}
	s.checkSome(t)
	t.Run("execute", func(t *testing.T) { s.checkExecute(t) })
	t.Run("create and delete", func(t *testing.T) { s.checkLifecycle(t) })
	t.Run("refusals", func(t *testing.T) { s.checkRefusals(t) })
	t.Run("discover and attributes", func(t *testing.T) { s.checkDiscover(t) })
	t.Run("inherited attributes", func(t *testing.T) { s.checkInheritance(t) })
	if s.newest {
		t.Run("composite", func(t *testing.T) { s.checkComposite(t) })
		t.Run("send", func(t *testing.T) { s.checkSend(t, a) })
		t.Run("stored notifications", func(t *testing.T) { s.checkStored(t) })
	}
	t.Run("update", func(t *testing.T) {
		after := s.Now(t)
		a.Must(t, "update")
		s.AwaitType(t, after, patience, "updated", s.endpoint)
		after = s.Now(t)
		if answer := s.Execute(t, s.endpoint, "/1/0/8", ""); answer.Code != "2.04" {
			t.Errorf("Registration Update Trigger: %+v", answer)
		}
		s.AwaitType(t, after, patience, "updated", s.endpoint)
	})
}

// checkSome is for another way to be trusted, which makes no difference to what is said then: large bodies and small ones, both ways.
func (s peer) checkSome(t *testing.T) {
	t.Helper()
	t.Run("formats", func(t *testing.T) { s.checkFormats(t) })
	t.Run("write", func(t *testing.T) { s.checkWrites(t) })
	t.Run("observe", func(t *testing.T) { s.checkObserve(t) })
}

func must(t *testing.T, want string, a leshan.Answer) leshan.Answer {
	t.Helper()
	if a.Code != want {
		t.Fatalf("answered %+v, want %s", a, want)
	}
	return a
}

// values are what the test object is given, one of each type.
func (s peer) values() map[string]string {
	out := map[string]string{
		"110": "grüße", "120": "-9007199254740993", "130": "-273.15", "140": "true", "150": "00ff10", "160": "1700000000", "170": "3303:0",
	}
	if !s.newest {
		delete(out, "170") // its web interface takes no object links
	}
	return out
}

func (s peer) checkFormats(t *testing.T) {
	t.Helper()
	values := s.values()
	for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR} {
		must(t, "2.04", s.Update(t, s.endpoint, "/3442/0", f, prefixed(values)))
		for rid, want := range values {
			at := "/3442/0/" + rid
			if got := must(t, "2.05", s.Read(t, s.endpoint, at, f)).Content[at]; got != want {
				t.Errorf("%s in %s is %q, want %q", at, f, got, want)
			}
		}
		for _, instance := range s.instances() {
			whole := must(t, "2.05", s.Read(t, s.endpoint, instance, f)).Content
			if got, want := whole["/3306/0/5750"]+whole["/3442/0/110"], map[string]string{"/3306/0": "relay", "/3442/0": values["110"]}[instance]; got != want {
				t.Errorf("%s in %s has %q, want %q", instance, f, got, want)
			}
		}
	}
	for _, single := range []struct {
		format lwm2m.Format
		rid    string
	}{{lwm2m.FormatText, "110"}, {lwm2m.FormatText, "130"}, {lwm2m.FormatOpaque, "150"}, {lwm2m.FormatCBOR, "110"}, {lwm2m.FormatCBOR, "120"}} {
		if single.format != lwm2m.FormatText && !s.newest {
			continue // its web interface writes neither
		}
		at := "/3442/0/" + single.rid
		must(t, "2.04", s.Replace(t, s.endpoint, at, single.format, leshan.Values{"": values[single.rid]}))
		if got := must(t, "2.05", s.Read(t, s.endpoint, at, single.format)).Content[at]; got != values[single.rid] {
			t.Errorf("%s in %s is %q, want %q", at, single.format, got, values[single.rid])
		}
	}
	if got := must(t, "2.05", s.Read(t, s.endpoint, "/3303/0/5700", leshan.AnyFormat)).Content; len(got) != 1 {
		t.Errorf("in the agent's choice of format: %v", got)
	}
}

// instances are what the server can read whole: the demo of M4 has no Corelnk.
func (s peer) instances() []string {
	if s.newest {
		return []string{"/3306/0", "/3442/0"}
	}
	return []string{"/3306/0"}
}

func prefixed(values map[string]string) leshan.Values {
	out := make(leshan.Values)
	for rid, v := range values {
		out["/"+rid] = v
	}
	return out
}

func (s peer) checkWrites(t *testing.T) {
	t.Helper()
	must(t, "2.04", s.Replace(t, s.endpoint, "/3306/0/5850", leshan.AnyFormat, leshan.Values{"": "true"}))
	if got := must(t, "2.05", s.Read(t, s.endpoint, "/3306/0/5850", leshan.AnyFormat)).Content["/3306/0/5850"]; got != "true" {
		t.Errorf("the relay is %q after being switched on", got)
	}
	must(t, "2.04", s.Replace(t, s.endpoint, "/3442/0/1120", lwm2m.FormatTLV, leshan.Values{"/3": "30", "/7": "70"}))
	got := must(t, "2.05", s.Read(t, s.endpoint, "/3442/0/1120", lwm2m.FormatTLV)).Content
	if d := cmp.Diff(leshan.Content{"/3442/0/1120/3": "30", "/3442/0/1120/7": "70"}, got); d != "" {
		t.Errorf("multiple resource after Replace (-want +got):\n%s", d)
	}
	must(t, "2.04", s.Update(t, s.endpoint, "/3442/0", lwm2m.FormatSenMLCBOR, leshan.Values{"/1120/7": "71"}))
	got = must(t, "2.05", s.Read(t, s.endpoint, "/3442/0/1120", lwm2m.FormatSenMLCBOR)).Content
	if d := cmp.Diff(leshan.Content{"/3442/0/1120/3": "30", "/3442/0/1120/7": "71"}, got); d != "" {
		t.Errorf("multiple resource after Update (-want +got):\n%s", d)
	}
}

func (s peer) checkExecute(t *testing.T) {
	t.Helper()
	must(t, "2.04", s.Execute(t, s.endpoint, "/3442/0/3", "0='abc',7"))
	got := must(t, "2.05", s.Read(t, s.endpoint, "/3442/0/4", lwm2m.FormatTLV)).Content
	if d := cmp.Diff(leshan.Content{"/3442/0/4/0": "abc", "/3442/0/4/7": ""}, got); d != "" {
		t.Errorf("arguments (-want +got):\n%s", d)
	}
	must(t, "4.05", s.Execute(t, s.endpoint, "/3442/0/110", ""))
}

func (s peer) checkLifecycle(t *testing.T) {
	t.Helper()
	after := s.Now(t)
	must(t, "2.01", s.Create(t, s.endpoint, "/3442/7", lwm2m.FormatTLV, leshan.Values{"/110": "seven"}))
	if got := must(t, "2.05", s.Read(t, s.endpoint, "/3442/7/110", lwm2m.FormatTLV)).Content["/3442/7/110"]; got != "seven" {
		t.Errorf("the new instance has %q", got)
	}
	s.Await(t, after, patience, "an Update that lists /3442/7", func(e leshan.Event) bool {
		return e.Type == "updated" && e.Endpoint == s.endpoint && strings.Contains(e.Client.Links, "</3442/7>")
	})
	chosen := must(t, "2.01", s.Create(t, s.endpoint, "/3442", lwm2m.FormatTLV, leshan.Values{"/120": "5"}))
	if !strings.HasSuffix(chosen.Location, "3442/1") {
		t.Errorf("the agent chose %q, want the lowest free instance 1", chosen.Location)
	}
	for _, path := range []string{"/3442/7", "/3442/1"} {
		must(t, "2.02", s.Delete(t, s.endpoint, path))
		must(t, "4.04", s.Read(t, s.endpoint, path, lwm2m.FormatTLV))
	}
}

func (s peer) checkRefusals(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		name string
		a    leshan.Answer
		want string
	}{
		{"object 0", s.Read(t, s.endpoint, "/0/0/0", leshan.AnyFormat), "4.01"},
		{"unknown object", s.Read(t, s.endpoint, "/3311/0", leshan.AnyFormat), "4.04"},
		{"unknown instance", s.Read(t, s.endpoint, "/3303/77", leshan.AnyFormat), "4.04"},
		{"read what is to be executed", s.Read(t, s.endpoint, "/3/0/4", leshan.AnyFormat), "4.05"},
		{"write what is read-only", s.Replace(t, s.endpoint, "/3303/0/5700", lwm2m.FormatText, leshan.Values{"": "1"}), "4.05"},
		{"delete the device", s.Delete(t, s.endpoint, "/3/0"), "4.05"},
	} {
		if c.a.Code != c.want {
			t.Errorf("%s: %+v, want %s", c.name, c.a, c.want)
		}
	}
}

func (s peer) checkDiscover(t *testing.T) {
	t.Helper()
	must(t, "2.04", s.WriteAttributes(t, s.endpoint, "/3303/0/5700", "pmin=1&pmax=60&gt=900"))
	links := must(t, "2.05", s.Discover(t, s.endpoint, "/3303/0")).Links
	for _, want := range []string{"</3303/0/5700>", "pmin=1", "pmax=60", "gt=900", "</3303/0/5701>"} {
		if !strings.Contains(links, want) {
			t.Errorf("Discover of /3303/0 lacks %s: %s", want, links)
		}
	}
	must(t, "2.04", s.WriteAttributes(t, s.endpoint, "/3303/0/5700", "pmin&pmax&gt"))
	if links = must(t, "2.05", s.Discover(t, s.endpoint, "/3303/0")).Links; strings.Contains(links, "gt=") {
		t.Errorf("attributes are still there: %s", links)
	}
	if links = must(t, "2.05", s.Discover(t, s.endpoint, "/3442/0/1120")).Links; !strings.Contains(links, "dim=2") {
		t.Errorf("Discover of a multiple resource lacks its dimension: %s", links)
	}
}

func (s peer) checkObserve(t *testing.T) {
	t.Helper()
	const sensor = "/3303/0/5700"
	for _, f := range []lwm2m.Format{lwm2m.FormatText, lwm2m.FormatTLV, lwm2m.FormatSenMLCBOR} {
		after := s.Now(t)
		first := must(t, "2.05", s.Observe(t, s.endpoint, sensor, f)).Content[sensor]
		s.AwaitNotification(t, after, patience, s.endpoint, sensor, func(c leshan.Content) bool { return c[sensor] != first && c[sensor] != "" })
		if s.newest { // the other cancels only by forgetting
			must(t, "2.05", s.Cancel(t, s.endpoint, sensor))
		} else {
			s.Forget(t, s.endpoint, sensor)
		}
	}
	const instance, relay = "/3306/0", "/3306/0/5850"
	must(t, "2.04", s.Replace(t, s.endpoint, relay, leshan.AnyFormat, leshan.Values{"": "false"}))
	must(t, "2.05", s.Observe(t, s.endpoint, instance, lwm2m.FormatSenMLJSON))
	after := s.Now(t)
	must(t, "2.04", s.Replace(t, s.endpoint, relay, leshan.AnyFormat, leshan.Values{"": "true"}))
	s.AwaitNotification(t, after, patience, s.endpoint, instance, func(c leshan.Content) bool { return c[relay] == "true" })
	s.Forget(t, s.endpoint, instance)
	must(t, "2.04", s.Replace(t, s.endpoint, relay, leshan.AnyFormat, leshan.Values{"": "false"}))
	must(t, "2.05", s.Read(t, s.endpoint, relay, lwm2m.FormatText))
}

// checkComposite has Leshan read, write and observe several paths at once.
func (s peer) checkComposite(t *testing.T) {
	t.Helper()
	const relay, text, sensor = "/3306/0/5850", "/3442/0/110", "/3303/0/5700"
	for _, f := range []lwm2m.Format{lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR} {
		must(t, "2.04", s.Composite(t, s.endpoint, "write", f, leshan.Values{relay: "true", text: "both"}))
		must(t, "4.05", s.Composite(t, s.endpoint, "write", f, leshan.Values{relay: "false", sensor: "1"}))
		got := must(t, "2.05", s.Composite(t, s.endpoint, "read", f, nil, relay, text, "/3303/0", "/4711/0/1")).Content
		if got[relay] != "true" || got[text] != "both" || got[sensor] == "" {
			t.Errorf("in %s: %v", f, got)
		}
		must(t, "2.05", s.Composite(t, s.endpoint, "observe", f, nil, relay, text))
		after := s.Now(t)
		must(t, "2.04", s.Replace(t, s.endpoint, relay, leshan.AnyFormat, leshan.Values{"": "false"}))
		s.Await(t, after, patience, "notification of both", func(e leshan.Event) bool {
			return e.Type == "notification" && e.Content[relay] == "false" && e.Content[text] == "both"
		})
		must(t, "2.05", s.Composite(t, s.endpoint, "cancel", f, nil))
	}
	whole := must(t, "2.05", s.Composite(t, s.endpoint, "read", lwm2m.FormatSenMLCBOR, nil, "/")).Content
	if whole["/3/0/0"] == "" || whole[relay] != "false" || whole["/0/0/0"] != "" {
		t.Errorf("the root has %d values, among them %q, %q and %q", len(whole), whole["/3/0/0"], whole[relay], whole["/0/0/0"])
	}
}

// checkSend has the agent tell values unasked, once Leshan allows it.
func (s peer) checkSend(t *testing.T, a *gateway.Agent) {
	t.Helper()
	const sensor, name = "/3303/0/5700", "/3/0/0"
	if out, status := a.Run(t, "send", sensor); status != 1 || !strings.Contains(out, "muted") {
		t.Errorf("send while it is muted: exit status %d: %s", status, out)
	}
	must(t, "2.04", s.Replace(t, s.endpoint, "/1/0/23", leshan.AnyFormat, leshan.Values{"": "false"}))
	after := s.Now(t)
	a.Must(t, "send", sensor, name)
	e := s.AwaitType(t, after, patience, "send", s.endpoint)
	if e.Content[sensor] == "" || e.Content[name] == "" || e.Format != lwm2m.FormatSenMLCBOR {
		t.Errorf("Leshan was sent %v in %s", e.Content, e.Format)
	}
	must(t, "2.04", s.Replace(t, s.endpoint, "/1/0/23", leshan.AnyFormat, leshan.Values{"": "true"}))
	if out, status := a.Run(t, "send", sensor); status != 1 {
		t.Errorf("sent after it was muted again: %s", out)
	}
}

// TestQueueMode shows that Leshan takes the agent for asleep, and that a request
// goes through once the agent's Update has woken it.
func TestQueueMode(t *testing.T) {
	t.Parallel()
	s := leshan.Start(t, leshan.Options{Models: definitions(t)})
	s.AwakeTime(t, time.Second)
	s.PSK(t, endpoint, identity, key)
	config := strings.ReplaceAll(board(endpoint)+server(s.CoAPS, true, "queue_mode = true"), `"5m"`, `"20s"`)
	gateway.Start(t, config)
	after := s.Now(t)
	if c := s.AwaitRegistered(t, endpoint, patience); !c.Queue {
		t.Fatalf("registered without queue mode: %+v", c)
	}
	s.AwaitType(t, after, patience, "sleeping", endpoint)
	after = s.Now(t)
	if a := s.Read(t, endpoint, "/3/0/0", lwm2m.FormatText); a.Failure != "ClientSleepingException" {
		t.Fatalf("a request to the sleeping agent: %+v", a)
	}
	s.AwaitType(t, after, patience, "awake", endpoint)
	must(t, "2.05", s.Read(t, endpoint, "/3/0/0", lwm2m.FormatText))
	if slices.ContainsFunc(s.Events(t, after), func(e leshan.Event) bool { return e.Type == "registered" }) {
		t.Error("the agent registered anew to wake up")
	}
}

// TestRecovery takes the network, then the key away, and gives both back; meanwhile the server is started anew. The status has it in words.
func TestRecovery(t *testing.T) {
	t.Parallel()
	ports := leshan.Options{Models: leshan.Models(t, 1, 3, 4, 6, 7, 500, 3303, 3306, 3442)}
	s := leshan.Start(t, ports)
	s.PSK(t, endpoint, identity, key)
	var gone atomic.Bool
	uri := "coaps://" + relay.UDP(t, strings.TrimPrefix(s.CoAPS, "coaps://"), &gone)
	a := gateway.Start(t, strings.ReplaceAll(board(endpoint)+server(uri, true, `bearer = "ethernet"`), `"5m"`, `"10s"`))
	s.AwaitRegistered(t, endpoint, patience)
	const ethernet = "/500/3" // give up after 9 s of silence, not after 93
	must(t, "2.04", s.Replace(t, endpoint, ethernet+"/3", leshan.AnyFormat, leshan.Values{"": "1"}))
	must(t, "2.04", s.Execute(t, endpoint, ethernet+"/9", ""))
	gone.Store(true)
	a.AwaitStatus(t, "registered, and no answer", func(st gateway.Status) bool {
		return strings.HasPrefix(st.Servers[0].Words, "registered, sending an Update, no answer for ")
	})
	troubled(t, a, "server-unreachable", "no answer", "check that the server runs, that its address is right and that no firewall blocks UDP")
	if _, err := fmt.Sscanf(s.CoAPS, "coaps://127.0.0.1:%d", &ports.CoAPSPort); err != nil {
		t.Fatal(err)
	}
	s.Stop(t)
	s = leshan.Start(t, ports)
	s.PSK(t, endpoint, identity, []byte("another key 1234"))
	gone.Store(false)
	troubled(t, a, "server-identity", "no Finished from server after", "compare identity and key with those that the server has for this device")
	s.PSK(t, endpoint, identity, key)
	s.AwaitRegistered(t, endpoint, 2*patience)
	a.AwaitStatus(t, "registered again", func(st gateway.Status) bool { return st.Servers[0].State == "registered" && len(st.Health) == 0 })
}

// troubled waits for a health code, and looks at what people are told then: what is wrong, since when, why, and what to do.
func troubled(t *testing.T, a *gateway.Agent, code, why, remedy string) {
	t.Helper()
	a.AwaitStatus(t, code, func(st gateway.Status) bool {
		sv := st.Servers[0]
		return len(st.Health) == 1 && st.Health[0].Code == code && st.Health[0].On == "101" && strings.Contains(sv.LastError, why) && strings.Contains(sv.Remedy, remedy)
	})
	out := a.Must(t, "status")
	text := strings.Join(strings.Fields(out), " ")
	for _, w := range []string{"error " + code + " server 101, since ", "why: ", why, remedy, "what to do: "} {
		if !strings.Contains(text, w) {
			t.Errorf("status does not say %q:\n%s", w, out)
		}
	}
}

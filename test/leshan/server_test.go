//go:build interop

package leshan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/test/workspace"
)

// temperature is object 3303 as far as the tests of this package use it.
var temperature = model.Definition{
	ID: 3303, Name: "Temperature", Version: lwm2m.Version{Major: 1, Minor: 1}, Multiple: true,
	Resources: []model.ResourceDefinition{
		{ID: 5605, Name: "Reset Min and Max Measured Values", Ops: model.OpExecute},
		{ID: 5700, Name: "Sensor Value", Ops: model.OpRead, Mandatory: true, Type: lwm2m.TypeFloat},
		{ID: 5701, Name: "Sensor Units", Ops: model.OpRead, Type: lwm2m.TypeString},
		{ID: 5750, Name: "Application Type", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeString},
	},
}

const answerTime = 20 * time.Second

// onBoth runs a check against each kind of server.
func onBoth(t *testing.T, check func(t *testing.T, s *Server)) {
	t.Helper()
	for name, start := range map[string]func(workspace.T, Options) *Server{"newest": Start, "demo": StartDemo} {
		t.Run(name, func(t *testing.T) { check(t, start(t, Options{Models: []model.Definition{temperature}})) })
	}
}

func TestServerUDP(t *testing.T) { onBoth(t, checkUDP) }

func checkUDP(t *testing.T, s *Server) {
	t.Helper()
	c := StartClient(t, ClientOptions{URI: s.CoAP, Endpoint: "udp", Models: []model.Definition{temperature}})
	location := c.AwaitRegistered(t)
	client := s.AwaitRegistered(t, "udp", answerTime)
	if location != "/rd/"+client.ID {
		t.Errorf("location = %q, the server says %q", location, client.ID)
	}
	if s.Clients(t)["udp"].ID != client.ID {
		t.Errorf("clients = %+v", s.Clients(t))
	}
	if client.Lifetime != 3600 || client.Binding != "U" || client.Queue || client.Objects["3303"] != "1.1" {
		t.Errorf("client = %+v", client)
	}
	if !strings.Contains(client.Links, "</3303/9>") {
		t.Errorf("links = %s", client.Links)
	}
	t.Run("operations", func(t *testing.T) { checkOperations(t, s, "udp") })
	t.Run("observation", func(t *testing.T) { checkObservation(t, s, c, "udp") })
	t.Run("end", func(t *testing.T) {
		after := s.Now(t)
		c.Update(t)
		s.AwaitType(t, after, answerTime, "updated", "udp")
		c.Stop(t)
		s.AwaitType(t, after, answerTime, "unregistered", "udp")
		if a := s.Read(t, "udp", "/3/0/0", lwm2m.FormatText); a.Failure != "NotRegistered" {
			t.Errorf("read after the end = %+v", a)
		}
	})
}

func checkOperations(t *testing.T, s *Server, endpoint string) {
	t.Helper()
	for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatText, lwm2m.FormatCBOR} {
		a := s.Read(t, endpoint, "/3303/3/5700", f)
		if a.Code != "2.05" || a.Content["/3303/3/5700"] != "23.0" {
			t.Errorf("read in %v = %+v", f, a)
		}
	}
	a := s.Read(t, endpoint, "/3303/3", lwm2m.FormatSenMLCBOR)
	if want := (Content{"/3303/3/5700": "23.0", "/3303/3/5701": "Cel"}); !cmp.Equal(a.Content, want) {
		t.Errorf("instance: %s", cmp.Diff(want, a.Content))
	}
	if a := s.Replace(t, endpoint, "/3303/3/5750", lwm2m.FormatTLV, Values{"": "cold room"}); a.Code != "2.04" {
		t.Errorf("write = %+v", a)
	}
	if a := s.Update(t, endpoint, "/3303/3", lwm2m.FormatSenMLJSON, Values{"/5750": "warm room"}); a.Code != "2.04" {
		t.Errorf("partial write = %+v", a)
	}
	if a := s.Read(t, endpoint, "/3303/3/5750", AnyFormat); a.Content["/3303/3/5750"] != "warm room" {
		t.Errorf("after the writes = %+v", a)
	}
	if a := s.Execute(t, endpoint, "/3303/3/5605", ""); a.Code != "2.04" {
		t.Errorf("execute = %+v", a)
	}
	if a := s.Discover(t, endpoint, "/3303/3"); a.Code != "2.05" || !strings.Contains(a.Links, "</3303/3/5700>") {
		t.Errorf("discover = %+v", a)
	}
	if a := s.Create(t, endpoint, "/3303/77", lwm2m.FormatTLV, Values{"/5750": "new"}); a.Code != "2.01" {
		t.Errorf("create = %+v", a)
	}
	if a := s.Create(t, endpoint, "/3303", lwm2m.FormatTLV, Values{"/5750": "chosen"}); a.Code != "2.01" || a.Location == "" {
		t.Errorf("create without an ID = %+v", a)
	}
	if a := s.Delete(t, endpoint, "/3303/77"); a.Code != "2.02" {
		t.Errorf("delete = %+v", a)
	}
	if a := s.Read(t, endpoint, "/3303/77", AnyFormat); a.Code != "4.04" {
		t.Errorf("read of what was deleted = %+v", a)
	}
	if a := s.WriteAttributes(t, endpoint, "/3303/3/5700", "pmin=1&pmax=60"); a.Code == "" {
		t.Errorf("write attributes = %+v", a)
	}
}

func checkObservation(t *testing.T, s *Server, c *JavaClient, endpoint string) {
	t.Helper()
	a := s.Observe(t, endpoint, "/3303/0/5700", lwm2m.FormatSenMLCBOR)
	if a.Code != "2.05" || a.Content["/3303/0/5700"] != "20.0" {
		t.Fatalf("observe = %+v", a)
	}
	after := s.Now(t)
	c.Set(t, 0, -5.25)
	s.AwaitNotification(t, after, answerTime, endpoint, "/3303/0/5700", func(c Content) bool { return c["/3303/0/5700"] == "-5.25" })
	s.Forget(t, endpoint, "/3303/0/5700")
}

// TestServerNewest is what the newest server tells and the demo server does not: formats, an active cancellation, Send.
func TestServerNewest(t *testing.T) {
	s := Start(t, Options{Models: []model.Definition{temperature}})
	c := StartClient(t, ClientOptions{URI: s.CoAP, Endpoint: "udp", Models: []model.Definition{temperature}})
	c.AwaitRegistered(t)
	if a := s.Read(t, "udp", "/3303/3/5700", lwm2m.FormatTLV); a.Format != lwm2m.FormatTLV || a.Size == 0 {
		t.Errorf("read = %+v", a)
	}
	s.Observe(t, "udp", "/3303/0/5700", lwm2m.FormatSenMLCBOR)
	after := s.Now(t)
	c.Set(t, 0, 0.5)
	n := s.AwaitNotification(t, after, answerTime, "udp", "/3303/0/5700", func(c Content) bool { return c["/3303/0/5700"] == "0.5" })
	if n.Code != "2.05" || n.Format != lwm2m.FormatSenMLCBOR {
		t.Errorf("notification = %+v", n)
	}
	if a := s.Cancel(t, "udp", "/3303/0/5700"); a.Code != "2.05" {
		t.Errorf("cancel = %+v", a)
	}
	after = s.Now(t)
	c.Send(t, 1)
	sent := s.AwaitType(t, after, answerTime, "send", "udp")
	if sent.Content["/3303/1/5700"] != "21.0" || sent.Format != lwm2m.FormatSenMLCBOR {
		t.Errorf("sent = %+v", sent)
	}
}

func TestServerDTLS(t *testing.T) { onBoth(t, checkDTLS) }

func checkDTLS(t *testing.T, s *Server) {
	t.Helper()
	key := []byte("0123456789abcdef")
	s.PSK(t, "secure", "me", key)
	c := StartClient(t, ClientOptions{URI: s.CoAPS, Endpoint: "secure", Identity: "me", Key: key})
	c.AwaitRegistered(t)
	client := s.AwaitRegistered(t, "secure", answerTime)
	if client.Identity != "" && !strings.Contains(client.Identity, "me") { // the demo server does not tell
		t.Errorf("client = %+v", client)
	}
	if a := s.Read(t, "secure", "/3/0/0", lwm2m.FormatText); a.Content["/3/0/0"] != "Example" {
		t.Errorf("read = %+v", a)
	}
	after := s.Now(t)
	s.Forbid(t, "secure")
	c.Update(t)
	if e := s.Events(t, after); len(e) > 0 {
		t.Errorf("a client without a key was heard: %+v", e)
	}
}

func TestQueueMode(t *testing.T) {
	s := Start(t, Options{AckTimeout: 500 * time.Millisecond})
	s.AwakeTime(t, 500*time.Millisecond)
	c := StartClient(t, ClientOptions{URI: s.CoAP, Endpoint: "sleeper", Queue: true})
	c.AwaitRegistered(t)
	if client := s.AwaitRegistered(t, "sleeper", answerTime); !client.Queue {
		t.Fatalf("client = %+v", client)
	}
	s.AwaitType(t, 0, answerTime, "sleeping", "sleeper")
	if a := s.Read(t, "sleeper", "/3/0/0", lwm2m.FormatText); a.Failure != "ClientSleepingException" {
		t.Errorf("read while it sleeps = %+v", a)
	}
	s.AwakeTime(t, time.Minute)
	after := s.Now(t)
	c.Update(t)
	s.AwaitType(t, after, answerTime, "awake", "sleeper")
	if a := s.Read(t, "sleeper", "/3/0/0", lwm2m.FormatText); a.Content["/3/0/0"] != "Example" {
		t.Errorf("read after the wake-up = %+v", a)
	}
}

package server

import (
	"fmt"
	"testing"

	"lwm2m-agent/lwm2m/coap"
)

// TestProfileID shows that the object list of one client stands for that of the next one
// with the same Profile ID.
func TestProfileID(t *testing.T) {
	s, addr := start(t, Config{})
	d := connect(t, addr, nil)
	const profile = "pid=6:0123abcd"
	want := func(code coap.Code, endpoint, list string, queries ...string) {
		t.Helper()
		if a := d.post(t, "/rd", list, append(queries, "ep="+endpoint, "lwm2m=1.2", "lt=300")...); a.Code != code {
			t.Errorf("%s is answered with %s (%s), want %s", endpoint, a.Code, a.Payload, code)
		}
	}
	want(coap.Conflict, "first", "", profile)
	want(coap.Created, "first", objectList, profile)
	want(coap.Created, "second", "", profile)
	c, ok := s.Client("second")
	if !ok {
		t.Fatal("it is not registered")
	}
	if r := c.Registration(); len(r.Objects) != 4 || len(r.Formats) != 2 {
		t.Errorf("registered with %v in %v", r.Objects, r.Formats)
	}
	want(coap.Conflict, "third", "", `pid="6:0123abcd,v:more"`)
	want(coap.BadRequest, "fourth", "")
	for i := range 2 * maxProfiles {
		want(coap.Created, "fifth", objectList, fmt.Sprintf("pid=6:%08x", i))
	}
	s.profiles.mu.Lock()
	defer s.profiles.mu.Unlock()
	if n := len(s.profiles.lists); n > maxProfiles {
		t.Errorf("%d lists are kept", n)
	}
}

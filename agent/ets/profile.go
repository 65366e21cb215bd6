package ets

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire/link"
)

// profileAndList is how a device becomes known by its Profile ID. It ends the procedure
// if the device offers none.
func profileAndList(t *trial) (s *tester, id string) {
	s = t.start(conditions{resources: "/1/0/27=6"}) // the server wants SHA-256, 32 bits
	// 1. The client registers with its Profile ID alone. A. The server does not know it: 4.09.
	r := s.awaits(patience, coap.POST, "/rd")
	id, offered := r.coap.Query("pid")
	if !offered {
		t.skipf("the client offers no Profile ID")
	}
	if len(r.coap.Payload) > 0 {
		t.failf("Register: expected no object list beside the Profile ID, got %s", r.coap.Payload)
	}
	r.answered(coap.Conflict)
	// 2. The client registers with Profile ID and object list. B. It gets 2.01.
	r = s.register().query("pid", id).query("ep", endpoint)
	if len(r.coap.Payload) == 0 {
		t.failf("Register: expected an object list after 4.09, got none")
	}
	return s, id
}

func profileIDAndList(t *trial) {
	s, id := profileAndList(t)
	// C. The Profile ID is the hash of the list, with the version of every object.
	sum := sha256.Sum256([]byte(profile(s.client().Registration().Objects)))
	if want := "6:" + hex.EncodeToString(sum[:4]); id != want {
		t.failf("Register: expected pid=%s, got pid=%s", want, id)
	}
}

func profileID(t *trial) {
	s, id := profileAndList(t)
	objects := len(s.client().Registration().Objects)
	// 1. The client registers again with its Profile ID alone, which the server knows. A. It gets 2.01.
	s.server.Forget(endpoint)
	s.triggered().answered(coap.NotFound)
	r := s.register().query("pid", id)
	if len(r.coap.Payload) > 0 {
		t.failf("Register: expected no object list beside the Profile ID, got %s", r.coap.Payload)
	}
	// B. The server knows the objects, and can read them.
	if got := len(s.client().Registration().Objects); got != objects {
		t.failf("expected %d links for the Profile ID, got %d", objects, got)
	}
	s.read("/3/0/0", lwm2m.FormatText).content("/3/0/0").says("/3/0/0=" + manufacturer)
}

// profile returns what a Profile ID is the hash of (Core 1.2.2, section 6.2.1): the
// object list with the version of every object, 1.0 where the list leaves it out.
func profile(objects []link.Link) string {
	var parts []string
	last := ""
	for _, l := range objects {
		object, instance, _ := strings.Cut(l.Target[1:], "/")
		if object != last {
			v, ok := l.Attr("ver")
			if !ok {
				v = lwm2m.Version10.String()
			}
			parts = append(parts, "</"+object+">;ver="+v)
			last = object
		}
		if instance != "" {
			parts = append(parts, "<"+l.Target+">")
		}
	}
	return strings.Join(parts, ",")
}

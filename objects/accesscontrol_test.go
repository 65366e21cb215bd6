package objects

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

var third = Account{SecurityInstance: 3, ServerInstance: 2, URI: "coap://h", Mode: ModeNoSec, ShortServerID: 103}

// shared is a device with the test object and, at first, server 101.
type shared struct {
	*fixture
	recorder
	control *AccessControl
	server  *Server
	test    *TestObject
}

func newShared(t *testing.T) *shared {
	t.Helper()
	s := &shared{fixture: newFixture(t)}
	var err error
	s.control, err = NewAccessControl(s.tree, s.save)
	s.check(err)
	s.server = s.servers(ServerHooks{})
	s.check(s.server.Seed(first))
	s.test, err = NewTestObject(s.tree)
	s.check(err)
	return s
}

// provision applies what a configuration says: rights by server, none if negative.
// What it says for the first time, or no longer, has changed.
func (s *shared) provision(changed []uint16, rights map[uint16]int) {
	s.Helper()
	p := AccessPolicy{Changed: changed, Rights: make(map[uint16]model.Rights)}
	for server, r := range rights {
		p.Servers = append(p.Servers, server)
		if r >= 0 {
			p.Rights[server] = model.Rights(r)
		}
	}
	s.check(s.control.Provision(s.Context(), p))
}

// says writes down what object 2 says: "101: 0=1 102=3" by what it is about.
func (s *shared) says() map[string]string {
	s.Helper()
	out := make(map[string]string)
	for _, iid := range s.tree.Instances(objectAccessControl) {
		at := lwm2m.NewPath(objectAccessControl, iid)
		value := func(rid uint16) int64 { return s.tree.Value(at.Child(rid)).Int() }
		about := fmt.Sprintf("/%d/%d", value(ridControlObject), value(ridControlInstance))
		if _, dup := out[about]; dup {
			s.Errorf("there are two instances about %s", about)
		}
		text := []string{fmt.Sprintf("%d:", value(ridControlOwner))}
		nodes, err := s.tree.Read(model.FromAgent(), at.Child(ridACL), nil)
		for _, n := range nodes {
			if err == nil && !n.Value.IsZero() {
				text = append(text, fmt.Sprintf("%d=%d", n.Path.ResourceInstance(), n.Value.Int()))
			}
		}
		out[about] = strings.Join(text, " ")
	}
	return out
}

// want compares what object 2 says, and what was kept of it.
func (s *shared) want(want map[string]string) {
	s.Helper()
	if d := cmp.Diff(want, s.says()); d != "" {
		s.Errorf("object 2 (-want +got):\n%s", d)
	}
	if len(s.saved) == 0 {
		return
	}
	kept := newShared(s.T)
	s.check(kept.control.Restore(s.saved[len(s.saved)-1]))
	if d := cmp.Diff(s.says(), kept.says()); d != "" {
		s.Errorf("what was kept of object 2 (-there +kept):\n%s", d)
	}
}

const (
	aboutTest     = "/3442/0"
	aboutTestType = "/3442/65535"
)

func TestProvisionWithOneServer(t *testing.T) {
	s := newShared(t)
	s.provision(nil, map[uint16]int{101: -1})
	s.want(map[string]string{})
	if len(s.saved) != 0 {
		t.Error("nothing was saved")
	}
}

// TestProvisionBeforeTheSecondServer holds that the first server loses nothing at any
// moment, and that the second one can read.
func TestProvisionBeforeTheSecondServer(t *testing.T) {
	s := newShared(t)
	both := map[uint16]int{101: -1, 102: -1}
	s.provision(nil, both)
	s.want(map[string]string{"/1/0": "101:", aboutTest: "101: 0=1", aboutTestType: "65535: 101=16"})
	s.check(s.server.Seed(first, second))
	s.check(s.writeFrom(model.FromServer(101), "/3442/0/120", lwm2m.Integer(1)))
	s.provision(nil, both)
	s.want(map[string]string{"/1/0": "101:", "/1/1": "102:", aboutTest: "101: 0=1", aboutTestType: "65535: 101=16"})
	s.refused(s.writeFrom(model.FromServer(102), "/3442/0/120", lwm2m.Integer(1)), lwm2m.Unauthorized, "server 102 has no right to write /3442/0")
	_, err := s.tree.Read(model.FromServer(102), lwm2m.MustPath("/3442/0/120"), nil)
	s.check(err)
	_, err = s.tree.Read(model.FromServer(102), lwm2m.MustPath("/1/0/1"), nil)
	s.refused(err, lwm2m.Unauthorized, "read /1/0")
	s.check(s.writeFrom(model.FromServer(102), "/1/1/1", lwm2m.Integer(60)))
	saved := len(s.saved)
	s.provision(nil, both)
	if len(s.saved) != saved {
		t.Error("what is complete is saved again")
	}
}

func TestProvisionGivesWhatTheConfigurationSays(t *testing.T) {
	s := newShared(t)
	s.check(s.server.Seed(first, second))
	s.provision([]uint16{102}, map[uint16]int{101: -1, 102: 0b10111})
	s.want(map[string]string{"/1/0": "101:", "/1/1": "102:", aboutTest: "101: 0=1 102=7", aboutTestType: "65535: 101=16 102=16"})
	s.provision([]uint16{101, 102}, map[uint16]int{101: 0b01001, 102: 0})
	s.want(map[string]string{"/1/0": "101:", "/1/1": "102:", aboutTest: "101: 0=1 101=9 102=0", aboutTestType: "65535:"})
	s.provision([]uint16{101, 102}, map[uint16]int{101: -1, 102: -1})
	s.want(map[string]string{"/1/0": "101:", "/1/1": "102:", aboutTest: "101: 0=1", aboutTestType: "65535: 101=16"})
}

// TestOwnersWriteStays holds that only an edit of the configuration overrides what an
// owner wrote, and not what it made private.
func TestOwnersWriteStays(t *testing.T) {
	s := newShared(t)
	s.check(s.server.Seed(first, second))
	s.provision([]uint16{102}, map[uint16]int{101: -1, 102: 3})
	iid := s.about(aboutTest)
	acl := func(entries map[uint16]int64) {
		t.Helper()
		at := lwm2m.NewPath(objectAccessControl, iid, ridACL)
		nodes := make([]lwm2m.Node, 0, len(entries))
		for _, id := range slices.Sorted(maps.Keys(entries)) {
			nodes = append(nodes, lwm2m.Node{Path: at.Child(id), Value: lwm2m.Integer(entries[id])})
		}
		s.check(s.tree.Write(t.Context(), model.FromServer(101), model.Replace, at, nodes))
	}
	acl(map[uint16]int64{0: 1, 102: 5})
	s.provision(nil, map[uint16]int{101: -1, 102: 3})
	if got := s.says()[aboutTest]; got != "101: 0=1 102=5" {
		t.Errorf("what the owner wrote became %q", got)
	}
	acl(map[uint16]int64{102: 1})
	s.provision([]uint16{102}, map[uint16]int{101: -1, 102: 31})
	if got := s.says()[aboutTest]; got != "101: 102=1" {
		t.Errorf("what the owner made private became %q", got)
	}
	if got := s.says()[aboutTestType]; got != "65535: 101=16 102=16" {
		t.Errorf("the right to create became %q", got)
	}
}

// about returns the instance of object 2 about something.
func (s *shared) about(what string) uint16 {
	s.Helper()
	want := lwm2m.MustPath(what)
	for _, iid := range s.tree.Instances(objectAccessControl) {
		value := func(rid uint16) int64 {
			return s.tree.Value(lwm2m.NewPath(objectAccessControl, iid, rid)).Int()
		}
		if value(ridControlObject) == int64(want.Object()) && value(ridControlInstance) == int64(want.Instance()) {
			return iid
		}
	}
	s.Fatalf("object 2 has nothing about %s", what)
	return 0
}

func TestAccountThatIsRemoved(t *testing.T) {
	s := newShared(t)
	s.check(s.server.Seed(first, second, third))
	all := map[uint16]int{101: -1, 102: 3, 103: -1}
	s.provision([]uint16{102}, all)
	at, err := s.tree.Create(t.Context(), model.FromServer(101), lwm2m.MustPath("/3442"), nil)
	s.check(err)
	mine := fmt.Sprintf("/3442/%d", at)
	if got := s.says()[mine]; got != "101:" {
		t.Errorf("what 101 created is %q", got)
	}

	// The main one goes while another one comes.
	another := third
	another.ServerInstance, another.ShortServerID = 5, 105
	s.check(s.server.Seed(second, third, another))
	s.provision(nil, map[uint16]int{102: 3, 103: -1, 105: -1})
	s.want(map[string]string{
		"/1/1": "102:", "/1/2": "103:", "/1/5": "105:", aboutTest: "102: 0=1 102=3", mine: "102:", aboutTestType: "65535:",
	})

	// The instance of one is another one's now, who inherits nothing.
	acl := lwm2m.NewPath(objectAccessControl, s.about("/1/2"), ridACL)
	s.check(s.tree.Write(t.Context(), model.FromServer(103), model.Update, acl, []lwm2m.Node{{Path: acl.Child(102), Value: lwm2m.Integer(3)}}))
	another = third
	another.ShortServerID = 104
	s.check(s.server.Seed(second, another))
	s.provision(nil, map[uint16]int{102: 3, 104: -1})
	s.want(map[string]string{"/1/1": "102:", "/1/2": "104:", aboutTest: "102: 0=1 102=3", mine: "102:", aboutTestType: "65535:"})

	// One is left.
	s.check(s.server.Seed(another))
	s.provision([]uint16{102}, map[uint16]int{104: -1})
	s.want(map[string]string{"/1/2": "104:", aboutTest: "104: 0=1", mine: "104:", aboutTestType: "65535: 104=16"})
}

func TestProvisionThatCannotBeKept(t *testing.T) {
	s := newShared(t)
	s.check(s.server.Seed(first, second))
	s.err = errors.New("the disk is full")
	if err := s.control.Provision(t.Context(), AccessPolicy{}); err == nil || len(s.says()) != 0 {
		t.Errorf("%v, and object 2 says %v", err, s.says())
	}
	s.err = nil
	s.provision(nil, nil)
	s.want(map[string]string{"/1/0": "101:", "/1/1": "102:", aboutTest: "101: 0=1", aboutTestType: "65535: 101=16"})
}

func TestAccessControlRefusals(t *testing.T) {
	s := newShared(t)
	s.check(s.server.Seed(first, second))
	s.provision(nil, nil)
	at := lwm2m.NewPath(objectAccessControl, s.about(aboutTest))
	for _, origin := range []model.Origin{model.FromServer(101), model.FromLocal()} {
		write := func(p lwm2m.Path, n int64) error {
			return s.tree.WriteAll(t.Context(), origin, []lwm2m.Node{{Path: p, Value: lwm2m.Integer(n)}})
		}
		s.refused(write(at.Child(ridACL).Child(103), 1), lwm2m.BadRequest, "there is no server 103")
		s.refused(write(at.Child(ridACL).Child(102), 32), lwm2m.BadRequest, "outside of 0..31")
		s.refused(write(at.Child(ridControlOwner), lwm2m.MaxID), lwm2m.BadRequest, "to be the owner")
		s.refused(write(at.Child(ridControlOwner), 0), lwm2m.BadRequest, "to be the owner")
		s.refused(write(at.Child(ridControlOwner), 103), lwm2m.BadRequest, "to be the owner")
		s.refused(write(at.Child(ridControlObject), 3), lwm2m.MethodNotAllowed, "cannot be written")
		s.check(write(at.Child(ridACL).Child(102), 3))
		s.check(write(at.Child(ridACL).Child(0), 0))
	}
	s.refused(s.tree.Delete(t.Context(), model.FromLocal(), at), lwm2m.MethodNotAllowed, "goes when")
	_, err := s.tree.Create(t.Context(), model.FromLocal(), lwm2m.MustPath("/2"), []lwm2m.Node{{Path: at.Child(ridControlOwner), Value: lwm2m.Integer(101)}})
	s.refused(err, lwm2m.MethodNotAllowed, "comes with")
	s.err = errors.New("the disk is full")
	s.refused(s.writeFrom(model.FromServer(101), at.Child(ridControlOwner).String(), lwm2m.Integer(102)), lwm2m.InternalServerError, "disk is full")
	s.err = nil
	s.check(s.writeFrom(model.FromServer(101), at.Child(ridControlOwner).String(), lwm2m.Integer(102)))
	s.refused(s.writeFrom(model.FromServer(101), at.Child(ridControlOwner).String(), lwm2m.Integer(101)), lwm2m.Unauthorized, "server 101 has no right to write /2/")
}

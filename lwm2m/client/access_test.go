package client

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// shared is a lab whose device has a second server, 102, that is the owner of all;
// give says what the lab's server, 101, may do.
type shared struct {
	*lab
	controls *model.Publisher
}

func simulateShared(t *testing.T, change func(*Config), f func(s *shared)) {
	t.Helper()
	simulate(t, change, func(l *lab) {
		s := &shared{lab: l}
		var err error
		if s.controls, err = l.tree.AddRegistered(2, model.Plain{}); err != nil {
			t.Fatal(err)
		}
		l.publish(l.accounts, func(b *model.Batch) {
			b.Create(1)
			b.Set(1, 0, lwm2m.Integer(102))
		})
		l.temperature(1, 30)
		s.give(0, 3, 0, 0)
		s.give(1, 3303, 0, 0)
		s.give(2, 3303, 1, 0)
		l.run()
		l.wantState(Registered)
		f(s)
	})
}

// give publishes instance iid of object 2.
func (s *shared) give(iid, oid, of uint16, rights model.Rights) {
	s.t.Helper()
	s.publish(s.controls, func(b *model.Batch) {
		b.Create(iid)
		b.Set(iid, 0, lwm2m.Integer(int64(oid)))
		b.Set(iid, 1, lwm2m.Integer(int64(of)))
		b.SetInstance(iid, 2, 101, lwm2m.Integer(int64(rights)))
		b.Set(iid, 3, lwm2m.Integer(102))
	})
	synctest.Wait()
}

// TestRefusalsWithoutRights holds that each operation is answered with 4.01, whatever
// else is wrong with it, and that what is not there is not found.
func TestRefusalsWithoutRights(t *testing.T) {
	simulateShared(t, nil, func(s *shared) {
		for what, m := range map[string]*coap.Message{
			"Read":                     s.ask(coap.GET, "/3/0"),
			"Read of the object":       s.ask(coap.GET, "/3303"),
			"Write":                    s.send(coap.PUT, "/3/0/13", lwm2m.FormatText, "17"),
			"Write in a wrong format":  s.send(coap.PUT, "/3/0/13", 9999, "17"),
			"Write-Attributes":         s.ask(coap.PUT, temperature, "pmin=1"),
			"Execute":                  s.ask(coap.POST, "/3/0/4"),
			"Create":                   s.send(coap.POST, "/3303", lwm2m.FormatTLV, ""),
			"Create in a wrong format": s.send(coap.POST, "/3303", 9999, "x"),
			"Delete":                   s.ask(coap.DELETE, "/3303/0"),
			"Write-Composite":          s.send(coap.IPATCH, "/", lwm2m.FormatSenMLJSON, `[{"n":"/3/0/13","v":17}]`),
		} {
			if m.Code != coap.Unauthorized || len(m.Payload) == 0 {
				t.Errorf("%s: %v %q, want 4.01 and why", what, m.Code, m.Payload)
			}
		}
		s.wantCode(s.ask(coap.GET, "/3303/9"), coap.NotFound)
		s.wantCode(s.ask(coap.PUT, "/3303", "pmin=1"), coap.Changed) // at an object it needs no right
		if m := s.do(fetch(t, lwm2m.FormatSenMLJSON, -1, "/3/0/0", "/2/0/3")); string(m.Payload) != `[{"bn":"/","n":"2/0/3","v":102}]` {
			t.Errorf("Read-Composite gives %v %q", m.Code, m.Payload)
		}
	})
}

func TestDiscoverNeedsNoRight(t *testing.T) {
	simulateShared(t, nil, func(s *shared) {
		for path, want := range map[string]string{
			"/3303":   "</3303>;ver=1.1,</3303/0>,</3303/0/5700>,</3303/1>,</3303/1/5700>",
			"/3303/1": "</3303/1>,</3303/1/5700>",
		} {
			m := &coap.Message{Code: coap.GET}
			m.SetPath(path)
			m.SetAccept(uint16(lwm2m.FormatLink))
			if a := s.do(m); string(a.Payload) != want {
				t.Errorf("%s: %v %q", path, a.Code, a.Payload)
			}
		}
	})
}

// TestObserveFollowsRights observes an object of which more and less may be read: what
// happens in other instances is not told, not even that it happens.
func TestObserveFollowsRights(t *testing.T) {
	simulateShared(t, nil, func(s *shared) {
		const (
			first = `[{"bn":"/3303/","n":"0/5700","v":20}]`
			both  = `[{"bn":"/3303/","n":"0/5700","v":20},{"n":"1/5700","v":31}]`
		)
		s.give(1, 3303, 0, model.RightRead)
		w := s.observe("/3303", 110)
		if string(w.first.Payload) != first {
			t.Fatalf("first value is %q", w.first.Payload)
		}
		s.temperature(1, 31)
		w.want()
		s.give(2, 3303, 1, model.RightRead)
		w.want("0s " + both)
		s.give(0, 3, 0, model.RightRead)
		s.give(1, 3303, 0, model.RightRead|model.RightWrite)
		w.want() // nothing that is read differs
		s.give(2, 3303, 1, model.RightExecute)
		w.want("0s " + first)
		s.give(1, 3303, 0, 0)
		w.want("0s 4.01")
		if n := s.status().Observations; n != 0 {
			t.Errorf("%d observations of what may not be read", n)
		}
	})
}

func TestObservationEndsWithTheRight(t *testing.T) {
	simulateShared(t, nil, func(s *shared) {
		s.give(1, 3303, 0, model.RightRead)
		s.give(2, 3303, 1, model.RightRead)
		gone, stays := s.observe("/3303/0/5700", -1), s.observe("/3303/1/5700", -1)
		together := s.watch(fetch(t, lwm2m.FormatSenMLJSON, -1, "/3303/0/5700", "/3303/1/5700"))
		s.after(time.Second)
		s.give(1, 3303, 0, 0)
		gone.want("1s 4.01")
		stays.want()
		together.want(`1s [{"bn":"/","n":"3303/1/5700","v":30}]`)
		s.temperature(1, 32)
		stays.want("1s 32")
		s.temperature(0, 12)
		together.want(`1s [{"bn":"/","n":"3303/1/5700","v":32}]`)
	})
}

// TestLimitsHoldForWhatComesIntoSight holds that attributes count for instances that a
// server may read later than it began to observe. In 1.1 they count for the whole object.
func TestLimitsHoldForWhatComesIntoSight(t *testing.T) {
	older := func(c *Config) { c.Params = func(uint16) Params { return Params{Version: lwm2m.Version11} } }
	simulateShared(t, older, func(s *shared) {
		s.give(1, 3303, 0, model.RightRead)
		s.give(2, 3303, 1, model.RightRead)
		s.wantCode(s.ask(coap.PUT, "/3303/1/5700", "st=5"), coap.Changed)
		s.give(2, 3303, 1, 0)
		w := s.observe("/3303", 110)
		s.give(2, 3303, 1, model.RightRead)
		w.want(`0s [{"bn":"/3303/","n":"0/5700","v":20},{"n":"1/5700","v":30}]`)
		s.temperature(1, 31)
		w.want()
		s.temperature(1, 35)
		w.want(`0s [{"bn":"/3303/","n":"0/5700","v":20},{"n":"1/5700","v":35}]`)
	})
}

// TestStoredFollowsRights holds that what was stored for a server is told by the rights
// of when it is told.
func TestStoredFollowsRights(t *testing.T) {
	simulateShared(t, nil, func(s *shared) {
		s.give(1, 3303, 0, model.RightRead)
		s.give(2, 3303, 1, model.RightRead)
		w := s.observe("/3303", senmlJSON)
		s.outage(func() {
			s.temperature(0, 21)
			s.after(time.Minute)
			s.temperature(1, 31)
			s.after(time.Hour)
			s.give(2, 3303, 1, 0)
		})
		s.after(10 * time.Minute)
		s.wantState(Registered)
		stored := s.observe("/3303", senmlJSON)
		s.after(time.Minute)
		for _, n := range append(w.notes, stored.notes...) {
			if strings.Contains(n.payload, "1/5700") {
				t.Errorf("told: %s", n)
			}
		}
		if len(stored.notes) == 0 {
			t.Error("nothing that was stored is told")
		}
	})
}

// TestStoredWithoutRights holds that of what was stored nothing is told, nor kept, when
// the right is gone.
func TestStoredWithoutRights(t *testing.T) {
	simulateShared(t, nil, func(s *shared) {
		s.give(1, 3303, 0, model.RightRead)
		s.give(2, 3303, 1, model.RightRead)
		s.observe("/3303/1/5700", senmlJSON)
		s.outage(func() {
			s.temperature(1, 31)
			s.after(time.Hour)
			s.give(2, 3303, 1, 0)
		})
		s.after(10 * time.Minute)
		s.wantState(Registered)
		w := s.observe("/3303", senmlJSON)
		s.after(time.Minute)
		w.want()
		if n := s.status().Queued; n != 0 {
			t.Errorf("%d notifications are still stored", n)
		}
	})
}

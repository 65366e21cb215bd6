package client

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// labProfile is the list of the lab's objects with the versions that the registry has.
const labProfile = "</1>;ver=1.2,</1/0>,</3>;ver=1.2,</3/0>,</3303>;ver=1.1,</3303/0>"

func profileOf(size int) string {
	sum := sha256.Sum256([]byte(labProfile))
	return hex.EncodeToString(sum[:size])
}

// wantsProfiles lets the server want Profile IDs.
func (l *lab) wantsProfiles(algorithm uint64) {
	l.t.Helper()
	l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 27, lwm2m.Unsigned(algorithm)) })
}

func TestProfileID(t *testing.T) {
	for algorithm, size := range map[uint64]int{1: 32, 6: 4} {
		simulate(t, nil, func(l *lab) {
			l.wantsProfiles(algorithm)
			l.run()
			l.wantState(Registered)
			want := string(rune('0'+algorithm)) + ":" + profileOf(size)
			c := l.wantCalls("POST /rd [ep=lab lt=600 lwm2m=1.2 b=U pid=" + want + "]")[0]
			if c.payload != "" {
				l.t.Errorf("the object list comes with it: %q", c.payload)
			}
			l.temperature(1, 20) // a list that the server has not been told
			l.after(time.Minute)
			if c := l.wantCalls("POST /rd/1 []")[0]; c.payload == "" {
				l.t.Error("an Update without the list")
			}
		})
	}
}

// TestProfileIDUnknown shows that a server that does not know the profile gets the list
// beside it, and may know it the next time.
func TestProfileIDUnknown(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.wantsProfiles(6)
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/rd" && c.payload == "" {
					return &coap.Message{Code: coap.Conflict}
				}
				return nil
			}
		})
		l.run()
		l.wantState(Registered)
		want := "POST /rd [ep=lab lt=600 lwm2m=1.2 b=U pid=6:" + profileOf(4) + "]"
		calls := l.wantCalls(want, want)
		if calls[0].payload != "" || calls[1].payload == "" {
			l.t.Errorf("sent %q, then %q", calls[0].payload, calls[1].payload)
		}
		if s := l.status(); s.LastError != "" {
			l.t.Errorf("that is no trouble: %s", s.LastError)
		}
		l.server.hangUp()
		l.after(time.Minute)
		l.wantCalls(want, want)
	})
}

// TestNoProfileID shows who gets the list as ever: a server of another version, and one
// that wants a hash that is not known here.
func TestNoProfileID(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.wantsProfiles(9)
		l.registered()
	})
	old := func(c *Config) { c.Params = func(uint16) Params { return Params{Version: lwm2m.Version11} } }
	simulate(t, old, func(l *lab) {
		l.wantsProfiles(6)
		l.run()
		l.wantCalls("POST /rd [ep=lab lt=600 lwm2m=1.1 b=U]")
	})
}

// TestProfileIDRefused shows that a server that refuses the list too is not asked for ever.
func TestProfileIDRefused(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.wantsProfiles(6)
		l.server.set(func(s *scripted) {
			s.script = func(call) *coap.Message { return &coap.Message{Code: coap.BadRequest} }
		})
		l.run()
		l.wantState(Waiting)
		if n := len(l.server.take()); n != 2 {
			l.t.Errorf("asked %d times", n)
		}
	})
}

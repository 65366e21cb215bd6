package client

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestBegun shows that a client has begun when it has told its server that it is back, and not while it cannot.
func TestBegun(t *testing.T) {
	live(t, nil, func(l *lives) {
		begun := func() bool {
			select {
			case <-l.client.Begun():
				return true
			default:
				return false
			}
		}
		if !begun() {
			l.t.Error("registered, and not begun")
		}
		w := l.observe(temperature, -1)
		l.after(time.Second)
		l.kill()
		l.server.set(func(s *scripted) { s.refuse = errors.New("no route") })
		l.start(23)
		l.after(time.Second)
		if begun() {
			l.t.Error("it has begun without a connection")
		}
		l.server.set(func(s *scripted) { s.refuse = nil })
		<-l.client.Begun()
		l.after(0)
		if got := w.payloads(); fmt.Sprint(got) != "[23]" {
			l.t.Errorf("told %q", got)
		}
	})
}

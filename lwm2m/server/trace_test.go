package server

import (
	"sync/atomic"
	"testing"

	"lwm2m-agent/lwm2m/coap"
)

func TestMessages(t *testing.T) {
	var sent, received atomic.Int32
	s, addr := start(t, Config{Trace: func(d coap.Direction, datagram []byte) {
		if _, err := coap.Parse(datagram); err != nil {
			t.Error(err)
		}
		if d == coap.Sent {
			sent.Add(1)
		} else {
			received.Add(1)
		}
	}})
	d := connect(t, addr, func(x *coap.Exchange) { _ = x.Reply(coap.MethodNotAllowed) })
	location := d.register(t)
	c, ok := s.Client("dev")
	if !ok {
		t.Fatal("not registered")
	}
	conn, err := c.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &coap.Message{Code: coap.PATCH}
	m.SetPath("/3/0")
	if answer, err := conn.Do(t.Context(), m); err != nil || answer.Code != coap.MethodNotAllowed {
		t.Errorf("PATCH: %v %v", answer, err)
	}
	if sent.Load() != 2 || received.Load() != 2 {
		t.Errorf("seen %d sent and %d received messages, want 2 and 2", sent.Load(), received.Load())
	}

	s.Forget("dev")
	if _, err := c.Conn(t.Context()); err == nil {
		t.Error("a client that was forgotten can be asked")
	}
	if answer := d.post(t, location, ""); answer.Code != coap.NotFound {
		t.Errorf("Update of a forgotten registration: %s, want 4.04", answer.Code)
	}
}

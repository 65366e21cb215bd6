package coap

import (
	"bytes"
	"testing"
	"testing/synctest"
)

func get(path string) *Message {
	m := &Message{Code: GET}
	m.SetPath(path)
	return m
}

func TestDoReturnsTheResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, _, _ := pair(t, nil, constant(), Options{})
		m, err := client.Do(t.Context(), get("/3/0/0"))
		if err != nil || m.Code != Content || string(m.Payload) != "Open Mobile Alliance" {
			t.Fatalf("got %v, %v", m, err)
		}
	})
}

func TestDoBlockwiseBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := bytes.Repeat([]byte("0123456789"), 100_000)
		client, _, _, _ := pair(t, nil, func(x *Exchange) {
			_ = x.Respond(&Message{Code: Changed, Payload: bytes.ToUpper(x.Request.Payload)})
		}, Options{})
		m, err := client.Do(t.Context(), &Message{Code: POST, Payload: body})
		if err != nil || m.Code != Changed || !bytes.Equal(m.Payload, body) {
			t.Fatalf("got %v, %v", m, err)
		}
	})
}

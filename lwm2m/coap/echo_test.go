package coap

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// A server that wants to know that a request is fresh, or that its address is not forged, refuses it with an
// Echo option (RFC 9175 section 2.3). The request is sent again with it, once.
func TestEcho(t *testing.T) {
	challenge := func(value string) func(*Message) *Message {
		return func(*Message) *Message {
			m := &Message{Code: Unauthorized}
			m.AddOption(Echo, []byte(value))
			return m
		}
	}
	body := sixteenA + sixteenB
	tests := []struct {
		name   string
		body   string
		script []func(*Message) *Message
		asked  []string
		code   Code
	}{
		{"once", "x", []func(*Message) *Message{challenge("a"), reply(Changed, 0, nil, "")}, []string{"POST down 0/0/16 x", "POST down 0/0/16 echo a x"}, Changed},
		{"a later one counts too", body, []func(*Message) *Message{
			challenge("a"), up(Continue, 0, true, 0), challenge("b"), up(Changed, 1, false, 0),
		}, []string{
			"POST up 0/1/16 " + sixteenA, "POST up 0/1/16 echo a " + sixteenA, "POST up 1/0/16 echo a " + sixteenB, "POST up 1/0/16 echo b " + sixteenB,
		}, Changed},
		{"no end", "x", []func(*Message) *Message{challenge("a"), challenge("b")}, []string{"POST down 0/0/16 x", "POST down 0/0/16 echo a x"}, Unauthorized},
		{"of no length", "x", []func(*Message) *Message{challenge("")}, []string{"POST down 0/0/16 x"}, Unauthorized},
		{"too long", "x", []func(*Message) *Message{challenge(strings.Repeat("a", 41))}, []string{"POST down 0/0/16 x"}, Unauthorized},
		{"none", "x", []func(*Message) *Message{reply(Unauthorized, 0, nil, "")}, []string{"POST down 0/0/16 x"}, Unauthorized},
		{"beside another code", "x", []func(*Message) *Message{func(m *Message) *Message {
			a := challenge("a")(m)
			a.Code = Changed
			return a
		}}, []string{"POST down 0/0/16 x"}, Changed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := scripted(t, nil, Options{Params: Params{BlockSize: 16}})
				asked := answers(t, peer, tt.script...)
				req := &Message{Code: POST, Payload: []byte(tt.body)}
				m, err := c.Do(t.Context(), req)
				if err != nil || m.Code != tt.code {
					t.Errorf("got %v, %v", m, err)
				}
				if diff := cmp.Diff(tt.asked, <-asked); diff != "" {
					t.Error(diff)
				}
				if _, ok := req.Option(Echo); ok {
					t.Error("the caller's request was changed")
				}
				idle(t, c)
			})
		})
	}
}

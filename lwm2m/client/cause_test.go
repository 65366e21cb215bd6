package client

import (
	"errors"
	"fmt"
	"testing"

	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

func TestCause(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Cause
	}{
		{&codeError{what: "Register", code: coap.Forbidden}, Refused},
		{&codeError{what: "Bootstrap-Request", code: coap.Forbidden}, Refused},
		{&codeError{what: "Update", code: coap.NotFound}, NoCause},
		{&codeError{what: "Deregister", code: coap.NotFound}, NoCause},
		{coap.ErrReset, Refused},
		{&dtls.Error{Alert: dtls.AlertDecryptError}, Mistrusted},
		{&dtls.TimeoutError{Awaited: "Finished"}, Mistrusted},
		{&dtls.TimeoutError{Awaited: "ServerHello"}, Unreachable},
		{ErrAccount, Mistrusted},
		{coap.ErrTimeout, Unreachable},
		{errors.New("no route"), Unreachable},
	} {
		if got := causeOf(fmt.Errorf("wrapped: %w", c.err)); got != c.want {
			t.Errorf("%v: cause %d, want %d", c.err, got, c.want)
		}
	}
}

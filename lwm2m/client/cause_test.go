package client

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
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

// TestRemedies: what a connection over TCP can end with says what to look at.
func TestRemedies(t *testing.T) {
	for want, err := range map[string]error{
		"does not speak CoAP":           fmt.Errorf("%w: %w from h", coap.ErrAborted, coap.ErrMalformed),
		"closed the connection":         &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET},
		"listens on this port":          &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
		"there is no route":             &net.OpError{Op: "dial", Net: "udp", Err: syscall.EHOSTUNREACH},
		"and this device's DNS":         &net.DNSError{Err: "no such host", Name: "h"},
		"compare identity and key":      &dtls.TimeoutError{Awaited: awaitedFinished},
		"the server's log may say more": &dtls.Error{Alert: dtls.AlertInternalError, Remote: true},
	} {
		if got := remedy(fmt.Errorf("wrapped: %w", err)); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

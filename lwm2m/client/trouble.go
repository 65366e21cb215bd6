package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

// codeError is an answer that refuses.
type codeError struct {
	what string // Register, Update, Deregister, Bootstrap-Request
	code coap.Code
	text string // the server's diagnostic payload
}

// newCodeError returns the error of an answer to a kind of request.
func newCodeError(what string, m *coap.Message) *codeError {
	text, _, _ := bytes.Cut(m.Payload, []byte{0})
	return &codeError{what: what, code: m.Code, text: string(text[:min(len(text), maxDiagnostic)])}
}

// Error names the request, the code and what the server says to it.
func (e *codeError) Error() string {
	s := fmt.Sprintf("%s was answered with %s", e.what, e.code)
	if e.text != "" {
		s += fmt.Sprintf(" (%q)", e.text)
	}
	return s
}

// forgets reports whether an answer says no more than that the server does not have the registration that the request was about: it was
// started anew, or the lifetime was over. Whether it refuses the client, its answer to the Register says that follows.
func (e *codeError) forgets() bool {
	return e.what == deregisterName || e.what == updateName && !isBusy(e.code)
}

// Cause is the kind of an account's error.
type Cause uint8

// The causes.
const (
	NoCause     Cause = iota // there was no error, or none that says what is wrong
	Unreachable              // the server does not answer, or there is no way to it
	Refused                  // the server answers and does not want this client
	Mistrusted               // there is no secure session: keys or certificates do not fit
)

// causeOf returns the kind of an error.
func causeOf(err error) Cause {
	if code, ok := errors.AsType[*codeError](err); ok && code.forgets() {
		return NoCause
	} else if ok || errors.Is(err, coap.ErrReset) {
		return Refused
	}
	if _, ok := alertOf(err); ok || errors.Is(err, ErrAccount) || errors.Is(err, ErrKey) {
		return Mistrusted
	}
	if silent, ok := errors.AsType[*dtls.TimeoutError](err); ok && silent.Awaited == awaitedFinished {
		return Mistrusted // a server that cannot read our Finished says nothing
	}
	return Unreachable
}

// plain is an error in words that are the same whenever it comes again: without our own address, whose port is another
// one each time.
func plain(err error) string {
	var b strings.Builder
	for rest := err.Error(); ; {
		before, after, found := strings.Cut(rest, "->")
		if !found {
			b.WriteString(rest)
			return b.String()
		}
		at := strings.LastIndexByte(before, ' ') + 1
		if _, err := netip.ParseAddrPort(before[at:]); err == nil {
			b.WriteString(before[:at])
		} else {
			b.WriteString(before + "->")
		}
		rest = after
	}
}

// repeatAfter is how long the same trouble is not logged again as a warning.
const repeatAfter = time.Hour

// repetition says how loud a trouble is that may be the one of before.
type repetition struct {
	text string
	told time.Time // as a warning
}

// level returns the level of a trouble; the same text as before, without a success since, is a detail for an hour.
func (r *repetition) level(text string, now time.Time) slog.Level {
	if text == r.text && now.Sub(r.told) < repeatAfter {
		return slog.LevelDebug
	}
	r.text, r.told = text, now
	return slog.LevelWarn
}

// over forgets the trouble.
func (r *repetition) over() { *r = repetition{} }

// awaitedFinished is what a handshake with a wrong key waits for in vain.
const awaitedFinished = "Finished"

// alert tells the agent of a DTLS alert that ended a handshake or a session.
func (a *account) alert(err error) {
	if e, ok := alertOf(err); ok && a.client.config.OnAlert != nil {
		a.client.config.OnAlert(a.ssid, e.Alert)
	}
}

// maxDiagnostic bounds what is kept of a server's diagnostic payload, in bytes.
const maxDiagnostic = 80

// errNoLocation says that a Register was accepted without telling where.
var errNoLocation = errors.New("the Register was answered without a Location-Path")

// remedy says what a person can do about an error of an account, "" if nothing is
// known.
func remedy(err error) string {
	var (
		code    *codeError
		timeout *dtls.TimeoutError
		dns     *net.DNSError
	)
	if alert, ok := alertOf(err); ok {
		return alertRemedy(alert)
	}
	switch {
	case errors.As(err, &code) && code.what == updateName && code.forgets():
		return "nothing: the server no longer has the registration, as after a start of its own, and gets another one; " +
			"if it loses it again and again, another device has the same endpoint name"
	case errors.As(err, &code) && code.forgets():
		return ""
	case errors.As(err, &code):
		return codeRemedy(code.code)
	case errors.As(err, &timeout):
		return timeoutRemedy(timeout)
	case errors.As(err, &dns):
		return "check the host name in the server's URI and this device's DNS"
	case errors.Is(err, ErrKey):
		return "see to it that the key can be used where it is held"
	case errors.Is(err, ErrAccount):
		return "correct the server's URI and credentials in the configuration"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETDOWN):
		return "check this device's network connection: there is no route to the server"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check that the server runs and listens on this port"
	case errors.Is(err, coap.ErrMalformed):
		return "check the URI: what answers there does not speak CoAP"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, coap.ErrGone), errors.Is(err, coap.ErrReleased), errors.Is(err, coap.ErrAborted):
		return "the server closed the connection; see its log, and what is between (firewall, address translation)"
	case errors.Is(err, coap.ErrReset):
		return "check the URI: what answers there does not want to talk"
	case errors.Is(err, coap.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "check that the server runs, that its address is right and that no firewall blocks UDP or, for coap+tcp and coaps+tcp, TCP"
	}
	return ""
}

func codeRemedy(c coap.Code) string {
	switch lwm2m.Code(c) {
	case lwm2m.Unauthorized, lwm2m.Forbidden:
		return "check that the server knows this endpoint name and that it belongs to the identity used"
	case lwm2m.PreconditionFailed:
		return "the server speaks none of the LwM2M versions 1.0 to 1.2; check what it wants"
	case lwm2m.NotFound, lwm2m.MethodNotAllowed:
		return "check the URI: what answers there is no LwM2M server"
	case lwm2m.BadRequest:
		return "the server does not accept the registration: check endpoint name, lifetime and version"
	}
	if c.Class() == 5 {
		return "the server has trouble of its own; see its log"
	}
	return ""
}

const checkCredentials = "compare identity and key with those that the server has for this device"

const checkServer = "compare the server's certificate or public key with the one in the configuration"

// alertRemedy says what helps. What we refuse is the server's, or our idea of it; what the
// server refuses is ours.
func alertRemedy(e *dtls.Error) string {
	if help, ok := ownRemedies[e.Alert]; ok && !e.Remote {
		return help
	}
	if help, ok := alertRemedies[e.Alert]; ok || !e.Remote {
		return help
	}
	return checkCredentials + "; the server's log may say more"
}

var ownRemedies = map[dtls.Alert]string{
	dtls.AlertCertificateExpired:     "check this device's clock; if it is right, the server needs another certificate",
	dtls.AlertUnknownCA:              "compare the authority of the server's certificate with the one in the configuration",
	dtls.AlertBadCertificate:         "compare the names in the server's certificate with the host of its URI or the SNI, and check its chain",
	dtls.AlertCertificateUnknown:     checkServer,
	dtls.AlertDecryptError:           checkServer,
	dtls.AlertUnsupportedCertificate: "the server's certificate or key is of a kind that this agent does not take; docs/security.md says which it does",
}

const nothingInCommon = "client and server have no cipher suite or key type in common, or the identity is unknown there"

const checkOwnCertificate = "the server refuses this device's certificate or public key: see whether its name is the endpoint's, and its authority one that the server trusts; " + checkCredentials

var alertRemedies = map[dtls.Alert]string{
	dtls.AlertUnknownPSKIdentity:     "the server does not know the identity: compare it with what the server has for this device",
	dtls.AlertDecryptError:           checkCredentials,
	dtls.AlertBadRecordMAC:           checkCredentials,
	dtls.AlertAccessDenied:           "the server knows who this is and does not let it in: see whether this device is there and enabled; " + checkCredentials,
	dtls.AlertBadCertificate:         checkOwnCertificate,
	dtls.AlertUnsupportedCertificate: checkOwnCertificate,
	dtls.AlertCertificateUnknown:     checkOwnCertificate,
	dtls.AlertUnknownCA:              "the server does not know the authority of this device's certificate: give it to the server, or this device a certificate of one that the server knows; " + checkCredentials,
	dtls.AlertCertificateRevoked:     "this device's certificate was revoked: it needs another one",
	dtls.AlertCertificateExpired:     "to the server this device's certificate has expired, or is not valid yet: renew it, and check the server's clock",
	dtls.AlertHandshakeFailure:       nothingInCommon,
	dtls.AlertInsufficientSecurity:   nothingInCommon,
	dtls.AlertProtocolVersion:        nothingInCommon,
}

func timeoutRemedy(e *dtls.TimeoutError) string {
	if e.Awaited == awaitedFinished {
		return "the server fell silent on our key: " + checkCredentials
	}
	if errors.Is(e, syscall.ECONNREFUSED) {
		return "check that the server runs and listens on this port"
	}
	return "check that the server runs, that its address and port are right (with DTLS 5684, as a rule) and that no firewall blocks UDP"
}

package at

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// The errors of a channel.
var (
	ErrSilent    = errors.New("the modem does not answer")
	ErrRestarted = errors.New("the modem has restarted")
	ErrClosed    = errors.New("the port is closed")
	ErrAnswer    = errors.New("the modem's answer cannot be understood")
)

// Error is a final result code other than OK and CONNECT.
type Error struct {
	Command string // up to what it is given: "AT+CPIN"
	Result  string // "ERROR", "+CME ERROR", "+CMS ERROR", "NO CARRIER", …
	Code    int    // of +CME and +CMS ERROR; -1 if there is none
	Text    string // in words
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Command + ": " + e.Result
	if e.Code >= 0 {
		s += " " + strconv.Itoa(e.Code)
	}
	if e.Text != "" {
		s += " (" + e.Text + ")"
	}
	return s
}

// The codes of +CME ERROR that have a meaning here (3GPP TS 27.007, clause 9.2).
const (
	cmeNotAllowed      = 3
	cmeNotSupported    = 4
	cmeSIMNotInserted  = 10
	cmeSIMPINRequired  = 11
	cmeSIMPUKRequired  = 12
	cmeSIMFailure      = 13
	cmeSIMBusy         = 14
	cmeSIMWrong        = 15
	cmeWrongPassword   = 16
	cmeNetworkTimeout  = 31
	cmeEmergencyOnly   = 32
	cmeUnknown         = 100
	cmeServiceRefused  = 132
	cmeNotSubscribed   = 133
	cmeOutOfOrder      = 134
	cmeAuthentication  = 149
	cmeUnspecifiedGPRS = 148
)

// cmeTexts are the words of clause 9.2.
var cmeTexts = map[int]string{
	0: "phone failure", 1: "no connection to phone", 2: "phone-adaptor link reserved",
	cmeNotAllowed: "operation not allowed", cmeNotSupported: "operation not supported",
	5: "PH-SIM PIN required", 6: "PH-FSIM PIN required", 7: "PH-FSIM PUK required",
	cmeSIMNotInserted: "SIM not inserted", cmeSIMPINRequired: "SIM PIN required", cmeSIMPUKRequired: "SIM PUK required",
	cmeSIMFailure: "SIM failure", cmeSIMBusy: "SIM busy", cmeSIMWrong: "SIM wrong", cmeWrongPassword: "incorrect password",
	17: "SIM PIN2 required", 18: "SIM PUK2 required", 20: "memory full", 21: "invalid index", 22: "not found",
	23: "memory failure", 24: "text string too long", 25: "invalid characters in text string", 26: "dial string too long",
	27: "invalid characters in dial string", 30: "no network service", cmeNetworkTimeout: "network timeout",
	cmeEmergencyOnly: "network not allowed - emergency calls only", 40: "network personalization PIN required",
	50: "incorrect parameters", cmeUnknown: "unknown", 103: "illegal MS", 106: "illegal ME", 107: "GPRS services not allowed",
	111: "PLMN not allowed", 112: "location area not allowed", 113: "roaming not allowed in this location area",
	cmeServiceRefused: "service option not supported", cmeNotSubscribed: "requested service option not subscribed",
	cmeOutOfOrder: "service option temporarily out of order", cmeUnspecifiedGPRS: "unspecified GPRS error",
	cmeAuthentication: "PDP authentication failure",
}

// finals are the result codes that end any command beside OK and those with a
// number (ITU-T V.250, table 1, and what vendors add).
var finals = []string{"ERROR", "ABORTED", "COMMAND NOT SUPPORT"}

// dialFinals end only commands that make a connection. Else they tell of one that
// was there before.
var dialFinals = []string{"NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE"}

// dials reports whether a command, as Command.name has it, makes a connection.
func dials(command string) bool {
	return strings.HasPrefix(command, "ATD") || command == "ATA" || command == "ATO" || command == "AT+CGDATA"
}

// final reads a final result code: nil and true for success.
func final(line, command string) (error, bool) {
	switch {
	case line == "OK":
		return nil, true
	case dials(command) && (line == "CONNECT" || strings.HasPrefix(line, "CONNECT ")):
		return nil, true
	case slices.Contains(finals, line), dials(command) && slices.Contains(dialFinals, line):
		return &Error{Command: command, Result: line, Code: -1}, true
	}
	for _, kind := range []string{"+CME ERROR", "+CMS ERROR"} {
		if detail, ok := strings.CutPrefix(line, kind+":"); ok {
			return numbered(command, kind, strings.TrimSpace(detail)), true
		}
	}
	return nil, false
}

// numbered reads what stands behind "+CME ERROR:": a number, or, after AT+CMEE=2, words.
func numbered(command, kind, detail string) *Error {
	e := &Error{Command: command, Result: kind, Code: -1, Text: detail}
	if code, err := strconv.Atoi(detail); err == nil && code >= 0 {
		e.Code, e.Text = code, ""
		if kind == "+CME ERROR" {
			e.Text = cmeTexts[code]
		}
		return e
	}
	if kind == "+CME ERROR" {
		for code, text := range cmeTexts {
			if strings.EqualFold(text, detail) {
				e.Code = code
			}
		}
	}
	return e
}

// refused reports whether the modem has answered, with no.
func refused(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}

// cme returns the code of a +CME ERROR, -1 for all other errors.
func cme(err error) int {
	if e, ok := errors.AsType[*Error](err); ok && e.Result == "+CME ERROR" {
		return e.Code
	}
	return -1
}

package modem

import "strings"

// SIM is the card that a modem holds. What identifies a subscriber is shown to
// servers that may read it, and never logged.
type SIM struct {
	State  SIMState
	ICCID  string // of the card, 18 to 20 digits (ITU-T E.118)
	IMSI   string // of the subscription, 14 or 15 digits
	MSISDN string // the telephone number; "" if the card has none
	EID    string // of an eSIM, 32 digits (GSMA SGP.29); "": it is none, or nobody has told

	PINRefused bool // it wants a PIN, and has refused the one of the configuration
	PINDoubted bool // it wants a PIN, and nobody knows whether it has refused that
}

// SIMState is whether a card can be used.
type SIMState uint8

// The states.
const (
	SIMUnknown SIMState = iota
	SIMReady
	SIMMissing
	SIMPIN    // it wants a PIN
	SIMPUK    // it wants a PUK: the PIN was wrong three times
	SIMLocked // the modem takes only cards of a certain operator
	SIMFailed // broken, or not read yet
)

var simStates = [...]string{"unknown", "ready", "missing", "wants its PIN", "wants its PUK", "locked out by the modem", "failed"}

// String returns the state in words: "wants its PIN".
func (s SIMState) String() string { return name(simStates[:], s) }

// ICCIDOf returns the digits of a card's number as modems print it, or "": quotes,
// blanks and the filler F of a number of 19 digits are left out.
func ICCIDOf(text string) string {
	digits := strings.TrimRight(strings.ToUpper(strings.Trim(text, ` "`)), "F")
	if len(digits) < 18 || len(digits) > 20 || !decimal(digits) {
		return ""
	}
	return digits
}

// EIDOf returns the digits of an eSIM's number, or "".
func EIDOf(text string) string {
	if len(text) != 32 || !decimal(text) {
		return ""
	}
	return text
}

// IMEIOf returns the 15 digits of an IMEI as modems print it, or "": 16 digits are
// an IMEISV, whose software version takes the place of the check digit.
func IMEIOf(text string) string {
	digits := strings.Trim(text, ` "`)
	switch {
	case !decimal(digits):
		return ""
	case len(digits) == 15:
		return digits
	case len(digits) == 16, len(digits) == 14:
		return digits[:14] + luhn(digits[:14])
	}
	return ""
}

// luhn returns the check digit of an IMEI (3GPP TS 23.003, annex B).
func luhn(digits string) string {
	sum := 0
	for i, r := range digits {
		d := int(r - '0')
		if i%2 == 1 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	return string(rune('0' + (10-sum%10)%10))
}

func decimal(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

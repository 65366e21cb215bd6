package modem

import (
	"regexp"
	"strings"
)

// operatorPart is what a network adds to an APN, and some modules show: ".mnc001.mcc262.gprs" (3GPP TS 23.003, clause 9.1.2).
var operatorPart = regexp.MustCompile(`\.mnc\d{3}\.mcc\d{3}\.gprs$`)

// SameAPN reports whether two names are those of one access point, in whatever case and with or without the
// operator (3GPP TS 23.003, clause 9.1).
func SameAPN(a, b string) bool { return networkPart(a) == networkPart(b) }

func networkPart(apn string) string { return operatorPart.ReplaceAllString(strings.ToLower(apn), "") }

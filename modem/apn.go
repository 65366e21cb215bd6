package modem

import "strings"

// SameAPN reports whether two names are those of one access point, in whatever case and with or without the
// operator (3GPP TS 23.003, clause 9.1).
func SameAPN(a, b string) bool { return networkPart(a) == networkPart(b) }

// networkPart returns an APN without what a network adds to it, and some modules show: ".mnc001.mcc262.gprs" (3GPP TS
// 23.003, clause 9.1.2). A regular expression would make the program 0.26 MB larger.
func networkPart(apn string) string {
	const operator = ".mnc000.mcc000.gprs"
	apn = strings.ToLower(apn)
	end := max(0, len(apn)-len(operator))
	zeroes := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return '0'
		}
		return r
	}, apn[end:])
	if zeroes == operator {
		return apn[:end]
	}
	return apn
}

package modem

import "strconv"

// Protocol is whose cause it is that a network gave.
type Protocol uint8

// The protocols.
const (
	GMM  Protocol = iota // mobility of GSM and UMTS (3GPP TS 24.008, annex G)
	EMM                  // mobility of LTE (3GPP TS 24.301, annex A)
	SM                   // sessions of GSM, UMTS and LTE (3GPP TS 24.008, annex I; TS 24.301, annex B)
	MM5G                 // mobility of 5G (3GPP TS 24.501, annex A)
)

var protocols = [...]string{"GMM", "EMM", "SM", "5GMM"}

// Cause is why a network refused.
type Cause struct {
	Protocol Protocol
	Code     int
}

// String returns the cause in words: "no suitable cells in tracking area (EMM cause 15)".
func (c Cause) String() string {
	text := causes[c.Code]
	if c.Protocol == SM {
		text = sessionCauses[c.Code]
	}
	if text == "" {
		text = "refused by the network"
	}
	return text + " (" + name(protocols[:], c.Protocol) + " cause " + strconv.Itoa(c.Code) + ")"
}

// Permanent reports whether trying again with the same SIM, modem and settings can
// only fail: the causes after which the standard forbids to try until the SIM or the
// configuration is another one (3GPP TS 24.301, clause 5.5.1.2.5).
func (c Cause) Permanent() bool {
	if c.Protocol == SM {
		switch c.Code {
		case 8, 27, 28, 29, 30, 32, 33:
			return true
		}
		return false
	}
	switch c.Code {
	case 3, 5, 6, 7, 8:
		return true
	}
	return false
}

// causes are those of mobility, which GMM and EMM, and mostly 5GMM, number alike.
var causes = map[int]string{
	2:   "IMSI unknown in the home register: the SIM is not activated or its contract has ended",
	3:   "illegal device: the SIM failed authentication",
	5:   "IMEI not accepted: the operator has not allowed this modem",
	6:   "illegal modem: it is blocked",
	7:   "packet services not allowed for this SIM",
	8:   "neither packet nor voice services allowed for this SIM",
	9:   "the network does not know the device any more",
	10:  "implicitly detached",
	11:  "network not allowed for this SIM",
	12:  "tracking area not allowed",
	13:  "roaming not allowed in this tracking area",
	14:  "packet services not allowed in this network: no roaming agreement for data",
	15:  "no suitable cells in tracking area",
	17:  "network failure",
	19:  "session refused: look at the APN",
	22:  "congestion",
	25:  "not authorized for this closed subscriber group",
	27:  "N1 mode (5G) not allowed",
	35:  "the service option that was asked for is not allowed in this network",
	42:  "severe network failure",
	111: "protocol error, unspecified",
}

var sessionCauses = map[int]string{
	8:  "operator determined barring",
	26: "insufficient resources",
	27: "missing or unknown APN",
	28: "unknown PDN type",
	29: "user authentication failed: look at user and password of the APN",
	30: "request refused by the gateway",
	31: "request refused, unspecified",
	32: "service option not supported",
	33: "service option not subscribed",
	34: "service option temporarily out of order",
	38: "network failure",
	50: "only IPv4 is allowed",
	51: "only IPv6 is allowed",
	55: "several connections to one APN are not allowed",
}

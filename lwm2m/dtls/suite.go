package dtls

import (
	"fmt"

	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Suite is a cipher suite by its number in the IANA registry "TLS Cipher Suites",
// the number that resource /0/x/16 (DTLS/TLS Ciphersuite) holds.
type Suite uint16

// The suites of the profile. Those that end in CCM8 are the ones LwM2M demands
// (RFC 7925, section 4).
const (
	PSKWithAES128GCMSHA256        Suite = 0x00a8 // RFC 5487, section 2
	PSKWithAES128CCM              Suite = 0xc0a4 // RFC 6655, section 4
	PSKWithAES128CCM8             Suite = 0xc0a8 // RFC 6655, section 4
	ECDHEECDSAWithAES128GCMSHA256 Suite = 0xc02b // RFC 5289, section 3.2
	ECDHEECDSAWithAES128CCM       Suite = 0xc0ac // RFC 7251, section 2
	ECDHEECDSAWithAES128CCM8      Suite = 0xc0ae // RFC 7251, section 2
	ECDHERSAWithAES128GCMSHA256   Suite = 0xc02f // RFC 5289, section 3.2: X.509 with an RSA key of the server
)

// suiteNames are the suites of the profile.
var suiteNames = map[Suite]string{
	PSKWithAES128GCMSHA256:        "TLS_PSK_WITH_AES_128_GCM_SHA256",
	PSKWithAES128CCM:              "TLS_PSK_WITH_AES_128_CCM",
	PSKWithAES128CCM8:             "TLS_PSK_WITH_AES_128_CCM_8",
	ECDHEECDSAWithAES128GCMSHA256: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	ECDHEECDSAWithAES128CCM:       "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
	ECDHEECDSAWithAES128CCM8:      "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
	ECDHERSAWithAES128GCMSHA256:   "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
}

// String returns the registered name.
func (s Suite) String() string {
	if name, ok := suiteNames[s]; ok {
		return name
	}
	return fmt.Sprintf("cipher suite %#04x", uint16(s))
}

// known reports whether the profile has the suite.
func (s Suite) known() bool { return suiteNames[s] != "" }

// aead returns the suite's record protection.
func (s Suite) aead() record.AEAD {
	switch s {
	case PSKWithAES128GCMSHA256, ECDHEECDSAWithAES128GCMSHA256, ECDHERSAWithAES128GCMSHA256:
		return record.GCM
	case PSKWithAES128CCM, ECDHEECDSAWithAES128CCM:
		return record.CCM
	case PSKWithAES128CCM8, ECDHEECDSAWithAES128CCM8:
	}
	return record.CCM8
}

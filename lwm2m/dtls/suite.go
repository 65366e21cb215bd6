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
	PSKWithAES128GCMSHA256   Suite = 0x00a8 // RFC 5487, section 2
	PSKWithAES128CCM         Suite = 0xc0a4 // RFC 6655, section 4
	PSKWithAES128CCM8        Suite = 0xc0a8 // RFC 6655, section 4
	ECDHEECDSAWithAES128CCM8 Suite = 0xc0ae // RFC 7251, section 2
)

// String returns the registered name.
func (s Suite) String() string {
	switch s {
	case PSKWithAES128GCMSHA256:
		return "TLS_PSK_WITH_AES_128_GCM_SHA256"
	case PSKWithAES128CCM:
		return "TLS_PSK_WITH_AES_128_CCM"
	case PSKWithAES128CCM8:
		return "TLS_PSK_WITH_AES_128_CCM_8"
	case ECDHEECDSAWithAES128CCM8:
		return "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"
	}
	return fmt.Sprintf("cipher suite %#04x", uint16(s))
}

// known reports whether the profile has the suite.
func (s Suite) known() bool {
	switch s {
	case PSKWithAES128GCMSHA256, PSKWithAES128CCM, PSKWithAES128CCM8, ECDHEECDSAWithAES128CCM8:
		return true
	}
	return false
}

// aead returns the suite's record protection.
func (s Suite) aead() record.AEAD {
	switch s {
	case PSKWithAES128GCMSHA256:
		return record.GCM
	case PSKWithAES128CCM:
		return record.CCM
	case PSKWithAES128CCM8, ECDHEECDSAWithAES128CCM8:
	}
	return record.CCM8
}

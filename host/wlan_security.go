package host

import (
	"bytes"
	"encoding/binary"
)

// WLANSecurity is how a wireless network is secured.
type WLANSecurity struct {
	PSK, EAP bool       // what stations show; neither: nothing (open)
	Cipher   WLANCipher // of the traffic of a station
}

// WLANCipher protects frames.
type WLANCipher string

// The ciphers; "" is none.
const (
	CipherAES  WLANCipher = "AES"  // CCMP and GCMP
	CipherTKIP WLANCipher = "TKIP" // WPA
	CipherWEP  WLANCipher = "WEP"
)

// capabilityPrivacy is the bit of a network whose frames are protected (IEEE
// 802.11, section 9.4.1.4).
const capabilityPrivacy = 1 << 4

// The elements that tell about security (IEEE 802.11, section 9.4.2).
const (
	elementRSN    = 48
	elementVendor = 221 // WPA, as it was before RSN
)

var (
	rsnOUI = []byte{0x00, 0x0f, 0xac}
	wpaOUI = []byte{0x00, 0x50, 0xf2}
	wpa    = []byte{0x00, 0x50, 0xf2, 0x01}
)

// parseSecurity reads the elements of a beacon: RSN before WPA; a private network
// with neither has WEP.
func parseSecurity(private bool, elements []byte) WLANSecurity {
	var rsn, old []byte
	for len(elements) >= 2 {
		id, size := elements[0], int(elements[1])
		if 2+size > len(elements) {
			break
		}
		body := elements[2 : 2+size]
		switch {
		case id == elementRSN:
			rsn = body
		case id == elementVendor && bytes.HasPrefix(body, wpa):
			old = body[len(wpa):]
		}
		elements = elements[2+size:]
	}
	switch {
	case rsn != nil:
		return parseRSN(rsn, rsnOUI)
	case old != nil:
		return parseRSN(old, wpaOUI)
	case private:
		return WLANSecurity{Cipher: CipherWEP}
	}
	return WLANSecurity{}
}

// parseRSN reads the body of an RSN element (IEEE 802.11, section 9.4.2.24):
// version, group cipher, pairwise ciphers, key management. What is left out has
// its default: AES and EAP.
func parseRSN(b, oui []byte) WLANSecurity {
	b = b[min(2+4, len(b)):]
	pairwise, b := suites(b)
	keys, _ := suites(b)
	s := WLANSecurity{Cipher: CipherAES}
	for i, suite := range pairwise {
		if c := cipher(suite, oui); i == 0 || c == CipherAES {
			s.Cipher = c
		}
	}
	for _, suite := range keys {
		psk, eap := keyManagement(suite, oui)
		s.PSK, s.EAP = s.PSK || psk, s.EAP || eap
	}
	if len(keys) == 0 {
		s.EAP = true
	}
	return s
}

// suites reads a list of suites: count and four bytes each.
func suites(b []byte) (list [][]byte, rest []byte) {
	if len(b) < 2 {
		return nil, nil
	}
	count := int(binary.LittleEndian.Uint16(b))
	for b = b[2:]; count > 0 && len(b) >= 4; count-- {
		list, b = append(list, b[:4]), b[4:]
	}
	return list, b
}

func cipher(suite, oui []byte) WLANCipher {
	if !bytes.HasPrefix(suite, oui) {
		return ""
	}
	switch suite[3] {
	case 1, 5:
		return CipherWEP
	case 2:
		return CipherTKIP
	case 4, 8, 9, 10:
		return CipherAES
	}
	return ""
}

// keyManagement tells what a suite of table 9-151 asks of a station. Fast
// transition and SAE count as what they stand on, OWE as open.
func keyManagement(suite, oui []byte) (psk, eap bool) {
	if !bytes.HasPrefix(suite, oui) {
		return false, false
	}
	switch suite[3] {
	case 2, 4, 6, 8, 9, 19, 20, 24, 25:
		return true, false
	case 1, 3, 5, 11, 12, 13, 14, 15, 16, 17, 22, 23:
		return false, true
	}
	return false, false
}

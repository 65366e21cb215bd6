package dtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384
	"encoding/binary"
)

// signatureAlgorithm is a SignatureAndHashAlgorithm (RFC 5246, section 7.4.1.4.1; the
// numbers of RSA-PSS are those of RFC 8446, section 4.2.3).
type signatureAlgorithm uint16

const (
	ecdsaSHA256 signatureAlgorithm = 0x0403 // the mandatory one, and the one of our own signature
	ecdsaSHA384 signatureAlgorithm = 0x0503
	rsaSHA256   signatureAlgorithm = 0x0401
	rsaSHA384   signatureAlgorithm = 0x0501
	rsaPSS256   signatureAlgorithm = 0x0804
)

func marshalAlgorithms(list []signatureAlgorithm) []byte {
	var b []byte
	for _, a := range list {
		b = binary.BigEndian.AppendUint16(b, uint16(a))
	}
	return b
}

// verify reports whether signature is one of key over message.
func (a signatureAlgorithm) verify(key crypto.PublicKey, message, signature []byte) bool {
	hash := crypto.SHA256
	if a == ecdsaSHA384 || a == rsaSHA384 {
		hash = crypto.SHA384
	}
	h := hash.New()
	h.Write(message)
	sum := h.Sum(nil)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return (a == ecdsaSHA256 || a == ecdsaSHA384) && ecdsa.VerifyASN1(key, sum, signature)
	case *rsa.PublicKey:
		switch a {
		case rsaSHA256, rsaSHA384:
			return rsa.VerifyPKCS1v15(key, hash, sum, signature) == nil
		case rsaPSS256:
			return rsa.VerifyPSS(key, hash, sum, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		case ecdsaSHA256, ecdsaSHA384:
		}
	}
	return false
}

// fits reports whether a server with the key can use the suite.
func (s Suite) fits(key crypto.PublicKey) bool {
	_, isRSA := key.(*rsa.PublicKey)
	return isRSA == (s == ECDHERSAWithAES128GCMSHA256)
}

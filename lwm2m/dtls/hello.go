package dtls

import (
	"bytes"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Code points of the profile.
const (
	curveP256     = 0x0017 // NamedCurve secp256r1, RFC 8422, section 5.1.1
	pointPlain    = 0      // ECPointFormat uncompressed, RFC 8422, section 5.1.2
	typeX509      = 0      // CertificateType, RFC 7250, section 6
	typeRawPublic = 2
)

// Extensions (IANA registry "TLS ExtensionType Values").
const (
	extServerName           uint16 = 0 // RFC 6066, section 3
	extSupportedGroups      uint16 = 10
	extPointFormats         uint16 = 11
	extSignatureAlgorithms  uint16 = 13
	extClientCertificate    uint16 = 19 // client_certificate_type
	extServerCertificate    uint16 = 20 // server_certificate_type
	extExtendedMasterSecret uint16 = 23
	extConnectionID         uint16 = 54 // RFC 9146; 53 was the draft's, whose records differ
	extRenegotiation        uint16 = 0xff01
)

// clientHello is what we offer.
type clientHello struct {
	random          []byte
	session         []byte // to resume
	suites          []Suite
	cookie          []byte
	cid             []byte // nil if not offered
	serverName      string // the host we want to talk to; empty if not told
	certificateType uint8  // of both sides
	algorithms      []signatureAlgorithm
	certificates    bool // the suites use certificates: offer what goes with them
}

// offers reports whether a ServerHello may have the extension
// (RFC 5246, section 7.4.1.4).
func (h *clientHello) offers(ext uint16) bool {
	switch ext {
	case extServerName:
		return h.serverName != ""
	case extPointFormats:
		return h.certificates
	case extClientCertificate, extServerCertificate:
		return h.certificates && h.certificateType != typeX509
	case extConnectionID:
		return h.cid != nil
	}
	return ext == extExtendedMasterSecret || ext == extRenegotiation
}

func (h *clientHello) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(record.Version)
	b.AddBytes(h.random)
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.session) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.cookie) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, s := range h.suites {
			b.AddUint16(uint16(s))
		}
	})
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) }) // compression: none
	b.AddUint16LengthPrefixed(h.addExtensions)
	return b.Bytes()
}

func (h *clientHello) addExtensions(b *cryptobyte.Builder) {
	add := func(ext uint16, data ...byte) {
		b.AddUint16(ext)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(data) })
	}
	if h.serverName != "" {
		const hostName = 0
		add(extServerName, opaque(2, append([]byte{hostName}, opaque(2, []byte(h.serverName))...))...)
	}
	if h.certificates {
		add(extSupportedGroups, 0, 2, curveP256>>8, curveP256&0xff)
		add(extPointFormats, 1, pointPlain)
		add(extSignatureAlgorithms, opaque(2, marshalAlgorithms(h.algorithms))...)
		if h.certificateType != typeX509 { // which it is without a word (RFC 7250, section 4.1)
			add(extClientCertificate, 1, h.certificateType)
			add(extServerCertificate, 1, h.certificateType)
		}
	}
	add(extExtendedMasterSecret)
	add(extRenegotiation, 0) // RFC 5746, section 3.4
	if h.cid != nil {
		add(extConnectionID, opaque(1, h.cid)...)
	}
}

// serverHello is what the server chose.
type serverHello struct {
	random               []byte
	session              []byte
	suite                Suite
	clientType           uint8 // of certificate, X.509 if not negotiated
	serverType           uint8
	extendedMasterSecret bool
	cid                  []byte // what the server wants on our records; nil if connection IDs were not negotiated
}

// parseServerHello checks a ServerHello against the offer (RFC 5246, section 7.4.1.3).
func parseServerHello(body []byte, offered *clientHello) (*serverHello, error) {
	var (
		h                   = serverHello{clientType: typeX509, serverType: typeX509}
		s                   = cryptobyte.String(body)
		version, suite      uint16
		session, extensions cryptobyte.String
		compression         uint8
	)
	if !s.ReadUint16(&version) || !s.ReadBytes(&h.random, handshake.RandomSize) ||
		!s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16(&suite) || !s.ReadUint8(&compression) {
		return nil, refuse(AlertDecodeError, "ServerHello is truncated")
	}
	if !s.Empty() && (!s.ReadUint16LengthPrefixed(&extensions) || !s.Empty()) {
		return nil, refuse(AlertDecodeError, "ServerHello has malformed extensions")
	}
	h.session, h.suite = session, Suite(suite)
	switch {
	case version != record.Version:
		return nil, refuse(AlertProtocolVersion, "server speaks version %#04x, not DTLS 1.2", version)
	case len(session) > 32:
		return nil, refuse(AlertDecodeError, "ServerHello has a session ID of %d bytes", len(session))
	case !slices.Contains(offered.suites, h.suite):
		return nil, refuse(AlertIllegalParameter, "server chose %v", h.suite)
	case compression != 0:
		return nil, refuse(AlertIllegalParameter, "server chose compression %d", compression)
	}
	return &h, h.parseExtensions(extensions, offered)
}

func (h *serverHello) parseExtensions(extensions cryptobyte.String, offered *clientHello) error {
	var seen []uint16
	for !extensions.Empty() {
		var (
			ext  uint16
			data cryptobyte.String
		)
		if !extensions.ReadUint16(&ext) || !extensions.ReadUint16LengthPrefixed(&data) {
			return refuse(AlertDecodeError, "ServerHello has malformed extensions")
		}
		switch {
		case slices.Contains(seen, ext):
			return refuse(AlertIllegalParameter, "ServerHello has extension %d twice", ext)
		case !offered.offers(ext):
			return refuse(AlertUnsupportedExtension, "server sent extension %d unasked", ext)
		case !h.parseExtension(ext, data):
			return refuse(AlertDecodeError, "ServerHello has a malformed extension %d", ext)
		case ext == extRenegotiation && len(data) > 1: // RFC 5746, section 3.4
			return refuse(AlertHandshakeFailure, "server takes the first handshake for a renegotiation")
		}
		seen = append(seen, ext) // at most as many as are offered
	}
	return nil
}

func (h *serverHello) parseExtension(ext uint16, data cryptobyte.String) bool {
	switch ext {
	case extClientCertificate:
		return data.ReadUint8(&h.clientType) && data.Empty()
	case extServerCertificate:
		return data.ReadUint8(&h.serverType) && data.Empty()
	case extServerName:
		return data.Empty()
	case extExtendedMasterSecret:
		h.extendedMasterSecret = true
		return data.Empty()
	case extPointFormats:
		var formats cryptobyte.String // the uncompressed one is always among them and all we use
		return data.ReadUint8LengthPrefixed(&formats) && data.Empty() && bytes.IndexByte(formats, pointPlain) >= 0
	case extRenegotiation:
		var verifyData cryptobyte.String
		return data.ReadUint8LengthPrefixed(&verifyData) && data.Empty()
	case extConnectionID:
		var cid cryptobyte.String
		ok := data.ReadUint8LengthPrefixed(&cid) && data.Empty()
		h.cid = append([]byte{}, cid...) // not nil, even if empty
		return ok
	}
	return false
}

// resumes reports whether the server takes up the session we offered.
func (h *serverHello) resumes(offered *clientHello) bool {
	return len(h.session) > 0 && bytes.Equal(h.session, offered.session)
}

// parseHelloVerify returns the cookie of a HelloVerifyRequest, whose version says
// nothing about the one to come (RFC 6347, section 4.2.1).
func parseHelloVerify(body []byte) ([]byte, error) {
	var (
		s       = cryptobyte.String(body)
		version uint16
		cookie  cryptobyte.String
	)
	if !s.ReadUint16(&version) || !s.ReadUint8LengthPrefixed(&cookie) || !s.Empty() {
		return nil, refuse(AlertDecodeError, "HelloVerifyRequest is malformed")
	}
	return cookie, nil
}

// opaque returns b behind its length, which takes the given number of bytes
// (RFC 5246, section 4.3); the caller bounds it.
func opaque(size int, b []byte) []byte {
	out := make([]byte, 0, size+len(b))
	for shift := 8 * (size - 1); shift >= 0; shift -= 8 {
		out = append(out, byte(len(b)>>shift)) //nolint:gosec // one byte of the length after another
	}
	return append(out, b...)
}

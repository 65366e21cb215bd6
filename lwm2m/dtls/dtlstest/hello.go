package dtlstest

import (
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Code points (see lwm2m/dtls).
const (
	curveP256     = 0x0017
	ecdsaSHA256   = 0x0403
	rsaPSSSHA256  = 0x0804
	namedCurve    = 3
	ecdsaSign     = 64
	typeRawPublic = 2

	extServerName           uint16 = 0
	extClientCertificate    uint16 = 19
	extServerCertificate    uint16 = 20
	extExtendedMasterSecret uint16 = 23
	extConnectionID         uint16 = 54
	extRenegotiation        uint16 = 0xff01
)

var errDecode = errors.New("dtlstest: malformed message")

// clientHello is what the client offers.
type clientHello struct {
	random     []byte
	session    []byte
	cookie     []byte
	suites     []dtls.Suite
	extensions map[uint16][]byte
}

func parseClientHello(body []byte) (*clientHello, error) {
	var (
		h                                            clientHello
		s                                            = cryptobyte.String(body)
		version                                      uint16
		session, cookie, suites, methods, extensions cryptobyte.String
	)
	if !s.ReadUint16(&version) || !s.ReadBytes(&h.random, handshake.RandomSize) ||
		!s.ReadUint8LengthPrefixed(&session) || !s.ReadUint8LengthPrefixed(&cookie) ||
		!s.ReadUint16LengthPrefixed(&suites) || !s.ReadUint8LengthPrefixed(&methods) ||
		!s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() || version != record.Version {
		return nil, errDecode
	}
	h.session, h.cookie = session, cookie
	for !suites.Empty() {
		var suite uint16
		if !suites.ReadUint16(&suite) {
			return nil, errDecode
		}
		h.suites = append(h.suites, dtls.Suite(suite))
	}
	h.extensions = make(map[uint16][]byte)
	for !extensions.Empty() {
		var (
			ext  uint16
			data cryptobyte.String
		)
		if !extensions.ReadUint16(&ext) || !extensions.ReadUint16LengthPrefixed(&data) {
			return nil, errDecode
		}
		h.extensions[ext] = data
	}
	return &h, nil
}

// serverName returns the host that the client wants to talk to.
func (h *clientHello) serverName() string {
	var list, name cryptobyte.String
	data, kind := cryptobyte.String(h.extensions[extServerName]), uint8(0)
	if !data.ReadUint16LengthPrefixed(&list) || !list.ReadUint8(&kind) || kind != 0 || !list.ReadUint16LengthPrefixed(&name) {
		return ""
	}
	return string(name)
}

// cid returns what the client wants on our records.
func (h *clientHello) cid() (cid []byte, offered bool) {
	data, offered := h.extensions[extConnectionID]
	if !offered || len(data) == 0 || len(data) != 1+int(data[0]) {
		return nil, false
	}
	return data[1:], true
}

// serverHello is what we choose.
type serverHello struct {
	random  []byte
	session []byte
	suite   dtls.Suite
	ecdhe   bool   // certificates and a shared secret, else a pre-shared key
	raw     bool   // the certificates of both sides are raw public keys
	asks    bool   // for the client's certificate
	named   bool   // the client told the name of the host
	ems     bool   // extended master secret
	cid     []byte // on the client's records; nil if not negotiated
}

func (h *serverHello) marshal() []byte {
	var b cryptobyte.Builder
	b.AddUint16(record.Version)
	b.AddBytes(h.random)
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.session) })
	b.AddUint16(uint16(h.suite))
	b.AddUint8(0)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		add := func(ext uint16, data ...byte) {
			b.AddUint16(ext)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(data) })
		}
		add(extRenegotiation, 0)
		if h.ems {
			add(extExtendedMasterSecret)
		}
		if h.named {
			add(extServerName)
		}
		if h.raw {
			add(extServerCertificate, typeRawPublic)
		}
		if h.raw && h.asks {
			add(extClientCertificate, typeRawPublic)
		}
		if h.cid != nil {
			add(extConnectionID, opaque8(h.cid)...)
		}
	})
	return b.BytesOrPanic()
}

// adopt takes over what a changed ServerHello says, as far as it can be read.
func (h *serverHello) adopt(body []byte) {
	var (
		s                   = cryptobyte.String(body)
		version, suite      uint16
		random              []byte
		session, extensions cryptobyte.String
		compression         uint8
	)
	if !s.ReadUint16(&version) || !s.ReadBytes(&random, handshake.RandomSize) ||
		!s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16(&suite) || !s.ReadUint8(&compression) {
		return
	}
	h.random, h.session, h.suite = random, session, dtls.Suite(suite)
	h.ems, h.cid = false, nil
	if !s.ReadUint16LengthPrefixed(&extensions) {
		return
	}
	for !extensions.Empty() {
		var (
			ext  uint16
			data cryptobyte.String
		)
		if !extensions.ReadUint16(&ext) || !extensions.ReadUint16LengthPrefixed(&data) {
			return
		}
		switch ext {
		case extExtendedMasterSecret:
			h.ems = true
		case extConnectionID:
			if len(data) > 0 && len(data) == 1+int(data[0]) {
				h.cid = slices.Clone([]byte(data[1:]))
			}
		}
	}
}

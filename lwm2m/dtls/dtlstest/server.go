package dtlstest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// server holds what the messages of one handshake share.
type server struct {
	cfg        *Config
	link       *handshake.Link
	client     *clientHello
	hello      serverHello
	share      *ecdh.PrivateKey
	identity   string
	localCID   []byte // on the client's records
	remoteCID  []byte // on ours
	transcript handshake.Transcript
	sent       uint16
	master     []byte
	last       handshake.Flight
	resumed    bool
	finishing  bool
}

// Accept waits for a client and runs the server's side of the handshake over conn,
// a connected datagram socket. The context bounds it. On failure conn is left open;
// the error is a [dtls.Error] if an alert ended the handshake.
func Accept(ctx context.Context, conn net.Conn, cfg Config) (*Conn, error) {
	cfg.Retransmit = cmp.Or(cfg.Retransmit, time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 25*time.Second)
	cfg.MTU = cmp.Or(cfg.MTU, 1200)
	timing := handshake.Timing{
		Initial: cfg.Retransmit, Max: time.Minute, Deadline: time.Now().Add(cfg.Timeout), MTU: cfg.MTU,
	}
	s := &server{cfg: &cfg, link: handshake.NewLink(conn, timing, handshake.ClientHello)}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := s.run(ctx); err != nil {
		return nil, s.failure(err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("dtlstest: %w", err)
	}
	return newConn(conn, s), nil
}

// failure tells the client why the handshake ends, if it does not know.
func (s *server) failure(err error) error {
	var (
		ours   *dtls.Error
		theirs *handshake.AlertError
	)
	if errors.As(err, &theirs) {
		return &dtls.Error{Alert: dtls.Alert(theirs.Description), Remote: true}
	}
	if errors.As(err, &ours) {
		epoch := uint16(0)
		if s.finishing {
			epoch = 1
		}
		s.link.SendAlert(epoch, uint8(ours.Alert))
	}
	return err
}

func refuse(a dtls.Alert, reason string) error { return &dtls.Error{Alert: a, Reason: reason} }

func (s *server) run(ctx context.Context) error {
	if err := s.clientHello(ctx); err != nil {
		return err
	}
	if old, ok := s.cfg.Sessions.get(s.client.session); ok && slices.Contains(s.client.suites, old.suite) {
		return s.resume(ctx, old)
	}
	return s.full(ctx)
}

// clientHello receives the ClientHello that counts and makes the choices.
func (s *server) clientHello(ctx context.Context) error {
	for {
		s.transcript.Reset()
		m, err := s.receive(ctx, handshake.ClientHello)
		if err != nil {
			return err
		}
		if s.client, err = parseClientHello(m.Body); err != nil {
			return refuse(dtls.AlertDecodeError, "malformed ClientHello")
		}
		cookie := s.client.random[:8]
		if !s.cfg.Cookie || bytes.Equal(s.client.cookie, cookie) {
			s.link.Inbox.Number(m.Seq + 1)
			s.sent = m.Seq
			return s.choose()
		}
		body := append([]byte{0xfe, 0xff}, opaque8(cookie)...) // as DTLS 1.0, RFC 6347, section 4.2.1
		if err := s.link.Send(s.message(handshake.HelloVerifyRequest, body)); err != nil {
			return err
		}
		s.sent = 0
		s.link.Forget()
	}
}

// choose fills in the ServerHello.
func (s *server) choose() error {
	suites := s.cfg.Suites
	if len(suites) == 0 {
		suites = []dtls.Suite{
			dtls.PSKWithAES128CCM8, dtls.PSKWithAES128CCM, dtls.PSKWithAES128GCMSHA256,
			dtls.ECDHEECDSAWithAES128CCM8, dtls.ECDHEECDSAWithAES128CCM, dtls.ECDHEECDSAWithAES128GCMSHA256, dtls.ECDHERSAWithAES128GCMSHA256,
		}
	}
	i := slices.IndexFunc(suites, func(suite dtls.Suite) bool {
		return slices.Contains(s.client.suites, suite) && s.has(suite)
	})
	if i < 0 {
		return refuse(dtls.AlertHandshakeFailure, "no common cipher suite")
	}
	_, ems := s.client.extensions[extExtendedMasterSecret]
	s.hello = serverHello{
		random: random(handshake.RandomSize),
		suite:  suites[i],
		ecdhe:  ecdhe(suites[i]),
		raw:    ecdhe(suites[i]) && s.cfg.Certificates == nil,
		named:  s.client.serverName() != "",
		asks:   s.cfg.ClientKey != nil,
		ems:    ems && !s.cfg.NoExtendedMasterSecret,
	}
	if s.cfg.Sessions != nil {
		s.hello.session = random(32)
	}
	if cid, offered := s.client.cid(); offered && s.cfg.CIDLength >= 0 {
		s.remoteCID, s.localCID = cid, random(s.cfg.CIDLength)
		s.hello.cid = s.localCID
	}
	return nil
}

// has reports whether the server has the credentials of a suite.
func (s *server) has(suite dtls.Suite) bool {
	if !ecdhe(suite) {
		return s.cfg.PSK != nil
	}
	if s.cfg.Key == nil {
		return false
	}
	_, isRSA := s.cfg.Key.Public().(*rsa.PublicKey)
	return isRSA == (suite == dtls.ECDHERSAWithAES128GCMSHA256)
}

// ecdhe reports whether a suite is of certificates.
func ecdhe(suite dtls.Suite) bool {
	switch suite {
	case dtls.ECDHEECDSAWithAES128CCM8, dtls.ECDHEECDSAWithAES128CCM, dtls.ECDHEECDSAWithAES128GCMSHA256, dtls.ECDHERSAWithAES128GCMSHA256:
		return true
	case dtls.PSKWithAES128CCM8, dtls.PSKWithAES128CCM, dtls.PSKWithAES128GCMSHA256:
	}
	return false
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// full is the handshake with all its flights.
func (s *server) full(ctx context.Context) error {
	hello := s.serverHello()
	exchange, err := s.exchange()
	if err != nil {
		return err
	}
	done := s.message(handshake.ServerHelloDone, nil)
	if err := s.link.Send(slices.Concat(handshake.Flight{hello}, exchange, handshake.Flight{done})...); err != nil {
		return err
	}
	if s.hello.ecdhe {
		err = s.clientECDHE(ctx)
	} else {
		err = s.clientPSK(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.clientFinished(ctx); err != nil {
		return err
	}
	s.cfg.Sessions.put(s.hello.session, session{s.hello.suite, s.master, s.hello.ems})
	s.last = handshake.Flight{s.finished()}
	s.finishing = true
	return s.link.Send(s.last...)
}

// resume is the abbreviated handshake.
func (s *server) resume(ctx context.Context, old session) error {
	s.resumed = true
	s.hello.session, s.hello.suite, s.hello.raw, s.hello.named = s.client.session, old.suite, false, false
	s.hello.ems = old.ems
	hello := s.serverHello()
	s.master = old.master
	if err := s.protect(); err != nil {
		return err
	}
	s.finishing = true
	if err := s.link.Send(hello, s.finished()); err != nil {
		return err
	}
	return s.clientFinished(ctx)
}

// serverHello makes the ServerHello and goes by it, also if it was changed.
func (s *server) serverHello() handshake.Message {
	m := s.message(handshake.ServerHello, s.hello.marshal())
	if s.cfg.Mutate != nil {
		s.hello.adopt(m.Body)
		s.localCID = s.hello.cid
		if s.hello.cid == nil {
			s.remoteCID = nil
		}
	}
	return m
}

// exchange returns what goes between ServerHello and ServerHelloDone.
func (s *server) exchange() (handshake.Flight, error) {
	if s.hello.ecdhe {
		return s.serverECDHE()
	}
	if s.cfg.Hint == nil {
		return nil, nil
	}
	return handshake.Flight{s.message(handshake.ServerKeyExchange, opaque16(s.cfg.Hint))}, nil
}

// clientPSK receives the client's identity.
func (s *server) clientPSK(ctx context.Context) error {
	m, err := s.receive(ctx, handshake.ClientKeyExchange)
	if err != nil {
		return err
	}
	var (
		body     = cryptobyte.String(m.Body)
		identity cryptobyte.String
	)
	if !body.ReadUint16LengthPrefixed(&identity) || !body.Empty() {
		return refuse(dtls.AlertDecodeError, "malformed ClientKeyExchange")
	}
	key := s.cfg.PSK(identity)
	if key == nil {
		return refuse(dtls.AlertUnknownPSKIdentity, "unknown identity")
	}
	s.identity = string(identity)
	return s.derive(handshake.PSKPremaster(key))
}

// derive makes the master secret and the keys, behind the ClientKeyExchange.
func (s *server) derive(premaster []byte) error {
	if s.hello.ems {
		s.master = handshake.ExtendedMasterSecret(premaster, s.transcript.Sum())
	} else {
		s.master = handshake.MasterSecret(premaster, s.client.random, s.hello.random)
	}
	return s.protect()
}

func aead(suite dtls.Suite) record.AEAD {
	switch suite {
	case dtls.PSKWithAES128CCM, dtls.ECDHEECDSAWithAES128CCM:
		return record.CCM
	case dtls.PSKWithAES128GCMSHA256, dtls.ECDHEECDSAWithAES128GCMSHA256, dtls.ECDHERSAWithAES128GCMSHA256:
		return record.GCM
	case dtls.PSKWithAES128CCM8, dtls.ECDHEECDSAWithAES128CCM8:
	}
	return record.CCM8
}

func (s *server) protect() error {
	theirs, ours, err := handshake.Keys(aead(s.hello.suite), s.master, s.client.random, s.hello.random)
	if err != nil {
		return fmt.Errorf("dtlstest: %w", err)
	}
	s.link.Sealer.Protect(ours, s.remoteCID, 0)
	s.link.Opener.Protect(theirs, s.localCID, 0)
	return nil
}

func (s *server) finished() handshake.Message {
	return s.message(handshake.Finished, handshake.ServerFinished(s.master, s.transcript.Sum()))
}

func (s *server) clientFinished(ctx context.Context) error {
	want := handshake.ClientFinished(s.master, s.transcript.Sum())
	m, err := s.receive(ctx, handshake.Finished)
	if err != nil {
		return err
	}
	if !hmac.Equal(m.Body, want) {
		return refuse(dtls.AlertDecryptError, "wrong Finished")
	}
	return nil
}

// message makes our next message, as far as the test lets it.
func (s *server) message(typ handshake.Type, body []byte) handshake.Message {
	if s.cfg.Mutate != nil {
		var t uint8
		t, body = s.cfg.Mutate(uint8(typ), body)
		typ, body = handshake.Type(t), body[:min(len(body), handshake.MaxBody)]
	}
	m := handshake.Message{Type: typ, Seq: s.sent, Body: body}
	s.sent++
	s.transcript.Add(m)
	return m
}

func (s *server) receive(ctx context.Context, typ handshake.Type) (handshake.Message, error) {
	m, err := s.link.Receive(ctx)
	if err != nil {
		return m, fmt.Errorf("dtlstest: awaiting %v: %w", typ, err)
	}
	if m.Type != typ {
		return m, refuse(dtls.AlertUnexpectedMessage, fmt.Sprintf("%v instead of %v", m.Type, typ))
	}
	s.transcript.Add(m)
	return m, nil
}

func opaque8(b []byte) []byte {
	var out cryptobyte.Builder
	out.AddUint8LengthPrefixed(func(out *cryptobyte.Builder) { out.AddBytes(b) })
	return out.BytesOrPanic()
}

func opaque16(b []byte) []byte {
	var out cryptobyte.Builder
	out.AddUint16LengthPrefixed(func(out *cryptobyte.Builder) { out.AddBytes(b) })
	return out.BytesOrPanic()
}

func opaque24(b []byte) []byte {
	var out cryptobyte.Builder
	out.AddUint24LengthPrefixed(func(out *cryptobyte.Builder) { out.AddBytes(b) })
	return out.BytesOrPanic()
}

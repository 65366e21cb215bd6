package dtls

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"slices"
	"time"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
)

// maxCookies is how many HelloVerifyRequests we answer.
const maxCookies = 4

// keyExchange is what the kind of credentials decides in a handshake. One serves
// pre-shared keys, the other raw public keys and X.509, which differ in the body of the
// Certificate messages and in what the ClientHello offers.
type keyExchange interface {
	// suites returns the cipher suites that fit, the mandatory one first.
	suites() []Suite

	// offer completes our ClientHello.
	offer(*clientHello)

	// run receives the server's messages behind its ServerHello up to
	// ServerHelloDone and returns our answer up to, but without, Finished. On the
	// way it hands the premaster secret to handshaker.derive.
	run(context.Context, *handshaker) (handshake.Flight, error)

	// digest ties a session to the credentials.
	digest(master []byte) []byte
}

// handshaker holds what the messages of one handshake share.
type handshaker struct {
	cfg      *Config
	link     *handshake.Link
	exchange keyExchange

	offered    clientHello
	server     *serverHello
	transcript handshake.Transcript
	sent       uint16 // number of our next message
	master     []byte
	notAfter   time.Time        // the server is not trusted for longer; zero: without end
	last       handshake.Flight // our final flight, if the server's Finished came before it
	finishing  bool             // our ChangeCipherSpec is out
	awaited    handshake.Type
}

// run is the whole handshake, top to bottom (RFC 5246, section 7.3; the flights are
// those of RFC 6347, section 4.2.4): ClientHello and ServerHello, then either the
// full exchange of flights 4 to 6 or the abbreviated one.
func (h *handshaker) run(ctx context.Context) error {
	if err := h.hello(ctx); err != nil {
		return err
	}
	if h.server.resumes(&h.offered) {
		return h.resume(ctx)
	}
	if h.cfg.RequireExtendedMasterSecret && !h.server.extendedMasterSecret {
		return refuse(AlertHandshakeFailure, "server has no extended master secret")
	}
	flight, err := h.exchange.run(ctx, h)
	if err != nil {
		return err
	}
	flight = append(flight, h.finished())
	h.finishing = true
	if err := h.link.Send(flight...); err != nil {
		return err
	}
	return h.serverFinished(ctx)
}

// hello exchanges ClientHello and ServerHello, with a cookie if the server asks.
func (h *handshaker) hello(ctx context.Context) error {
	h.offer()
	for range maxCookies + 1 {
		h.transcript.Reset()
		body, err := h.offered.marshal()
		if err != nil {
			return err
		}
		if err := h.link.Send(h.message(handshake.ClientHello, body)); err != nil {
			return err
		}
		m, err := h.helloAnswer(ctx)
		if err != nil {
			return err
		}
		if m.Type == handshake.ServerHello {
			return h.serverHello(m)
		}
	}
	return refuse(AlertHandshakeFailure, "server asked for a cookie %d times", maxCookies+1)
}

// helloAnswer returns the ServerHello, or the HelloVerifyRequest once its cookie is
// in the next ClientHello.
func (h *handshaker) helloAnswer(ctx context.Context) (handshake.Message, error) {
	h.awaited = handshake.ServerHello
	for {
		m, err := h.link.Receive(ctx)
		if err != nil || m.Type == handshake.ServerHello {
			return m, err
		}
		cookie, err := parseHelloVerify(m.Body)
		if err != nil {
			return m, err
		}
		if !bytes.Equal(cookie, h.offered.cookie) { // else an answer to a retransmission
			h.offered.cookie = cookie
			return m, nil
		}
	}
}

// offer fills in our ClientHello.
func (h *handshaker) offer() {
	h.offered.random = make([]byte, handshake.RandomSize)
	rand.Read(h.offered.random)
	if n := h.cfg.CIDLength; n >= 0 {
		h.offered.cid = make([]byte, n)
		rand.Read(h.offered.cid)
	}
	h.offered.suites, h.offered.serverName = h.cfg.Suites, h.cfg.ServerName
	h.exchange.offer(&h.offered)
	if s := h.cfg.Resume; s != nil && h.resumable(s) {
		h.offered.session = s.ID
	}
}

// resumable reports whether a session fits what we offer. One of other credentials
// would get around a change of key, an old one around the end of a certificate.
func (h *handshaker) resumable(s *Session) bool {
	return len(s.ID) > 0 && len(s.ID) <= 32 && s.valid() == nil && slices.Contains(h.offered.suites, s.Suite) &&
		(s.ExtendedMasterSecret || !h.cfg.RequireExtendedMasterSecret) &&
		(s.NotAfter.IsZero() || !h.cfg.Now().After(s.NotAfter)) &&
		hmac.Equal(s.Credentials, h.exchange.digest(s.MasterSecret))
}

func (h *handshaker) serverHello(m handshake.Message) (err error) {
	h.link.Inbox.Number(m.Seq + 1)
	h.transcript.Add(m)
	h.server, err = parseServerHello(m.Body, &h.offered)
	return err
}

// resume takes up the old session under new keys: the server's Finished comes
// first, ours is the last message and Conn sends it again if it was lost.
func (h *handshaker) resume(ctx context.Context) error {
	old := h.cfg.Resume
	switch {
	case h.server.suite != old.Suite:
		return refuse(AlertIllegalParameter, "server changed the cipher suite of the session to %v", h.server.suite)
	case h.server.extendedMasterSecret != old.ExtendedMasterSecret: // RFC 7627, section 5.3
		return refuse(AlertHandshakeFailure, "server changed the extended master secret of the session")
	}
	h.master, h.notAfter = bytes.Clone(old.MasterSecret), old.NotAfter
	if err := h.protect(); err != nil {
		return err
	}
	if err := h.serverFinished(ctx); err != nil {
		return err
	}
	h.last = handshake.Flight{h.finished()}
	h.finishing = true
	return h.link.Send(h.last...)
}

// derive makes the master secret, wiping the premaster secret, and the keys. The
// transcript must end with ClientKeyExchange (RFC 7627, section 4).
func (h *handshaker) derive(premaster []byte) error {
	if h.server.extendedMasterSecret {
		h.master = handshake.ExtendedMasterSecret(premaster, h.transcript.Sum())
	} else {
		h.master = handshake.MasterSecret(premaster, h.offered.random, h.server.random)
	}
	clear(premaster)
	return h.protect()
}

// protect starts epoch 1 in both directions.
func (h *handshaker) protect() error {
	ours, theirs, err := handshake.Keys(h.server.suite.aead(), h.master, h.offered.random, h.server.random)
	if err != nil {
		return err
	}
	h.link.Sealer.Protect(ours, h.server.cid, 0)
	h.link.Opener.Protect(theirs, h.localCID(), 0)
	return nil
}

// localCID is the connection ID on the server's records, nil if none was negotiated.
func (h *handshaker) localCID() []byte {
	if h.server.cid == nil {
		return nil
	}
	return h.offered.cid
}

// finished returns our Finished.
func (h *handshaker) finished() handshake.Message {
	return h.message(handshake.Finished, handshake.ClientFinished(h.master, h.transcript.Sum()))
}

// serverFinished receives the server's Finished.
func (h *handshaker) serverFinished(ctx context.Context) error {
	want := handshake.ServerFinished(h.master, h.transcript.Sum())
	m, err := h.receive(ctx, handshake.Finished)
	if err != nil {
		return err
	}
	if !hmac.Equal(m.Body, want) {
		return refuse(AlertDecryptError, "server's Finished does not match the handshake")
	}
	return nil
}

// message numbers our next message and enters it in the transcript.
func (h *handshaker) message(typ handshake.Type, body []byte) handshake.Message {
	m := handshake.Message{Type: typ, Seq: h.sent, Body: body}
	h.sent++
	h.transcript.Add(m)
	return m
}

// receive returns the server's next message, which must be of one of the types, the
// one that cannot be left out first, and enters it in the transcript.
func (h *handshaker) receive(ctx context.Context, types ...handshake.Type) (handshake.Message, error) {
	h.awaited = types[0]
	m, err := h.link.Receive(ctx)
	if err != nil {
		return m, err
	}
	if !slices.Contains(types, m.Type) {
		return m, refuse(AlertUnexpectedMessage, "server sent %v instead of %v", m.Type, types[0])
	}
	h.transcript.Add(m)
	return m, nil
}

// session returns the outcome.
func (h *handshaker) session() Session {
	return Session{
		ID:                   h.server.session,
		Suite:                h.server.suite,
		ExtendedMasterSecret: h.server.extendedMasterSecret,
		MasterSecret:         h.master,
		ClientRandom:         h.offered.random,
		ServerRandom:         h.server.random,
		LocalCID:             h.localCID(),
		RemoteCID:            h.server.cid,
		Credentials:          h.exchange.digest(h.master),
		NotAfter:             h.notAfter,
	}
}

package coap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Signalling codes (RFC 8323 section 5).
const (
	csm     = 7<<5 | 1
	ping    = 7<<5 | 2
	pong    = 7<<5 | 3
	release = 7<<5 | 4
	abort   = 7<<5 | 5
)

// Options of a CSM and of an Abort (RFC 8323 sections 5.3 and 5.6).
const (
	maxMessageSize    OptionID = 2
	blockWiseTransfer OptionID = 4
	badCSMOption      OptionID = 2
)

// isSignal tells whether c is of the class of signalling messages.
func (c Code) isSignal() bool { return c.Class() == 7 }

// begin tells the own capabilities and awaits the peer's, which must come first.
func (c *Conn) begin() {
	m := &Message{Code: csm}
	m.SetOptionUint(maxMessageSize, uint32(c.options.Limits.MaxMessage)) //nolint:gosec // a limit
	m.AddOption(blockWiseTransfer, nil)
	c.sendSignal(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stream.heard {
		c.alarm.set(&c.stream.deadline, c.stream, time.Now().Add(c.params.Load().MaxTransmitWait()))
	}
}

// sendSignal sends a signalling message.
func (c *Conn) sendSignal(m *Message) {
	c.writing.Lock()
	defer c.writing.Unlock()
	var err error
	if c.wire, err = appendMessage(c.wire[:0], NON, m.Code, 0, m.Token, m.options, m.Payload); err == nil { // they are short
		c.send(c.wire)
	}
}

// abort tells the peer why its connection is over.
func (c *Conn) abort(why error) {
	m := &Message{Code: abort, Payload: []byte(why.Error())}
	if bad, ok := errors.AsType[*badOptionError](why); ok {
		m.SetOptionUint(badCSMOption, uint32(bad.option))
	}
	c.sendSignal(m)
}

// badOptionError is a critical option of a CSM that is not understood.
type badOptionError struct{ option OptionID }

// Error names the option.
func (e *badOptionError) Error() string {
	return fmt.Sprintf("%v: critical option %d of a CSM", ErrMalformed, e.option)
}

// Unwrap returns ErrMalformed.
func (*badOptionError) Unwrap() error { return ErrMalformed }

// signal takes a signalling message. Those that are not known are ignored.
func (c *Conn) signal(m *Message, now time.Time) error {
	for id := range m.Options() {
		if id.Critical() {
			if m.Code == csm {
				return &badOptionError{id}
			}
			return fmt.Errorf("%w: critical option %d in %v", ErrMalformed, id, m.Code)
		}
	}
	switch byte(m.Code) {
	case csm:
		c.adopt(m)
	case ping:
		c.sendSignal(&Message{Code: pong, Token: m.Token}) // without Custody, which would say that all is done
	case pong:
		c.confirmed(m.Token)
	case release:
		c.letGo(now)
	case abort:
		return fmt.Errorf("%w by the peer%s", ErrAborted, quoted(m.Payload))
	}
	return nil
}

// maxDiagnostic bounds what is told of a peer's reason, in bytes.
const maxDiagnostic = 80

// quoted returns a reason for people.
func quoted(diagnostic []byte) string {
	if len(diagnostic) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", bytes.ToValidUTF8(diagnostic[:min(len(diagnostic), maxDiagnostic)], nil))
}

// adopt takes over what the peer can. Later ones add to what the first said.
func (c *Conn) adopt(m *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stream
	if size, ok := m.OptionUint(maxMessageSize); ok {
		s.peer.maxMessage = size
	}
	if _, ok := m.Option(blockWiseTransfer); ok {
		s.peer.blockwise = true
	}
	if !s.heard {
		s.heard = true
		c.alarm.clear(&s.deadline)
		close(s.settled)
	}
}

// confirmed takes a Pong: what was sent before its Ping has arrived.
func (c *Conn) confirmed(token Token) {
	c.mu.Lock()
	o := c.calls[c.stream.ponged(token)]
	if o == nil || !o.pinged {
		c.mu.Unlock()
		return
	}
	c.finish(o)
	c.mu.Unlock()
	o.settled(nil, nil)
}

// pinging notes that a Ping is sent with a token, which is empty if nobody waits for its Pong.
// Conn.mu is held.
func (s *byteStream) pinging(token Token) { s.pings = append(s.pings, token) }

// pingsFull tells whether as many Pongs are awaited as may be. None is forgotten before: those without a token would be
// taken for others. Conn.mu is held.
func (s *byteStream) pingsFull() bool { return len(s.pings) >= maxSent }

// ponged returns the token of the Ping that a Pong answers. libcoap leaves the token out: then
// it is the first, since both keep their order. Conn.mu is held.
func (s *byteStream) ponged(token Token) Token {
	i := slices.Index(s.pings, token)
	if token.len == 0 && len(s.pings) > 0 {
		token, i = s.pings[0], 0
	}
	s.pings = append(s.pings[:0], s.pings[i+1:]...)
	return token
}

// letGo takes a Release: nothing new is begun, what goes on may end (RFC 8323 section 5.5).
func (c *Conn) letGo(now time.Time) {
	c.mu.Lock()
	s := c.stream
	s.released = true
	idle := len(c.calls)+c.deferred == 0
	c.alarm.set(&s.deadline, s, now.Add(c.params.Load().MaxTransmitWait()))
	c.mu.Unlock()
	if idle {
		s.fail(ErrReleased)
	}
}

// ready waits until it is known what the peer can. Without a stream it is known.
func (c *Conn) ready(ctx context.Context) error {
	if c.stream == nil {
		return nil
	}
	select {
	case <-c.stream.settled:
		return nil
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.ended
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pingStream asks for a sign of life on a stream.
func (c *Conn) pingStream(ctx context.Context) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	err := c.wait(ctx, &outgoing{datagram: pingMessage(), pinged: true})
	return err
}

// pingMessage returns a Ping with room for a token.
func pingMessage() []byte {
	b, _ := appendMessage(nil, NON, ping, 0, Token{len: newTokenLen}, nil, nil) // too short to fail
	return b
}

// startStream sets the first deadline of o. mu is held.
func (o *outgoing) startStream(p *Params) {
	o.conn.alarm.set(&o.deadline, o, o.began.Add(p.MaxTransmitSpan()))
}

// expireStream finds out whether the peer lives: one that has said nothing since o was sent is
// pinged once. It returns what to call without mu, or false if o is to be given up.
func (o *outgoing) expireStream(now time.Time) (act func(), goesOn bool) {
	c := o.conn
	p := c.params.Load()
	lives := c.lastActive().After(o.began)
	switch {
	case lives && o.request && now.Before(o.began.Add(p.ResponseWait)):
		c.alarm.set(&o.deadline, o, o.began.Add(p.ResponseWait))
		return nil, true
	case now.Before(o.began.Add(p.MaxTransmitWait())):
		c.alarm.set(&o.deadline, o, o.began.Add(p.MaxTransmitWait()))
		if o.request && !lives && !c.stream.pingsFull() {
			c.stream.pinging(Token{})
			return func() { c.sendSignal(&Message{Code: ping}) }, true
		}
		return nil, true
	}
	return nil, false
}

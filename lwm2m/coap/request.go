package coap

import (
	"slices"
	"time"
)

// request takes a request of the peer. It tells whether the inbox was taken by an
// exchange that is still to be answered.
func (c *Conn) request(in *inbox, now time.Time) (taken bool) {
	m := &in.msg
	c.mu.Lock()
	if e := c.seen.find(m, now); e != nil && c.stream == nil {
		c.repeat(e)
		return false
	}
	x := &Exchange{Request: m, conn: c, typ: m.Type, id: m.ID, token: m.Token, selection: selection{request: m}}
	if c.stream == nil {
		x.serial = c.seen.add(m.ID, now, c.lifetime(m.Type))
	}
	full := c.deferred >= c.options.Limits.MaxDeferred
	transfers := c.transfers.count()
	c.mu.Unlock()

	if code := c.refusal(x, full); code != Empty {
		_ = x.Reply(code) // fails only if the connection has ended
	} else if x.state == serving {
		c.serve(x, transfers > 0)
	}
	return c.hold(x, now)
}

// refusal checks what is not the Handler's business. It returns a code to answer with,
// or concludes the exchange itself when there is to be no response.
func (c *Conn) refusal(x *Exchange, full bool) Code {
	m := x.Request
	if c.handler == nil && c.stream != nil {
		return NotImplemented
	}
	if c.handler == nil {
		x.reject()
		return Empty
	}
	bad := badOption(m, c.options.Critical)
	switch {
	case bad == BadOption && m.Type == NON && c.stream == nil:
		x.drop() // RFC 7252 section 5.4.1
		return Empty
	case bad != 0:
		return bad
	case m.Code > IPATCH:
		return MethodNotAllowed
	case full:
		return ServiceUnavailable
	}
	x.block1, x.hasBlock1 = m.Block1()
	x.block2, x.hasBlock2 = m.Block2()
	if most := c.maxSZX(); x.block1.SZX > most || x.block2.SZX > most || x.hasBlock1 && x.block2.Number > 0 {
		x.hasBlock1, x.hasBlock2 = false, false
		return BadRequest // RFC 7959 section 2.2
	}
	return Empty
}

// serve hands the request on: to its upload, to a representation that may be kept, or to
// the Handler.
func (c *Conn) serve(x *Exchange, transfers bool) {
	switch {
	case x.hasBlock1:
		c.serveUpload(x)
	case x.block2.Number > 0:
		c.serveKept(x)
	case transfers:
		c.supersede(x)
		c.handler(x)
	default:
		c.handler(x)
	}
}

// hold makes the exchange wait for its answer if it has none yet, and tells so. Whoever
// is about to answer it in another goroutine is waited for, so that the inbox is free.
func (c *Conn) hold(x *Exchange, now time.Time) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.state != serving || c.closed {
		x.state = over
		return false
	}
	x.state = deferred
	c.deferred++
	if e := c.seen.at(x.serial); e != nil {
		e.x = x
	}
	p := c.params.Load()
	wait := p.NonLifetime()
	if x.typ == CON {
		wait = p.AckDelay
	}
	c.alarm.set(&x.deadline, x, now.Add(wait))
	return true
}

// optionRule is what RFC 7252 section 5.10 and RFC 7959 section 2.1 say about a critical option.
type optionRule struct {
	id         OptionID
	min, max   int // length of the value
	repeatable bool
}

// understood are the critical options that are understood here, the frequent ones first.
var understood = []optionRule{
	{id: URIPath, max: 255, repeatable: true},
	{id: URIQuery, max: 255, repeatable: true},
	{id: Accept, max: 2},
	{id: Block2, max: 3},
	{id: Block1, max: 3},
	{id: URIHost, min: 1, max: 255},
	{id: URIPort, max: 2},
}

func ruleOf(id OptionID) *optionRule {
	for i := range understood {
		if understood[i].id == id {
			return &understood[i]
		}
	}
	return nil
}

// badOption returns the code that refuses a message with a critical option that is not
// understood, has an illegal length or is there once too often (RFC 7252 sections 5.4.1,
// 5.4.3, 5.4.5, 5.7.2), 0 if there is none.
func badOption(m *Message, others []OptionID) Code {
	var last OptionID
	for _, o := range m.options {
		id := OptionID(o.ID)
		again := id == last
		last = id
		if !id.Critical() {
			continue
		}
		switch rule, n := ruleOf(id), len(o.Value); {
		case id == ProxyURI || id == ProxyScheme:
			return ProxyingNotSupported
		case rule == nil && !slices.Contains(others, id):
			return BadOption
		case rule != nil && (n < rule.min || n > rule.max || again && !rule.repeatable):
			return BadOption
		}
	}
	return 0
}

package coap

import "slices"

// Sink takes an upload block by block, in order, without gaps. Its methods are
// called on the reader's goroutine, on a timer's, or inside Close, never two at a
// time, and must not block.
type Sink interface {
	// Block takes the bytes x.Request.Payload that belong at offset. The answer may
	// be given at once or later: [Exchange.Continue] for the next block, or
	// [Exchange.Respond], which ends the upload: after the last block with the result,
	// before it with an error.
	Block(x *Exchange, offset int64, last bool)
	// Abort says that no more blocks will come though the last was not seen: the peer
	// began anew ([ErrBlock]), went silent ([ErrTimeout]), has too many transfers
	// ([ErrQueueFull]) or the connection ended ([ErrClosed]).
	Abort(err error)
}

// upload is a request body that comes in blocks (RFC 7959 section 2.5).
type upload struct {
	held
	sink    Sink   // nil: the body is assembled
	body    []byte // assembled
	next    int64  // offset of the next block; len(body) without a sink
	busy    bool   // the sink has not answered the last block
	calling bool   // the sink's Block is running
	aborted error  // meanwhile
}

// abandoned tells the sink, after its Block if that is running.
func (u *upload) abandoned(err error) {
	if u.sink == nil {
		return
	}
	u.conn.mu.Lock()
	calling := u.calling
	if calling {
		u.aborted = err
	}
	u.conn.mu.Unlock()
	if !calling {
		u.sink.Abort(err)
	}
}

// serveUpload takes one block of a body, and hands on the request with the last.
func (c *Conn) serveUpload(x *Exchange) {
	b, n := x.block1, len(x.Request.Payload)
	switch {
	case !b.takes(n):
		_ = x.Reply(BadRequest) // section 2.2; replies fail only if the connection has ended
	case b.Number == 0:
		c.firstBlock(x)
	default:
		c.nextBlock(x)
	}
}

// firstBlock begins a body, anew if there was one already.
func (c *Conn) firstBlock(x *Exchange) {
	key := transferKey(upward, x.Request)
	c.mu.Lock()
	old, _ := c.transfers.find(key).(*upload)
	if old != nil {
		c.transfers.forget(&old.held)
	}
	c.mu.Unlock()
	if old != nil {
		old.abandoned(ErrBlock)
	}
	if !x.block1.More {
		c.handler(x) // all in one
		return
	}
	if u := c.beginUpload(x, string(key)); u != nil {
		c.take(u, x)
	}
}

// nextBlock goes on with a body if the block is the one that is wanted.
func (c *Conn) nextBlock(x *Exchange) {
	c.mu.Lock()
	u, _ := c.transfers.find(transferKey(upward, x.Request)).(*upload)
	wanted := u != nil && !u.busy && u.next == x.block1.Offset()
	c.mu.Unlock()
	if !wanted {
		_ = x.Reply(RequestEntityIncomplete) // section 2.9.2
		return
	}
	c.take(u, x)
}

// take adds a block to its body.
func (c *Conn) take(u *upload, x *Exchange) {
	if u.sink != nil {
		c.sinkBlock(u, x)
	} else {
		c.assemble(u, x)
	}
}

// beginUpload makes the upload of a first block, or refuses what is announced to be too large.
func (c *Conn) beginUpload(x *Exchange, key string) *upload {
	u := &upload{held: held{conn: c, key: key, worth: sentOnce}}
	u.owner = u
	if c.options.Upload != nil {
		u.sink = c.options.Upload(x.Request)
	}
	if size, ok := x.Request.Size1(); ok && u.sink == nil && int64(size) > int64(c.maxBody()) {
		c.refuseBody(x)
		return nil
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		u.abandoned(ErrClosed) // nobody else knows of it
		return nil
	}
	gone := c.transfers.add(&u.held)
	c.mu.Unlock()
	for _, f := range gone {
		f()
	}
	return u
}

// maxBody is the size of the largest body that can be assembled.
func (c *Conn) maxBody() int {
	return min(c.options.Limits.MaxBody, c.options.Limits.MaxTransferBytes)
}

// refuseBody answers 4.13 with the size that is possible (section 2.9.3).
func (c *Conn) refuseBody(x *Exchange) {
	m := &Message{Code: RequestEntityTooLarge}
	m.SetOptionUint(Size1, uint32(min(int64(c.maxBody()), 1<<32-1))) //nolint:gosec // limited
	_ = x.Respond(m)
}

// assemble adds a block to the body.
func (c *Conn) assemble(u *upload, x *Exchange) {
	payload := x.Request.Payload
	if len(u.body)+len(payload) > c.maxBody() {
		c.mu.Lock()
		c.transfers.forget(&u.held)
		c.mu.Unlock()
		c.refuseBody(x)
		return
	}
	u.body = append(u.body, payload...)
	c.mu.Lock()
	u.next = int64(len(u.body))
	var gone []func()
	if x.block1.More {
		gone = c.transfers.grow(&u.held, len(payload))
	} else {
		c.transfers.forget(&u.held)
	}
	c.mu.Unlock()
	for _, f := range gone {
		f()
	}
	if x.block1.More {
		_ = x.Continue()
		return
	}
	x.Request.Payload = slices.Clip(u.body)
	c.handler(x)
}

// sinkBlock hands a block to the sink.
func (c *Conn) sinkBlock(u *upload, x *Exchange) {
	offset, last := x.block1.Offset(), !x.block1.More
	x.upload = u
	c.mu.Lock()
	if u.over { // it was given up meanwhile, and the sink knows
		c.mu.Unlock()
		_ = x.Reply(RequestEntityIncomplete)
		return
	}
	u.next += int64(len(x.Request.Payload))
	u.busy, u.calling = true, true
	if last {
		c.transfers.forget(&u.held)
	} else {
		c.transfers.touch(&u.held)
	}
	c.mu.Unlock()
	u.sink.Block(x, offset, last)
	c.mu.Lock()
	u.calling = false
	aborted := u.aborted
	c.mu.Unlock()
	if aborted != nil {
		u.sink.Abort(aborted)
	}
}

package coap

// Exchange is one request of the peer, to be answered once: inside the Handler or
// later from any goroutine. The request may be used until Respond is called; if
// it is answered in the Handler, until the Handler returns.
type Exchange struct {
	// Request holds the whole body, or one block for a [Sink].
	Request *Message
}

// Conn is the connection that the request came on.
func (x *Exchange) Conn() *Conn { return nil }

// Respond answers: in the ACK if that is still possible, as a separate CON otherwise
// (NON if m.Type is NON or the request was). A body longer than a block is kept for the
// peer's following requests; an ETag is made up for it if m has none. Payload is
// copied; a Body is read later, until the transfer has ended. The second call returns
// [ErrAnswered], and so does one after the connection's end.
func (x *Exchange) Respond(m *Message) error { return nil }

// Reply answers with a code and nothing else.
func (x *Exchange) Reply(code Code) error { return x.Respond(&Message{Code: code}) }

// Continue asks for the next block of an upload that a [Sink] takes: 2.31.
func (x *Exchange) Continue() error { return nil }

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
	// began anew ([ErrBlock]), went silent ([ErrTimeout]) or the connection ended
	// ([ErrClosed]).
	Abort(err error)
}

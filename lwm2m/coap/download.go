package coap

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Resume says where an interrupted download goes on. The zero value is the beginning.
type Resume struct {
	Offset int64  // bytes that are there already
	ETag   []byte // of the representation they belong to; nil if unknown
}

// Beginner is a writer of [Conn.Download] that wants to see the first 2.05, with its
// ETag and Size2, before what it carries is written. An error ends the download.
type Beginner interface {
	Begin(first *Message) error
}

// Download is [Conn.Do] for a response whose body should not be held in memory: a 2.05
// body is written to w in order as it comes, on the caller's goroutine, without limit of size.
// When NSTART is more than 1, up to as many blocks are asked for at a time.
// The returned response has no Payload then; any other response is returned as Do does.
// If the representation is not that of from.ETag any more, or changes on the way, the
// error wraps [ErrChanged] and w has got only bytes of the old one.
func (c *Conn) Download(ctx context.Context, req *Message, from Resume, w io.Writer) (*Message, error) {
	t := transfer{conn: c, ctx: ctx, req: req, limit: int64(c.options.Limits.MaxBody), ahead: true, sized: true}
	m, err := t.download(from, w)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Code, req.Path(), err)
	}
	return m, nil
}

func (t *transfer) download(from Resume, w io.Writer) (*Message, error) {
	if err := t.conn.ready(t.ctx); err != nil {
		return nil, err
	}
	var first *Message
	var err error
	b := Block{SZX: t.conn.room(t.req).szx}
	if from.Offset == 0 {
		first, err = t.upload()
	} else {
		b.Number = uint32(min(from.Offset>>(b.exponent()+4), maxBlockNumber)) //nolint:gosec // limited
		first, err = t.blockRequest(b)
	}
	switch {
	case err != nil:
		return nil, err
	case first.Code != Content:
		return t.collectAnew(first)
	case from.ETag != nil && !bytes.Equal(first.ETag(), from.ETag):
		return nil, ErrChanged
	}
	if beginner, ok := w.(Beginner); ok {
		if err := beginner.Begin(first); err != nil {
			return nil, err
		}
	}
	return t.collect(first, &stream{to: w, next: b.Offset(), skip: from.Offset - b.Offset()})
}

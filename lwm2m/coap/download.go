package coap

import (
	"context"
	"io"
)

// Resume says where an interrupted download goes on. The zero value is the beginning.
type Resume struct {
	Offset int64  // bytes that are there already
	ETag   []byte // of the representation they belong to; nil if unknown
}

// Download is [Conn.Do] for a response whose body should not be held in memory: a 2.05
// body is written to w in order as it comes, on the caller's goroutine, without limit of size.
// The returned response has no Payload then; any other response is returned as Do does.
// If the representation is not that of from.ETag any more, or changes on the way, the
// error wraps [ErrChanged] and w has got only bytes of the old one.
func (c *Conn) Download(ctx context.Context, req *Message, from Resume, w io.Writer) (*Message, error) {
	return nil, nil
}

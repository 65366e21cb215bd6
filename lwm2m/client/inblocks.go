package client

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"

	"lwm2m-agent/lwm2m/coap"
)

// errUnfetched says that a server has not asked for all blocks of a stored notification.
var errUnfetched = errors.New("the server did not fetch all blocks")

// inBlocks is a stored notification that is longer than a block. The server has got it when it
// has confirmed the first block and asked for the last one.
type inBlocks struct {
	*bytes.Reader

	outcome func(error)
	ended   sync.Once
	why     error        // if not all was asked for
	whole   atomic.Bool  // the last block was asked for
	halves  atomic.Int32 // one for the confirmation, one for the end of the transfer
}

var (
	_ coap.Body      = (*inBlocks)(nil)
	_ coap.Abandoner = (*inBlocks)(nil)
)

// ReadAt implements coap.Body.
func (b *inBlocks) ReadAt(p []byte, offset int64) (int, error) {
	n, err := b.Reader.ReadAt(p, offset)
	if offset+int64(n) >= b.Size() {
		b.whole.Store(true)
	}
	return n, err
}

// Close is called when the server asks for no more blocks.
func (b *inBlocks) Close() error {
	b.end(errUnfetched)
	return nil
}

// Abandon implements coap.Abandoner. That there was no place for it is not the server's fault.
func (b *inBlocks) Abandon(err error) {
	if errors.Is(err, coap.ErrTimeout) {
		err = errUnfetched
	}
	b.end(err)
}

func (b *inBlocks) end(why error) {
	b.ended.Do(func() {
		b.why = why
		b.half()
	})
}

// answered takes in what became of the first block.
func (b *inBlocks) answered(err error) {
	if err != nil {
		b.halves.Add(2)
		b.outcome(err)
		return
	}
	b.half()
}

func (b *inBlocks) half() {
	switch {
	case b.halves.Add(1) != 2:
	case b.whole.Load():
		b.outcome(nil)
	default:
		b.outcome(b.why)
	}
}

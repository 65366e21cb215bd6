package coap

import "bytes"

// ahead brings the blocks of a response one after the other, and asks for some before it is
// their turn: one more with each answer, up to NSTART; half as many when a request had to be
// repeated, and from then on one more with each round. That is the congestion control that
// RFC 7252 section 4.7 wants where NSTART is not 1 (RFC 8085 section 3.1.1). A peer that does
// not bear it is asked for one at a time.
type ahead struct {
	transfer *transfer
	end      int64 // bytes of the body; 0: unknown
	most     int   // requests at a time
	window   int   // likewise, for now
	lossy    bool  // a request had to be repeated
	answers  int   // since the window has changed
	asked    []*call
	blocks   []Block // that they are for
}

// aheadOf prepares for the blocks behind the first answer. Where the size is not known, and
// on a stream, which has a congestion control of its own, nothing is asked for ahead.
func (t *transfer) aheadOf(first *Message) ahead {
	a := ahead{transfer: t, most: 1, window: 1}
	if size, ok := first.Size2(); ok && t.ahead && t.conn.stream == nil {
		a.end, a.most = int64(size), t.conn.params.Load().NStart
	}
	return a
}

// take returns the block whose turn it is.
func (a *ahead) take(b Block, first *Message) (*Message, error) {
	if len(a.blocks) > 0 && a.blocks[0] != b {
		a.drop() // the peer has gone over to another size
	}
	if err := a.fill(b); err != nil {
		return nil, err
	}
	alone := len(a.asked) == 1
	m, repeated, err := a.asked[0].wait(a.transfer.ctx)
	a.asked, a.blocks = a.asked[1:], a.blocks[1:]
	switch {
	case err != nil:
		return nil, err
	case !alone && !continues(m, first, b):
		a.drop()
		a.most, a.window = 1, 1
		return a.take(b, first)
	case repeated:
		a.window, a.lossy, a.answers = max(1, a.window/2), true, 0
	case a.window < a.most:
		if a.answers++; !a.lossy || a.answers >= a.window {
			a.window, a.answers = a.window+1, 0
		}
	}
	return m, nil
}

// continues tells whether an answer is the block of the same representation, as far as that
// might be otherwise because others were asked for at the same time.
func continues(m, first *Message, b Block) bool {
	got, ok := m.Block2()
	return m.Code == first.Code && ok && got.Offset() == b.Offset() && bytes.Equal(m.ETag(), first.ETag())
}

// fill asks for a block, unless that is done, and for those after it. The last one is asked
// for when it is its turn: with it the peer may forget the representation.
func (a *ahead) fill(b Block) error {
	if len(a.blocks) > 0 {
		b = a.blocks[len(a.blocks)-1]
		b.Number++
	}
	for len(a.asked) == 0 || len(a.asked) < a.window && b.Offset()+int64(b.Size()) < a.end && b.Number <= maxBlockNumber {
		k, err := a.transfer.askBlock(b)
		if err != nil {
			return err
		}
		a.asked, a.blocks = append(a.asked, k), append(a.blocks, b)
		b.Number++
	}
	return nil
}

// drop calls off what was asked for.
func (a *ahead) drop() {
	for _, k := range a.asked {
		k.cancel()
	}
	a.asked, a.blocks = nil, nil
}

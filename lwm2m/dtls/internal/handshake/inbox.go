package handshake

import (
	"errors"
	"fmt"
	"slices"
)

// Bounds on what an unauthenticated peer can make us hold.
const (
	maxPending  = 12          // incomplete or early messages
	maxBuffered = 4 * MaxBody // bytes of their bodies
)

var (
	errTruncated = errors.New("handshake fragment is truncated")
	errFull      = errors.New("too many incomplete handshake messages")
)

// Inbox puts the fragments of the peer's messages together and in order.
type Inbox struct {
	hellos  []Type // the messages that may come before numbering starts, the preferred first
	next    int    // number of the message due, -1 until numbering starts
	pending []partial
}

// partial is a message that is incomplete or not yet due.
type partial struct {
	Message
	have    []bool // which bytes of the body are there
	missing int
}

// NewInbox returns an inbox for a peer that begins with one of the given messages,
// which may carry any number: a server without state cannot count, and always
// numbers its HelloVerifyRequest 0.
func NewInbox(hellos ...Type) Inbox { return Inbox{hellos: hellos, next: -1} }

// Number starts numbering: the message due is the one with the given number.
func (in *Inbox) Number(next uint16) { in.next = int(next) }

// Push takes the payload of a handshake record, one or more fragments. It reports
// whether one of them repeats the last message that Pop returned, which ends the
// peer's flight: the peer did not get our answer. What does not fit the handshake
// is dropped and named by the error.
func (in *Inbox) Push(epoch uint16, payload []byte) (repeated bool, err error) {
	for len(payload) > 0 {
		f, rest, ok := cut(payload)
		if !ok {
			return repeated, errTruncated
		}
		payload = rest
		if err := f.check(epoch); err != nil {
			return repeated, err
		}
		if int(f.seq) < in.next {
			repeated = repeated || int(f.seq) == in.next-1
			continue
		}
		if err := in.add(f); err != nil {
			return repeated, err
		}
	}
	return repeated, nil
}

// check looks at a fragment on its own.
func (f *fragment) check(epoch uint16) error {
	switch {
	case f.length > MaxBody:
		return fmt.Errorf("%v of %d bytes is too long", f.typ, f.length)
	case f.offset+len(f.data) > f.length:
		return fmt.Errorf("%v has a fragment beyond its end", f.typ)
	case f.typ == HelloRequest:
		return errors.New("HelloRequest during a handshake") // RFC 5246, section 7.4.1.1: ignored
	case (f.typ == Finished) != (epoch == 1):
		return fmt.Errorf("%v in epoch %d", f.typ, epoch)
	}
	return nil
}

func (in *Inbox) add(f fragment) error {
	if in.next >= 0 && int(f.seq) >= in.next+maxPending {
		return fmt.Errorf("%v is numbered %d, %d is due", f.typ, f.seq, in.next)
	}
	i := slices.IndexFunc(in.pending, func(p partial) bool { return p.Seq == f.seq })
	if i < 0 {
		if err := in.makeRoom(f); err != nil {
			return err
		}
		i = len(in.pending)
		in.pending = append(in.pending, partial{
			Message: Message{Type: f.typ, Seq: f.seq, Body: make([]byte, f.length)},
			have:    make([]bool, f.length),
			missing: f.length,
		})
	}
	p := &in.pending[i]
	if p.Type != f.typ || len(p.Body) != f.length {
		return fmt.Errorf("fragments of message %d disagree", f.seq)
	}
	for i, c := range f.data {
		if at := f.offset + i; !p.have[at] {
			p.have[at], p.Body[at] = true, c
			p.missing--
		}
	}
	return nil
}

// makeRoom keeps the bounds. The message that is due always has room.
func (in *Inbox) makeRoom(f fragment) error {
	size := f.length
	for _, p := range in.pending {
		size += len(p.Body)
	}
	due := int(f.seq) == in.next || in.next < 0 && slices.Contains(in.hellos, f.typ)
	switch {
	case len(in.pending) < maxPending && size <= maxBuffered:
	case due:
		in.pending = nil
	default:
		return errFull
	}
	return nil
}

// Reset forgets the parts of messages if numbering has not started, so that a
// forged fragment does not stand in the way of the hello for good.
func (in *Inbox) Reset() {
	if in.next < 0 {
		in.pending = nil
	}
}

// Pop returns the message that is due, if it is complete.
func (in *Inbox) Pop() (Message, bool) {
	if in.next >= 0 {
		m, ok := in.take(func(p partial) bool { return int(p.Seq) == in.next })
		if ok {
			in.next++
		}
		return m, ok
	}
	for _, typ := range in.hellos {
		if m, ok := in.take(func(p partial) bool { return p.Type == typ }); ok {
			return m, true
		}
	}
	return Message{}, false
}

// take removes the first complete message that is wanted.
func (in *Inbox) take(wanted func(partial) bool) (Message, bool) {
	i := slices.IndexFunc(in.pending, func(p partial) bool { return p.missing == 0 && wanted(p) })
	if i < 0 {
		return Message{}, false
	}
	m := in.pending[i].Message
	in.pending = slices.Delete(in.pending, i, i+1)
	return m, true
}

package coap

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// readBody returns up to n bytes at offset of m's body. A Body is read into buf, which
// is returned to be used again.
func readBody(m *Message, offset int64, n int, buf []byte) (b, reuse []byte, err error) {
	n = int(max(min(int64(n), m.size()-offset), 0))
	if m.Body == nil || n == 0 {
		return m.Payload[min(offset, int64(len(m.Payload))):][:n], buf, nil
	}
	buf = slices.Grow(buf[:0], n)[:n]
	got, err := m.Body.ReadAt(buf, offset)
	if got < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, buf, fmt.Errorf("read body at %d: %w", offset, err)
	}
	return buf, buf, nil
}

// closeBody closes a Body that can be closed, when it is not needed any more.
func closeBody(m *Message) {
	if closer, ok := m.Body.(io.Closer); ok {
		_ = closer.Close() // it was only read
	}
}

// abandonBody tells a Body why its transfer ends unfinished, or closes it.
func abandonBody(m *Message, err error) {
	if b, ok := m.Body.(Abandoner); ok {
		b.Abandon(err)
		return
	}
	closeBody(m)
}

// bodyWriter takes the body of a response block by block.
type bodyWriter interface {
	offset() int64        // where the next block belongs
	fits(size int64) bool // whether a body of this size may be taken
	write(b []byte) error
	body() []byte // what was kept
}

// buffer keeps a body in memory.
type buffer struct {
	bytes []byte
	limit int64
}

func (w *buffer) offset() int64        { return int64(len(w.bytes)) }
func (w *buffer) fits(size int64) bool { return size <= w.limit }
func (w *buffer) body() []byte         { return w.bytes }

func (w *buffer) write(b []byte) error {
	if !w.fits(int64(len(w.bytes) + len(b))) {
		return ErrBodyTooLarge
	}
	w.bytes = append(w.bytes, b...)
	return nil
}

// stream hands a body on, without the first bytes that are there already.
type stream struct {
	to   io.Writer
	next int64 // offset of the next block
	skip int64 // bytes of it
}

func (w *stream) offset() int64   { return w.next }
func (w *stream) fits(int64) bool { return true }
func (w *stream) body() []byte    { return nil }

func (w *stream) write(b []byte) error {
	w.next += int64(len(b))
	skip := min(w.skip, int64(len(b)))
	w.skip -= skip
	if _, err := w.to.Write(b[skip:]); err != nil {
		return fmt.Errorf("write body: %w", err)
	}
	return nil
}

package playback

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// Recorder notes what goes over the buses that it wraps. The zero Recorder
// holds nothing yet.
type Recorder struct {
	mu        sync.Mutex
	transfers []Transfer
}

// Wrap returns a bus that makes the transfers of b and notes them.
func (r *Recorder) Wrap(b i2c.BusCloser) i2c.BusCloser { return &recorded{b, r} }

// Fail notes that a bus could not be opened, where it can be told in a file.
func (r *Recorder) Fail(err error) {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		r.add(Transfer{Err: errno, NoBus: true})
	}
}

// Take returns the transfers that were noted since it was called last.
func (r *Recorder) Take() []Transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.transfers
	r.transfers = nil
	return taken
}

func (r *Recorder) add(t Transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transfers = append(r.transfers, t)
}

// recorded is a bus whose transfers are noted.
type recorded struct {
	i2c.BusCloser
	recorder *Recorder
}

func (b *recorded) Tx(address uint16, w, r []byte) error {
	err := b.BusCloser.Tx(address, w, r)
	t := Transfer{Written: bytes.Clone(w)}
	errno, known := errors.AsType[unix.Errno](err)
	switch {
	case err == nil:
		t.Read = bytes.Clone(r)
	case known:
		t.Err = errno
	default:
		t.Err = unix.EIO
	}
	b.recorder.add(t)
	return err
}

// ErrOther is a driver that makes other transfers than the file has.
var ErrOther = errors.New("the driver does something else than the file has")

// Player is a bus that answers as a part did. Only what the file has can be
// asked, in its order. The zero Player has nothing to play.
type Player struct {
	Address uint16

	mu   sync.Mutex
	left []Transfer
	err  error // the first that was not as it should be
}

var _ i2c.BusCloser = (*Player)(nil)

// Load gives the player the transfers of a step.
func (p *Player) Load(transfers []Transfer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = transfers
}

// Done says whether all that was loaded was asked for, and nothing else.
func (p *Player) Done() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil && len(p.left) > 0 {
		p.err = fmt.Errorf("%w: line %d, %q, and what follows in this step is left over", ErrOther, p.left[0].Line, p.left[0].String())
	}
	return p.err
}

// Open returns the player, or the error with which the bus could not be opened.
func (p *Player) Open() (i2c.BusCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.left) > 0 && p.left[0].NoBus {
		err := p.left[0].Err
		p.left = p.left[1:]
		return nil, err
	}
	return p, nil
}

// Tx implements i2c.Bus.
func (p *Player) Tx(address uint16, w, r []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := Transfer{Written: w, Read: make([]byte, len(r))}
	switch {
	case p.err != nil:
	case address != p.Address:
		p.err = fmt.Errorf("%w: it speaks to address %#02x, not %#02x", ErrOther, address, p.Address)
	case len(p.left) == 0:
		p.err = fmt.Errorf("%w: a transfer more, writing [% x] and reading %d bytes", ErrOther, w, len(r))
	default:
		next := &p.left[0]
		if !bytes.Equal(w, next.Written) || next.Err == 0 && len(r) != len(next.Read) {
			p.err = fmt.Errorf("%w: it writes [% x] and reads %d bytes; line %d has %q", ErrOther, asked.Written, len(r), next.Line, next.String())
			break
		}
		p.left = p.left[1:]
		if next.Err != 0 {
			return next.Err
		}
		copy(r, next.Read)
	}
	return p.err
}

// SetSpeed implements i2c.Bus.
func (p *Player) SetSpeed(physic.Frequency) error { return unix.EOPNOTSUPP }

// Close implements i2c.BusCloser. The player goes on after it.
func (p *Player) Close() error { return nil }

// String implements i2c.Bus.
func (p *Player) String() string { return "a playback file" }

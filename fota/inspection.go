package fota

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// StreamInspector is a Backend that looks at a package while it comes: its hashes are known
// with its last byte, and one that is refused is not fetched to its end.
type StreamInspector interface {
	Backend
	// InspectStream does what Inspect does with a package that is read in order. It may be called
	// while another method is.
	InspectStream(ctx context.Context, r io.Reader) (Package, error)
}

// inspection is a look at a package that is being written to its file. What it reads is what the
// file has.
type inspection struct {
	serial uint64 // of the update
	cancel context.CancelFunc
	have   atomic.Int64  // bytes in the file
	wanted atomic.Int64  // how many have to be there before they are read on
	whole  atomic.Bool   // there will be no more
	grown  chan struct{} // receives when as many are there, or all
	done   chan struct{} // closed when found and err hold
	found  Package
	err    error
}

// inspect begins to look at the package, of which the file has some bytes already, in place of what
// is looked at. It returns nil where the back end looks at whole packages only. The inspection
// outlives the job that has begun it; Run ends it.
func (u *Updater) inspect(ctx context.Context, serial uint64, have int64) *inspection {
	u.inspected.Swap(nil).stop()
	backend, ok := u.cfg.Backend.(StreamInspector)
	if !ok {
		return nil
	}
	f, err := os.OpenFile(u.area.path(), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil // a look at the whole will say what is wrong
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	i := &inspection{serial: serial, cancel: cancel, grown: make(chan struct{}, 1), done: make(chan struct{})}
	i.have.Store(have)
	go func() {
		defer close(i.done)
		defer f.Close() //nolint:errcheck // only read
		i.found, i.err = backend.InspectStream(ctx, &growing{ctx: ctx, inspection: i, file: f})
	}()
	u.inspected.Store(i)
	return i
}

// What is read at a time: as much as has been read before, within these bounds in bytes. So the
// first lines of a package are seen at once, and what is large costs little.
const (
	firstLook   = 4 << 10
	largestLook = 256 << 10
)

// growing reads a file as far as it is written, and waits for more.
type growing struct {
	ctx context.Context //nolint:containedctx // of the inspection
	*inspection
	file     *os.File
	at, upTo int64 // what is read, and what is known to be there
}

func (g *growing) Read(b []byte) (int, error) {
	for g.at == g.upTo {
		if err := g.await(); err != nil {
			return 0, err
		}
	}
	n, err := g.file.ReadAt(b[:min(int64(len(b)), g.upTo-g.at)], g.at)
	g.at += int64(n)
	if n > 0 || len(b) == 0 {
		return n, nil
	}
	return 0, unreadable(err)
}

// await waits until enough has come that it is worth reading, or all has.
func (g *growing) await() error {
	wanted := g.at + min(max(g.at, firstLook), largestLook)
	g.wanted.Store(wanted)
	for {
		whole, have := g.whole.Load(), g.have.Load() // in this order: nothing comes behind the end
		switch {
		case g.ctx.Err() != nil:
			return g.ctx.Err()
		case whole && have == g.at:
			return io.EOF
		case whole, have >= wanted:
			g.upTo = have
			return nil
		}
		select {
		case <-g.grown:
		case <-g.ctx.Done():
		}
	}
}

// unreadable keeps an error of reading from being taken for the end of the package.
func unreadable(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrNoProgress
	}
	return err
}

// wrote says that more is in the file. A nil inspection is none.
func (i *inspection) wrote(n int) {
	if i != nil {
		if i.have.Add(int64(n)) >= i.wanted.Load() {
			i.wake()
		}
	}
}

// end says that all is in the file.
func (i *inspection) end() {
	if i != nil {
		i.whole.Store(true)
		i.wake()
	}
}

func (i *inspection) wake() {
	select {
	case i.grown <- struct{}{}:
	default:
	}
}

// stop ends it without a verdict.
func (i *inspection) stop() {
	if i != nil {
		i.cancel()
		<-i.done
	}
}

// refusal returns why the package is refused, if that is known by now.
func (i *inspection) refusal() error {
	if i == nil {
		return nil
	}
	select {
	case <-i.done:
		if f, ok := errors.AsType[*Failure](i.err); ok {
			return f
		}
	default:
	}
	return nil
}

// verdict waits for what is found. It is false if that says nothing of the package, which is to
// be looked at as a whole then.
func (i *inspection) verdict(ctx context.Context, serial uint64) (Package, error, bool) {
	if i == nil || i.serial != serial {
		return Package{}, nil, false
	}
	select {
	case <-i.done:
	case <-ctx.Done():
		return Package{}, nil, false
	}
	_, refused := errors.AsType[*Failure](i.err)
	return i.found, i.err, i.err == nil || refused
}

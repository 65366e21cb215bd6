package gnss

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Source is a receiver, or who speaks with one.
type Source interface {
	// Follow switches the receiver on and reports what it says until ctx ends, which gives
	// nil, or until there is no receiver any more.
	Follow(ctx context.Context, report func(Report)) error
}

// SourceFunc is a Source that is no more than its Follow.
type SourceFunc func(ctx context.Context, report func(Report)) error

// Follow implements Source.
func (f SourceFunc) Follow(ctx context.Context, report func(Report)) error { return f(ctx, report) }

// Report is what a receiver says: a fix, or why there is none.
type Report struct {
	Fix *Fix
	Why error
}

// Stream is a receiver that speaks NMEA 0183 without being asked: at a serial port, behind
// a network, or in a log of one.
type Stream struct {
	Open func(ctx context.Context) (io.ReadCloser, error)
	Log  bool // nothing follows its end
}

// garbled is how many bytes without a sentence are no beginning of one any more: more than
// a second's at the usual speeds.
const garbled = 1024

// ErrGarbage says that bytes come, and no sentences.
var ErrGarbage = errors.New("what comes is no NMEA 0183: is the speed (baud) right, and does the receiver speak that?")

// ErrEnded says that a stream is at its end.
var ErrEnded = errors.New("the receiver's port was closed at its other end")

// Follow implements Source.
func (s Stream) Follow(ctx context.Context, report func(Report)) error {
	port, err := s.Open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = port.Close() }) // which ends a Read
	defer func() {
		if stop() {
			_ = port.Close()
		}
	}()
	n := NewNMEA(func(f *Fix) { report(reportOf(f)) })
	err = copyAll(n, port, report)
	n.Flush()
	if s.Log && err == nil {
		<-ctx.Done()
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return ErrEnded
	}
	return fmt.Errorf("read from the receiver: %w", err)
}

func reportOf(f *Fix) Report {
	if f == nil {
		return Report{Why: ErrNoFix}
	}
	return Report{Fix: f}
}

// copyAll has n take what comes, and reports what cannot be sentences.
func copyAll(n *NMEA, from io.Reader, report func(Report)) error {
	buf := make([]byte, 1024)
	good, since := uint64(0), uint64(0) // sentences, and bytes up to the last one
	for {
		size, err := from.Read(buf)
		_, _ = n.Write(buf[:size]) // takes everything
		c := n.Counts()
		if c.Good > good {
			good, since = c.Good, c.Bytes
		}
		if c.Bytes-since > garbled {
			since = c.Bytes
			report(Report{Why: fmt.Errorf("%d bytes without a sentence: %w", garbled, ErrGarbage)})
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

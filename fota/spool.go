package fota

import "sync/atomic"

// What a spool holds of a package at most: so much more comes while the disk is busy.
const (
	spoolPart  = 64 << 10 // bytes
	spoolParts = 8
)

// spool writes what has come of a package while more of it comes. It is filled by one
// goroutine.
type spool struct {
	filling []byte // nil: none
	spare   chan []byte
	parts   chan part
	failed  atomic.Pointer[error]
	ended   chan struct{}
}

// part is what is written in one piece, and what is done then.
type part struct {
	bytes []byte
	then  func() error // nil: nothing
	done  chan<- error // nil: nobody waits
}

// startSpool returns a spool that writes by a function, until it fails or the spool is closed.
func startSpool(write func(b []byte) error) *spool {
	s := &spool{spare: make(chan []byte, spoolParts), parts: make(chan part, spoolParts), ended: make(chan struct{})}
	for range spoolParts {
		s.spare <- []byte{}
	}
	go s.run(write)
	return s
}

func (s *spool) run(write func(b []byte) error) {
	defer close(s.ended)
	var err error
	for p := range s.parts {
		if err == nil && len(p.bytes) > 0 {
			err = write(p.bytes)
		}
		if err == nil && p.then != nil {
			err = p.then()
		}
		if err != nil {
			s.failed.Store(&err)
		}
		if p.bytes != nil {
			s.spare <- p.bytes[:0]
		}
		if p.done != nil {
			p.done <- err
		}
	}
}

// put takes bytes. The error may be that of earlier ones.
func (s *spool) put(b []byte) error {
	for len(b) > 0 {
		if s.filling == nil {
			s.filling = <-s.spare
		}
		n := min(len(b), spoolPart-len(s.filling))
		s.filling = append(s.filling, b[:n]...)
		if b = b[n:]; len(s.filling) == spoolPart {
			s.hand(part{})
		}
	}
	if s.filling != nil && len(s.spare) == spoolParts-1 { // the disk has nothing else to do
		s.hand(part{})
	}
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// hand has written what was put, and something done then.
func (s *spool) hand(p part) {
	p.bytes, s.filling = s.filling, nil
	s.parts <- p
}

// flush returns when all that was put is written, and something is done that may be nil.
func (s *spool) flush(then func() error) error {
	done := make(chan error, 1)
	s.hand(part{then: then, done: done})
	return <-done
}

// close has written what was put, and waits for the end.
func (s *spool) close() {
	if s.filling != nil {
		s.hand(part{})
	}
	close(s.parts)
	<-s.ended
}

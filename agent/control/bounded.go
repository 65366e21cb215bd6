package control

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Bounded returns a listener that turns clients away while it serves so many of them, or while the process has no file
// descriptor left, of which it keeps two back: with one of them a client is served, with the other one more is turned away.
func Bounded(l net.Listener, most int) net.Listener {
	b := &bounded{Listener: l, free: make(chan struct{}, most)}
	b.reserve.fill()
	return b
}

// bounded is a listener that turns clients away while it serves enough of them.
type bounded struct {
	net.Listener
	free    chan struct{} // holds a token for each connection
	reserve reserve
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		// Without a client the kernel says so too; what is given free for none, others take.
		for exhausted(err) && waits(b.Listener) && b.reserve.release() {
			c, err = b.Listener.Accept()
		}
		if err != nil {
			return nil, err
		}
		if !b.reserve.fill() {
			b.turnAway(c)
			continue
		}
		select {
		case b.free <- struct{}{}:
			return &counted{Conn: c, leave: sync.OnceFunc(func() { <-b.free }), left: func() { b.reserve.fill() }}, nil
		default:
			b.turnAway(c)
		}
	}
}

func (b *bounded) turnAway(c net.Conn) {
	_ = c.Close()
	b.reserve.fill()
}

// Close implements net.Listener.
func (b *bounded) Close() error {
	b.reserve.end()
	return b.Listener.Close()
}

type counted struct {
	net.Conn
	leave func()
	left  func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	defer c.left()
	return c.Conn.Close()
}

// exhausted reports whether an error says that there is no file descriptor left, for this process or in the system.
func exhausted(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// waits reports whether a client waits to be accepted.
func waits(l net.Listener) bool {
	conn, ok := l.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) //nolint:gosec // a descriptor
	})
	return err == nil && n > 0
}

// reserve holds file descriptors for when there are none left.
type reserve struct {
	mu    sync.Mutex
	files []*os.File
	ended bool
}

// enough is what a reserve holds when it is full.
const enough = 2

// fill takes what is missing and reports whether anything is held.
func (r *reserve) fill() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.files) < enough && !r.ended {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return len(r.files) > 0 || !exhausted(err)
		}
		r.files = append(r.files, f)
	}
	return true
}

// release gives a descriptor free and reports whether there was one.
func (r *reserve) release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.files)
	if n == 0 {
		return false
	}
	_ = r.files[n-1].Close() // nothing was written
	r.files = r.files[:n-1]
	return true
}

// end gives everything free for good.
func (r *reserve) end() {
	r.mu.Lock()
	r.ended = true // nothing is taken any more
	r.mu.Unlock()
	for r.release() {
	}
}

package coap

import (
	"errors"
	"slices"
	"syscall"
)

// Errors of exchanges. They are wrapped with the method and path of the request.
var (
	// ErrTimeout says that nobody acknowledged within MAX_RETRANSMIT
	// retransmissions, or that the response did not come in time.
	ErrTimeout = errors.New("no answer")
	// ErrReset says that the peer answered with RST.
	ErrReset = errors.New("reset by peer")
	// ErrClosed says that the connection was closed or its transport failed; then what
	// failed is wrapped as well.
	ErrClosed = errors.New("connection closed")
	// ErrQueueFull says that [Limits.MaxQueued] messages wait already.
	ErrQueueFull = errors.New("too many messages wait for the peer")
	// ErrBodyTooLarge says that a response is longer than [Limits.MaxBody], or one of
	// its messages than [Limits.MaxDatagram].
	ErrBodyTooLarge = errors.New("body too large")
	// ErrBlock says that the peer broke the rules of RFC 7959.
	ErrBlock = errors.New("block-wise transfer failed")
	// ErrChanged says that a representation changed while it was fetched.
	ErrChanged = errors.New("representation changed")
	// ErrAnswered says that an exchange was answered before, or too late.
	ErrAnswered = errors.New("exchange is over")
	// ErrTooLong says that an option or a message is too long to be sent.
	ErrTooLong = errors.New("message too long")
)

// lossErrors are what the kernel reports once, on the next call, about datagrams sent
// earlier (ICMP) or not sent now (no route, no buffer). They mean a lost datagram, never the end.
var lossErrors = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.ECONNRESET,
	syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.ENETRESET, syscall.ENONET,
	syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EPROTO, syscall.EPERM, syscall.EACCES,
	syscall.EMSGSIZE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.ETIMEDOUT, syscall.EINTR,
}

// isLoss tells whether an error of the transport only means a lost datagram. DTLS
// connections call such errors temporary.
func isLoss(err error) bool {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return slices.Contains(lossErrors, errno)
	}
	t, ok := errors.AsType[temporary](err)
	return ok && t.Temporary() && !t.Timeout()
}

type temporary interface {
	error
	Temporary() bool
	Timeout() bool
}

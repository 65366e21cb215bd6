package dtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
)

// Client runs one handshake over conn, a connected datagram socket, and returns
// the protected connection. The context bounds the handshake only; so does
// [Config.Timeout]. Errors of conn that an ICMP message can cause count as loss.
//
// On failure conn is left open and usable for another attempt. The error is an
// [*Error] if an alert ended the handshake, a [*TimeoutError] if the server fell
// silent, and otherwise wraps the context's cause, the error of conn, or says
// what is wrong with cfg.
func Client(ctx context.Context, conn net.Conn, cfg Config) (*Conn, error) {
	exchange, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("dtls: configuration: %w", err)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("dtls: handshake: %w", context.Cause(ctx))
	}
	began := time.Now()
	link := handshake.NewLink(conn, handshake.Timing{
		Initial:  cfg.RetransmitInitial,
		Max:      cfg.RetransmitMax,
		Deadline: began.Add(cfg.Timeout),
		MTU:      cfg.MTU,
	}, handshake.ServerHello, handshake.HelloVerifyRequest)
	h := &handshaker{cfg: &cfg, link: link, exchange: exchange}
	if err := interruptible(ctx, conn, h.run); err != nil {
		clear(h.master)
		return nil, h.failure(err, time.Since(began))
	}
	return newConn(conn, h), nil
}

// interruptible runs f, whose reads from conn end when ctx does.
func interruptible(ctx context.Context, conn net.Conn, f func(context.Context) error) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed socket, whose reads end anyway
	})
	err := f(ctx)
	if !stop() {
		<-interrupted // or it would set the deadline after us
	}
	return errors.Join(err, conn.SetReadDeadline(time.Time{}))
}

// failure turns the error that ended the handshake into the one that Client
// returns, and tells the server if it does not know yet.
func (h *handshaker) failure(err error, after time.Duration) error {
	var (
		ours   *Error
		theirs *handshake.AlertError
		silent *handshake.SilenceError
		socket net.Error
	)
	switch {
	case errors.As(err, &ours):
		h.sendAlert(ours.Alert)
		return ours
	case errors.As(err, &theirs):
		return &Error{Alert: Alert(theirs.Description), Remote: true}
	case errors.As(err, &silent):
		if errors.Is(silent.Cause, context.Canceled) {
			return fmt.Errorf("dtls: handshake given up while awaiting %v: %w", h.awaited, silent.Cause)
		}
		return &TimeoutError{Awaited: h.awaited.String(), After: after, Trouble: silent.Trouble, cause: silent.Cause}
	case errors.Is(err, net.ErrClosed), errors.As(err, &socket):
	default:
		h.sendAlert(AlertInternalError)
	}
	return fmt.Errorf("dtls: handshake awaiting %v: %w", h.awaited, err)
}

func (h *handshaker) sendAlert(a Alert) {
	epoch := uint16(0)
	if h.finishing {
		epoch = 1
	}
	h.link.SendAlert(epoch, uint8(a))
}

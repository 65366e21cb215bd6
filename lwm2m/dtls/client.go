package dtls

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	return nil, fmt.Errorf("dtls: handshake: %w", errors.ErrUnsupported)
}

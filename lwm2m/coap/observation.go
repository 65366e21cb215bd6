package coap

import (
	"context"
	"io"
)

// maxSequence is the largest Observe value (RFC 7641 section 2).
const maxSequence = 1<<24 - 1

// Observe sends a GET or FETCH with Observe 0. It returns the response, and an
// Observation if the peer accepted. Errors are those of [Conn.Do].
func (c *Conn) Observe(ctx context.Context, req *Message) (*Observation, *Message, error) {
	return nil, nil, nil
}

// Observation receives the notifications of one observed resource.
type Observation struct{}

// Token identifies the observation.
func (o *Observation) Token() Token { return Token{} }

// Next waits for the next notification, with its whole body, in the order of RFC 7641
// section 3.4; outdated ones are left out. A notification with an error code is the
// last: after it, and after Cancel and Forget, the error is [io.EOF]. Otherwise it is that
// of [Conn.Do]; a failed transfer of a long body does not end the observation.
// The message belongs to the caller.
func (o *Observation) Next(ctx context.Context) (*Message, error) { return nil, io.EOF }

// Cancel ends the observation with a request of Observe 1 (RFC 7641 section 3.6) and
// returns the response.
func (o *Observation) Cancel(ctx context.Context) (*Message, error) { return nil, nil }

// Forget ends the observation without a request: the next notification is answered
// with RST.
func (o *Observation) Forget() {}

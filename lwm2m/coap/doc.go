// Package coap exchanges CoAP messages with one peer, over any connection that
// preserves message boundaries or over a byte stream (RFC 8323): reliability, deduplication, separate responses
// (RFC 7252), observation in both roles (RFC 7641), block-wise transfer in both
// roles (RFC 7959), FETCH, PATCH and iPATCH (RFC 8132).
//
// It knows messages, tokens and message IDs. It must not know LwM2M, nor how a
// connection is secured or dialled.
//
// A [Conn] is one peer. Its owner runs [Conn.Run], the only reader; handlers and
// callbacks are called there and must not block. Nothing wakes up while nothing
// is outstanding. A [Listener] gives one Conn to each peer of a UDP socket.
package coap

// Package dtls is the client side of DTLS 1.2 in the one profile that LwM2M asks
// for: pre-shared keys (RFC 4279), raw public keys (RFC 7250) and X.509 with AES-128
// in CCM or GCM mode, Connection IDs (RFC 9146), the extended master secret
// (RFC 7627), abbreviated resumption, and sessions that are plain values, so that
// they outlive a socket and a process.
//
// A [Conn] carries datagrams, one record per Read or Write. It has no goroutine
// and no timer of its own: deadlines are those of the socket below, and an idle
// connection does nothing. Whatever is not authentic is dropped in silence.
//
// The package knows records, handshakes and sessions. It must not know CoAP or
// LwM2M, where a session is stored, how often a handshake is tried, or what clock
// judges a certificate: time is passed in. docs/security.md lists the profile by RFC section.
package dtls

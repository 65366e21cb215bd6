// Package handshake carries the handshake messages of DTLS 1.2 (RFC 6347, section
// 4.2): it splits them, puts them together and in order, sends flights again until
// they are answered, and derives the keys from what was said.
//
// It serves both sides: the client of lwm2m/dtls and the server that its tests and
// benchmarks use. It knows the frame of a message but of its body nothing; which
// message comes when, and what it means, is its user's business. It must not know
// credentials or cipher suites.
package handshake

// Package dtlstest is a DTLS server for tests and benchmarks: the peer of
// lwm2m/dtls on the same records, with pre-shared keys, raw public keys, X.509,
// connection IDs and resumption, over a socket or in memory, where datagrams can be lost,
// doubled, reordered and changed.
//
// It knows the server's half of the handshake. It must not be linked into the agent:
// it keeps no limits against hostile clients, and lets a test make it lie.
package dtlstest
